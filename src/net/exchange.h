// Exchange: one request and its answer on one connection, seen from either end, over HTTP/1 or HTTP/2.
//
// It has two directions. The incoming one is polled; the outgoing one is written. Nothing waits inside:
// where poll() says `blocked`, await incoming(); where write() took less than it was given, await
// outgoing(). On a server the incoming message is the request; on a client, the response. So one relay
// function moves bodies either way:
//
//   for (;;) {
//     switch (from.poll()) {
//       case Incoming::data:     from.consume(to.write(from.data())); ...
//       case Incoming::trailers: to.finish(&from.trailers()); return ...
//       case Incoming::end:      to.finish(nullptr); return ...
//
// Writes are gathered and leave at the end of the loop's tick in one system call a connection.
// Destroying an Exchange before both directions ended resets the stream (HTTP/2) or closes the
// connection (HTTP/1); after both ended, the connection is used again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/address.h"
#include "base/bytes.h"
#include "base/result.h"
#include "http/message.h"
#include "io/loop.h"

namespace weft::net {

// The connection that a server's exchange came on.
struct ConnectionInfo {
  SocketAddress local;
  SocketAddress peer;
  std::optional<SocketAddress> original_destination;
  uint64_t requests = 0;          // started on it, this one included
  const void* context = nullptr;  // ServerOptions::context: whoever serves keeps the peer's identity there
};

// A request that a connection answered itself, since it was no request that could be served.
struct Refusal {
  int status = 0;            // what was answered; 0: nothing could be, or the HTTP/2 stream was reset
  std::string_view details;  // static text, the word for it in access logs: "http1.codec_error"
  Error error;
  uint64_t body_bytes = 0;  // of the answer
  http::Version version = http::Version::http11;
  const http::Request* request = nullptr;  // what had been understood of it; null: nothing
};

enum class Incoming : uint8_t {
  blocked,   // nothing new: await incoming()
  head,      // client side: response() holds a head (final or 1xx); accept_head() takes it
  data,      // data() is not empty; consume() it
  trailers,  // trailers() is valid; the message has ended
  end,       // the message has ended
  failed,    // reset, protocol error, or the connection died; error() says which
};

class Exchange {
 public:
  explicit Exchange(io::Loop& loop) : incoming_(loop), outgoing_(loop) {}
  virtual ~Exchange() = default;

  // ---- incoming
  virtual Incoming poll() = 0;
  // What has arrived of the body and is not consumed. Valid until consume() or the next co_await.
  virtual Bytes data() const = 0;
  // Gives window back to the sender (HTTP/2) or lets the connection read on (HTTP/1).
  virtual void consume(size_t count) = 0;
  virtual const http::Headers& trailers() const = 0;
  virtual Error error() const = 0;
  io::Event::Awaiter incoming() { return incoming_.wait(); }
  io::Event& incoming_event() { return incoming_; }

  // ---- outgoing body
  // Takes up to bytes.size(); less means that the window or the buffer bound (64 KiB) is reached.
  virtual size_t write(Bytes bytes) = 0;
  // Ends the outgoing message, with trailers or without (HTTP/1 without chunked coding drops them).
  virtual void finish(const http::Headers* trailers) = 0;
  // Tears the exchange down: RST_STREAM with a code that fits `why`, or a closed connection.
  virtual void reset(Error::Kind why) = 0;
  io::Event::Awaiter outgoing() { return outgoing_.wait(); }
  io::Event& outgoing_event() { return outgoing_; }

  // The incoming side may be a raw tunnel after 101 or a 2xx to CONNECT: data and end only, no framing.
  virtual bool is_tunnel() const { return false; }

 protected:
  io::Event incoming_;
  io::Event outgoing_;
};

// A request as a server got it.
class ServerExchange : public Exchange {
 public:
  using Exchange::Exchange;
  // Mutable: routing edits it in place before it is sent on.
  virtual http::Request& request() = 0;
  // 100 Continue or another 1xx. Ignored towards HTTP/1.0.
  virtual void send_informational(const http::Response& head) = 0;
  // The final head. `end` says that no body and no trailers follow.
  // A response to Upgrade (101) or CONNECT (2xx) turns both directions into a tunnel.
  virtual void send_head(const http::Response& head, bool end) = 0;
  virtual bool head_sent() const = 0;
  // After poll() said `failed`: what was answered in the handler's place, the body being malformed. Null:
  // nothing was.
  virtual const Refusal* refusal() const { return nullptr; }
  virtual const ConnectionInfo& connection() const = 0;
};

// A request as a client sent it. Made by net::Pool or ClientConnection::start.
class ClientExchange : public Exchange {
 public:
  using Exchange::Exchange;
  // The head that poll() == Incoming::head announced. accept_head() lets poll() go on.
  virtual http::Response& response() = 0;
  virtual void accept_head() = 0;
  // True while the server cannot have processed the request: nothing was written, the stream was refused
  // (REFUSED_STREAM), or a GOAWAY named an earlier stream as the last one.
  // Only then may a request that is not idempotent be sent again without a policy that says so.
  virtual bool provably_unprocessed() const = 0;
  // True where a connection that had served before closed without a byte of answer: most likely it was closed
  // while our request was on its way. An idempotent request may be sent again on another connection.
  virtual bool connection_reused_and_closed() const = 0;
  // Our end of the connection; nullopt once that is gone.
  virtual std::optional<SocketAddress> local_address() const = 0;
};

}  // namespace weft::net
