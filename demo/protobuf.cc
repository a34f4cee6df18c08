#include "demo/protobuf.h"

#include <cstdint>
#include <functional>

namespace weft::demo {
namespace {

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void put_text(std::string& out, int field, std::string_view text) {
  if (text.empty()) return;
  put_varint(out, static_cast<uint64_t>(field << 3 | 2));
  put_varint(out, text.size());
  out += text;
}

void put_number(std::string& out, int field, int value) {
  if (value == 0) return;
  put_varint(out, static_cast<uint64_t>(field << 3));
  put_varint(out, static_cast<uint64_t>(value));
}

bool take_varint(std::string_view& bytes, uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

// Calls back with each field: text for length-delimited ones, number for varints. Others are skipped.
bool each_field(std::string_view bytes, const std::function<void(int, std::string_view, uint64_t)>& take) {
  while (!bytes.empty()) {
    uint64_t tag;
    uint64_t value;
    if (!take_varint(bytes, tag)) return false;
    const int field = static_cast<int>(tag >> 3);
    switch (tag & 7) {
      case 0:
        if (!take_varint(bytes, value)) return false;
        take(field, {}, value);
        break;
      case 2:
        if (!take_varint(bytes, value) || value > bytes.size()) return false;
        take(field, bytes.substr(0, value), 0);
        bytes.remove_prefix(value);
        break;
      case 1:
      case 5: {
        const size_t size = (tag & 7) == 1 ? 8 : 4;
        if (bytes.size() < size) return false;
        bytes.remove_prefix(size);
        break;
      }
      default:
        return false;
    }
  }
  return true;
}

}  // namespace

std::string encode(const EchoRequest& message) {
  std::string out;
  put_text(out, 1, message.text);
  put_number(out, 2, message.count);
  put_number(out, 3, message.delay_ms);
  put_number(out, 4, message.code);
  return out;
}

std::string encode(const EchoReply& message) {
  std::string out;
  put_text(out, 1, message.text);
  put_text(out, 2, message.service);
  put_text(out, 3, message.version);
  put_text(out, 4, message.pod);
  return out;
}

bool decode(std::string_view bytes, EchoRequest& out) {
  return each_field(bytes, [&out](int field, std::string_view text, uint64_t number) {
    if (field == 1) out.text = text;
    if (field == 2) out.count = static_cast<int>(number);
    if (field == 3) out.delay_ms = static_cast<int>(number);
    if (field == 4) out.code = static_cast<int>(number);
  });
}

bool decode(std::string_view bytes, EchoReply& out) {
  return each_field(bytes, [&out](int field, std::string_view text, uint64_t) {
    if (field == 1) out.text = text;
    if (field == 2) out.service = text;
    if (field == 3) out.version = text;
    if (field == 4) out.pod = text;
  });
}

std::string grpc_frame(std::string_view message) {
  std::string out(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(message.size() >> shift);
  out += message;
  return out;
}

bool take_grpc_frame(std::string& buffer, std::string& message) {
  if (buffer.size() < 5) return false;
  size_t size = 0;
  for (size_t i = 1; i < 5; ++i) size = size << 8 | static_cast<uint8_t>(buffer[i]);
  if (buffer.size() < 5 + size) return false;
  message = buffer.substr(5, size);
  buffer.erase(0, 5 + size);
  return true;
}

}  // namespace weft::demo
