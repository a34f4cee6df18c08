#include "net/http1_server.h"

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"

namespace weft::net {

Http1Server::Http1Server(std::unique_ptr<io::Stream> stream, ServerOptions options, Handler handler)
    : options_(std::move(options)),
      handler_(std::move(handler)),
      loop_(stream->loop()),
      wake_(loop_),
      transport_(std::move(stream), wake_, [this] { flushed(); }),
      parser_(options_.h1),
      deadline_(loop_, wake_),
      old_at_(TimePoint::max()),
      exchange_(loop_, *this),
      tasks_(loop_) {
  const io::Stream& io = transport_.stream();
  info_ = {.local = io.local_address(),
           .peer = io.peer_address(),
           .original_destination = io.original_destination(),
           .context = options_.context};
  transport_.write_timeout = options_.write_timeout;
  transport_.read_bound = std::max(Transport::kBound, options_.h1.max_head + 1024);
  if (options_.max_connection_duration != kForever) old_at_ = loop_.now() + options_.max_connection_duration;
}

io::Task<void> Http1Server::run() {
  if (options_.drain != nullptr) options_.drain->join(*this);
  while (co_await await_head()) {
    ++info_.requests;
    exchange_.start_over();
    handler_done_ = false;
    deadline_.clear();
    tasks_.spawn(run_handler());
    if (!handler_done_) co_await await_handler();
    // An answer that was cut short must not look like a whole one.
    if (!exchange_.finished_) transport_.abort();
    if (transport_.failed() || exchange_.failed_ || expired_ || exchange_.tunnel_ || close_ ||
        transport_.write_failed())
      break;
    if (!co_await drain_body()) break;
    parser_.next_message();
  }
  if (!transport_.failed()) co_await close_gently();
}

// True when exchange_.request_ holds the next request; false when there will be none.
io::Task<bool> Http1Server::await_head() {
  exchange_.request_ = http::Request();
  bool was_in_head = false;
  deadline_.set_at(std::min(time_after(loop_.now(), options_.idle_timeout), old_at_));
  for (;;) {
    if (!transport_.input().empty()) {
      auto complete = parser_.parse_request(transport_.input(), exchange_.request_);
      if (!complete) {
        refuse(parser_.refusal_status(), parser_.refusal_details(), complete.error());
        co_return false;
      }
      if (*complete) break;
      if (!was_in_head) {
        was_in_head = true;
        deadline_.set_after(options_.header_timeout);
      }
    }
    if (transport_.fill()) {
      if (!transport_.ended()) continue;
      if (!transport_.input().empty()) continue;
    }
    if (transport_.failed()) co_return false;
    if (transport_.ended()) {
      if (was_in_head) {
        refuse(400, "downstream_remote_disconnect",
               {.kind = Error::Kind::closed,
                .side = Error::Side::client,
                .text = "the client left in the middle of a head"});
      }
      co_return false;
    }
    if (deadline_.passed() || expired_) {
      if (was_in_head) {
        refuse(408, "request_header_timeout",
               {.kind = Error::Kind::timeout,
                .side = Error::Side::client,
                .text = concat("no complete head within ",
                               duration_cast<std::chrono::milliseconds>(options_.header_timeout).count(),
                               " ms")});
      }
      co_return false;
    }
    if (transport_.write_timed_out()) {
      transport_.abort();
      co_return false;
    }
    if (close_ && !was_in_head) co_return false;  // draining, and nothing asked
    co_await wake_.wait();
    transport_.flush_if_blocked();
  }
  http::Request& request = exchange_.request_;
  request.scheme = options_.secure ? "https" : "http";
  if (request.version == http::Version::http10 && !options_.allow_http10) {
    refuse(426, "low_version",
           {.kind = Error::Kind::unsupported,
            .side = Error::Side::client,
            .text = "HTTP/1.0 is not served here"});
    co_return false;
  }
  if (request.is_connect() && !options_.allow_connect) {
    refuse(501, "upgrade_failed",
           {.kind = Error::Kind::unsupported,
            .side = Error::Side::client,
            .text = "CONNECT is not served here"});
    co_return false;
  }
  co_return true;
}

io::Task<void> Http1Server::run_handler() {
  co_await handler_(exchange_);
  handler_done_ = true;
  wake_.notify();
}

// Moves bytes while the handler works: it polls and writes, and we wake it.
io::Task<void> Http1Server::await_handler() {
  while (!handler_done_) {
    co_await wake_.wait();
    if (handler_done_) break;
    transport_.flush_if_blocked();
    if (expired_ || transport_.write_timed_out()) {
      transport_.abort();
      exchange_.fail_with(
          {.kind = transport_.write_timed_out() ? Error::Kind::timeout : Error::Kind::cancelled,
           .side = Error::Side::client,
           .text = expired_ ? "the connection was closed by the end of a drain"
                            : "the client did not take our bytes in time"});
    }
    // Read ahead even if nobody asks: that is how a client that went away is noticed.
    if (transport_.fill()) exchange_.incoming_.notify();
    if (transport_.failed() || transport_.write_failed()) exchange_.fail_with(transport_.error());
  }
}

// What is left of a request body that nobody wanted, if it is little, so that the next head can be read.
io::Task<bool> Http1Server::drain_body() {
  if (parser_.body_ended()) co_return true;
  if (exchange_.expects_continue_ && !exchange_.continued_) co_return false;
  size_t dropped = 0;
  deadline_.set_after(std::min(options_.header_timeout, Duration(std::chrono::seconds(5))));
  for (;;) {
    switch (parser_.poll_body(transport_.input())) {
      case http::H1Parser::Body::end:
      case http::H1Parser::Body::trailers:
        co_return true;
      case http::H1Parser::Body::failed:
        co_return false;
      case http::H1Parser::Body::data: {
        const size_t count = parser_.data(transport_.input()).size();
        dropped += count;
        if (dropped > options_.max_drain) co_return false;
        parser_.consume(transport_.input(), count);
        continue;
      }
      case http::H1Parser::Body::need_more:
        break;
    }
    if (transport_.fill() && !transport_.ended()) continue;
    if (transport_.ended() || transport_.failed() || deadline_.passed() || expired_) co_return false;
    co_await wake_.wait();
    transport_.flush_if_blocked();
  }
}

// Sends what is left, then FIN, then waits a little for the client's FIN: closing at once with unread bytes
// would reset the connection and take our answer with it (RFC 9112 section 9.6).
io::Task<void> Http1Server::close_gently() {
  deadline_.clear();
  while (!transport_.flush()) {
    if (transport_.write_failed() || transport_.write_timed_out() || expired_) {
      transport_.abort();
      co_return;
    }
    co_await wake_.wait();
  }
  transport_.stream().shutdown_write();
  deadline_.set_after(options_.linger);
  while (!transport_.ended() && !transport_.failed() && !deadline_.passed() && !expired_) {
    transport_.input().clear();
    if (transport_.fill()) continue;
    if (transport_.ended() || transport_.failed()) break;
    co_await wake_.wait();
  }
  transport_.input().release();
}

// Whoever gets here is spoken to in HTTP: the port is known to be HTTP's, or the bytes looked like it. All
// but a first line that names no version of it: that may be a broken preface of HTTP/2, to which an answer in
// HTTP/1 is no end of the connection but a malformed frame (RFC 9113 section 3.4).
void Http1Server::refuse(int status, std::string_view details, const Error& error) {
  close_ = true;
  std::string body;
  if (parser_.not_http() && info_.requests == 0) {
    status = 0;
  } else {
    http::Response head;
    head.status = status;
    head.headers.add("Content-Type", "text/plain; charset=utf-8");
    if (!options_.server_name.empty()) head.headers.add("Server", options_.server_name);
    if (status == 426) head.headers.add("Upgrade", "HTTP/1.1");
    body = concat(status, ' ', http::reason_phrase(status), ": ", error.text, "\n");
    head.content_length = body.size();
    http::write_response_head(transport_.output(), head, false, {.close = true});
    transport_.output().append(body);
  }
  refusal_ = std::make_unique<Refusal>(Refusal{.status = status,
                                               .details = details,
                                               .error = error,
                                               .body_bytes = body.size(),
                                               .version = exchange_.request_.version,
                                               .request = &exchange_.request_});
  if (exchange_.request_.method.empty()) refusal_->request = nullptr;
  if (handler_done_ && options_.observer != nullptr) options_.observer->refused(info_, *refusal_);
}

void Http1Server::flushed() {
  // The half-close of a tunnel, once all of it has left.
  if (exchange_.tunnel_ && exchange_.finished_ && transport_.output().empty() && !transport_.write_failed()) {
    transport_.stream().shutdown_write();
  }
  if (!handler_done_) exchange_.outgoing_.notify();
  if (transport_.write_failed()) wake_.notify();
}

void Http1Server::drain_started() {
  close_ = true;
  wake_.notify();
}

void Http1Server::drain_expired() {
  expired_ = close_ = true;
  wake_.notify();
}

// ------------------------------------------------------------------ the exchange

void Http1Server::Http1Exchange::start_over() {
  framing_ = http::H1Framing::none;
  length_left_ = 0;
  was_head_ = request_.method == "HEAD";
  was_connect_ = request_.is_connect();
  may_switch_ = was_connect_ || request_.is_upgrade();
  protocol_ = request_.protocol;
  version_ = request_.version;
  wants_keep_alive_ = version_ == http::Version::http10 && server_.parser_.keep_alive();
  expects_continue_ = request_.expect_continue;
  continued_ = head_sent_ = finished_ = tunnel_ = failed_ = false;
  if (!server_.parser_.keep_alive() || server_.loop_.now() >= server_.old_at_) server_.close_ = true;
  if (server_.options_.max_requests != 0 && server_.info_.requests >= server_.options_.max_requests) {
    server_.close_ = true;
  }
}

void Http1Server::Http1Exchange::fail_with(Error error) {
  if (failed_) return;
  failed_ = true;
  error_ = std::move(error);
  error_.side = Error::Side::client;
  incoming_.notify();
  outgoing_.notify();
}

Incoming Http1Server::Http1Exchange::poll() {
  http::H1Parser& parser = server_.parser_;
  Transport& transport = server_.transport_;
  for (;;) {
    if (failed_) return Incoming::failed;
    // What follows the head of an Upgrade or CONNECT is nobody's until the answer says whose.
    if (parser.body_ended() && switch_is_open()) return Incoming::blocked;
    http::H1Parser::Body step = parser.poll_body(transport.input());
    if (step == http::H1Parser::Body::need_more) {
      if (transport.fill() && !transport.input().empty()) continue;
      if (transport.failed()) {
        fail_with(transport.error());
        return Incoming::failed;
      }
      if (transport.ended()) {
        step = parser.end_of_input(transport.input());
      } else {
        if (expects_continue_ && !continued_ && !head_sent_) {
          continued_ = true;
          transport.output().append(std::string_view("HTTP/1.1 100 Continue\r\n\r\n"));
          transport.flush_soon();
        }
        return Incoming::blocked;
      }
    }
    switch (step) {
      case http::H1Parser::Body::data:
        return Incoming::data;
      case http::H1Parser::Body::trailers:
        return Incoming::trailers;
      case http::H1Parser::Body::end:
        return Incoming::end;
      default:
        break;
    }
    fail_with(parser.error());
    if (!head_sent_ && error_.kind != Error::Kind::reset) {
      // The body is malformed and nothing was answered: we still can say so.
      server_.refuse(parser.refusal_status(), parser.refusal_details(), error_);
      head_sent_ = finished_ = true;
      transport.flush_soon();
    }
    if (error_.kind != Error::Kind::reset && server_.options_.observer != nullptr) {
      server_.options_.observer->connection_failed(server_.info_, error_);
    }
    return Incoming::failed;
  }
}

Bytes Http1Server::Http1Exchange::data() const {
  if (switch_is_open() && server_.parser_.body_ended()) return {};
  return server_.parser_.data(server_.transport_.input());
}

void Http1Server::Http1Exchange::consume(size_t count) {
  Transport& transport = server_.transport_;
  const bool was_full = transport.input_full();
  server_.parser_.consume(transport.input(), count);
  if (was_full && !transport.input_full()) server_.wake_.notify();
}

void Http1Server::Http1Exchange::send_informational(const http::Response& head) {
  if (failed_ || head_sent_ || version_ == http::Version::http10 || head.status == 101) return;
  if (head.status == 100) {
    if (continued_) return;
    continued_ = true;
  }
  http::write_response_head(server_.transport_.output(), head, true, {});
  server_.transport_.flush_soon();
}

void Http1Server::Http1Exchange::send_head(const http::Response& head, bool end) {
  if (failed_ || head_sent_) return;
  head_sent_ = true;
  const bool switched =
      may_switch_ && (was_connect_ ? head.status >= 200 && head.status < 300 : head.status == 101);
  // A refused CONNECT, or bytes sent ahead of a switch that did not happen: they might be read as a request.
  if (may_switch_ && !switched && (was_connect_ || !server_.transport_.input().empty()))
    server_.close_ = true;
  // The client waits for 100 Continue and may never send the body, or may: the connection cannot tell.
  if (expects_continue_ && !continued_ && !server_.parser_.body_ended()) server_.close_ = true;
  framing_ = http::write_response_head(server_.transport_.output(), head, end,
                                       {.client = version_,
                                        .head = was_head_,
                                        .connect = was_connect_,
                                        .close = server_.close_,
                                        .keep_alive = wants_keep_alive_ && !server_.close_,
                                        .protocol = protocol_});
  if (switched) {
    tunnel_ = true;
    server_.close_ = true;
    framing_ = http::H1Framing::until_close;
    server_.parser_.become_tunnel();
    incoming_.notify();
  } else if (may_switch_) {
    incoming_.notify();
  }
  if (framing_ == http::H1Framing::length) length_left_ = head.content_length.value_or(0);
  if (framing_ == http::H1Framing::until_close) server_.close_ = true;
  if (end && !tunnel_) finished_ = true;
  server_.transport_.flush_soon();
}

size_t Http1Server::Http1Exchange::write(Bytes bytes) {
  if (failed_ || finished_ || bytes.empty()) return bytes.size();
  if (WEFT_BUG_IF(!head_sent_)) return bytes.size();
  Transport& transport = server_.transport_;
  if (framing_ == http::H1Framing::none) return bytes.size();
  if (transport.room() <= http::kChunkOverhead) transport.flush();
  if (transport.room() <= http::kChunkOverhead) return transport.write_failed() ? bytes.size() : 0;
  const size_t count = std::min(bytes.size(), transport.room() - http::kChunkOverhead);
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

void Http1Server::Http1Exchange::finish(const http::Headers* trailers) {
  if (failed_ || finished_) return;
  if (WEFT_BUG_IF(!head_sent_)) return;
  if (framing_ == http::H1Framing::length && length_left_ > 0) {
    reset(Error::Kind::internal);  // the client must not take a short body for a whole one
    return;
  }
  finished_ = true;
  if (framing_ == http::H1Framing::chunked) http::append_last_chunk(server_.transport_.output(), trailers);
  if (tunnel_) {
    // The other direction may go on: half-close.
    server_.transport_.flush();
    return;
  }
  server_.transport_.flush_soon();
}

void Http1Server::Http1Exchange::reset(Error::Kind why) {
  if (failed_) return;
  server_.transport_.abort();
  fail_with({.kind = why, .text = "the exchange was reset on our side"});
  server_.wake_.notify();
}

}  // namespace weft::net
