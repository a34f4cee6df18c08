// The protobuf wire format itself: tags, varints, lengths (protobuf.dev, "Encoding"). Reading stops at the
// first byte that cannot be. Private to this room.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft::wire {

enum class WireType : uint8_t { varint = 0, fixed64 = 1, length = 2, fixed32 = 5 };

struct WireField {
  uint32_t number = 0;
  WireType type = WireType::varint;
  uint64_t number_value = 0;  // varint, fixed32, fixed64
  std::string_view bytes;     // length
};

class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes) {}

  bool done() const { return rest_.empty(); }
  // The next field; nullopt where the bytes are no protobuf (groups are none either: proto3 has no such
  // thing).
  std::optional<WireField> next() {
    const auto tag = varint();
    if (!tag || *tag > 0xffffffffu || (*tag >> 3) == 0) return std::nullopt;
    WireField field;
    field.number = static_cast<uint32_t>(*tag >> 3);
    switch (*tag & 7) {
      case 0: {
        const auto value = varint();
        if (!value) return std::nullopt;
        field.number_value = *value;
        return field;
      }
      case 1:
        field.type = WireType::fixed64;
        return fixed(8, field);
      case 2: {
        const auto size = varint();
        if (!size || *size > rest_.size()) return std::nullopt;
        field.type = WireType::length;
        field.bytes = rest_.substr(0, *size);
        rest_.remove_prefix(*size);
        return field;
      }
      case 5:
        field.type = WireType::fixed32;
        return fixed(4, field);
      default:
        return std::nullopt;
    }
  }

  std::optional<uint64_t> varint() {
    uint64_t value = 0;
    for (size_t i = 0; i < 10 && i < rest_.size(); ++i) {
      const auto byte = static_cast<uint8_t>(rest_[i]);
      if (i == 9 && byte > 1) return std::nullopt;
      value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
      if (byte < 0x80) {
        rest_.remove_prefix(i + 1);
        return value;
      }
    }
    return std::nullopt;
  }

  std::optional<uint64_t> fixed(size_t size) {
    if (rest_.size() < size) return std::nullopt;
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i)
      value |= static_cast<uint64_t>(static_cast<uint8_t>(rest_[i])) << (8 * i);
    rest_.remove_prefix(size);
    return value;
  }

 private:
  std::optional<WireField> fixed(size_t size, WireField field) {
    const auto value = fixed(size);
    if (!value) return std::nullopt;
    field.number_value = *value;
    return field;
  }

  std::string_view rest_;
};

inline void append_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}
inline void append_tag(std::string& out, uint32_t number, WireType type) {
  append_varint(out, (static_cast<uint64_t>(number) << 3) | static_cast<uint64_t>(type));
}
inline void append_bytes_field(std::string& out, uint32_t number, std::string_view bytes) {
  append_tag(out, number, WireType::length);
  append_varint(out, bytes.size());
  out.append(bytes);
}
inline void append_fixed(std::string& out, uint64_t value, int size) {
  for (int i = 0; i < size; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}
inline size_t varint_size(uint64_t value) {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

}  // namespace weft::wire
