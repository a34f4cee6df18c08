// Worker: one thread's whole proxy: loop, listeners' accepted connections, clusters, pools, counters.
// Nothing in it is shared with another thread but immutable configuration and outlier state.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/loop.h"
#include "io/task_group.h"
#include "model/cluster.h"
#include "net/server_connection.h"
#include "proxy/backend_cluster.h"
#include "proxy/config/compiled.h"
#include "telemetry/istio_metrics.h"
#include "telemetry/log_writer.h"
#include "telemetry/metrics.h"

namespace weft::proxy {

// What is counted of the connection managers with one stat_prefix (http.<stat_prefix>. in /stats).
struct HttpCounts {
  telemetry::Counter* connections_total;
  telemetry::Gauge* connections_active;
  telemetry::Counter* protocol_errors;
  telemetry::Counter* requests_total;
  telemetry::Gauge* requests_active;
  telemetry::Counter* header_timeouts;
  telemetry::Counter* responses[5];  // 1xx to 5xx

  void answered(int status) const {
    if (status >= 100 && status < 600) responses[status / 100 - 1]->add(1);
  }
};

// Who this proxy is; the same for all workers.
struct Self {
  model::WorkloadInfo workload;
  std::string principal;    // spiffe://…; empty outside a mesh
  std::string description;  // of `workload`, for the next proxy (mesh_headers.h)
};

class Worker {
 public:
  Worker(io::Loop& loop, net::Resolver& resolver, std::shared_ptr<const Self> self,
         telemetry::Registry& registry);

  // In the loop's thread.
  void set_config(std::shared_ptr<const Config> config);
  const std::shared_ptr<const Config>& config() const { return config_; }

  io::Loop& loop() { return loop_; }
  const Self& self() const { return *self_; }
  Backends& backends() { return backends_; }
  telemetry::IstioMetrics& metrics() { return metrics_; }
  telemetry::Shard& shard() { return shard_; }
  io::TaskGroup& connections() { return connections_; }
  // Mirrored requests, which nobody waits for.
  io::TaskGroup& copies() { return copies_; }
  uint64_t next_connection_id() { return ++connection_ids_; }

  // The ring of this worker into a log file.
  telemetry::LogWriter::Ring& ring(telemetry::LogWriter& writer);
  // Tells the connections of a listener to end; one a listener, for as long as it listens.
  std::shared_ptr<net::Drain> drain(const std::string& listener);
  // The listener is gone: its connections end after what they are doing. One that comes under the same name
  // later begins anew.
  void retire(const std::string& listener);
  void drain_all();
  void expire_all();
  size_t connection_count() const { return connections_.size(); }

  // Counters of /stats that are not istio_* and not of one connection manager.
  struct Counts {
    telemetry::Counter* connections_total;
    telemetry::Gauge* connections_active;
    telemetry::Counter* no_filter_chain;
    telemetry::Counter* tls_errors;
    telemetry::Counter* rbac_allowed;
    telemetry::Counter* rbac_denied;
    telemetry::Counter* shadow_allowed;
    telemetry::Counter* shadow_denied;
    telemetry::Counter* audited;
    telemetry::Counter* retries;
    telemetry::Counter* timeouts;
    telemetry::Counter* overflows;
  };
  Counts counts;
  // Good as long as the worker.
  const HttpCounts& http_counts(std::string_view stat_prefix);
  std::string scratch;  // of the thread: a log line being written

 private:
  void expire_metrics();

  io::Loop& loop_;
  std::shared_ptr<const Self> self_;
  telemetry::Registry& registry_;
  telemetry::Shard& shard_;
  std::map<std::string, HttpCounts, std::less<>> http_counts_;
  telemetry::IstioMetrics metrics_;
  std::shared_ptr<const Config> config_;
  Backends backends_;
  std::map<telemetry::LogWriter*, telemetry::LogWriter::Ring*> rings_;
  std::map<std::string, std::shared_ptr<net::Drain>> drains_;
  std::vector<std::weak_ptr<net::Drain>> retired_;  // their connections hold them
  uint64_t connection_ids_ = 0;
  io::Timer expiry_;
  io::TaskGroup copies_;
  io::TaskGroup connections_;
};

}  // namespace weft::proxy
