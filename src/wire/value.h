// A JSON-like tree: google.protobuf.Struct as a value. What a node says about itself (`node.metadata`)
// and what a certificate request carries have no schema but their reader's.
//
//   node.metadata.find("NAMESPACE")            // null where it is not there
//   node.metadata.text("NAMESPACE")            // "" where it is not there or not text
//   metadata.set("LABELS", Value::Object{{"app", "web"}});
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace weft::wire {

struct Value {
  using Object = std::map<std::string, Value, std::less<>>;
  using Array = std::vector<Value>;

  std::variant<std::monostate, bool, double, std::string, Array, Object> held;

  Value() = default;
  Value(bool flag) : held(flag) {}
  Value(double number) : held(number) {}
  Value(int number) : held(static_cast<double>(number)) {}
  Value(const char* text) : held(std::string(text)) {}
  Value(std::string_view text) : held(std::string(text)) {}
  Value(std::string text) : held(std::move(text)) {}
  Value(Array items) : held(std::move(items)) {}
  Value(Object members) : held(std::move(members)) {}

  bool is_null() const { return held.index() == 0; }
  const Object* object() const { return std::get_if<Object>(&held); }
  const Array* array() const { return std::get_if<Array>(&held); }
  // The member of an object; null where this is no object or has none of that name.
  const Value* find(std::string_view name) const;
  // The member as text; empty where it is not there or is not text. Lives as long as this value.
  std::string_view text(std::string_view name) const;
  // Makes this an object where it is none.
  Value& set(std::string_view name, Value value);

  bool operator==(const Value&) const = default;
};

}  // namespace weft::wire
