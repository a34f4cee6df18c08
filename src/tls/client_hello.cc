#include "tls/client_hello.h"

#include <algorithm>
#include <optional>

#include "base/strings.h"

namespace weft::tls {

namespace {

constexpr uint8_t kHandshakeRecord = 22;
constexpr uint8_t kClientHello = 1;
constexpr size_t kMostRecord = 16384 + 256;  // RFC 8446 5.1 allows 2^14; old stacks are allowed a little more
constexpr uint16_t kServerName = 0;
constexpr uint16_t kAlpn = 16;

// Reads big-endian fields; once something is missing, everything after is.
class Reader {
 public:
  explicit Reader(Bytes bytes) : bytes_(bytes) {}
  bool failed() const { return failed_; }
  bool empty() const { return bytes_.empty(); }

  uint32_t number(size_t size) {
    uint32_t value = 0;
    for (const std::byte b : take(size)) value = value << 8 | static_cast<uint8_t>(b);
    return value;
  }
  Bytes take(size_t size) {
    if (failed_ || bytes_.size() < size) {
      failed_ = true;
      return {};
    }
    const Bytes taken = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return taken;
  }
  // A vector with its length before it.
  Bytes vector(size_t length_size) { return take(number(length_size)); }

 private:
  Bytes bytes_;
  bool failed_ = false;
};

struct Unwrapped {
  ClientHello::Status status = ClientHello::Status::need_more;
  std::vector<std::byte> message;  // the hello's body
};

// Takes the handshake message out of its records: one almost always, but it may be cut anywhere.
Unwrapped unwrap(Bytes bytes) {
  constexpr Unwrapped kNotTls{ClientHello::Status::not_tls, {}};
  Unwrapped out;
  std::optional<size_t> length;  // of the message, once its header has come
  std::vector<std::byte>& message = out.message;
  while (!bytes.empty()) {
    if (static_cast<uint8_t>(bytes[0]) != kHandshakeRecord) return kNotTls;
    // The version is 3.1 to 3.3 whatever is meant (RFC 8446 5.1); SSL 3.0 is not offered by anybody alive.
    if (bytes.size() > 1 && bytes[1] != std::byte{3}) return kNotTls;
    if (bytes.size() > 2 && static_cast<uint8_t>(bytes[2]) > 4) return kNotTls;
    if (bytes.size() < 5) return out;
    const size_t size = static_cast<size_t>(bytes[3]) << 8 | static_cast<size_t>(bytes[4]);
    if (size == 0 || size > kMostRecord) return kNotTls;
    const Bytes part = bytes.subspan(5, std::min(size, bytes.size() - 5));
    message.insert(message.end(), part.begin(), part.end());
    if (!message.empty() && static_cast<uint8_t>(message[0]) != kClientHello) return kNotTls;
    if (!length && message.size() >= 4) {
      length = static_cast<size_t>(message[1]) << 16 | static_cast<size_t>(message[2]) << 8 |
               static_cast<size_t>(message[3]);
      if (*length > kMostClientHello) return kNotTls;
    }
    if (length && message.size() >= 4 + *length) {
      message.resize(4 + *length);
      message.erase(message.begin(), message.begin() + 4);
      out.status = ClientHello::Status::complete;
      return out;
    }
    if (part.size() < size) return out;
    bytes = bytes.subspan(5 + size);
  }
  return out;
}

// RFC 6066 3: a list of names, of which only host names were ever defined.
std::string server_name(Bytes extension) {
  Reader list(Reader(extension).vector(2));
  while (!list.empty() && !list.failed()) {
    const uint32_t type = list.number(1);
    const Bytes name = list.vector(2);
    if (type == 0 && !list.failed()) return to_lower(as_text(name));
  }
  return {};
}

std::vector<std::string> alpn(Bytes extension) {
  std::vector<std::string> protocols;
  Reader list(Reader(extension).vector(2));
  while (!list.empty()) {
    const Bytes name = list.vector(1);
    if (list.failed()) break;
    protocols.emplace_back(as_text(name));
  }
  return protocols;
}

}  // namespace

ClientHello parse_client_hello(Bytes bytes) {
  ClientHello hello;
  const Unwrapped unwrapped = unwrap(bytes);
  hello.status = unwrapped.status;
  if (hello.status == ClientHello::Status::need_more && bytes.size() >= kMostClientHello) {
    hello.status = ClientHello::Status::not_tls;
  }
  if (hello.status != ClientHello::Status::complete) return hello;

  Reader body(unwrapped.message);
  body.number(2);  // legacy_version
  body.take(32);   // random
  body.vector(1);  // legacy_session_id
  body.vector(2);  // cipher_suites
  body.vector(1);  // legacy_compression_methods
  if (body.failed()) {
    hello.status = ClientHello::Status::not_tls;
    return hello;
  }
  if (body.empty()) return hello;  // TLS 1.2 without extensions
  Reader extensions(body.vector(2));
  while (!extensions.empty()) {
    const uint32_t type = extensions.number(2);
    const Bytes value = extensions.vector(2);
    if (extensions.failed()) break;
    if (type == kServerName) hello.server_name = server_name(value);
    if (type == kAlpn) hello.alpn = alpn(value);
  }
  if (body.failed() || extensions.failed()) {
    hello = ClientHello{.status = ClientHello::Status::not_tls};
  }
  return hello;
}

}  // namespace weft::tls
