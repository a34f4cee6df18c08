#include "io/kernel_address.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "base/check.h"
#include "base/strings.h"

namespace weft::io {

KernelAddress::KernelAddress(const SocketAddress& address) : size_(0) {
  if (address.is_unix()) {
    WEFT_CHECK(address.path.size() < sizeof storage_.unix_path.sun_path);
    storage_.unix_path.sun_family = AF_UNIX;
    std::copy(address.path.begin(), address.path.end(), storage_.unix_path.sun_path);
    size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.path.size());
    if (address.path[0] == '@') {
      storage_.unix_path.sun_path[0] = '\0';
    } else {
      ++size_;  // with its NUL
    }
  } else if (address.ip.is_v4()) {
    storage_.v4.sin_family = AF_INET;
    storage_.v4.sin_port = htons(address.port);
    storage_.v4.sin_addr.s_addr = htonl(address.ip.v4_host_order());
    size_ = sizeof storage_.v4;
  } else {
    storage_.v6.sin6_family = AF_INET6;
    storage_.v6.sin6_port = htons(address.port);
    std::memcpy(&storage_.v6.sin6_addr, address.ip.bytes().data(), 16);
    size_ = sizeof storage_.v6;
  }
}

Result<KernelAddress> KernelAddress::make(const SocketAddress& address) {
  if (address.path.size() >= sizeof(sockaddr_un::sun_path)) {
    return fail(Error::Kind::invalid,
                concat("the Unix socket path '", printable(address.path, 120), "' is longer than ",
                       sizeof(sockaddr_un::sun_path) - 1, " bytes"));
  }
  return KernelAddress(address);
}

SocketAddress KernelAddress::value() const {
  SocketAddress address;
  switch (family()) {
    case AF_INET:
      address.ip = IpAddress::v4(ntohl(storage_.v4.sin_addr.s_addr));
      address.port = ntohs(storage_.v4.sin_port);
      break;
    case AF_INET6: {
      std::array<uint8_t, 16> bytes;
      std::memcpy(bytes.data(), &storage_.v6.sin6_addr, 16);
      address.ip = IpAddress::v6(bytes);
      address.port = ntohs(storage_.v6.sin6_port);
      break;
    }
    case AF_UNIX: {
      const size_t header = offsetof(sockaddr_un, sun_path);
      const char* path = storage_.unix_path.sun_path;
      if (size_ <= header) {
        address.path = "@";  // the unnamed end of a connection
      } else if (path[0] == '\0') {
        address.path = "@" + std::string(path + 1, size_ - header - 1);
      } else {
        address.path.assign(path, strnlen(path, size_ - header));
      }
      break;
    }
    default:
      break;
  }
  return address;
}

}  // namespace weft::io
