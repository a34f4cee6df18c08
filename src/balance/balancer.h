// Which endpoint of a cluster gets the next request?
//
// Each worker has one Balancer for each cluster; picking takes no lock and no allocation. Health is shared
// among workers through the OutlierDetector (outlier.h); load is each worker's own.
//
//   Balancer balancer(cluster, detector, random);
//   balancer.update(endpoints);                          // an EDS response, or names resolved
//   Pick pick = balancer.pick({.hash = hash, .avoid = tried});
//   if (!pick.host) reply_503(pick.why);                 // UH
//   ActiveRequest active(pick.host);                     // counts while it lives
//
// Priorities as Envoy has them: traffic goes to priority 0 as long as enough of it is healthy (a factor of
// 1.4 above need), the rest spills to the next. Where in all priorities together too few are healthy, a
// priority below the panic threshold uses all its hosts; Istio sets that threshold to 0, so that a cluster
// without a healthy host answers 503 UH.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "balance/outlier.h"
#include "base/random.h"
#include "model/cluster.h"

namespace weft::balance {

// One endpoint as one worker sees it. Lives as long as the endpoint is in the set or a request is on it.
class Host {
 public:
  Host(model::Endpoint endpoint, std::shared_ptr<HostHealth> health)
      : endpoint_(std::move(endpoint)), health_(std::move(health)) {}
  const model::Endpoint& endpoint() const { return endpoint_; }
  const SocketAddress& address() const { return endpoint_.address; }
  HostHealth& health() const { return *health_; }
  bool healthy() const { return endpoint_.healthy && !health_->ejected(); }

  // Plain numbers of the worker's thread.
  uint32_t active_requests = 0;
  uint32_t active_connections = 0;
  uint64_t total_requests = 0;
  uint64_t errors = 0;
  // False once the endpoint left the set: its connections are drained.
  bool in_set = true;
  // Whatever the proxy keeps with a host (its connection pools); dies with it.
  std::shared_ptr<void> attachment;

 private:
  friend class Balancer;
  model::Endpoint endpoint_;
  std::shared_ptr<HostHealth> health_;
};

// Counts a request on its host while it lives.
class ActiveRequest {
 public:
  ActiveRequest() = default;
  explicit ActiveRequest(std::shared_ptr<Host> host) : host_(std::move(host)) {
    ++host_->active_requests;
    ++host_->total_requests;
  }
  ActiveRequest(ActiveRequest&& other) noexcept = default;
  ActiveRequest& operator=(ActiveRequest&& other) noexcept {
    if (this != &other) {
      release();
      host_ = std::move(other.host_);
    }
    return *this;
  }
  ~ActiveRequest() { release(); }
  const std::shared_ptr<Host>& host() const { return host_; }
  void release() {
    if (host_) --host_->active_requests;
    host_.reset();
  }

 private:
  std::shared_ptr<Host> host_;
};

class Chooser;

struct PickContext {
  std::optional<uint64_t> hash;             // ring hash and maglev; none: a random one
  std::span<const Host* const> avoid = {};  // hosts tried already; taken only where nothing else is left
  uint32_t attempts = 5;                    // draws to get around `avoid`
};

struct Pick {
  enum class Why : uint8_t {
    healthy,
    panic,       // too few are healthy: any host is as good as another
    no_hosts,    // the cluster has no endpoint
    no_healthy,  // it has, but none is healthy (503 UH)
  };
  std::shared_ptr<Host> host;
  Why why = Why::no_hosts;
};

class Balancer {
 public:
  // `random` outlives this. `detector` may be null: then only EDS health counts.
  Balancer(std::shared_ptr<const model::Cluster> cluster, std::shared_ptr<OutlierDetector> detector,
           Random& random);
  ~Balancer();
  Balancer(Balancer&&) noexcept;
  Balancer& operator=(Balancer&&) = delete;

  // Hosts whose address remains keep their state, unless another workload or transport is behind it. Removed
  // ones live on until their last request ends. Returns the hosts that left, so that their connections can be
  // drained.
  std::vector<std::shared_ptr<Host>> update(const model::EndpointSet& endpoints);
  Pick pick(const PickContext& context = {});

  const std::vector<std::shared_ptr<Host>>& hosts() const { return hosts_; }
  size_t healthy_count();
  const model::Cluster& cluster() const { return *cluster_; }

 private:
  struct Priority {
    std::vector<std::shared_ptr<Host>> hosts;  // all
    std::vector<std::shared_ptr<Host>> healthy;
    bool panic = false;
    uint32_t load_percent = 0;
    std::unique_ptr<Chooser> chooser;  // over `hosts` in panic, else over `healthy`
  };

  void rebuild();
  void divide_load();
  std::unique_ptr<Chooser> make_chooser(const std::vector<std::shared_ptr<Host>>& hosts) const;
  Priority* choose_priority(uint64_t random);

  std::shared_ptr<const model::Cluster> cluster_;
  std::shared_ptr<OutlierDetector> detector_;
  Random& random_;
  std::vector<std::shared_ptr<Host>> hosts_;
  std::vector<Priority> priorities_;
  uint64_t seen_version_ = 0;
};

}  // namespace weft::balance
