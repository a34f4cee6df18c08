#include "wire/check_accepted.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/strings.h"
#include "wire/protobuf_bytes.h"

namespace weft::wire {

namespace {

// Messages nest in each other (conditions in conditions); libprotobuf's own bound is 100.
constexpr int kMaxDepth = 90;

std::unexpected<Trouble> malformed(const Place& at) { return refuse(at, "is not well-formed protobuf"); }

// libprotobuf would put a field of the wrong wire type aside as unknown, which is to ignore it.
bool fits(const FieldRow& field, WireType type) {
  switch (field.type) {
    case FieldType::string:
    case FieldType::bytes:
    case FieldType::message:
      return type == WireType::length;
    case FieldType::double_:
    case FieldType::fixed64:
    case FieldType::sfixed64:
      return type == WireType::fixed64 || (field.repeated && type == WireType::length);
    case FieldType::float_:
    case FieldType::fixed32:
    case FieldType::sfixed32:
      return type == WireType::fixed32 || (field.repeated && type == WireType::length);
    default:
      return type == WireType::varint || (field.repeated && type == WireType::length);
  }
}

// proto3 text is UTF-8 (RFC 3629: no surrogates, nothing overlong, nothing above U+10FFFF).
bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const size_t more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || i + more >= text.size()) return false;
    const auto second = static_cast<uint8_t>(text[i + 1]);
    const uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (second < low || second > high) return false;
    for (size_t j = 2; j <= more; ++j) {
      if ((static_cast<uint8_t>(text[i + j]) & 0xc0) != 0x80) return false;
    }
    i += more + 1;
  }
  return true;
}

// The key of a map's entry, for the path.
std::string_view key_of(std::string_view entry) {
  WireReader reader(entry);
  while (!reader.done()) {
    const auto field = reader.next();
    if (!field) break;
    if (field->number == 1) return field->bytes;
  }
  return {};
}

Read<> check(const MessageRow& message, std::string_view bytes, const Place& at, int depth);

Read<> check_any(std::string_view bytes, const Place& at, int depth) {
  std::string_view type_url, value;
  WireReader reader(bytes);
  while (!reader.done()) {
    const auto field = reader.next();
    if (!field || field->type != WireType::length || field->number > 2) return malformed(at);
    (field->number == 1 ? type_url : value) = field->bytes;
  }
  const MessageRow* inner = find_message_of_url(type_url);
  if (inner == nullptr || inner->form != MessageForm::plain) {
    return refuse(at,
                  concat("of type ", type_url.empty() ? "\"\"" : printable(type_url),
                         " is not supported by weft-proxy"),
                  Error::Kind::unsupported);
  }
  return check(*inner, value, at, depth);
}

Read<> check_message(const FieldRow& field, std::string_view bytes, const Place& at, int depth) {
  const MessageRow& inner = message_of(field);
  switch (inner.form) {
    case MessageForm::any:
      return check_any(bytes, at, depth);
    case MessageForm::map_entry: {
      const FieldRow* value = find_field(inner, 2u);
      if (value->type != FieldType::message) return {};
      WireReader reader(bytes);
      while (!reader.done()) {
        const auto part = reader.next();
        if (!part) return malformed(at);
        if (part->number == 2 && part->type == WireType::length) {
          if (auto good = check_message(*value, part->bytes, at, depth + 1); !good) return good;
        }
      }
      return {};
    }
    case MessageForm::plain:
      return check(inner, bytes, at, depth);
    default:
      return {};  // the well-known types are implemented whole
  }
}

Read<> check(const MessageRow& message, std::string_view bytes, const Place& at, int depth) {
  if (depth > kMaxDepth) return refuse(at, "is nested too deep", Error::Kind::overflow);
  std::vector<uint32_t> counts;  // of each repeated field so far, by its row
  WireReader reader(bytes);
  while (!reader.done()) {
    const auto part = reader.next();
    if (!part) return malformed(at);
    const FieldRow* field = find_field(message, part->number);
    if (field == nullptr) {
      return refuse(at, concat("has a field of number ", part->number, ", which weft-proxy does not know"),
                    Error::Kind::unsupported);
    }
    if (!fits(*field, part->type)) return malformed(at(field->name));
    if (field->acceptance == Acceptance::without_effect) continue;
    if (field->acceptance == Acceptance::refused) return not_supported(at(field->name));
    if (field->type == FieldType::string && !is_utf8(part->bytes)) {
      return refuse(at(field->name), "is not UTF-8");
    }
    if (field->type != FieldType::message) continue;
    Read<> good;
    if (field->map) {
      good = check_message(*field, part->bytes, at(field->name, key_of(part->bytes)), depth + 1);
    } else if (field->repeated) {
      if (counts.empty()) counts.resize(message.fields.size());
      const auto row = static_cast<size_t>(field - message.fields.data());
      good = check_message(*field, part->bytes, at(field->name, counts[row]++), depth + 1);
    } else {
      good = check_message(*field, part->bytes, at(field->name), depth + 1);
    }
    if (!good) return good;
  }
  return {};
}

}  // namespace

Read<> check_accepted(const MessageRow& message, std::string_view bytes, const Place& at) {
  return check(message, bytes, at, 0);
}

}  // namespace weft::wire
