// UdpSocket: datagrams, for DNS.
//
//   auto socket = UdpSocket::open(loop, address, {});
//   for (;;) {
//     auto datagram = co_await (*socket)->receive(buffer);
//     (*socket)->send_to(answer, datagram->from);
//   }
#pragma once

#include <memory>

#include "io/epoll_loop.h"

namespace weft::io {

struct UdpOptions {
  bool reuse_port = false;
  uint32_t mark = 0;  // SO_MARK, 0 is none
};

struct Datagram {
  size_t size = 0;
  bool truncated = false;  // it was longer than the buffer
  SocketAddress from;
};

class UdpSocket final : private FdOwner {
 public:
  // Port 0 lets the kernel choose: a client's socket.
  static Result<std::unique_ptr<UdpSocket>> open(EpollLoop& loop, const SocketAddress& address,
                                                 UdpOptions options);
  ~UdpSocket() override;

  Task<Result<Datagram>> receive(MutableBytes into, TimePoint deadline = TimePoint::max());
  // A full socket buffer is Error::Kind::overflow: a datagram may be lost anywhere, so it is here.
  Result<void> send_to(Bytes bytes, const SocketAddress& to);
  const SocketAddress& address() const { return address_; }

 private:
  UdpSocket(EpollLoop& loop, FileDescriptor socket, SocketAddress address);
  void on_ready(uint32_t events) override { readable_.notify(); }

  EpollLoop& loop_;
  FileDescriptor socket_;
  SocketAddress address_;
  Event readable_;
};

}  // namespace weft::io
