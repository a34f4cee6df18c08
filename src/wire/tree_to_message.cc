#include "wire/tree_to_message.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>

#include "base/strings.h"
#include "wire/protobuf_bytes.h"

namespace weft::wire {

namespace {

using yaml::Complaint;
using yaml::Node;

constexpr std::string_view kTypeKey = "@type";

// "5s", "0.25s": whole seconds and up to nine digits of a fraction.
struct Seconds {
  int64_t seconds = 0;
  int32_t nanos = 0;
};
std::optional<Seconds> parse_seconds(std::string_view text) {
  if (!text.ends_with('s')) return std::nullopt;
  text.remove_suffix(1);
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const size_t point = text.find('.');
  const auto whole = parse_unsigned(text.substr(0, point));
  if (!whole || *whole > 315'576'000'000) return std::nullopt;
  int64_t nanos = 0;
  if (point != std::string_view::npos) {
    const std::string_view fraction = text.substr(point + 1);
    const auto digits = parse_unsigned(fraction);
    if (!digits || fraction.size() > 9) return std::nullopt;
    nanos = static_cast<int64_t>(*digits);
    for (size_t i = fraction.size(); i < 9; ++i) nanos *= 10;
  }
  const int64_t sign = negative ? -1 : 1;
  return Seconds{sign * static_cast<int64_t>(*whole), static_cast<int32_t>(sign * nanos)};
}

std::string_view type_name(FieldType type) {
  switch (type) {
    case FieldType::boolean:
      return "true or false";
    case FieldType::string:
      return "text";
    case FieldType::bytes:
      return "text in base64";
    case FieldType::enumeration:
      return "the name of a choice";
    case FieldType::message:
      return "a mapping";
    case FieldType::float_:
    case FieldType::double_:
      return "a number";
    default:
      return "a whole number";
  }
}

bool is_signed(FieldType type) {
  return type == FieldType::int32 || type == FieldType::int64 || type == FieldType::sint32 ||
         type == FieldType::sint64 || type == FieldType::sfixed32 || type == FieldType::sfixed64;
}
bool is_32_bits(FieldType type) {
  return type == FieldType::int32 || type == FieldType::uint32 || type == FieldType::sint32 ||
         type == FieldType::fixed32 || type == FieldType::sfixed32;
}

class Writer {
 public:
  Writer(std::string_view file, std::vector<Complaint>& complaints) : file_(file), complaints_(complaints) {}

  std::string message(const Node& node, const MessageRow& row);

 private:
  // The path of what is being read, for complaints; grows and shrinks with the descent.
  class Step {
   public:
    Step(Writer& writer, std::string_view text) : writer_(writer), size_(writer.path_.size()) {
      if (!text.starts_with('[') && !writer.path_.empty()) writer.path_ += '.';
      writer.path_ += text;
    }
    ~Step() { writer_.path_.resize(size_); }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    Writer& writer_;
    size_t size_;
  };

  void complain(const Node& node, std::string cause, std::string next_step = {}, bool at_key = false) {
    Complaint complaint;
    complaint.file = file_;
    complaint.line = at_key && node.key_line > 0 ? node.key_line : node.line;
    complaint.column = at_key && node.key_line > 0 ? node.key_column : node.column;
    complaint.field = path_;
    complaint.cause = std::move(cause);
    complaint.next_step = std::move(next_step);
    complaints_.push_back(std::move(complaint));
  }
  void complain_type(const Node& node, std::string_view wanted) {
    complain(node, concat("is ", yaml::describe(node), ", and must be ", wanted));
  }

  void members(const Node& node, const MessageRow& row, std::string& out);
  void unknown_field(const Node& child, const MessageRow& row);
  void field(const Node& node, const FieldRow& row, std::string& out);
  void entries(const Node& node, const FieldRow& row, std::string& out);
  // One value: of a singular field, of an item, of a map's entry.
  void single(const Node& node, const FieldRow& row, std::string& out);
  void scalar(const Node& node, const FieldRow& row, std::string& out);
  void integer(const Node& node, const FieldRow& row, std::string& out);
  void enumeration(const Node& node, const FieldRow& row, std::string& out);
  std::string any(const Node& node);
  std::string duration(const Node& node);
  std::string structure(const Node& node);
  std::string value(const Node& node);
  std::string list(const Node& node);

  std::string_view file_;
  std::vector<Complaint>& complaints_;
  std::string path_;
};

std::string Writer::message(const Node& node, const MessageRow& row) {
  switch (row.form) {
    case MessageForm::any:
      return any(node);
    case MessageForm::duration:
      return duration(node);
    case MessageForm::struct_:
      return structure(node);
    case MessageForm::value:
      return value(node);
    case MessageForm::list_value:
      return list(node);
    case MessageForm::wrapper: {
      std::string out;
      single(node, row.fields[0], out);
      return out;
    }
    case MessageForm::plain:
    case MessageForm::map_entry:
      break;
  }
  std::string out;
  if (!node.is_mapping()) {
    complain_type(node, "a mapping");
    return out;
  }
  members(node, row, out);
  return out;
}

void Writer::members(const Node& node, const MessageRow& row, std::string& out) {
  std::vector<const FieldRow*> seen;
  for (const Node& child : node.children) {
    if (child.key == kTypeKey) continue;  // of an Any; any() has read it
    const Step step(*this, child.key);
    const FieldRow* known = find_field(row, child.key);
    if (known == nullptr) {
      unknown_field(child, row);
      continue;
    }
    if (known->acceptance == Acceptance::refused) {
      complain(child, "is not supported by weft-proxy", "take it out", true);
      continue;
    }
    if (child.is_null()) continue;  // null is "not there"
    for (const FieldRow* other : seen) {
      if (other == known) complain(child, concat("is ", known->name, " again"), {}, true);
      if (other != known && known->oneof != kNoRow && other->oneof == known->oneof) {
        complain(child, concat("excludes ", other->name, ", which is here as well"), {}, true);
      }
    }
    seen.push_back(known);
    field(child, *known, out);
  }
}

void Writer::unknown_field(const Node& child, const MessageRow& row) {
  std::vector<std::string_view> names;
  for (const FieldRow& candidate : row.fields) names.push_back(candidate.name);
  const auto near = nearest(child.key, names);
  complain(child, concat("is no field of ", row.name),
           near ? concat("did you mean ", *near, "?") : std::string(), true);
}

void Writer::field(const Node& node, const FieldRow& row, std::string& out) {
  if (row.type == FieldType::message && row.row == kNoRow) return;
  if (row.map) {
    entries(node, row, out);
  } else if (row.repeated) {
    if (!node.is_sequence()) {
      complain_type(node, "a list");
      return;
    }
    for (size_t i = 0; i < node.children.size(); ++i) {
      const Step step(*this, concat("[", i, "]"));
      single(node.children[i], row, out);
    }
  } else {
    single(node, row, out);
  }
}

void Writer::entries(const Node& node, const FieldRow& row, std::string& out) {
  if (!node.is_mapping()) {
    complain_type(node, "a mapping");
    return;
  }
  const FieldRow& value_row = message_of(row).fields[1];
  for (const Node& child : node.children) {
    const Step step(*this, concat("[", child.key, "]"));
    std::string entry;
    append_bytes_field(entry, 1, child.key);
    single(child, value_row, entry);
    append_bytes_field(out, row.number, entry);
  }
}

void Writer::single(const Node& node, const FieldRow& row, std::string& out) {
  if (row.type == FieldType::message) {
    append_bytes_field(out, row.number, message(node, message_of(row)));
  } else {
    scalar(node, row, out);
  }
}

void Writer::scalar(const Node& node, const FieldRow& row, std::string& out) {
  if (!node.is_scalar()) {
    complain_type(node, type_name(row.type));
    return;
  }
  switch (row.type) {
    case FieldType::boolean: {
      const auto flag = yaml::as_boolean(node);
      if (!flag) return complain_type(node, type_name(row.type));
      append_tag(out, row.number, WireType::varint);
      append_varint(out, *flag ? 1 : 0);
      return;
    }
    case FieldType::string:
      if (yaml::scalar_type(node) != yaml::ScalarType::text) {
        return complain(node, concat("is ", yaml::describe(node), ", and must be text"), "put it in quotes");
      }
      append_bytes_field(out, row.number, node.text);
      return;
    case FieldType::bytes: {
      const auto bytes = base64_decode(node.text);
      if (!bytes) return complain(node, "is not base64");
      append_bytes_field(out, row.number, *bytes);
      return;
    }
    case FieldType::enumeration:
      return enumeration(node, row, out);
    case FieldType::double_: {
      const auto number = yaml::as_number(node);
      if (!number || !std::isfinite(*number)) return complain_type(node, type_name(row.type));
      append_tag(out, row.number, WireType::fixed64);
      append_fixed(out, std::bit_cast<uint64_t>(*number), 8);
      return;
    }
    case FieldType::float_: {
      const auto number = yaml::as_number(node);
      if (!number || !(std::abs(*number) <= std::numeric_limits<float>::max())) {
        return complain_type(node, type_name(row.type));
      }
      append_tag(out, row.number, WireType::fixed32);
      append_fixed(out, std::bit_cast<uint32_t>(static_cast<float>(*number)), 4);
      return;
    }
    default:
      return integer(node, row, out);
  }
}

// proto3's JSON lets a number stand in quotes, for the sake of 64 bits.
void Writer::integer(const Node& node, const FieldRow& row, std::string& out) {
  uint64_t bits = 0;
  bool negative = false;
  if (const auto number = yaml::as_integer(node)) {
    bits = static_cast<uint64_t>(*number);
    negative = *number < 0;
  } else if (const auto magnitude = parse_unsigned(
                 node.text.starts_with('-') ? std::string_view(node.text).substr(1) : node.text)) {
    negative = node.text.starts_with('-');
    if (negative && *magnitude > uint64_t{1} << 63) return complain(node, "is out of range");
    bits = negative ? ~*magnitude + 1 : *magnitude;
  } else {
    return complain_type(node, type_name(row.type));
  }
  const auto as_signed = static_cast<int64_t>(bits);
  bool fits = is_signed(row.type) ? negative == (as_signed < 0) : !negative;
  if (is_32_bits(row.type)) {
    fits =
        fits && (is_signed(row.type) ? as_signed >= INT32_MIN && as_signed <= INT32_MAX : bits <= UINT32_MAX);
  }
  if (!fits) {
    return complain(node, concat(node.text, " is out of range"),
                    is_signed(row.type) ? std::string() : "it is 0 or more");
  }
  switch (row.type) {
    case FieldType::fixed32:
    case FieldType::sfixed32:
      append_tag(out, row.number, WireType::fixed32);
      append_fixed(out, bits, 4);
      return;
    case FieldType::fixed64:
    case FieldType::sfixed64:
      append_tag(out, row.number, WireType::fixed64);
      append_fixed(out, bits, 8);
      return;
    case FieldType::sint32:
    case FieldType::sint64:
      bits = (bits << 1) ^ (negative ? ~uint64_t{0} : 0);
      break;
    default:
      break;
  }
  append_tag(out, row.number, WireType::varint);
  append_varint(out, bits);
}

void Writer::enumeration(const Node& node, const FieldRow& row, std::string& out) {
  if (row.row == kNoRow) return;
  const EnumRow& choices = enum_of(row);
  std::optional<int32_t> number;
  for (const EnumValue& choice : choices.values) {
    if (choice.name == node.text) number = choice.number;
  }
  if (const auto given = yaml::as_integer(node); !number && given) {
    for (const EnumValue& choice : choices.values) {
      if (choice.number == *given) number = choice.number;
    }
  }
  if (!number) {
    std::string names;
    for (const EnumValue& choice : choices.values) names += concat(names.empty() ? "" : ", ", choice.name);
    return complain(node, concat("is \"", printable(node.text), "\""), concat("it is one of ", names));
  }
  append_tag(out, row.number, WireType::varint);
  append_varint(out, static_cast<uint64_t>(int64_t{*number}));
}

std::string Writer::any(const Node& node) {
  std::string out;
  if (!node.is_mapping()) {
    complain_type(node, "a mapping with \"@type\"");
    return out;
  }
  const Node* type = node.find(kTypeKey);
  if (type == nullptr || !type->is_scalar()) {
    complain(node, "has no \"@type\"", "say which message this is: \"@type\": type.googleapis.com/...");
    return out;
  }
  const MessageRow* row = find_message_of_url(type->text);
  if (row == nullptr || row->form != MessageForm::plain) {
    complain(*type, concat("of type ", printable(type->text), " is not supported by weft-proxy"));
    return out;
  }
  append_bytes_field(out, 1, type->text);
  append_bytes_field(out, 2, message(node, *row));
  return out;
}

std::string Writer::duration(const Node& node) {
  std::string out;
  const auto seconds = node.is_scalar() ? parse_seconds(node.text) : std::nullopt;
  if (!seconds) {
    complain(node,
             node.is_scalar() ? concat("is \"", printable(node.text), "\", which is no duration")
                              : concat("is ", yaml::describe(node), ", and must be a duration"),
             "durations are seconds: \"5s\", \"0.25s\"");
    return out;
  }
  if (seconds->seconds != 0) {
    append_tag(out, 1, WireType::varint);
    append_varint(out, static_cast<uint64_t>(seconds->seconds));
  }
  if (seconds->nanos != 0) {
    append_tag(out, 2, WireType::varint);
    append_varint(out, static_cast<uint64_t>(int64_t{seconds->nanos}));
  }
  return out;
}

// google.protobuf.Struct: fields 1, a map of Value.
std::string Writer::structure(const Node& node) {
  std::string out;
  if (!node.is_mapping()) {
    complain_type(node, "a mapping");
    return out;
  }
  for (const Node& child : node.children) {
    std::string entry;
    append_bytes_field(entry, 1, child.key);
    append_bytes_field(entry, 2, value(child));
    append_bytes_field(out, 1, entry);
  }
  return out;
}

// google.protobuf.Value: null 1, number 2, string 3, bool 4, struct 5, list 6.
std::string Writer::value(const Node& node) {
  std::string out;
  if (node.is_mapping()) {
    append_bytes_field(out, 5, structure(node));
    return out;
  }
  if (node.is_sequence()) {
    append_bytes_field(out, 6, list(node));
    return out;
  }
  switch (yaml::scalar_type(node)) {
    case yaml::ScalarType::null:
      append_tag(out, 1, WireType::varint);
      append_varint(out, 0);
      break;
    case yaml::ScalarType::boolean:
      append_tag(out, 4, WireType::varint);
      append_varint(out, yaml::as_boolean(node).value_or(false) ? 1 : 0);
      break;
    case yaml::ScalarType::integer:
    case yaml::ScalarType::floating: {
      append_tag(out, 2, WireType::fixed64);
      append_fixed(out, std::bit_cast<uint64_t>(yaml::as_number(node).value_or(0)), 8);
      break;
    }
    case yaml::ScalarType::text:
      append_bytes_field(out, 3, node.text);
      break;
  }
  return out;
}

std::string Writer::list(const Node& node) {
  std::string out;
  if (!node.is_sequence()) {
    complain_type(node, "a list");
    return out;
  }
  for (const Node& child : node.children) append_bytes_field(out, 1, value(child));
  return out;
}

}  // namespace

std::string tree_to_message(const Node& tree, const MessageRow& message, std::string_view file,
                            std::vector<Complaint>& complaints) {
  return Writer(file, complaints).message(tree, message);
}

}  // namespace weft::wire
