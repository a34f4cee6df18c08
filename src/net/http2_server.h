// The server's end of an HTTP/2 connection. See server_connection.h for what it promises.
#pragma once

#include <memory>
#include <vector>

#include "http/h2_session.h"
#include "io/task_group.h"
#include "net/http2_link.h"
#include "net/server_connection.h"

namespace weft::net {

class Http2Server final : public Drain::Member, private http::H2Session::Listener {
 public:
  Http2Server(std::unique_ptr<io::Stream> stream, ServerOptions options, Handler handler);
  ~Http2Server();
  io::Task<void> run();

  void drain_started() override;
  void drain_expired() override;

 private:
  class StreamExchange;

  void on_request(int32_t stream, http::Request&& head, bool end) override;
  void on_data(int32_t stream, void* user, Bytes bytes) override;
  void on_end(int32_t stream, void* user, http::Headers* trailers) override;
  void on_closed(int32_t stream, void* user, http::H2Code code) override;
  void on_malformed(int32_t stream, void* user, const Error& error) override;
  void on_writable(int32_t stream, void* user) override;
  void on_goaway(int32_t last, http::H2Code code) override;
  void on_ping_ack(uint64_t opaque) override;
  void on_refused(int status, const Error& error) override;

  io::Task<void> run_handler(std::unique_ptr<StreamExchange> exchange);
  io::Task<void> close_gently();
  void tell_refused(std::string_view details, int status, const Error& error);
  void start_handlers();
  void fail_all(const Error& error);

  ServerOptions options_;
  Handler handler_;
  io::Loop& loop_;
  io::Event wake_;
  Http2Link link_;
  ConnectionInfo info_;
  Deadline deadline_;  // idle, or the second step of a drain
  TimePoint old_at_;
  enum class Shutdown : uint8_t { no, announced, done };
  Shutdown shutdown_ = Shutdown::no;
  bool drain_asked_ = false;
  bool expired_ = false;
  bool client_leaves_ = false;
  io::ListNode exchanges_;
  std::vector<std::unique_ptr<StreamExchange>> fresh_;  // their handlers start after the bytes are read
  io::TaskGroup tasks_;
};

}  // namespace weft::net
