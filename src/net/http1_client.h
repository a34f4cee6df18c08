// The client's end of an HTTP/1 connection: one exchange at a time, the connection kept between them.
#pragma once

#include <memory>

#include "http/h1_parser.h"
#include "http/h1_writer.h"
#include "io/task_group.h"
#include "net/client_connection.h"
#include "net/transport.h"

namespace weft::net {

class Http1Client final : public ClientConnection, public std::enable_shared_from_this<Http1Client> {
 public:
  Http1Client(std::unique_ptr<io::Stream> stream, ClientOptions options);
  ~Http1Client() override;

  std::unique_ptr<ClientExchange> start(const http::Request& head, bool end) override;
  size_t capacity() const override { return closed_ || exchange_ != nullptr ? 0 : 1; }
  size_t active() const override { return exchange_ != nullptr ? 1 : 0; }
  http::Version version() const override { return http::Version::http11; }
  bool is_closed() const override { return closed_; }
  bool is_dead() const override { return closed_ && exchange_ == nullptr; }
  Error error() const override { return error_; }
  void drain() override;
  void abort() override;
  SocketAddress local_address() const override { return transport_.stream().local_address(); }
  SocketAddress peer_address() const override { return transport_.stream().peer_address(); }

 private:
  class Http1Exchange;

  io::Task<void> run();
  void flushed();
  void release(Http1Exchange& exchange, bool reusable);
  void close(Error error);
  // Lets go of a connection, which may be the last to hold it, from anywhere: also from inside its own
  // coroutine.
  static void let_go(std::shared_ptr<Http1Client> connection);
  void tell_soon() { tell_.arm(); }

  ClientOptions options_;
  io::Loop& loop_;
  io::Event wake_;
  Transport transport_;
  http::H1Parser parser_;
  Http1Exchange* exchange_ = nullptr;
  bool closed_ = false;
  Error error_;
  io::Deferred tell_;
  Deadline old_;
  io::TaskGroup tasks_;
};

}  // namespace weft::net
