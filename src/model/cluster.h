// Clusters: named groups of endpoints with one way of talking to them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "model/tls.h"

namespace weft::model {

// What is known of the workload behind an address: the labels of istio_* metrics.
struct WorkloadInfo {
  std::string workload = "unknown";
  std::string workload_namespace = "unknown";
  std::string canonical_service = "unknown";
  std::string canonical_revision = "latest";
  std::string app = "unknown";
  std::string version = "unknown";
  std::string cluster = "Kubernetes";
  std::string principal;  // spiffe://…, empty if unknown
  bool operator==(const WorkloadInfo&) const = default;
};

struct Locality {
  std::string region, zone, sub_zone;
  auto operator<=>(const Locality&) const = default;
};

struct Endpoint {
  SocketAddress address;
  std::string hostname;  // for DNS clusters: the name to resolve (address.port holds the port)
  uint32_t weight = 1;
  bool healthy = true;
  uint32_t priority = 0;
  Locality locality;
  bool mesh_tls = false;                         // envoy.transport_socket_match {tlsMode: istio}
  std::shared_ptr<const WorkloadInfo> workload;  // null: unknown
  bool operator==(const Endpoint& other) const {
    return address == other.address && hostname == other.hostname && weight == other.weight &&
           healthy == other.healthy && priority == other.priority && locality == other.locality &&
           mesh_tls == other.mesh_tls &&
           (workload == other.workload || (workload && other.workload && *workload == *other.workload));
  }
};

// config.endpoint.v3.ClusterLoadAssignment.
struct EndpointSet {
  std::string cluster;  // or the EDS service name
  std::vector<Endpoint> endpoints;
  bool operator==(const EndpointSet&) const = default;
};

// config.cluster.v3.CircuitBreakers (default priority) and the pool's bounds. Absent is without limit.
struct PoolLimits {
  static constexpr uint32_t kUnlimited = 0xffffffffu;
  uint32_t max_connections = kUnlimited;
  uint32_t max_pending_requests = kUnlimited;
  uint32_t max_requests = kUnlimited;
  uint32_t max_retries = kUnlimited;
  bool operator==(const PoolLimits&) const = default;
};

// config.cluster.v3.OutlierDetection; xDS defaults.
struct OutlierDetection {
  uint32_t consecutive_5xx = 5;
  uint32_t enforcing_consecutive_5xx = 100;
  uint32_t consecutive_gateway_failure = 5;
  uint32_t enforcing_consecutive_gateway_failure = 0;
  uint32_t consecutive_local_origin_failure = 5;
  uint32_t enforcing_consecutive_local_origin_failure = 100;
  bool split_external_local_origin_errors = false;
  Duration interval = std::chrono::seconds(10);
  Duration base_ejection_time = std::chrono::seconds(30);
  Duration max_ejection_time = std::chrono::seconds(300);
  uint32_t max_ejection_percent = 10;
  bool operator==(const OutlierDetection&) const = default;
};

enum class LbPolicy : uint8_t { round_robin, least_request, random, ring_hash, maglev, cluster_provided };
enum class Discovery : uint8_t { fixed, eds, strict_dns, logical_dns, original_dst };

struct Cluster {
  std::string name;
  Discovery discovery = Discovery::fixed;
  std::string eds_service_name;  // empty: the name
  EndpointSet fixed_endpoints;   // fixed and DNS
  LbPolicy lb = LbPolicy::round_robin;
  uint32_t least_request_choices = 2;
  uint64_t ring_size_min = 1024, ring_size_max = 8 * 1024 * 1024, maglev_table = 65537;
  Duration connect_timeout = std::chrono::seconds(5);
  PoolLimits limits;
  std::optional<OutlierDetection> outlier;
  uint32_t panic_threshold_percent = 50;     // healthy_panic_threshold; Istio's minHealthPercent sets it
  uint32_t max_requests_per_connection = 0;  // 0: no limit
  std::optional<Duration> idle_timeout;      // of pooled connections; default 1 h
  std::optional<Duration> max_connection_duration;
  uint32_t max_concurrent_streams = 0x7fffffff;
  enum class Protocol : uint8_t { http1, http2, automatic, as_client };
  Protocol protocol = Protocol::http1;
  struct TcpKeepalive {
    uint32_t probes = 0, time_s = 0, interval_s = 0;
    bool operator==(const TcpKeepalive&) const = default;
  };
  std::optional<TcpKeepalive> keepalive;
  // The transport of every endpoint, unless `mesh_tls` says otherwise for those that have it.
  std::optional<UpstreamTls> tls;
  std::optional<UpstreamTls> mesh_tls;  // transport_socket_matches: tlsMode-istio
  Duration dns_refresh = std::chrono::seconds(5);
  // original_dst: take the address from this header instead ("x-envoy-original-dst-host")
  bool original_dst_use_header = false;
  std::optional<uint16_t> original_dst_port_override;
  std::optional<IpAddress> bind_source;  // upstream_bind_config (inbound passthrough 127.0.0.6)

  // From filter metadata "istio": what the metrics call the destination.
  std::string service_host, service_name, service_namespace;
  std::string subset;
  std::string config_path;  // of the DestinationRule
  bool operator==(const Cluster&) const = default;
};

}  // namespace weft::model
