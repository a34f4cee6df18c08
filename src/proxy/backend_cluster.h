// BackendCluster: one worker's way to one cluster: which endpoint is next, and over which connection.
//
//   BackendCluster* cluster = worker.backends().find("outbound|9080||reviews.default.svc.cluster.local");
//   Result<Lease> lease = cluster->pick(std::move(permit), picking);
//   net::Pool& pool = lease->pool(Carriage::mesh);
//
// It is made when the first request asks for it, so that a mesh of a thousand services costs a sidecar
// what it uses. A Lease keeps the host (and its pools) alive while a request is on it, whatever the
// configuration does meanwhile.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "balance/balancer.h"
#include "io/task_group.h"
#include "net/pool.h"
#include "net/resolve.h"
#include "policy/authorize.h"
#include "proxy/config/compiled.h"
#include "telemetry/istio_metrics.h"

namespace weft::proxy {

// The pools of one host, and what is counted of it. Attached to balance::Host.
struct HostPools {
  std::unique_ptr<net::Pool> pools[4];              // by Carriage; made on first use
  uint64_t trust_generation = 0;                    // of the contexts that the connections were made with
  std::shared_ptr<telemetry::PeerMetrics> metrics;  // source reporter's, resolved once
  bool failed_to_connect_last = false;
  uint64_t connect_failures = 0, connects = 0;
};

// Why no endpoint was had; serve_request maps it to a reply.
enum class PickFailure : uint8_t { no_hosts, no_healthy, permit_missing, awaits_secret };

class BackendCluster {
 public:
  // `resolver` outlives this; it is asked for the names of DNS clusters.
  BackendCluster(io::Loop& loop, net::Resolver& resolver, std::shared_ptr<const CompiledCluster> config);
  ~BackendCluster();
  BackendCluster(const BackendCluster&) = delete;

  // Takes a new configuration; hosts that remain keep their connections unless the way of talking changed.
  void update(std::shared_ptr<const CompiledCluster> config);
  const model::Cluster& model() const { return *config_->model; }
  const CompiledCluster& config() const { return *config_; }
  const std::string& name() const { return config_->model->name; }

  // Only what was authorised may be sent on: the Permit is the proof, and is used up.
  // `destination` is where an original_dst cluster sends to.
  std::expected<std::shared_ptr<balance::Host>, PickFailure> pick(
      const policy::Permit& permit, const balance::PickContext& context,
      const std::optional<SocketAddress>& destination);

  // The pool of a host for a carriage. The host must be of this cluster.
  net::Pool& pool(const std::shared_ptr<balance::Host>& host, Carriage carriage);
  HostPools& pools_of(balance::Host& host);
  // True where the endpoint is reached over the mesh's own mTLS.
  bool speaks_mesh_tls(const balance::Host& host) const {
    return host.endpoint().mesh_tls && config_->model->mesh_tls.has_value();
  }
  // A connection for TCP, ready for bytes.
  io::Task<Result<std::unique_ptr<io::Stream>>> connect(std::shared_ptr<balance::Host> host,
                                                        Carriage carriage);

  void report(balance::Host& host, balance::AttemptResult result);
  const std::shared_ptr<net::Limits>& limits() const { return config_->limits; }
  const std::vector<std::shared_ptr<balance::Host>>& hosts() const { return balancer_->hosts(); }
  // Counters of /clusters and /stats.
  uint64_t requests_total = 0, requests_error = 0, timeouts = 0, retries = 0, retry_overflows = 0;

  // True while a DNS cluster has not resolved once.
  bool resolving() const { return resolving_; }
  io::Event& resolved() { return resolved_; }

 private:
  void apply_endpoints();
  void release(std::shared_ptr<balance::Host> host);
  io::Task<void> resolve_names();
  void sweep();
  io::Task<Result<net::Pool::Connected>> open(SocketAddress address, bool mesh_tls, Carriage carriage);

  io::Loop& loop_;
  net::Resolver& resolver_;
  std::shared_ptr<const CompiledCluster> config_;
  std::unique_ptr<balance::Balancer> balancer_;
  std::map<SocketAddress, std::shared_ptr<balance::Host>> original_hosts_;
  std::vector<std::shared_ptr<balance::Host>> leaving_;  // drain, then forgotten
  std::shared_ptr<const model::EndpointSet> resolved_endpoints_;
  bool resolving_ = false;
  io::Event resolved_;
  io::Timer sweep_timer_;
  io::TaskGroup tasks_;
};

// All clusters of a worker.
class Backends {
 public:
  Backends(io::Loop& loop, net::Resolver& resolver) : loop_(loop), resolver_(resolver) {}
  void update(std::shared_ptr<const Config> config);
  // Null: the configuration has no such cluster. Whoever sends to it holds it until that has ended.
  std::shared_ptr<BackendCluster> find(std::string_view name);
  using Map = std::map<std::string, std::shared_ptr<BackendCluster>, std::less<>>;
  // Those that a request has asked for.
  const Map& used() const { return used_; }

 private:
  io::Loop& loop_;
  net::Resolver& resolver_;
  std::shared_ptr<const Config> config_;
  Map used_;
};

}  // namespace weft::proxy
