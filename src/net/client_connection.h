// One connection to a backend, which requests are started on. Pool (pool.h) is its usual owner.
//
//   std::shared_ptr<ClientConnection> connection = make_http2_client(std::move(stream), options);
//   if (connection->capacity() > 0) auto exchange = connection->start(request, true);
//
// A started exchange keeps its connection alive, so a pool may forget a connection that is still in use.
// Everything happens in the loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "http/limits.h"
#include "io/stream.h"
#include "net/exchange.h"

namespace weft::net {

struct ClientOptions {
  http::H1Limits h1;
  http::H2Limits h2;
  uint64_t max_requests = 0;                     // on one connection; 0: no limit
  uint32_t max_concurrent_streams = 0x7fffffff;  // ours; the server's SETTINGS may say less
  Duration max_connection_duration = kForever;
  // Request bytes that the backend does not take for so long -> reset.
  Duration write_timeout = std::chrono::minutes(5);
  // HTTP/2 PING while streams are open; an unanswered one ends the connection. kForever: none.
  Duration keepalive_interval = kForever;
  Duration keepalive_timeout = std::chrono::seconds(20);
  bool secure = false;  // :scheme of requests that have none
};

class ClientConnection {
 public:
  virtual ~ClientConnection() = default;

  // Writes the head at the end of the tick. `end` says that no body follows. Needs capacity() > 0.
  // The request may be destroyed once this returns. Never fails: what goes wrong is in the exchange.
  virtual std::unique_ptr<ClientExchange> start(const http::Request& head, bool end) = 0;

  // How many more exchanges may be started now: 0 or 1 for HTTP/1, what SETTINGS and options leave for
  // HTTP/2.
  virtual size_t capacity() const = 0;
  virtual size_t active() const = 0;
  uint64_t started() const { return started_; }
  virtual http::Version version() const = 0;
  // Nothing can be started any more: closed, failed, GOAWAY, or drain(). What is in flight may still finish.
  virtual bool is_closed() const = 0;
  // The transport has ended, and nothing is in flight: forget the connection.
  virtual bool is_dead() const = 0;
  // Why it closed, if it failed.
  virtual Error error() const = 0;
  // Takes nothing new, finishes what is in flight, then closes (HTTP/2: GOAWAY).
  virtual void drain() = 0;
  // Fails everything in flight and closes.
  virtual void abort() = 0;

  virtual SocketAddress local_address() const = 0;
  virtual SocketAddress peer_address() const = 0;
  TimePoint created() const { return created_; }

  // Called (not from inside start()) when capacity(), is_closed() or active() may have changed.
  void on_change(std::move_only_function<void()> callback) { changed_ = std::move(callback); }
  // Called at once, from anywhere, when an exchange has left the connection. It must not destroy the
  // connection.
  void on_exchange_end(std::move_only_function<void()> callback) { exchange_ended_ = std::move(callback); }
  // Destroyed with the connection: what counts it.
  void keep(std::shared_ptr<void> companion) { companion_ = std::move(companion); }

 protected:
  explicit ClientConnection(io::Loop& loop) : created_(loop.now()) {}
  void tell_change() {
    if (changed_) changed_();
  }
  void tell_exchange_end() {
    if (exchange_ended_) exchange_ended_();
  }
  uint64_t started_ = 0;

 private:
  TimePoint created_;
  std::shared_ptr<void> companion_;
  std::move_only_function<void()> exchange_ended_;
  std::move_only_function<void()> changed_;
};

std::shared_ptr<ClientConnection> make_http1_client(std::unique_ptr<io::Stream> stream,
                                                    ClientOptions options);
std::shared_ptr<ClientConnection> make_http2_client(std::unique_ptr<io::Stream> stream,
                                                    ClientOptions options);

}  // namespace weft::net
