// IP addresses, socket addresses and CIDR ranges as values.
//
//   auto address = SocketAddress::parse("10.0.0.7:8080");   // also [::1]:80 and unix:/path
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft {

class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0
  static Result<IpAddress> parse(std::string_view text);
  static IpAddress v4(uint32_t host_order);
  static IpAddress v6(const std::array<uint8_t, 16>& bytes);
  static IpAddress loopback() { return v4(0x7f000001); }
  static IpAddress any() { return v4(0); }

  bool is_v4() const { return v4_; }
  bool is_unspecified() const;
  bool is_loopback() const;
  uint32_t v4_host_order() const;
  // 16 bytes, network order; a v4 address is in its ::ffff:a.b.c.d form.
  const std::array<uint8_t, 16>& bytes() const { return bytes_; }
  std::string to_string() const;

  auto operator<=>(const IpAddress&) const = default;

 private:
  std::array<uint8_t, 16> bytes_{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0};
  bool v4_ = true;
};

// A place to listen on or connect to: an IP and a port, or a Unix socket's path.
struct SocketAddress {
  IpAddress ip;
  uint16_t port = 0;
  std::string path;  // not empty: a Unix socket; ip and port mean nothing

  static Result<SocketAddress> parse(std::string_view text);
  bool is_unix() const { return !path.empty(); }
  std::string to_string() const;
  auto operator<=>(const SocketAddress&) const = default;
};

struct Cidr {
  IpAddress base;
  uint8_t bits = 0;

  // "10.0.0.0/8", or an address alone for its full length.
  static Result<Cidr> parse(std::string_view text);
  bool contains(const IpAddress& address) const;
  std::string to_string() const;
  auto operator<=>(const Cidr&) const = default;
};

}  // namespace weft

template <>
struct std::hash<weft::IpAddress> {
  size_t operator()(const weft::IpAddress& address) const noexcept {
    return std::hash<std::string_view>{}(
        {reinterpret_cast<const char*>(address.bytes().data()), address.bytes().size()});
  }
};
template <>
struct std::hash<weft::SocketAddress> {
  size_t operator()(const weft::SocketAddress& address) const noexcept {
    return std::hash<weft::IpAddress>{}(address.ip) * 31 + address.port +
           std::hash<std::string>{}(address.path);
  }
};
