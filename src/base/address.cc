#include "base/address.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/strings.h"

namespace weft {

Result<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string copy(text);
  // inet_pton stops at a NUL: what follows it would pass unread.
  if (copy.find('\0') != std::string::npos) return fail(Error::Kind::invalid, "an IP address holds no NUL");
  in_addr four{};
  if (inet_pton(AF_INET, copy.c_str(), &four) == 1) return v4(ntohl(four.s_addr));
  std::array<uint8_t, 16> six{};
  if (inet_pton(AF_INET6, copy.c_str(), six.data()) == 1) return v6(six);
  return fail(Error::Kind::invalid, concat("'", printable(text, 64), "' is not an IP address"));
}

IpAddress IpAddress::v4(uint32_t host_order) {
  IpAddress address;
  for (size_t i = 0; i < 4; ++i) address.bytes_[12 + i] = static_cast<uint8_t>(host_order >> (24 - 8 * i));
  return address;
}

// An IPv4-mapped address is the IPv4 address: a dual-stack socket reports it so.
IpAddress IpAddress::v6(const std::array<uint8_t, 16>& bytes) {
  IpAddress address;
  const IpAddress prefix;
  address.v4_ = std::equal(bytes.begin(), bytes.begin() + 12, prefix.bytes_.begin());
  address.bytes_ = bytes;
  return address;
}

bool IpAddress::is_unspecified() const {
  const size_t from = v4_ ? 12 : 0;
  return std::all_of(bytes_.begin() + static_cast<long>(from), bytes_.end(),
                     [](uint8_t b) { return b == 0; });
}

bool IpAddress::is_loopback() const {
  if (v4_) return bytes_[12] == 127;
  return std::all_of(bytes_.begin(), bytes_.end() - 1, [](uint8_t b) { return b == 0; }) && bytes_[15] == 1;
}

uint32_t IpAddress::v4_host_order() const {
  return uint32_t{bytes_[12]} << 24 | uint32_t{bytes_[13]} << 16 | uint32_t{bytes_[14]} << 8 | bytes_[15];
}

std::string IpAddress::to_string() const {
  char out[INET6_ADDRSTRLEN];
  if (v4_) {
    inet_ntop(AF_INET, bytes_.data() + 12, out, sizeof out);
  } else {
    inet_ntop(AF_INET6, bytes_.data(), out, sizeof out);
  }
  return out;
}

Result<SocketAddress> SocketAddress::parse(std::string_view text) {
  SocketAddress address;
  if (text.starts_with("unix:")) {
    address.path = text.substr(5);
    if (address.path.empty()) return fail(Error::Kind::invalid, "a Unix socket needs a path");
    return address;
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return fail(Error::Kind::invalid, concat("'", printable(text, 64), "' has no port"));
  }
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  WEFT_TRY(address.ip, IpAddress::parse(host));
  const auto port = parse_unsigned(text.substr(colon + 1));
  if (!port || *port > 65535) {
    return fail(Error::Kind::invalid,
                concat("'", printable(text, 64), "' has a port that is not 0 to 65535"));
  }
  address.port = static_cast<uint16_t>(*port);
  return address;
}

std::string SocketAddress::to_string() const {
  if (is_unix()) return "unix:" + path;
  return ip.is_v4() ? concat(ip.to_string(), ':', port) : concat('[', ip.to_string(), "]:", port);
}

Result<Cidr> Cidr::parse(std::string_view text) {
  Cidr cidr;
  const size_t slash = text.find('/');
  WEFT_TRY(cidr.base, IpAddress::parse(text.substr(0, slash)));
  const uint64_t most = cidr.base.is_v4() ? 32 : 128;
  cidr.bits = static_cast<uint8_t>(most);
  if (slash != std::string_view::npos) {
    const auto bits = parse_unsigned(text.substr(slash + 1));
    if (!bits || *bits > most) {
      return fail(Error::Kind::invalid,
                  concat("'", printable(text, 64), "' has a prefix length that is not 0 to ", most));
    }
    cidr.bits = static_cast<uint8_t>(*bits);
  }
  return cidr;
}

bool Cidr::contains(const IpAddress& address) const {
  if (address.is_v4() != base.is_v4()) return false;
  const size_t from = base.is_v4() ? 12 : 0;
  const size_t whole = bits / 8;
  const auto& a = address.bytes();
  const auto& b = base.bytes();
  for (size_t i = 0; i < whole; ++i) {
    if (a[from + i] != b[from + i]) return false;
  }
  const int rest = bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<uint8_t>(0xff << (8 - rest));
  return (a[from + whole] & mask) == (b[from + whole] & mask);
}

std::string Cidr::to_string() const { return concat(base.to_string(), '/', unsigned{bits}); }

}  // namespace weft
