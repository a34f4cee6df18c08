#include "net/http2_server.h"

#include <algorithm>

#include "base/strings.h"

namespace weft::net {
namespace {

constexpr uint64_t kDrainPing = 0x6e69617264;
// Streams already on their way when we announce the end arrive within a round trip: the PING's. This is for
// peers that do not answer it.
constexpr Duration kDrainPatience = std::chrono::seconds(1);
http::H2Code code_for(Error::Kind why) {
  switch (why) {
    case Error::Kind::cancelled:
      return http::H2Code::cancel;
    case Error::Kind::refused:
    case Error::Kind::unavailable:
      return http::H2Code::refused_stream;
    case Error::Kind::protocol:
      return http::H2Code::protocol_error;
    case Error::Kind::overflow:
      return http::H2Code::enhance_your_calm;
    case Error::Kind::closed:
      return http::H2Code::no_error;
    default:
      return http::H2Code::internal_error;
  }
}

}  // namespace

class Http2Server::StreamExchange final : public Http2Exchange<ServerExchange>, public io::ListNode {
 public:
  StreamExchange(Http2Server& server, int32_t id, http::Request&& request)
      : Http2Exchange(server.loop_, server.link_), server_(server), request_(std::move(request)) {
    id_ = id;
    may_switch_ = request_.is_connect() || request_.is_upgrade();
    was_connect_ = request_.is_connect();
    expects_continue_ = request_.expect_continue;
  }

  Incoming poll() override {
    if (failed_) return Incoming::failed;
    if (may_switch_ && !tunnel_) return head_sent_ ? Incoming::end : Incoming::blocked;
    const Incoming state = poll_body();
    if (state == Incoming::blocked && expects_continue_ && !head_sent_) {
      http::Response head;
      head.status = 100;
      send_informational(head);
    }
    return state;
  }
  void reset(Error::Kind why) override {
    if (failed_ || closed_) return;
    link_.session.reset(id_, code_for(why));
    closed_ = true;
    fail_with({.kind = why, .text = "the exchange was reset on our side"});
    link_.pump_soon();
  }
  http::Request& request() override { return request_; }
  void send_informational(const http::Response& head) override {
    if (failed_ || head_sent_ || head.status == 101) return;
    if (head.status == 100 && !std::exchange(expects_continue_, false)) return;
    link_.session.submit_informational(id_, head);
    link_.pump_soon();
  }
  void send_head(const http::Response& head, bool end) override {
    if (failed_ || head_sent_) return;
    head_sent_ = true;
    const bool switched =
        may_switch_ && (was_connect_ ? head.status >= 200 && head.status < 300 : head.status == 101);
    if (switched) {
      tunnel_ = true;
      end = false;
    }
    if (may_switch_) incoming_.notify();
    link_.session.submit_response(id_, head, end);
    if (end) finished_ = true;
    link_.pump_soon();
  }
  bool head_sent() const override { return head_sent_; }
  const ConnectionInfo& connection() const override { return server_.info_; }

  void on_closed(http::H2Code code) {
    closed_ = true;
    if (code == http::H2Code::no_error && ended_ && finished_) return;
    fail_with({.kind = Error::Kind::reset,
               .side = Error::Side::client,
               .text = concat("the client reset the stream: ", http::to_string(code))});
  }
  void on_malformed(const Error& error) {
    closed_ = true;
    refusal_ = std::make_unique<Refusal>(Refusal{.details = "http2.violation.of.messaging.rule",
                                                 .error = error,
                                                 .version = http::Version::http2,
                                                 .request = &request_});
    fail_with(error);
  }
  const Refusal* refusal() const override { return refusal_.get(); }
  // The handler has returned: end what it left.
  void handler_done() {
    give_back_unread();
    if (!failed_ && !finished_) {
      link_.session.reset(id_, http::H2Code::internal_error);
    } else if (!failed_ && !ended_) {
      link_.session.reset_after_end(id_);
    }
    link_.session.set_user(id_, nullptr);
    link_.pump_soon();
  }

 private:
  bool readable() const override { return !may_switch_ || tunnel_; }
  bool writable() const override { return head_sent_; }

  Http2Server& server_;
  http::Request request_;
  bool may_switch_ = false;
  bool was_connect_ = false;
  bool expects_continue_ = false;
  bool head_sent_ = false;
  std::unique_ptr<Refusal> refusal_;
};

Http2Server::Http2Server(std::unique_ptr<io::Stream> stream, ServerOptions options, Handler handler)
    : options_(std::move(options)),
      handler_(std::move(handler)),
      loop_(stream->loop()),
      wake_(loop_),
      link_(std::move(stream), http::H2Session::Role::server, options_.h2, *this, wake_),
      deadline_(loop_, wake_),
      old_at_(TimePoint::max()),
      tasks_(loop_) {
  const io::Stream& io = link_.transport.stream();
  info_ = {.local = io.local_address(),
           .peer = io.peer_address(),
           .original_destination = io.original_destination(),
           .context = options_.context};
  link_.transport.write_timeout = options_.write_timeout;
  if (options_.max_connection_duration != kForever) old_at_ = loop_.now() + options_.max_connection_duration;
}

Http2Server::~Http2Server() = default;

io::Task<void> Http2Server::run() {
  if (options_.drain != nullptr) options_.drain->join(*this);
  link_.pump_soon();  // SETTINGS
  deadline_.set_at(std::min(time_after(loop_.now(), options_.header_timeout), old_at_));
  Error why = {
      .kind = Error::Kind::closed, .side = Error::Side::client, .text = "the client closed the connection"};
  bool was_idle = false;
  for (;;) {
    link_.transport.flush_if_blocked();
    const bool progress = link_.read();
    start_handlers();
    if (link_.transport.failed() || link_.transport.write_failed()) {
      why = link_.transport.error();
      break;
    }
    if (expired_ || link_.transport.write_timed_out()) {
      why = {.kind = expired_ ? Error::Kind::cancelled : Error::Kind::timeout,
             .text = expired_ ? "the connection was closed by the end of a drain"
                              : "the client did not take our bytes in time"};
      link_.transport.abort();
      break;
    }
    if (link_.session.done()) {
      link_.pump();
      if (!link_.session.error().text.empty()) why = link_.session.error();
      if (link_.all_sent()) break;
    }
    if (link_.transport.ended()) break;

    const bool idle = link_.session.streams() == 0 && tasks_.empty();
    if (deadline_.passed()) {
      if (shutdown_ == Shutdown::announced) {
        shutdown_ = Shutdown::done;
        link_.session.goaway(http::H2Code::no_error);
        link_.pump_soon();
        deadline_.clear();
      } else if (shutdown_ == Shutdown::no) {
        if (idle && loop_.now() < old_at_) {
          shutdown_ = Shutdown::done;
          link_.session.goaway(http::H2Code::no_error);
          link_.pump();
          continue;
        }
        drain_asked_ = true;
      } else {
        deadline_.clear();
      }
    }
    // A client that said GOAWAY and has nothing open is done.
    if (client_leaves_ && idle && shutdown_ != Shutdown::done) {
      shutdown_ = Shutdown::done;
      link_.session.goaway(http::H2Code::no_error);
      link_.pump();
      continue;
    }
    if (drain_asked_ && shutdown_ == Shutdown::no) {
      shutdown_ = Shutdown::announced;
      link_.session.announce_shutdown();
      link_.session.ping(kDrainPing);
      link_.pump_soon();
      deadline_.set_after(kDrainPatience);
    }
    if (shutdown_ == Shutdown::no && idle != was_idle) {
      was_idle = idle;
      deadline_.set_at(idle ? std::min(time_after(loop_.now(), options_.idle_timeout), old_at_) : old_at_);
    }
    if (!progress) co_await wake_.wait();
  }
  fail_all(why);
  if (options_.observer != nullptr &&
      (why.kind == Error::Kind::protocol || why.kind == Error::Kind::overflow)) {
    options_.observer->connection_failed(info_, why);
  }
  co_await tasks_.wait_empty();
  if (!link_.transport.failed()) co_await close_gently();
}

void Http2Server::start_handlers() {
  while (!fresh_.empty()) {
    auto fresh = std::exchange(fresh_, {});
    for (auto& exchange : fresh) {
      ++info_.requests;
      tasks_.spawn(run_handler(std::move(exchange)));
    }
  }
  if (options_.max_requests != 0 && info_.requests >= options_.max_requests) drain_asked_ = true;
}

io::Task<void> Http2Server::run_handler(std::unique_ptr<StreamExchange> exchange) {
  co_await handler_(*exchange);
  exchange->handler_done();
  exchange.reset();
  if (tasks_.size() == 1) wake_.notify();  // perhaps idle now
}

void Http2Server::fail_all(const Error& error) {
  for (io::ListNode* node = exchanges_.next; node != &exchanges_; node = node->next) {
    Error told = error;
    told.side = Error::Side::client;
    static_cast<StreamExchange*>(node)->fail_with(std::move(told));
  }
}

io::Task<void> Http2Server::close_gently() {
  deadline_.set_after(std::max(options_.linger, Duration(std::chrono::milliseconds(1))));
  link_.pump();
  while (!link_.all_sent() && !link_.transport.failed() && !deadline_.passed() && !expired_) {
    co_await wake_.wait();
    link_.transport.flush_if_blocked();
    link_.pump();
  }
  link_.transport.stream().shutdown_write();
  while (!link_.transport.ended() && !link_.transport.failed() && !deadline_.passed() && !expired_) {
    link_.transport.input().clear();
    if (link_.transport.fill()) continue;
    co_await wake_.wait();
  }
  link_.transport.input().release();
}

void Http2Server::drain_started() {
  drain_asked_ = true;
  wake_.notify();
}

void Http2Server::drain_expired() {
  expired_ = true;
  wake_.notify();
}

// ------------------------------------------------------------------ told by the session

void Http2Server::on_request(int32_t stream, http::Request&& head, bool end) {
  head.scheme = options_.secure ? "https" : "http";
  if ((head.is_connect() || head.is_upgrade()) && !options_.allow_connect) {
    http::Response refusal;
    refusal.status = 501;
    link_.session.submit_response(stream, refusal, true);
    link_.session.reset_after_end(stream);
    tell_refused("upgrade_failed", 501,
                 {.kind = Error::Kind::unsupported,
                  .side = Error::Side::client,
                  .text = "CONNECT is not served here"});
    return;
  }
  auto exchange = std::make_unique<StreamExchange>(*this, stream, std::move(head));
  exchange->insert_before(exchanges_);
  if (end) exchange->on_end(nullptr);
  link_.session.set_user(stream, exchange.get());
  fresh_.push_back(std::move(exchange));
}

void Http2Server::on_data(int32_t stream, void* user, Bytes bytes) {
  if (user == nullptr) {
    link_.session.consume(stream, bytes.size());
  } else {
    static_cast<StreamExchange*>(user)->on_data(bytes);
  }
}

void Http2Server::on_end(int32_t, void* user, http::Headers* trailers) {
  if (user != nullptr) static_cast<StreamExchange*>(user)->on_end(trailers);
}

void Http2Server::on_closed(int32_t, void* user, http::H2Code code) {
  if (user != nullptr) static_cast<StreamExchange*>(user)->on_closed(code);
  if (link_.session.streams() == 0) wake_.notify();  // idle now, or done
}

void Http2Server::on_malformed(int32_t, void* user, const Error& error) {
  if (user != nullptr) static_cast<StreamExchange*>(user)->on_malformed(error);
  wake_.notify();
}

void Http2Server::on_writable(int32_t, void* user) {
  if (user != nullptr) static_cast<StreamExchange*>(user)->on_writable();
}

void Http2Server::on_goaway(int32_t, http::H2Code) { client_leaves_ = true; }

void Http2Server::on_ping_ack(uint64_t opaque) {
  if (opaque != kDrainPing || shutdown_ != Shutdown::announced) return;
  shutdown_ = Shutdown::done;
  link_.session.goaway(http::H2Code::no_error);
  deadline_.clear();
  wake_.notify();
}

void Http2Server::on_refused(int status, const Error& error) {
  tell_refused(status == 431 ? "http2.too_many_headers" : "http2.violation.of.messaging.rule", status, error);
}

void Http2Server::tell_refused(std::string_view details, int status, const Error& error) {
  if (options_.observer == nullptr) return;
  options_.observer->refused(
      info_, {.status = status, .details = details, .error = error, .version = http::Version::http2});
}

}  // namespace weft::net
