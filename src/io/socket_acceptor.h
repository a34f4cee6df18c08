// SocketAcceptor: a listening TCP or Unix socket.
//
// Where descriptors or memory run out it stops taking connections and looks again every 100 ms: they
// wait in the kernel's backlog meanwhile, and the loop never spins. It gives way to the rest of the
// loop after 64 connections in a row.
#pragma once

#include "io/epoll_loop.h"

namespace weft::io {

class SocketAcceptor final : public Acceptor, private FdOwner {
 public:
  static Result<std::unique_ptr<Acceptor>> make(EpollLoop& loop, const SocketAddress& address,
                                                const ListenOptions& options);
  // Over a TCP socket that listens and does not block.
  static Result<std::unique_ptr<Acceptor>> adopt(EpollLoop& loop, FileDescriptor socket);
  ~SocketAcceptor() override;

  Task<Result<std::unique_ptr<Stream>>> accept() override;
  SocketAddress address() const override { return address_; }

 private:
  SocketAcceptor(EpollLoop& loop, FileDescriptor socket, SocketAddress address);
  void on_ready(uint32_t events) override;
  // A connection; nothing where there is none now; or the error that ends this acceptor.
  Result<std::unique_ptr<Stream>> take();
  void pause(Duration delay);

  EpollLoop& loop_;
  FileDescriptor socket_;
  SocketAddress address_;
  Event connections_;
  Timer resume_;
  bool may_have_more_ = false;
  bool short_of_descriptors_ = false;
  int taken_in_a_row_ = 0;
};

}  // namespace weft::io
