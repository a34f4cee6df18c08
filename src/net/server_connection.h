// One accepted connection, from bytes to requests and back, for its whole life.
//
// The problem: HTTP/1 and HTTP/2 must look the same to whoever serves a request, malformed input must
// be answered and closed without anyone above knowing, and a drain must reach idle and busy connections
// alike. So:
//
//   tasks.spawn(serve_http1(std::move(stream), options, [&router](ServerExchange& exchange) {
//     return serve_request(router, exchange);          // a coroutine function, not a capturing lambda
//     coroutine
//   }));
//
// The handler is called once a request, after its head was accepted, and runs in the connection's
// TaskGroup: over HTTP/2 many at once, over HTTP/1 one after the other (pipelined requests wait). The
// exchange is valid until the handler's task ends. What the handler leaves undone is finished for it:
//   - no head sent, or the answer not ended: HTTP/2 resets the stream, HTTP/1 closes the connection;
//   - request body not read: HTTP/1 drains at most `max_drain` bytes, otherwise closes after the answer;
//     HTTP/2 resets with NO_ERROR.
// When the connection dies under a handler, poll() answers `failed`, write() takes and drops everything,
// both events are notified, and the handler is expected to end; the serve task waits for it.
// Destroying the serve task cancels the handlers.
//
//   accept ─▶ idle ──head──▶ handling ──both directions ended──▶ idle …
//              │ idle_timeout, drain       │ close asked, HTTP/1.0, max_requests
//              ▼                           ▼
//            closed ◀──── linger ◀──── closing (Connection: close / GOAWAY sent)
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "http/limits.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/task.h"
#include "net/exchange.h"

namespace weft::net {

// Tells every connection of a listener (or a process) to end after what it is doing:
// HTTP/1 answers `Connection: close`, or closes if idle; HTTP/2 sends GOAWAY in two steps
// (RFC 9113 section 6.8) and finishes its streams. It must outlive the connections given it.
// One loop's thread only: a process of several workers has one Drain each.
class Drain {
 public:
  class Member : public io::ListNode {
   public:
    virtual void drain_started() = 0;
    // Close now, whatever is in flight (the end of the drain's patience).
    virtual void drain_expired() = 0;

   protected:
    ~Member() = default;
  };

  void start();
  // Resets what is left. Implies start().
  void expire();
  bool started() const { return started_; }
  // Connections that are still there.
  size_t size() const;

  // For connections: joins until it is destroyed or unlinked; told at once if the drain has started.
  void join(Member& member);

 private:
  template <typename Tell>
  void tell_each(Tell tell);

  io::ListNode members_;
  bool started_ = false;
  bool expired_ = false;
};

// Told what never reached a handler, so that it is in the metrics and the access log too.
class ServerObserver {
 public:
  virtual ~ServerObserver() = default;
  // A request was refused before it became one. What is refused in the middle of its body has a handler,
  // which finds it in ServerExchange::refusal().
  virtual void refused(const ConnectionInfo& connection, const Refusal& refusal) {}
  // The client broke the protocol, or a budget against floods, and the connection is being closed; requests
  // on it have failed.
  virtual void connection_failed(const ConnectionInfo& connection, const Error& error) {}
};

struct ServerOptions {
  http::H1Limits h1;
  http::H2Limits h2;
  // From the first byte of a head (or the end of TLS) until the head is complete -> 408. Slow-loris ends
  // here.
  Duration header_timeout = std::chrono::seconds(60);
  // Nothing in flight for so long -> close.
  Duration idle_timeout = std::chrono::hours(1);
  // Answer bytes that the client does not take for so long -> reset.
  Duration write_timeout = std::chrono::minutes(5);
  // The connection drains when it is that old.
  Duration max_connection_duration = kForever;
  uint64_t max_requests = 0;     // on one connection; 0: no limit
  size_t max_drain = 64 * 1024;  // unread request body that is worth reading to keep the connection
  Duration linger = std::chrono::milliseconds(200);  // between our FIN and giving up on the client's
  bool secure = false;                               // scheme of origin-form requests: https
  bool allow_http10 = true;                          // else 426
  // CONNECT, and extended CONNECT (RFC 8441) over HTTP/2, reach the handler; else 501.
  bool allow_connect = true;
  std::string server_name;             // the Server field of answers made here; empty: none
  const void* context = nullptr;       // handed through in ConnectionInfo
  Drain* drain = nullptr;              // outlives the connection
  ServerObserver* observer = nullptr;  // outlives the connection
};

using Handler = std::move_only_function<io::Task<void>(ServerExchange&)>;

io::Task<void> serve_http1(std::unique_ptr<io::Stream> stream, ServerOptions options, Handler handler);
io::Task<void> serve_http2(std::unique_ptr<io::Stream> stream, ServerOptions options, Handler handler);
// Reads the first bytes: the HTTP/2 preface with prior knowledge (RFC 9113 section 3.3), or HTTP/1.
io::Task<void> serve_http(std::unique_ptr<io::Stream> stream, ServerOptions options, Handler handler);

// Sends a whole answer: head, body, end. Ignored if a head was sent already.
// The body must fit the outgoing buffer (64 KiB less the head); reply_all() takes any.
void reply(ServerExchange& exchange, int status, std::string_view content_type, std::string_view body);
io::Task<void> reply_all(ServerExchange& exchange, http::Response head, std::string body);
// Reads the request body up to `limit` bytes; more is Error::Kind::overflow. Trailers are dropped.
io::Task<Result<std::string>> read_body(Exchange& exchange, size_t limit);

}  // namespace weft::net
