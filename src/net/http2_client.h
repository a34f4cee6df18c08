// The client's end of an HTTP/2 connection: many exchanges at once.
#pragma once

#include <memory>

#include "http/h2_session.h"
#include "io/task_group.h"
#include "net/client_connection.h"
#include "net/http2_link.h"

namespace weft::net {

class Http2Client final : public ClientConnection,
                          public std::enable_shared_from_this<Http2Client>,
                          private http::H2Session::Listener {
 public:
  Http2Client(std::unique_ptr<io::Stream> stream, ClientOptions options);
  ~Http2Client() override;

  std::unique_ptr<ClientExchange> start(const http::Request& head, bool end) override;
  size_t capacity() const override;
  size_t active() const override { return active_; }
  http::Version version() const override { return http::Version::http2; }
  bool is_closed() const override { return closed_; }
  bool is_dead() const override { return closed_ && active_ == 0; }
  Error error() const override { return error_; }
  void drain() override;
  void abort() override;
  SocketAddress local_address() const override { return link_.transport.stream().local_address(); }
  SocketAddress peer_address() const override { return link_.transport.stream().peer_address(); }

 private:
  class StreamExchange;

  void on_response(int32_t stream, void* user, http::Response&& head, bool end) override;
  void on_data(int32_t stream, void* user, Bytes bytes) override;
  void on_end(int32_t stream, void* user, http::Headers* trailers) override;
  void on_closed(int32_t stream, void* user, http::H2Code code) override;
  void on_writable(int32_t stream, void* user) override;
  void on_goaway(int32_t last, http::H2Code code) override;
  void on_settings() override { tell_.arm(); }
  void on_ping_ack(uint64_t opaque) override;

  io::Task<void> run();
  void check_keepalive();
  void fail_all(Error error);
  void leave_if_done();
  static void let_go(std::shared_ptr<Http2Client> connection);

  ClientOptions options_;
  io::Loop& loop_;
  io::Event wake_;
  Http2Link link_;
  size_t active_ = 0;
  bool closed_ = false;
  bool left_ = false;  // FIN is sent
  bool ping_out_ = false;
  Error error_;
  io::ListNode exchanges_;
  io::Deferred tell_;
  Deadline keepalive_;
  Deadline old_;
  io::TaskGroup tasks_;
};

}  // namespace weft::net
