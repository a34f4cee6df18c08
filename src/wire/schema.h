// What the messages of xDS are made of: rows of a table that tools/protos/generate.py writes from the .proto
// files and accepted_fields.txt. With it bytes can be checked, written as JSON and made from JSON without
// knowing their C++ class. Private to this room.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace weft::wire {

enum class FieldType : uint8_t {
  boolean,
  int32,
  int64,
  uint32,
  uint64,
  sint32,
  sint64,
  fixed32,
  fixed64,
  sfixed32,
  sfixed64,
  float_,
  double_,
  string,
  bytes,
  enumeration,
  message,
};

// Messages whose JSON is not an object of their fields.
enum class MessageForm : uint8_t { plain, duration, wrapper, struct_, value, list_value, any, map_entry };

enum class Acceptance : uint8_t { refused, effective, without_effect };

struct EnumValue {
  std::string_view name;
  int32_t number;
};

struct EnumRow {
  std::string_view name;
  std::span<const EnumValue> values;
};

inline constexpr uint16_t kNoRow = 0xffff;

struct FieldRow {
  std::string_view name;
  std::string_view json_name;
  uint32_t number;
  FieldType type;
  Acceptance acceptance;
  bool repeated;
  bool map;
  bool redacted;  // a key or a password: never printed
  uint16_t row;  // of its message or enum; kNoRow: the type is not in the table (and the field not effective)
  uint16_t oneof;  // fields of one message that exclude each other share it; kNoRow: none
};

struct MessageRow {
  std::string_view name;
  MessageForm form;
  std::span<const FieldRow> fields;  // by number
};

// Sorted by name.
extern const std::span<const MessageRow> kMessages;
extern const std::span<const EnumRow> kEnums;

const MessageRow* find_message(std::string_view full_name);
// Of an Any's type_url: what follows the last '/'.
const MessageRow* find_message_of_url(std::string_view type_url);
const FieldRow* find_field(const MessageRow& message, uint32_t number);
// By proto or by JSON name.
const FieldRow* find_field(const MessageRow& message, std::string_view name);

inline const MessageRow& message_of(const FieldRow& field) { return kMessages[field.row]; }
inline const EnumRow& enum_of(const FieldRow& field) { return kEnums[field.row]; }

}  // namespace weft::wire
