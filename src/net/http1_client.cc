#include "net/http1_client.h"

#include <algorithm>

#include "base/strings.h"

namespace weft::net {

class Http1Client::Http1Exchange final : public ClientExchange {
 public:
  Http1Exchange(std::shared_ptr<Http1Client> connection, const http::Request& request, bool end);
  ~Http1Exchange() override;

  Incoming poll() override;
  Bytes data() const override {
    return connection_ ? connection_->parser_.data(connection_->transport_.input()) : Bytes();
  }
  void consume(size_t count) override {
    if (connection_) connection_->parser_.consume(connection_->transport_.input(), count);
  }
  const http::Headers& trailers() const override {
    return connection_ ? connection_->parser_.trailers() : trailers_;
  }
  Error error() const override { return error_; }
  size_t write(Bytes bytes) override;
  void finish(const http::Headers* trailers) override;
  void reset(Error::Kind why) override;
  bool is_tunnel() const override { return tunnel_; }
  http::Response& response() override { return response_; }
  void accept_head() override;
  bool provably_unprocessed() const override { return failed_ && unsent_; }
  std::optional<SocketAddress> local_address() const override {
    return connection_ ? std::optional(connection_->local_address()) : std::nullopt;
  }
  bool connection_reused_and_closed() const override { return failed_ && reused_ && closed_silently_; }

 private:
  friend class Http1Client;
  Incoming fail_with(Error error);
  Incoming poll_head();
  Incoming read_failed();
  void end_incoming();
  void release_if_done();
  bool nothing_sent() const { return connection_->transport_.bytes_written() == written_before_; }

  std::shared_ptr<Http1Client> connection_;  // null once both directions have ended, or failed
  http::H1Parser::Asked asked_;
  http::Response response_;
  http::Headers trailers_;
  http::H1Framing framing_ = http::H1Framing::none;
  uint64_t length_left_ = 0;
  uint64_t written_before_ = 0;
  uint64_t read_before_ = 0;
  bool reused_ = false;
  bool head_waits_ = false;  // response_ is complete and not accepted
  bool head_done_ = false;
  bool held_back_ = false;  // an Upgrade or CONNECT: our bytes wait for the answer
  bool finished_ = false;
  bool ended_ = false;
  bool tunnel_ = false;
  bool failed_ = false;
  bool unsent_ = false;
  bool closed_silently_ = false;
  Incoming last_ = Incoming::end;
  Error error_;
};

Http1Client::Http1Client(std::unique_ptr<io::Stream> stream, ClientOptions options)
    : ClientConnection(stream->loop()),
      options_(options),
      loop_(stream->loop()),
      wake_(loop_),
      transport_(std::move(stream), wake_, [this] { flushed(); }),
      parser_(options_.h1),
      tell_(loop_, [this] { tell_change(); }),
      old_(loop_, wake_),
      tasks_(loop_) {
  transport_.write_timeout = options_.write_timeout;
  transport_.read_bound = std::max(Transport::kBound, options_.h1.max_head + 1024);
  if (options_.max_connection_duration != kForever) old_.set_after(options_.max_connection_duration);
  tasks_.spawn(run());
}

Http1Client::~Http1Client() = default;

// Watches the idle connection for its end, and carries on with writes that had to wait. While an exchange is
// under way, reading is the exchange's own business: poll() reads.
io::Task<void> Http1Client::run() {
  for (;;) {
    co_await wake_.wait();
    transport_.flush_if_blocked();
    if (transport_.write_timed_out()) {
      transport_.abort();
      if (exchange_ != nullptr) {
        exchange_->fail_with(
            {.kind = Error::Kind::timeout, .text = "the backend did not take the request in time"});
      }
      close({.kind = Error::Kind::timeout, .text = "a write timed out"});
      continue;
    }
    if (old_.passed()) drain();
    if (exchange_ != nullptr) {
      exchange_->incoming_.notify();
      continue;
    }
    if (closed_) continue;
    if (transport_.fill()) {
      close(transport_.failed() ? transport_.error()
            : transport_.input().empty()
                ? Error{.kind = Error::Kind::closed, .text = "the backend closed the idle connection"}
                : Error{.kind = Error::Kind::protocol, .text = "the backend sent bytes nobody asked for"});
    }
  }
}

void Http1Client::flushed() {
  if (exchange_ == nullptr) return;
  if (exchange_->tunnel_ && exchange_->finished_ && transport_.output().empty() &&
      !transport_.write_failed()) {
    transport_.stream().shutdown_write();
  }
  exchange_->outgoing_.notify();
  // A failed write is not yet the end: the answer may have come before it (413 and closed).
  if (transport_.write_failed()) exchange_->incoming_.notify();
}

std::unique_ptr<ClientExchange> Http1Client::start(const http::Request& head, bool end) {
  WEFT_CHECK(capacity() > 0);
  ++started_;
  if (options_.max_requests != 0 && started_ >= options_.max_requests) closed_ = true;
  auto exchange = std::make_unique<Http1Exchange>(shared_from_this(), head, end);
  exchange_ = exchange.get();
  return exchange;
}

void Http1Client::release(Http1Exchange& exchange, bool reusable) {
  if (exchange_ != &exchange) return;
  exchange_ = nullptr;
  if (!reusable || !transport_.input().empty() || transport_.ended()) {
    close({.kind = Error::Kind::closed, .text = "the connection ended with its exchange"});
  } else {
    parser_.next_message();
    if (closed_) close({.kind = Error::Kind::closed, .text = "the connection was drained"});
  }
  tell_exchange_end();
  tell_soon();
}

void Http1Client::close(Error error) {
  closed_ = true;
  error_ = std::move(error);
  if (exchange_ == nullptr) {
    if (!transport_.failed()) {
      if (transport_.flush()) {
        transport_.stream().shutdown_write();
      } else {
        transport_.abort();
      }
    }
    transport_.input().release();
  }
  tell_soon();
}

void Http1Client::let_go(std::shared_ptr<Http1Client> connection) {
  if (connection.use_count() > 1) return;
  io::Loop& loop = connection->loop_;
  loop.post([held = std::move(connection)] {});
}

void Http1Client::drain() {
  if (closed_) return;
  closed_ = true;
  if (exchange_ == nullptr) close({.kind = Error::Kind::closed, .text = "the connection was drained"});
  tell_soon();
}

void Http1Client::abort() {
  transport_.abort();
  if (exchange_ != nullptr)
    exchange_->fail_with({.kind = Error::Kind::cancelled, .text = "the connection was aborted"});
  close({.kind = Error::Kind::cancelled, .text = "the connection was aborted"});
}

// ------------------------------------------------------------------ the exchange

Http1Client::Http1Exchange::Http1Exchange(std::shared_ptr<Http1Client> connection,
                                          const http::Request& request, bool end)
    : ClientExchange(connection->loop_), connection_(std::move(connection)) {
  Transport& transport = connection_->transport_;
  asked_ = {
      .head = request.method == "HEAD", .connect = request.is_connect(), .upgrade = request.is_upgrade()};
  reused_ = connection_->started_ > 1;
  written_before_ = transport.bytes_written();
  read_before_ = transport.bytes_read();
  framing_ = http::write_request_head(transport.output(), request, end, {.close = connection_->closed_});
  if (framing_ == http::H1Framing::length) length_left_ = request.content_length.value_or(0);
  // Bytes sent ahead of a switch could be read as requests by a backend that refuses it (CVE-2025-64763).
  held_back_ = asked_.connect || asked_.upgrade;
  if (!held_back_ && (end || framing_ == http::H1Framing::none)) finished_ = end;
  transport.flush_soon();
}

Http1Client::Http1Exchange::~Http1Exchange() {
  if (!connection_) return;
  connection_->transport_.abort();
  connection_->release(*this, false);
  let_go(std::move(connection_));
}

Incoming Http1Client::Http1Exchange::fail_with(Error error) {
  if (failed_) return Incoming::failed;
  failed_ = true;
  error_ = std::move(error);
  error_.side = Error::Side::backend;
  incoming_.notify();
  outgoing_.notify();
  if (connection_) {
    unsent_ = nothing_sent();
    closed_silently_ = connection_->transport_.bytes_read() == read_before_ &&
                       error_.kind != Error::Kind::timeout && error_.kind != Error::Kind::cancelled;
    error_.retryable = unsent_ || (reused_ && closed_silently_);
    auto connection = std::move(connection_);
    connection->transport_.abort();
    connection->release(*this, false);
    let_go(std::move(connection));
  }
  return Incoming::failed;
}

Incoming Http1Client::Http1Exchange::read_failed() {
  const Transport& transport = connection_->transport_;
  if (transport.failed() || transport.write_failed()) {
    return fail_with(
        Error(transport.error()).within(head_done_ ? "in the middle of the answer" : "before the answer"));
  }
  return fail_with({.kind = Error::Kind::closed,
                    .text = transport.bytes_read() == read_before_
                                ? "the backend closed the connection without an answer"
                                : "the backend closed the connection in the middle of a head"});
}

Incoming Http1Client::Http1Exchange::poll_head() {
  Transport& transport = connection_->transport_;
  for (;;) {
    if (!transport.input().empty()) {
      auto complete = connection_->parser_.parse_response(transport.input(), response_, asked_);
      if (!complete) return fail_with(std::move(complete).error());
      if (*complete) {
        head_waits_ = true;
        return Incoming::head;
      }
    }
    if (transport.fill() && !transport.input().empty()) continue;
    if (transport.failed() || transport.ended() || transport.write_failed()) return read_failed();
    return Incoming::blocked;
  }
}

Incoming Http1Client::Http1Exchange::poll() {
  if (failed_) return Incoming::failed;
  if (head_waits_) return Incoming::head;
  if (!connection_ || ended_) return last_;
  if (!head_done_) return poll_head();
  Transport& transport = connection_->transport_;
  http::H1Parser& parser = connection_->parser_;
  for (;;) {
    http::H1Parser::Body step = parser.poll_body(transport.input());
    if (step == http::H1Parser::Body::need_more) {
      if (transport.fill() && !transport.input().empty()) continue;
      if (transport.failed() || (transport.write_failed() && !transport.ended())) return read_failed();
      if (!transport.ended()) return Incoming::blocked;
      step = parser.end_of_input(transport.input());
    }
    switch (step) {
      case http::H1Parser::Body::data:
        return Incoming::data;
      case http::H1Parser::Body::trailers:
        last_ = Incoming::trailers;
        break;
      case http::H1Parser::Body::end:
        last_ = Incoming::end;
        break;
      default:
        return fail_with(parser.error());
    }
    end_incoming();
    return last_;
  }
}

void Http1Client::Http1Exchange::accept_head() {
  if (!head_waits_) return;
  head_waits_ = false;
  if (response_.informational()) {
    if (connection_) connection_->parser_.next_message();
    response_ = http::Response();
    return;
  }
  head_done_ = true;
  if (!connection_) return;
  if (connection_->parser_.is_tunnel()) tunnel_ = true;
  if (held_back_) {
    held_back_ = false;
    if (tunnel_) framing_ = http::H1Framing::until_close;
    outgoing_.notify();
  }
  if (!connection_->parser_.has_body()) {
    last_ = Incoming::end;
    end_incoming();
  }
}

void Http1Client::Http1Exchange::end_incoming() {
  ended_ = true;
  release_if_done();
}

void Http1Client::Http1Exchange::release_if_done() {
  if (!ended_ || !finished_ || !connection_) return;
  const bool reusable =
      !tunnel_ && connection_->parser_.keep_alive() && !connection_->transport_.write_failed();
  trailers_ = connection_->parser_.trailers();
  auto connection = std::move(connection_);
  connection->release(*this, reusable);
  let_go(std::move(connection));
}

size_t Http1Client::Http1Exchange::write(Bytes bytes) {
  if (failed_ || finished_ || !connection_ || bytes.empty()) return bytes.size();
  if (held_back_ && framing_ == http::H1Framing::none) return 0;
  if (framing_ == http::H1Framing::none) return bytes.size();
  Transport& transport = connection_->transport_;
  if (transport.room() <= http::kChunkOverhead) transport.flush();
  if (transport.write_failed()) return bytes.size();
  if (transport.room() <= http::kChunkOverhead) return 0;
  size_t count = std::min(bytes.size(), transport.room() - http::kChunkOverhead);
  switch (framing_) {
    case http::H1Framing::none:
      break;
    case http::H1Framing::chunked:
      http::append_chunk(transport.output(), bytes.first(count));
      break;
    case http::H1Framing::until_close:
      transport.output().append(bytes.first(count));
      break;
    case http::H1Framing::length:
      if (held_back_ && length_left_ == 0)
        return 0;  // the body of an Upgrade is out; the rest is the tunnel's
      if (held_back_) count = static_cast<size_t>(std::min<uint64_t>(count, length_left_));
      if (WEFT_BUG_IF(count > length_left_)) {
        reset(Error::Kind::internal);
        return bytes.size();
      }
      length_left_ -= count;
      transport.output().append(bytes.first(count));
      break;
  }
  transport.flush_soon();
  return count;
}

void Http1Client::Http1Exchange::finish(const http::Headers* trailers) {
  if (failed_ || finished_ || !connection_) return;
  Transport& transport = connection_->transport_;
  if (framing_ == http::H1Framing::length && length_left_ > 0) {
    reset(Error::Kind::internal);  // the backend must not take a short body for a whole one
    return;
  }
  finished_ = true;
  if (framing_ == http::H1Framing::chunked && !transport.write_failed()) {
    http::append_last_chunk(transport.output(), trailers);
  }
  if (tunnel_) {
    transport.flush();  // flushed() half-closes
  } else {
    transport.flush_soon();
  }
  release_if_done();
}

void Http1Client::Http1Exchange::reset(Error::Kind why) {
  if (failed_ || !connection_) return;
  fail_with({.kind = why, .text = "the exchange was reset on our side"});
}

std::shared_ptr<ClientConnection> make_http1_client(std::unique_ptr<io::Stream> stream,
                                                    ClientOptions options) {
  return std::make_shared<Http1Client>(std::move(stream), options);
}

}  // namespace weft::net
