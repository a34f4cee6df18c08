// Pool: the connections of one worker to one endpoint over one transport (plain, or TLS under one identity).
//
//   Pool pool(loop, [&](TimePoint deadline) { return connect_mtls(endpoint, deadline); }, options, limits);
//   auto exchange = co_await pool.send(request, /*end=*/false);
//
// HTTP/1 requests get a connection of their own, the one used last first, so that the rest can go idle
// and be closed. HTTP/2 requests share: a new connection is made only when the ones there are full, and
// requests that come while the first one is being made wait for it together. What does not fit waits in a
// queue with a bound; past the bound, send() fails at once with Error::Kind::overflow and names the limit.
//
// The pool knows nothing of TLS or names: the connector does, and says with `alpn` what was agreed.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/task.h"
#include "io/task_group.h"
#include "net/client_connection.h"

namespace weft::net {

// Envoy's circuit breaker of one cluster and priority: bounds over all its endpoints. The owner may share it
// among workers. Who counts: pools count connections, pending and requests; the router counts retries.
struct Limits {
  static constexpr uint32_t kNoLimit = 0xffffffff;
  std::atomic<uint32_t> max_connections = kNoLimit;
  std::atomic<uint32_t> max_pending = kNoLimit;
  std::atomic<uint32_t> max_requests = kNoLimit;
  std::atomic<uint32_t> max_retries = kNoLimit;

  std::atomic<uint32_t> connections = 0;
  std::atomic<uint32_t> pending = 0;
  std::atomic<uint32_t> requests = 0;
  std::atomic<uint32_t> retries = 0;
  // How often each bound said no (upstream_cx_overflow, upstream_rq_pending_overflow, …).
  std::atomic<uint64_t> connection_overflows = 0;
  std::atomic<uint64_t> pending_overflows = 0;
  std::atomic<uint64_t> request_overflows = 0;
  std::atomic<uint64_t> retry_overflows = 0;

  // Takes one of `count` unless `most` are taken.
  static bool take(std::atomic<uint32_t>& count, const std::atomic<uint32_t>& most,
                   std::atomic<uint64_t>& overflows) {
    if (count.fetch_add(1, std::memory_order_relaxed) < most.load(std::memory_order_relaxed)) return true;
    count.fetch_sub(1, std::memory_order_relaxed);
    overflows.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
};

struct PoolOptions {
  enum class Protocol : uint8_t { http1, http2, by_alpn };  // by_alpn: "h2" is HTTP/2, all else HTTP/1
  Protocol protocol = Protocol::http1;
  ClientOptions client;  // max_requests per connection, streams, duration, limits
  Duration connect_timeout = std::chrono::seconds(10);
  Duration queue_timeout = std::chrono::minutes(5);  // the longest a request waits for a connection
  Duration idle_timeout = std::chrono::hours(1);
  uint32_t max_idle = 256;  // idle connections kept (HTTP/1)
};

// What a pool adds up, for metrics; plain numbers of the loop's thread.
struct PoolCounts {
  uint64_t connections_made = 0;
  uint64_t connect_failures = 0;
  uint64_t connect_timeouts = 0;
  uint64_t connections_closed = 0;
  uint64_t requests = 0;
  size_t open = 0;  // connections that exist
  size_t connecting = 0;
  size_t pending = 0;  // requests in the queue
  size_t active = 0;   // requests in flight
};

class Pool {
 public:
  struct Connected {
    std::unique_ptr<io::Stream> stream;
    std::string alpn;  // empty: none was agreed
  };
  // Makes a stream that is ready for HTTP. Called once a connection.
  using Connector = std::move_only_function<io::Task<Result<Connected>>()>;

  // Null `limits` means none.
  Pool(io::Loop& loop, Connector connector, PoolOptions options, std::shared_ptr<Limits> limits);
  // Waiters fail with Error::Kind::cancelled, connections in use finish on their own.
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Starts the request on a connection, waiting for one if need be, until `deadline`. `head` must live until
  // the task has ended. Errors: overflow (which limit), timeout, or what the connector said; all with side =
  // backend. An error here means that nothing of the request was sent.
  io::Task<Result<std::unique_ptr<ClientExchange>>> send(const http::Request& head, bool end,
                                                         TimePoint deadline = TimePoint::max());
  // The same without a coroutine where a connection is free: nullptr says that only send() can tell.
  // HTTP/1 is taken from the idle ones, HTTP/2 from those with a free stream.
  std::unique_ptr<ClientExchange> try_send(const http::Request& head, bool end);

  // Takes nothing new, closes what is idle, lets what is in flight finish. Waiters still get their
  // connection.
  void drain();
  bool drained() const;
  // Closes idle connections now (after a rotation of certificates, say) and drains those in use.
  void close_connections();

  const PoolCounts& counts();
  // Told when the connector failed (first argument false) or a connection was established.
  void on_connect(std::move_only_function<void(bool ok, const Error* error)> callback) {
    connect_told_ = std::move(callback);
  }

 private:
  struct Slot;     // a connection and the place it has among ours
  struct Pending;  // a request that waits

  std::unique_ptr<ClientExchange> start_on(Slot& slot, const http::Request& head, bool end);
  Slot* usable();
  bool wants_connection() const;
  void open_if_wanted();
  io::Task<void> open_connection(std::shared_ptr<void> counted);
  void adopt(Connected connected, std::shared_ptr<void> counted);
  void list(Slot& slot);
  void exchange_ended(Slot& slot);
  void serve_pending();
  void fail_pending(const Error& error);
  void sweep();
  void close_idle();
  size_t expected_streams() const;

  io::Loop& loop_;
  Connector connector_;
  PoolOptions options_;
  std::shared_ptr<Limits> limits_;
  std::vector<std::unique_ptr<Slot>> slots_;
  io::ListNode usable_;  // slots with room; the one used last comes first
  io::ListNode pending_;
  PoolCounts counts_;
  bool draining_ = false;
  enum class Speaks : uint8_t { unknown, http1, http2 };
  Speaks speaks_ = Speaks::unknown;
  std::move_only_function<void(bool, const Error*)> connect_told_;
  io::Deferred sweep_;
  io::Timer idle_;
  io::TaskGroup tasks_;
};

}  // namespace weft::net
