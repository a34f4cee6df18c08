// The server's end of an HTTP/1 connection. See server_connection.h for what it promises.
#pragma once

#include <memory>

#include "http/h1_parser.h"
#include "http/h1_writer.h"
#include "io/task_group.h"
#include "net/server_connection.h"
#include "net/transport.h"

namespace weft::net {

class Http1Server final : public Drain::Member {
 public:
  Http1Server(std::unique_ptr<io::Stream> stream, ServerOptions options, Handler handler);
  io::Task<void> run();

  void drain_started() override;
  void drain_expired() override;

 private:
  // One object serves all requests of the connection, one after the other.
  class Http1Exchange final : public ServerExchange {
   public:
    Http1Exchange(io::Loop& loop, Http1Server& server) : ServerExchange(loop), server_(server) {}

    Incoming poll() override;
    Bytes data() const override;
    void consume(size_t count) override;
    const http::Headers& trailers() const override { return server_.parser_.trailers(); }
    Error error() const override { return error_; }
    size_t write(Bytes bytes) override;
    void finish(const http::Headers* trailers) override;
    void reset(Error::Kind why) override;
    bool is_tunnel() const override { return tunnel_; }
    http::Request& request() override { return request_; }
    void send_informational(const http::Response& head) override;
    void send_head(const http::Response& head, bool end) override;
    bool head_sent() const override { return head_sent_; }
    const Refusal* refusal() const override { return server_.refusal_.get(); }
    const ConnectionInfo& connection() const override { return server_.info_; }

   private:
    friend class Http1Server;
    void start_over();
    void fail_with(Error error);
    bool switch_is_open() const { return may_switch_ && !head_sent_; }

    Http1Server& server_;
    http::Request request_;
    http::H1Framing framing_ = http::H1Framing::none;
    uint64_t length_left_ = 0;
    bool may_switch_ = false;  // Upgrade or CONNECT
    bool was_head_ = false;
    bool was_connect_ = false;
    bool wants_keep_alive_ = false;
    http::Version version_ = http::Version::http11;
    std::string protocol_;
    bool expects_continue_ = false;
    bool continued_ = false;
    bool head_sent_ = false;
    bool finished_ = false;
    bool tunnel_ = false;
    bool failed_ = false;
    Error error_;
  };

  io::Task<bool> await_head();
  io::Task<void> run_handler();
  io::Task<void> await_handler();
  io::Task<bool> drain_body();
  io::Task<void> close_gently();
  void refuse(int status, std::string_view details, const Error& error);
  void flushed();

  ServerOptions options_;
  Handler handler_;
  io::Loop& loop_;
  io::Event wake_;
  Transport transport_;
  ConnectionInfo info_;
  http::H1Parser parser_;
  Deadline deadline_;
  TimePoint old_at_;
  bool close_ = false;  // after the answer under way
  bool handler_done_ = true;
  bool expired_ = false;
  std::unique_ptr<Refusal> refusal_;  // the last thing that this connection answers
  Http1Exchange exchange_;
  io::TaskGroup tasks_;
};

}  // namespace weft::net
