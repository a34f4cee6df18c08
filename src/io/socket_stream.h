// SocketStream: a Stream over a TCP or Unix socket, in the fewest system calls.
//
// It is registered once, edge-triggered, and remembers what the kernel last said: a read that came
// back short, or a write that was cut, means `blocked` until the next edge, without asking. An edge
// cannot be lost: data or FIN that arrives after the short read raises a new one. Once the peer has
// hung up (RDHUP, HUP, ERR) no further edge is sure to come, so from then on only the kernel's own 0
// or EAGAIN is believed; nor does a short read mean anything on a Unix socket, which may end one at
// the boundary of a message.
#pragma once

#include "io/epoll_loop.h"
#include "io/stream.h"

namespace weft::io {

class SocketStream final : public Stream, private FdOwner {
 public:
  // The socket is connected (or connecting) and non-blocking.
  static Result<std::unique_ptr<SocketStream>> make(EpollLoop& loop, FileDescriptor socket);
  ~SocketStream() override;

  IoResult try_write(std::span<const Bytes> pieces) override;
  using Stream::try_write;
  void shutdown_write() override;
  void abort() override;
  Error error() const override { return error_; }
  SocketAddress local_address() const override;
  SocketAddress peer_address() const override;
  std::optional<SocketAddress> original_destination() const override;

  int fd() const { return socket_.get(); }
  // The peer as accept4() told it, which saves asking.
  void set_peer_address(SocketAddress peer) { peer_ = std::move(peer); }

 private:
  friend Task<Result<std::unique_ptr<Stream>>> connect_socket(EpollLoop&, SocketAddress, ConnectOptions);

  SocketStream(EpollLoop& loop, FileDescriptor socket);
  IoResult do_read(MutableBytes into) override;
  void on_ready(uint32_t events) override;
  IoResult fail_with(std::string_view what, int error_number);

  EpollLoop& epoll_loop_;
  FileDescriptor socket_;
  bool can_read_ = false;  // registering raises the first edge
  bool can_write_ = true;
  bool hung_up_ = false;
  bool trust_short_ = true;
  bool at_eof_ = false;
  bool failed_ = false;
  Error error_;
  mutable std::optional<SocketAddress> local_;
  mutable std::optional<SocketAddress> peer_;
};

// Connects to `address`. The text of an error names it.
Task<Result<std::unique_ptr<Stream>>> connect_socket(EpollLoop& loop, SocketAddress address,
                                                     ConnectOptions options);

}  // namespace weft::io
