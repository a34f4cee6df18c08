// KernelAddress: a SocketAddress in the kernel's form, either way.
//
//   KernelAddress address(SocketAddress{...});
//   bind(fd, address.get(), address.size());
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/address.h"

namespace weft::io {

class KernelAddress {
 public:
  KernelAddress() : size_(sizeof storage_) {}  // for the kernel to fill: get(), size_pointer()
  // A Unix path that starts with '@' is in the abstract namespace. The path must fit: make() checks.
  explicit KernelAddress(const SocketAddress& address);

  // Fails where a Unix path is longer than the kernel takes (107 bytes).
  static Result<KernelAddress> make(const SocketAddress& address);

  int family() const { return storage_.any.ss_family; }
  const sockaddr* get() const { return &storage_.base; }
  sockaddr* get() { return &storage_.base; }
  socklen_t size() const { return size_; }
  socklen_t* size_pointer() { return &size_; }
  SocketAddress value() const;

 private:
  union Storage {
    sockaddr_storage any;
    sockaddr base;
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr_un unix_path;
    Storage() : any{} {}
  };
  Storage storage_;
  socklen_t size_;
};

}  // namespace weft::io
