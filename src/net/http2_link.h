// What both ends of an HTTP/2 connection have: the transport, the session, and the pump between them.
#pragma once

#include <memory>
#include <utility>

#include "http/h2_session.h"
#include "io/loop.h"
#include "net/exchange.h"
#include "net/transport.h"

namespace weft::net {

class Http2Link {
 public:
  Http2Link(std::unique_ptr<io::Stream> stream, http::H2Session::Role role, const http::H2Limits& limits,
            http::H2Session::Listener& listener, io::Event& wake)
      : loop_(stream->loop()),
        wake_(wake),
        transport(std::move(stream), wake, [this] { flushed(); }),
        session(role, limits, listener),
        pump_(loop_, [this] { pump(); }) {}

  // At the end of the tick: the frames of all streams leave together.
  void pump_soon() { pump_.arm(); }
  void pump() {
    pump_.cancel();
    while (!transport.write_failed()) {
      // The frames of a tick are seldom few: a buffer that grew with them would copy them again and again.
      if (transport.output().capacity() == 0) transport.output().reserve(kGathered);
      const bool more = session.gather(transport.output(), Transport::kBound);
      blocked_ = !transport.flush();
      if (blocked_ || !more) break;
    }
    // A session may end by what it sends (GOAWAY): its owner must look.
    if (session.done() && !std::exchange(told_done_, true)) wake_.notify();
  }

  // Feeds the session all that has come. False if there was nothing new; then the caller may wait.
  bool read() {
    bool any = false;
    while (transport.fill()) {
      any = true;
      const Bytes bytes = transport.input().bytes();
      if (!bytes.empty()) (void)session.feed(bytes, loop_.now());
      transport.input().clear();
      pump_soon();
      if (transport.ended() || transport.failed() || session.done()) break;
    }
    transport.input().release();
    return any;
  }
  // Nothing waits to be sent.
  bool all_sent() const {
    return transport.idle_output() && (transport.write_failed() || !session.wants_write());
  }

 private:
  io::Loop& loop_;
  io::Event& wake_;

 public:
  Transport transport;
  http::H2Session session;

 private:
  static constexpr size_t kGathered = 16 * 1024;
  void flushed() {
    if (std::exchange(blocked_, false)) pump_soon();
  }
  io::Deferred pump_;
  bool blocked_ = false;
  bool told_done_ = false;
};

// The two directions of a stream, the same at both ends. Base is ServerExchange or ClientExchange.
template <typename Base>
class Http2Exchange : public Base {
 public:
  Http2Exchange(io::Loop& loop, Http2Link& link) : Base(loop), link_(link) {}

  Bytes data() const override { return readable() ? in_.bytes() : Bytes(); }
  void consume(size_t count) override {
    in_.consume(count);
    if (in_.empty()) in_.release();
    link_.session.consume(id_, count);
    link_.pump_soon();
  }
  const http::Headers& trailers() const override { return trailers_; }
  Error error() const override { return error_; }
  size_t write(Bytes bytes) override {
    if (failed_ || finished_ || closed_) return bytes.size();
    if (!writable()) return 0;
    const size_t count = link_.session.write(id_, bytes);
    if (count > 0) link_.pump_soon();
    return count;
  }
  void finish(const http::Headers* trailers) override {
    if (failed_ || finished_) return;
    finished_ = true;
    link_.session.finish(id_, trailers);
    link_.pump_soon();
  }
  bool is_tunnel() const override { return tunnel_; }

  // ---- told by the session
  void on_data(Bytes bytes) {
    if (failed_) {
      link_.session.consume(id_, bytes.size());
      return;
    }
    in_.append(bytes);
    this->incoming_.notify();
  }
  void on_end(http::Headers* trailers) {
    ended_ = true;
    if (trailers != nullptr && !trailers->empty()) {
      trailers_ = std::move(*trailers);
      has_trailers_ = true;
    }
    this->incoming_.notify();
  }
  void on_writable() { this->outgoing_.notify(); }
  void fail_with(Error error) {
    if (failed_) return;
    failed_ = true;
    error_ = std::move(error);
    this->incoming_.notify();
    this->outgoing_.notify();
  }

 protected:
  // Whether what has come is the reader's already (it is not before an Upgrade or CONNECT is answered).
  virtual bool readable() const { return true; }
  virtual bool writable() const { return true; }
  Incoming poll_body() const {
    if (!in_.empty()) return Incoming::data;
    if (ended_) return has_trailers_ ? Incoming::trailers : Incoming::end;
    return Incoming::blocked;
  }
  // Windows of the connection must not leak with bytes that nobody reads any more.
  void give_back_unread() {
    if (!in_.empty()) link_.session.consume(id_, in_.size());
    in_.release();
  }

  Http2Link& link_;
  int32_t id_ = 0;
  Buffer in_;
  http::Headers trailers_;
  bool has_trailers_ = false;
  bool ended_ = false;     // the peer's message
  bool finished_ = false;  // ours
  bool closed_ = false;    // the stream
  bool failed_ = false;
  bool tunnel_ = false;
  Error error_;
};

}  // namespace weft::net
