#include "wire/schema.h"

#include <algorithm>

namespace weft::wire {

const MessageRow* find_message(std::string_view full_name) {
  const auto it = std::ranges::lower_bound(kMessages, full_name, {}, &MessageRow::name);
  return it != kMessages.end() && it->name == full_name ? &*it : nullptr;
}

const MessageRow* find_message_of_url(std::string_view type_url) {
  const size_t slash = type_url.rfind('/');
  if (slash == std::string_view::npos) return nullptr;
  const MessageRow* message = find_message(type_url.substr(slash + 1));
  return message != nullptr && message->form != MessageForm::map_entry ? message : nullptr;
}

const FieldRow* find_field(const MessageRow& message, uint32_t number) {
  const auto it = std::ranges::lower_bound(message.fields, number, {}, &FieldRow::number);
  return it != message.fields.end() && it->number == number ? &*it : nullptr;
}

const FieldRow* find_field(const MessageRow& message, std::string_view name) {
  const auto it = std::ranges::find_if(message.fields, [name](const FieldRow& field) {
    return field.name == name || field.json_name == name;
  });
  return it != message.fields.end() ? &*it : nullptr;
}

}  // namespace weft::wire
