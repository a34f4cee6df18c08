#include "balance/outlier.h"

#include <algorithm>

#include "base/strings.h"

namespace weft::balance {

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// A counter that is 0 nearly always: looked at before it is written, so that workers share its cache line.
void clear(std::atomic<uint32_t>& counter) {
  if (counter.load(kRelaxed) != 0) counter.store(0, kRelaxed);
}

std::string_view to_string(EjectionEvent::Reason reason) {
  using Reason = EjectionEvent::Reason;
  switch (reason) {
    case Reason::consecutive_5xx:
      return "consecutive 5xx";
    case Reason::consecutive_gateway_failure:
      return "consecutive gateway failures";
    case Reason::consecutive_local_origin_failure:
      return "consecutive failures to reach it";
  }
  return {};
}

std::string in_seconds(Duration length) {
  const auto milliseconds = duration_cast<std::chrono::milliseconds>(length).count();
  if (milliseconds % 1000 == 0) return concat(milliseconds / 1000, "s");
  return concat(milliseconds, "ms");
}

}  // namespace

AttemptResult result_of_status(int status) {
  if (status == 0) return AttemptResult::local_origin_failure;
  if (status >= 502 && status <= 504) return AttemptResult::gateway_error;
  return status >= 500 ? AttemptResult::server_error : AttemptResult::success;
}

std::string EjectionEvent::to_string() const {
  const std::string hosts = concat(ejected_hosts, " of ", total_hosts, " hosts ejected");
  switch (kind) {
    case Kind::ejected:
      return concat("ejected ", host.to_string(), " of ", cluster, ": ", failures, " ",
                    balance::to_string(reason), ", for ", in_seconds(length), " (", hosts, ")");
    case Kind::returned:
      return concat("returned ", host.to_string(), " to ", cluster, " (", hosts, ")");
    case Kind::refused:
      return concat("kept ", host.to_string(), " of ", cluster, " in spite of ", failures, " ",
                    balance::to_string(reason), ": maxEjectionPercent is reached (", hosts, ")");
  }
  return {};
}

OutlierDetector::OutlierDetector(std::string cluster, model::OutlierDetection config, uint64_t seed,
                                 Listener listener)
    : cluster_(std::move(cluster)), listener_(std::move(listener)), random_(seed) {
  set_config(config);
}

void OutlierDetector::set_config(const model::OutlierDetection& config) {
  const std::lock_guard lock(mutex_);
  config_ = config;
  limit_5xx_.store(config.consecutive_5xx, kRelaxed);
  limit_gateway_.store(config.consecutive_gateway_failure, kRelaxed);
  limit_local_.store(config.consecutive_local_origin_failure, kRelaxed);
  split_.store(config.split_external_local_origin_errors, kRelaxed);
}

Duration OutlierDetector::interval() const {
  const std::lock_guard lock(mutex_);
  return config_.interval;
}

std::shared_ptr<HostHealth> OutlierDetector::health_of(const SocketAddress& address) {
  const std::lock_guard lock(mutex_);
  auto& known = hosts_[address];
  auto health = known.lock();
  if (!health) {
    health = std::make_shared<HostHealth>(address);
    known = health;
  }
  return health;
}

// ---- what attempts tell

void OutlierDetector::report(HostHealth& host, AttemptResult result, TimePoint now) {
  using Reason = EjectionEvent::Reason;
  // Split: what we saw ourselves counts apart from what the host answered. Otherwise it counts as a 503.
  const bool split = split_.load(kRelaxed);
  if (result == AttemptResult::local_origin_failure) {
    if (split) {
      const uint32_t failures = host.local_errors_.fetch_add(1, kRelaxed) + 1;
      if (failures >= limit_local_.load(kRelaxed)) {
        consider(host, Reason::consecutive_local_origin_failure, failures, now);
      }
      return;
    }
    result = AttemptResult::gateway_error;
  }
  if (split) clear(host.local_errors_);
  if (result == AttemptResult::connected) return;

  if (result == AttemptResult::success) {
    clear(host.server_errors_);
    clear(host.gateway_errors_);
    return;
  }
  if (result == AttemptResult::gateway_error) {
    const uint32_t failures = host.gateway_errors_.fetch_add(1, kRelaxed) + 1;
    if (failures >= limit_gateway_.load(kRelaxed)) {
      consider(host, Reason::consecutive_gateway_failure, failures, now);
    }
  } else {
    clear(host.gateway_errors_);
  }
  const uint32_t failures = host.server_errors_.fetch_add(1, kRelaxed) + 1;
  if (failures >= limit_5xx_.load(kRelaxed)) consider(host, Reason::consecutive_5xx, failures, now);
}

void OutlierDetector::consider(HostHealth& host, EjectionEvent::Reason reason, uint32_t failures,
                               TimePoint now) {
  using Reason = EjectionEvent::Reason;
  std::optional<EjectionEvent> event;
  {
    const std::lock_guard lock(mutex_);
    uint32_t enforcing = config_.enforcing_consecutive_5xx;
    std::atomic<uint32_t>* counter = &host.server_errors_;
    if (reason == Reason::consecutive_gateway_failure) {
      enforcing = config_.enforcing_consecutive_gateway_failure;
      counter = &host.gateway_errors_;
    } else if (reason == Reason::consecutive_local_origin_failure) {
      enforcing = config_.enforcing_consecutive_local_origin_failure;
      counter = &host.local_errors_;
    }
    counter->store(0, kRelaxed);
    if (host.ejected()) return;
    if (enforcing < 100 && random_.below(100) >= enforcing) return;
    event = eject(host, now);
    event->reason = reason;
    event->failures = failures;
  }
  if (listener_) listener_(*event);
}

EjectionEvent OutlierDetector::eject(HostHealth& host, TimePoint now) {
  EjectionEvent event;
  event.cluster = cluster_;
  event.host = host.address();
  event.total_hosts = std::max(host_count_.load(kRelaxed), 1u);
  const auto ejected = static_cast<uint32_t>(ejected_.size());
  event.ejected_hosts = ejected;
  // One host may always go, unless the percentage is 0: of three hosts, 10 % would be none.
  const bool room =
      config_.max_ejection_percent > 0 &&
      (ejected == 0 || 100ull * (ejected + 1) <= 1ull * config_.max_ejection_percent * event.total_hosts);
  const auto known = hosts_.find(host.address());
  const auto shared = known == hosts_.end() ? nullptr : known->second.lock();
  if (!room || !shared) {
    refused_.fetch_add(1, kRelaxed);
    event.kind = EjectionEvent::Kind::refused;
    return event;
  }
  const uint32_t times = host.times_ejected_.fetch_add(1, kRelaxed) + 1;
  const Duration most = std::max(config_.max_ejection_time, config_.base_ejection_time);
  event.length = config_.base_ejection_time > most / times ? most : config_.base_ejection_time * times;
  host.until_.store((now + event.length).time_since_epoch().count(), kRelaxed);
  host.ejected_.store(true, std::memory_order_release);
  ejected_.push_back(shared);
  ejections_.fetch_add(1, kRelaxed);
  event.ejected_hosts = ejected + 1;
  changed();
  return event;
}

// Holding the lock.
void OutlierDetector::changed() {
  ejected_count_.store(static_cast<uint32_t>(ejected_.size()), kRelaxed);
  version_.fetch_add(1, std::memory_order_release);
}

// ---- time passing

void OutlierDetector::sweep(TimePoint now) {
  std::vector<EjectionEvent> events;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(ejected_, [&](const std::shared_ptr<HostHealth>& host) {
      if (host.use_count() == 1) return true;  // no cluster has it any more
      if (host->ejected_until() > now) return false;
      host->ejected_.store(false, std::memory_order_release);
      clear(host->server_errors_);
      clear(host->gateway_errors_);
      clear(host->local_errors_);
      EjectionEvent event;
      event.kind = EjectionEvent::Kind::returned;
      event.cluster = cluster_;
      event.host = host->address();
      event.total_hosts = std::max(host_count_.load(kRelaxed), 1u);
      events.push_back(std::move(event));
      return true;
    });
    if (ejected_.size() != ejected_count_.load(kRelaxed)) changed();
    for (auto& event : events) event.ejected_hosts = static_cast<uint32_t>(ejected_.size());
    forgive(now);
  }
  if (listener_) {
    for (const auto& event : events) listener_(event);
  }
}

// Each interval that a host serves takes one from the times it was ejected. Addresses that are gone are
// forgotten.
void OutlierDetector::forgive(TimePoint now) {
  std::erase_if(hosts_, [&](const auto& entry) {
    const auto host = entry.second.lock();
    if (!host) return true;
    // Not in the sweep in which it returned.
    if (!host->ejected() && host->times_ejected() > 0 && host->ejected_until() + config_.interval <= now) {
      host->times_ejected_.fetch_sub(1, kRelaxed);
    }
    return false;
  });
}

}  // namespace weft::balance
