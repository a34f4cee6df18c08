#include "wire/value.h"

namespace weft::wire {

const Value* Value::find(std::string_view name) const {
  const Object* members = object();
  if (members == nullptr) return nullptr;
  const auto it = members->find(name);
  return it == members->end() ? nullptr : &it->second;
}

std::string_view Value::text(std::string_view name) const {
  const Value* member = find(name);
  const std::string* held_text = member == nullptr ? nullptr : std::get_if<std::string>(&member->held);
  return held_text == nullptr ? std::string_view() : *held_text;
}

Value& Value::set(std::string_view name, Value value) {
  if (object() == nullptr) held = Object();
  std::get<Object>(held).insert_or_assign(std::string(name), std::move(value));
  return *this;
}

}  // namespace weft::wire
