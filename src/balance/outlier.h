// Outlier detection: hosts that keep failing are left alone for a while.
//
// One OutlierDetector a cluster, shared by all workers, so that what one worker learns counts for all. A
// success costs a worker a few relaxed loads; only ejections take the lock.
//
//   detector->report(health, Outcome::gateway_failure, now);   // after each attempt
//   detector->sweep(now);                                      // every config.interval, from any one thread
//
//   serving ── consecutive failures reach a threshold ──▶ ejected (base × times ejected, at most max)
//      ▲                                                     │
//      └──────────────── sweep after that time ◀─────────────┘   a sweep without ejection lowers the count
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "base/random.h"
#include "model/cluster.h"

namespace weft::balance {

// What all workers know of one host.
class HostHealth {
 public:
  explicit HostHealth(SocketAddress address) : address_(std::move(address)) {}
  const SocketAddress& address() const { return address_; }
  bool ejected() const { return ejected_.load(std::memory_order_acquire); }
  uint32_t times_ejected() const { return times_ejected_.load(std::memory_order_relaxed); }
  // When the present ejection ends; only meaningful while ejected().
  TimePoint ejected_until() const { return TimePoint(Duration(until_.load(std::memory_order_relaxed))); }

 private:
  friend class OutlierDetector;
  const SocketAddress address_;
  std::atomic<bool> ejected_ = false;
  std::atomic<uint32_t> times_ejected_ = 0;
  std::atomic<int64_t> until_ = 0;
  std::atomic<uint32_t> server_errors_ = 0;   // consecutive 5xx
  std::atomic<uint32_t> gateway_errors_ = 0;  // consecutive 502, 503, 504
  std::atomic<uint32_t> local_errors_ = 0;    // consecutive local-origin failures (split mode)
};

enum class AttemptResult : uint8_t {
  success,               // a response below 500
  server_error,          // 500, 501, 505 and on
  gateway_error,         // 502, 503, 504
  connected,             // local origin: a connection or stream came about
  local_origin_failure,  // connect failure, reset, timeout: what we saw ourselves
};
// Of a response: 0 is none (local_origin_failure).
AttemptResult result_of_status(int status);

struct EjectionEvent {
  enum class Kind : uint8_t { ejected, returned, refused };  // refused: too many hosts are ejected already
  enum class Reason : uint8_t {
    consecutive_5xx,
    consecutive_gateway_failure,
    consecutive_local_origin_failure
  };
  Kind kind = Kind::ejected;
  Reason reason = Reason::consecutive_5xx;
  std::string cluster;
  SocketAddress host;
  uint32_t failures = 0;  // in a row
  Duration length{};      // of the ejection
  uint32_t ejected_hosts = 0, total_hosts = 0;

  // "ejected 10.0.0.7:8080 of reviews: 5 consecutive 5xx, for 30s (1 of 3 hosts ejected)"
  std::string to_string() const;
};

class OutlierDetector {
 public:
  // May be called from any worker's thread, one call at a time.
  using Listener = std::function<void(const EjectionEvent&)>;

  OutlierDetector(std::string cluster, model::OutlierDetection config, uint64_t seed, Listener listener = {});

  // The health of that address, shared by every worker's Host of it. Kept while anybody holds it.
  std::shared_ptr<HostHealth> health_of(const SocketAddress& address);
  // How many hosts the percentage is of: the cluster's whole set.
  void set_host_count(size_t count) {
    host_count_.store(static_cast<uint32_t>(count), std::memory_order_relaxed);
  }
  // Configuration may change while hosts stay.
  void set_config(const model::OutlierDetection& config);

  void report(HostHealth& host, AttemptResult result, TimePoint now);
  // Lets hosts return whose time is over.
  void sweep(TimePoint now);

  // Changes whenever a host is ejected or returns: balancers compare it before they pick.
  uint64_t version() const { return version_.load(std::memory_order_acquire); }
  uint32_t ejected_count() const { return ejected_count_.load(std::memory_order_relaxed); }
  Duration interval() const;
  // Totals since the start, for metrics.
  uint64_t ejections() const { return ejections_.load(std::memory_order_relaxed); }
  uint64_t ejections_refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  void consider(HostHealth& host, EjectionEvent::Reason reason, uint32_t failures, TimePoint now);
  EjectionEvent eject(HostHealth& host, TimePoint now);
  void changed();
  void forgive(TimePoint now);

  const std::string cluster_;
  Listener listener_;
  std::atomic<uint64_t> version_ = 1;
  std::atomic<uint32_t> host_count_ = 0;
  std::atomic<uint32_t> ejected_count_ = 0;
  std::atomic<uint64_t> ejections_ = 0;
  std::atomic<uint64_t> refused_ = 0;
  // Read on every report, so kept apart from the lock.
  std::atomic<uint32_t> limit_5xx_, limit_gateway_, limit_local_;
  std::atomic<bool> split_;
  mutable std::mutex mutex_;  // guards what follows
  model::OutlierDetection config_;
  Random random_;
  std::unordered_map<SocketAddress, std::weak_ptr<HostHealth>> hosts_;
  std::vector<std::shared_ptr<HostHealth>> ejected_;
};

}  // namespace weft::balance
