#include "balance/balancer.h"

#include <algorithm>
#include <unordered_map>

#include "balance/chooser.h"

namespace weft::balance {

Balancer::Balancer(std::shared_ptr<const model::Cluster> cluster, std::shared_ptr<OutlierDetector> detector,
                   Random& random)
    : cluster_(std::move(cluster)), detector_(std::move(detector)), random_(random) {}
Balancer::~Balancer() = default;
Balancer::Balancer(Balancer&&) noexcept = default;

// ---- the set

namespace {

// Whether it is the same workload spoken to in the same way: only then are connections and counts worth
// keeping. An address is given to another Pod sooner or later.
bool is_same_place(const model::Endpoint& a, const model::Endpoint& b) {
  const bool same_workload =
      a.workload == b.workload || (a.workload && b.workload && *a.workload == *b.workload);
  return a.mesh_tls == b.mesh_tls && a.hostname == b.hostname && same_workload;
}

}  // namespace

std::vector<std::shared_ptr<Host>> Balancer::update(const model::EndpointSet& endpoints) {
  std::unordered_map<SocketAddress, std::shared_ptr<Host>> before;
  for (auto& host : hosts_) before.emplace(host->address(), std::move(host));
  hosts_.clear();
  std::unordered_map<SocketAddress, bool> taken;
  for (const auto& endpoint : endpoints.endpoints) {
    if (!taken.emplace(endpoint.address, true).second) continue;  // named twice: the first counts
    if (const auto known = before.find(endpoint.address);
        known != before.end() && is_same_place(known->second->endpoint(), endpoint)) {
      known->second->endpoint_ = endpoint;
      hosts_.push_back(std::move(known->second));
      before.erase(known);
      continue;
    }
    auto health =
        detector_ ? detector_->health_of(endpoint.address) : std::make_shared<HostHealth>(endpoint.address);
    hosts_.push_back(std::make_shared<Host>(endpoint, std::move(health)));
  }
  if (detector_) detector_->set_host_count(hosts_.size());
  rebuild();
  std::vector<std::shared_ptr<Host>> left;
  for (auto& [address, host] : before) {
    host->in_set = false;
    left.push_back(std::move(host));
  }
  return left;
}

void Balancer::rebuild() {
  // Read first: a host ejected while we build brings us here again.
  seen_version_ = detector_ ? detector_->version() : 0;
  uint32_t levels = 0;
  for (const auto& host : hosts_) levels = std::max(levels, host->endpoint().priority + 1);
  priorities_.clear();
  priorities_.resize(levels);
  for (const auto& host : hosts_) {
    Priority& priority = priorities_[host->endpoint().priority];
    priority.hosts.push_back(host);
    if (host->healthy()) priority.healthy.push_back(host);
  }
  divide_load();
}

// Envoy's priority load: a priority is as available as 1.4 times its healthy share, at most 100 %. Each takes
// what it is available for of the load that those before it left.
void Balancer::divide_load() {
  constexpr uint32_t kOverprovisioning = 140;
  std::vector<uint32_t> available;
  uint32_t total = 0;
  for (const auto& priority : priorities_) {
    const auto all = static_cast<uint32_t>(priority.hosts.size());
    const auto healthy = static_cast<uint32_t>(priority.healthy.size());
    available.push_back(all == 0 ? 0 : std::min(100u, kOverprovisioning * healthy / all));
    total = std::min(100u, total + available.back());
  }
  bool all_in_panic = true;
  size_t hosts = 0;
  for (auto& priority : priorities_) {
    const size_t all = priority.hosts.size();
    hosts += all;
    const uint64_t healthy_percent = all == 0 ? 0 : 100 * priority.healthy.size() / all;
    priority.panic = total < 100 && healthy_percent < std::min(cluster_->panic_threshold_percent, 100u);
    all_in_panic = all_in_panic && priority.panic;
  }
  uint32_t left = 100;
  for (size_t i = 0; i < priorities_.size(); ++i) {
    Priority& priority = priorities_[i];
    if (all_in_panic) {  // by size alone: nothing is known to be better
      priority.load_percent = hosts == 0 ? 0 : static_cast<uint32_t>(100 * priority.hosts.size() / hosts);
    } else if (total > 0) {
      priority.load_percent = std::min(left, available[i] * 100 / total);
    }
    left -= std::min(left, priority.load_percent);
  }
  // What rounding left goes to the first that takes anything.
  const auto first =
      std::ranges::find_if(priorities_, [](const Priority& priority) { return priority.load_percent > 0; });
  if (first != priorities_.end()) first->load_percent += left;
}

size_t Balancer::healthy_count() {
  if (detector_ && detector_->version() != seen_version_) rebuild();
  size_t count = 0;
  for (const auto& priority : priorities_) count += priority.healthy.size();
  return count;
}

std::unique_ptr<Chooser> Balancer::make_chooser(const HostList& hosts) const {
  switch (cluster_->lb) {
    case model::LbPolicy::least_request:
      return std::make_unique<LeastRequest>(hosts, std::max(cluster_->least_request_choices, 2u));
    case model::LbPolicy::random:
      return std::make_unique<RandomChoice>(hosts);
    case model::LbPolicy::ring_hash:
      return std::make_unique<RingHash>(hosts, cluster_->ring_size_min, cluster_->ring_size_max);
    case model::LbPolicy::maglev:
      return std::make_unique<Maglev>(hosts, cluster_->maglev_table);
    case model::LbPolicy::round_robin:
    case model::LbPolicy::cluster_provided:
      return std::make_unique<RoundRobin>(hosts, random_);
  }
  return nullptr;
}

// ---- picking

Balancer::Priority* Balancer::choose_priority(uint64_t random) {
  if (priorities_.size() == 1) return &priorities_.front();
  auto at = static_cast<uint32_t>(random % 100);
  for (auto& priority : priorities_) {
    if (at < priority.load_percent) return &priority;
    at -= priority.load_percent;
  }
  return nullptr;
}

Pick Balancer::pick(const PickContext& context) {
  if (hosts_.empty()) return {.why = Pick::Why::no_hosts};
  if (detector_ && detector_->version() != seen_version_) rebuild();

  // A hash decides the priority too, so that a key keeps its host while health does not change.
  const uint64_t hash = context.hash ? *context.hash : random_.next();
  Priority* priority = choose_priority(hash);
  if (!priority) return {.why = Pick::Why::no_healthy};
  const HostList& candidates = priority->panic ? priority->hosts : priority->healthy;
  if (candidates.empty()) return {.why = Pick::Why::no_healthy};
  // Tables of consistent policies are big: they are built when first needed.
  if (!priority->chooser) priority->chooser = make_chooser(candidates);

  const auto was_tried = [&](const std::shared_ptr<Host>& host) {
    return std::ranges::find(context.avoid, host.get()) != context.avoid.end();
  };
  Pick pick{.why = priority->panic ? Pick::Why::panic : Pick::Why::healthy};
  for (uint32_t attempt = 0; attempt <= context.attempts; ++attempt) {
    pick.host = priority->chooser->choose(hash, attempt, random_);
    if (context.avoid.empty() || !was_tried(pick.host)) return pick;
  }
  // Draws are luck; with few hosts left, look for one.
  if (const auto fresh = std::ranges::find_if_not(candidates, was_tried); fresh != candidates.end()) {
    pick.host = *fresh;
  }
  return pick;
}

}  // namespace weft::balance
