#include "net/http2_client.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/strings.h"

namespace weft::net {
namespace {

http::H2Code code_for(Error::Kind why) {
  switch (why) {
    case Error::Kind::protocol:
      return http::H2Code::protocol_error;
    case Error::Kind::overflow:
      return http::H2Code::enhance_your_calm;
    case Error::Kind::internal:
      return http::H2Code::internal_error;
    default:
      return http::H2Code::cancel;
  }
}

}  // namespace

class Http2Client::StreamExchange final : public Http2Exchange<ClientExchange>, public io::ListNode {
 public:
  StreamExchange(std::shared_ptr<Http2Client> client, const http::Request& request, bool end)
      : Http2Exchange(client->loop_, client->link_), client_(std::move(client)) {
    may_switch_ = request.is_connect() || request.is_upgrade();
    was_connect_ = request.is_connect();
    finished_ = end && !may_switch_;
    id_ = link_.session.submit_request(request, end, this);
    if (id_ < 0) {
      unprocessed_ = true;
      closed_ = true;
      fail_with({.kind = Error::Kind::refused,
                 .side = Error::Side::backend,
                 .retryable = true,
                 .text = "the connection takes no more streams"});
    }
    link_.pump_soon();
  }
  ~StreamExchange() override {
    give_back_unread();
    if (!closed_) link_.session.reset(id_, http::H2Code::cancel);
    link_.pump_soon();
    release();
    let_go(std::move(client_));
  }

  Incoming poll() override {
    if (head_) return Incoming::head;
    if (failed_ && in_.empty()) return Incoming::failed;
    return head_done_ ? poll_body() : failed_ ? Incoming::failed : Incoming::blocked;
  }
  http::Response& response() override { return head_ ? *head_ : final_; }
  void accept_head() override {
    if (!head_) return;
    const bool informational = head_->informational();
    if (!informational) {
      head_done_ = true;
      final_ = *std::move(head_);
    }
    head_.reset();
    if (!later_heads_.empty()) {
      head_ = std::move(later_heads_.front());
      later_heads_.erase(later_heads_.begin());
    }
    if (informational) return;
    if (may_switch_) {
      tunnel_ = was_connect_ ? final_.status >= 200 && final_.status < 300 : final_.status == 101;
      if (!tunnel_) {  // our half is of no use to a refused switch
        finished_ = true;
        link_.session.finish(id_, nullptr);
        link_.pump_soon();
      }
      outgoing_.notify();
    }
  }
  void reset(Error::Kind why) override {
    if (failed_ || closed_) return;
    link_.session.reset(id_, code_for(why));
    closed_ = true;
    give_back_unread();
    fail_with({.kind = why, .side = Error::Side::backend, .text = "the exchange was reset on our side"});
    link_.pump_soon();
    release();
  }
  bool provably_unprocessed() const override { return failed_ && unprocessed_; }
  std::optional<SocketAddress> local_address() const override { return client_->local_address(); }
  bool connection_reused_and_closed() const override { return false; }

  void on_head(http::Response&& head, bool end) {
    if (!head_) {
      head_ = std::move(head);
    } else {
      later_heads_.push_back(std::move(head));
    }
    if (end) ended_ = true;
    incoming_.notify();
  }
  void on_closed(http::H2Code code) {
    closed_ = true;
    if (!(code == http::H2Code::no_error && ended_)) {
      // An answer that is complete stays one, whatever is said of the rest of the request (RFC 9113
      // section 8.1).
      if (!ended_) {
        unprocessed_ = code == http::H2Code::refused_stream;
        fail_with({.kind = http::error_kind(code),
                   .side = Error::Side::backend,
                   .retryable = unprocessed_,
                   .text = concat("the backend reset the stream: ", http::to_string(code))});
      } else {
        finished_ = true;
        outgoing_.notify();
      }
    } else {
      outgoing_.notify();
    }
    release();
  }
  void on_connection_lost(Error error) {
    if (closed_) {  // it never got a stream
      release();
      return;
    }
    closed_ = true;
    unprocessed_ = !link_.session.head_left(id_);
    error.side = Error::Side::backend;
    error.retryable = unprocessed_;
    if (!ended_) fail_with(std::move(error));
    finished_ = true;
    release();
  }
  void release() {
    if (std::exchange(released_, true)) return;
    unlink();
    client_->link_.session.set_user(id_, nullptr);
    --client_->active_;
    client_->tell_exchange_end();
    client_->tell_.arm();
    if (client_->closed_) client_->wake_.notify();  // it may leave now
  }

 private:
  bool writable() const override { return !may_switch_ || tunnel_; }

  std::shared_ptr<Http2Client> client_;
  std::optional<http::Response> head_;       // not accepted yet
  std::vector<http::Response> later_heads_;  // behind it: interim answers seldom come, and more seldom wait
  http::Response final_;
  bool may_switch_ = false;
  bool was_connect_ = false;
  bool head_done_ = false;
  bool unprocessed_ = false;
  bool released_ = false;
};

Http2Client::Http2Client(std::unique_ptr<io::Stream> stream, ClientOptions options)
    : ClientConnection(stream->loop()),
      options_(options),
      loop_(stream->loop()),
      wake_(loop_),
      link_(std::move(stream), http::H2Session::Role::client, options_.h2, *this, wake_),
      tell_(loop_, [this] { tell_change(); }),
      keepalive_(loop_, wake_),
      old_(loop_, wake_),
      tasks_(loop_) {
  link_.transport.write_timeout = options_.write_timeout;
  if (options_.max_connection_duration != kForever) old_.set_after(options_.max_connection_duration);
  if (options_.keepalive_interval != kForever) keepalive_.set_after(options_.keepalive_interval);
  link_.pump_soon();
  tasks_.spawn(run());
}

Http2Client::~Http2Client() = default;

io::Task<void> Http2Client::run() {
  for (;;) {
    link_.transport.flush_if_blocked();
    const bool progress = link_.read();
    if (progress && options_.keepalive_interval != kForever && !ping_out_) {
      keepalive_.set_after(options_.keepalive_interval);
    }
    if (link_.transport.failed() || link_.transport.write_failed()) {
      fail_all(Error(link_.transport.error()).within("the HTTP/2 connection was lost"));
    } else if (link_.session.done() && !link_.session.error().text.empty()) {
      link_.pump();
      fail_all(link_.session.error());
    } else if (link_.transport.ended()) {
      fail_all({.kind = Error::Kind::closed, .text = "the backend closed the HTTP/2 connection"});
    } else if (link_.transport.write_timed_out()) {
      link_.transport.abort();
      fail_all({.kind = Error::Kind::timeout, .text = "the backend did not take our bytes in time"});
    }
    check_keepalive();
    if (old_.passed()) drain();
    leave_if_done();
    if (!progress || left_) co_await wake_.wait();
  }
}

void Http2Client::check_keepalive() {
  if (!keepalive_.passed() || closed_) return;
  if (ping_out_) {
    link_.transport.abort();
    fail_all({.kind = Error::Kind::timeout, .text = "the backend did not answer a PING in time"});
    return;
  }
  if (active_ == 0) {
    keepalive_.set_after(options_.keepalive_interval);
    return;
  }
  ping_out_ = true;
  link_.session.ping(1);
  link_.pump_soon();
  keepalive_.set_after(options_.keepalive_timeout);
}

void Http2Client::fail_all(Error error) {
  if (!closed_ || error_.text.empty()) error_ = error;
  closed_ = true;
  while (exchanges_.linked()) static_cast<StreamExchange&>(*exchanges_.next).on_connection_lost(error);
  tell_.arm();
}

// Closed, and nothing in flight: say so, and end the transport.
void Http2Client::leave_if_done() {
  if (!closed_ || active_ > 0 || left_) return;
  if (!link_.transport.failed() && !link_.transport.write_failed()) {
    if (!link_.session.done()) link_.session.goaway(http::H2Code::no_error);
    link_.pump();
    link_.transport.stream().shutdown_write();
  }
  left_ = true;
  tell_.arm();
}

std::unique_ptr<ClientExchange> Http2Client::start(const http::Request& head, bool end) {
  ++started_;
  ++active_;
  if (options_.max_requests != 0 && started_ >= options_.max_requests) closed_ = true;
  auto exchange = std::make_unique<StreamExchange>(shared_from_this(), head, end);
  exchange->insert_before(exchanges_);
  return exchange;
}

size_t Http2Client::capacity() const {
  if (closed_) return 0;
  const size_t most = std::min(options_.max_concurrent_streams, link_.session.peer_max_streams());
  const size_t open = std::max(active_, link_.session.streams());
  return most > open ? most - open : 0;
}

void Http2Client::drain() {
  if (closed_) return;
  closed_ = true;
  error_ = {.kind = Error::Kind::closed, .text = "the connection was drained"};
  tell_.arm();
  wake_.notify();
}

void Http2Client::abort() {
  link_.transport.abort();
  fail_all({.kind = Error::Kind::cancelled, .text = "the connection was aborted"});
}

void Http2Client::let_go(std::shared_ptr<Http2Client> connection) {
  if (connection.use_count() > 1) return;
  io::Loop& loop = connection->loop_;
  loop.post([held = std::move(connection)] {});
}

// ------------------------------------------------------------------ told by the session

void Http2Client::on_response(int32_t, void* user, http::Response&& head, bool end) {
  if (user != nullptr) static_cast<StreamExchange*>(user)->on_head(std::move(head), end);
}

void Http2Client::on_data(int32_t stream, void* user, Bytes bytes) {
  if (user == nullptr) {
    link_.session.consume(stream, bytes.size());
  } else {
    static_cast<StreamExchange*>(user)->on_data(bytes);
  }
}

void Http2Client::on_end(int32_t, void* user, http::Headers* trailers) {
  if (user != nullptr) static_cast<StreamExchange*>(user)->on_end(trailers);
}

void Http2Client::on_closed(int32_t, void* user, http::H2Code code) {
  if (user != nullptr) static_cast<StreamExchange*>(user)->on_closed(code);
  tell_.arm();
}

void Http2Client::on_writable(int32_t, void* user) {
  if (user != nullptr) static_cast<StreamExchange*>(user)->on_writable();
}

void Http2Client::on_goaway(int32_t, http::H2Code code) {
  closed_ = true;
  error_ = {.kind = http::error_kind(code),
            .side = Error::Side::backend,
            .text = concat("the backend sent GOAWAY: ", http::to_string(code))};
  tell_.arm();
}

void Http2Client::on_ping_ack(uint64_t) {
  ping_out_ = false;
  if (options_.keepalive_interval != kForever) keepalive_.set_after(options_.keepalive_interval);
}

std::shared_ptr<ClientConnection> make_http2_client(std::unique_ptr<io::Stream> stream,
                                                    ClientOptions options) {
  return std::make_shared<Http2Client>(std::move(stream), options);
}

}  // namespace weft::net
