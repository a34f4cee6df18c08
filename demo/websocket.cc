#include "demo/websocket.h"

#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>

namespace weft::demo {
namespace {

constexpr uint64_t kMaxFrame = 16u << 20;
enum Opcode : uint8_t { kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

// SHA-1 (RFC 3174): the handshake's only cryptography, and no secret depends on it.
std::string sha1(std::string text) {
  std::array<uint32_t, 5> h{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  const uint64_t bits = text.size() * 8;
  text += '\x80';
  while (text.size() % 64 != 56) text += '\0';
  for (int shift = 56; shift >= 0; shift -= 8) text += static_cast<char>(bits >> shift);
  for (size_t block = 0; block < text.size(); block += 64) {
    std::array<uint32_t, 80> w{};
    for (size_t i = 0; i < 64; ++i) w[i / 4] = w[i / 4] << 8 | static_cast<uint8_t>(text[block + i]);
    for (size_t i = 16; i < 80; ++i) w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    auto [a, b, c, d, e] = h;
    for (size_t i = 0; i < 80; ++i) {
      const uint32_t f = i < 20   ? (b & c) | (~b & d)
                         : i < 40 ? b ^ c ^ d
                         : i < 60 ? (b & c) | (b & d) | (c & d)
                                  : b ^ c ^ d;
      const uint32_t k = i < 20 ? 0x5a827999 : i < 40 ? 0x6ed9eba1 : i < 60 ? 0x8f1bbcdc : 0xca62c1d6;
      const uint32_t next = std::rotl(a, 5) + f + e + k + w[i];
      e = d;
      d = c;
      c = std::rotl(b, 30);
      b = a;
      a = next;
    }
    h = {h[0] + a, h[1] + b, h[2] + c, h[3] + d, h[4] + e};
  }
  std::string digest;
  for (const uint32_t word : h) {
    for (int shift = 24; shift >= 0; shift -= 8) digest += static_cast<char>(word >> shift);
  }
  return digest;
}

std::string base64(std::string_view bytes) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j)
      group = group << 8 | (i + j < bytes.size() ? static_cast<uint8_t>(bytes[i + j]) : 0);
    for (size_t j = 0; j < 4; ++j) {
      out += i + j > bytes.size() ? '=' : kAlphabet[group >> (18 - 6 * j) & 63];
    }
  }
  return out;
}

std::string accept_key(const std::string& key) {
  return base64(sha1(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
}

std::string frame(uint8_t opcode, const std::string& payload, bool masked) {
  std::string out(1, static_cast<char>(0x80 | opcode));
  const uint8_t mask_bit = masked ? 0x80 : 0;
  if (payload.size() < 126) {
    out += static_cast<char>(mask_bit | payload.size());
  } else {
    const bool wide = payload.size() > 0xffff;
    out += static_cast<char>(mask_bit | (wide ? 127 : 126));
    for (int shift = wide ? 56 : 8; shift >= 0; shift -= 8) out += static_cast<char>(payload.size() >> shift);
  }
  if (!masked) return out + payload;
  const std::string mask = "weft";
  out += mask;
  for (size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ mask[i % 4]);
  return out;
}

struct Frame {
  uint8_t opcode = 0;
  std::string payload;
};

// Reads what the buffer lacks.
class FrameReader {
 public:
  FrameReader(MessageReader& reader) : reader_(reader) {}

  bool read(Frame& out) {
    std::string head;
    if (!take(head, 2)) return false;
    out.opcode = static_cast<uint8_t>(head[0]) & 0x0f;
    uint64_t size = static_cast<uint8_t>(head[1]) & 0x7f;
    if (size >= 126) {
      std::string longer;
      if (!take(longer, size == 126 ? 2 : 8)) return false;
      size = 0;
      for (const char c : longer) size = size << 8 | static_cast<uint8_t>(c);
    }
    if (size > kMaxFrame) return false;
    std::string mask;
    if ((head[1] & 0x80) != 0 && !take(mask, 4)) return false;
    if (!take(out.payload, size)) return false;
    for (size_t i = 0; !mask.empty() && i < out.payload.size(); ++i) {
      out.payload[i] = static_cast<char>(out.payload[i] ^ mask[i % 4]);
    }
    return true;
  }

 private:
  bool take(std::string& out, size_t size) {
    while (buffer_.size() < size) {
      const std::string more = reader_.take_some();
      if (more.empty()) return false;
      buffer_ += more;
    }
    out = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return true;
  }
  MessageReader& reader_;
  std::string buffer_;
};

}  // namespace

void serve_websocket(Socket& socket, MessageReader& reader, const Message& request) {
  const std::string key = header(request.headers, "sec-websocket-key");
  if (key.empty()) {
    socket.write_all("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    return;
  }
  socket.write_all(
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
      "sec-websocket-accept: " +
      accept_key(key) + "\r\n\r\n");
  FrameReader frames(reader);
  for (Frame got; frames.read(got);) {
    const uint8_t answer = got.opcode == kPing ? static_cast<uint8_t>(kPong) : got.opcode;
    if (!socket.write_all(frame(answer, got.payload, false)) || got.opcode == kClose) return;
  }
}

int websocket_client(const Url& url, const HeaderList& headers, const std::string& text, int count,
                     double timeout) {
  const auto fail = [](const std::string& why) {
    std::fprintf(stderr, "weft-demo: %s\n", why.c_str());
    return 1;
  };
  auto socket = Socket::connect(url.host, url.port, timeout);
  if (!socket) return fail(socket.error());
  socket->set_timeout(timeout);
  std::string head = "GET " + url.path + " HTTP/1.1\r\nHost: " + url.authority +
                     "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: d2VmdC1kZW1vLW5vbmNlIQ==\r\n";
  for (const auto& [name, value] : headers) head += name + ": " + value + "\r\n";
  socket->write_all(head + "\r\n");
  MessageReader reader(*socket);
  Message answer;
  if (reader.read_head(answer) != MessageReader::Outcome::message)
    return fail("the server closed during the handshake");
  if (answer.first_line.find(" 101") == std::string::npos)
    return fail("the server refused: " + answer.first_line);
  if (header(answer.headers, "sec-websocket-accept") != accept_key("d2VmdC1kZW1vLW5vbmNlIQ==")) {
    return fail("the server's Sec-WebSocket-Accept is wrong");
  }
  FrameReader frames(reader);
  for (int i = 0; i < count; ++i) {
    Frame got;
    if (!socket->write_all(frame(kText, text, true)) || !frames.read(got))
      return fail("the connection ended early");
    if (got.payload != text) return fail("another message came back");
    std::printf("%s\n", got.payload.c_str());
  }
  socket->write_all(frame(kClose, "", true));
  Frame last;
  frames.read(last);
  return 0;
}

}  // namespace weft::demo
