// How a client treats a destination: the trafficPolicy of DestinationRule and its subsets.
//
// Everything is optional: absent means Istio's default, which translation knows.
#pragma once

#include "objects/meta.h"

namespace weft::objects {

struct LoadBalancer {
  enum class Simple : uint8_t { unset, least_request, random, passthrough, round_robin };

  struct Cookie {
    std::string name;
    std::string path;
    std::optional<Duration> ttl;  // present: the proxy makes the cookie
    std::vector<std::pair<std::string, std::string>> attributes;
  };
  struct ConsistentHash {
    enum class Key : uint8_t { header, cookie, source_ip, query_parameter };
    enum class Algorithm : uint8_t { ring_hash, maglev };
    Key key = Key::source_ip;
    std::string name;  // of the header or query parameter
    Cookie cookie;
    Algorithm algorithm = Algorithm::ring_hash;
    uint64_t minimum_ring_size = 1024;
    uint64_t table_size = 65537;  // maglev: a prime
  };
  struct Locality {
    struct Distribute {
      std::string from;
      std::vector<std::pair<std::string, uint32_t>> to;  // locality and its share of 100
    };
    struct Failover {
      std::string from;
      std::string to;
    };
    std::vector<Distribute> distribute;
    std::vector<Failover> failover;
    std::vector<std::string> failover_priority;
    std::optional<bool> enabled;
  };
  struct ZoneAware {
    std::optional<bool> enabled;
    std::vector<Locality::Failover> failover;
    std::vector<std::string> failover_priority;
    std::optional<uint32_t> min_cluster_size;
  };
  struct Warmup {
    Duration duration{0};
    double minimum_percent = 10;
    double aggression = 1.0;
  };

  Simple simple = Simple::unset;
  std::optional<ConsistentHash> consistent_hash;  // not with simple
  std::optional<Locality> locality;
  std::optional<ZoneAware> zone_aware;
  std::optional<Warmup> warmup;  // warmup or warmupDurationSecs
};

struct ConnectionPool {
  enum class H2Upgrade : uint8_t { unset, do_not_upgrade, upgrade };
  struct TcpKeepalive {
    std::optional<uint32_t> probes;
    std::optional<Duration> time;
    std::optional<Duration> interval;
  };
  struct Http2KeepAlive {
    std::optional<Duration> interval;
    std::optional<Duration> timeout;
  };

  // tcp; a count of 0 is written as absent, as the API reads it
  std::optional<uint32_t> max_connections;
  std::optional<Duration> connect_timeout;
  std::optional<TcpKeepalive> tcp_keepalive;
  std::optional<Duration> max_connection_duration;
  std::optional<Duration> tcp_idle_timeout;
  // http
  std::optional<uint32_t> http1_max_pending_requests;
  std::optional<uint32_t> http2_max_requests;
  std::optional<uint32_t> max_requests_per_connection;
  std::optional<uint32_t> max_retries;
  std::optional<Duration> http_idle_timeout;
  H2Upgrade h2_upgrade = H2Upgrade::unset;
  bool use_client_protocol = false;
  std::optional<uint32_t> max_concurrent_streams;
  std::optional<Http2KeepAlive> http2_keep_alive;
};

// consecutiveErrors (deprecated) is read as consecutive_gateway_errors, as Istio reads it.
struct OutlierDetection {
  std::optional<uint32_t> consecutive_5xx_errors;      // absent: 5; 0: off
  std::optional<uint32_t> consecutive_gateway_errors;  // absent or 0: off
  bool split_external_local_origin_errors = false;
  std::optional<uint32_t> consecutive_local_origin_failures;  // absent: 5; only with the split
  std::optional<Duration> interval;                           // absent: 10 s
  std::optional<Duration> base_ejection_time;                 // absent: 30 s
  std::optional<uint32_t> max_ejection_percent;               // absent: 10
  std::optional<uint32_t> min_health_percent;                 // absent: 0
  std::vector<uint32_t> http_error_codes;
};

struct ClientTls {
  enum class Mode : uint8_t { disable, simple, mutual, istio_mutual };
  Mode mode = Mode::disable;
  std::string client_certificate;
  std::string private_key;
  std::string ca_certificates;
  std::string credential_name;
  std::vector<std::string> subject_alt_names;
  std::string sni;
  std::optional<bool> insecure_skip_verify;
  std::string ca_crl;
};

struct Tunnel {
  bool post = false;  // protocol POST instead of CONNECT
  std::string target_host;
  uint16_t target_port = 0;
};

struct RetryBudget {
  std::optional<double> percent;
  uint32_t min_retry_concurrency = 0;
  std::optional<Duration> budget_interval;
};

struct PortPolicy {
  uint16_t port = 0;
  std::optional<LoadBalancer> load_balancer;
  std::optional<ConnectionPool> connection_pool;
  std::optional<OutlierDetection> outlier_detection;
  std::optional<ClientTls> tls;
  int line = 0;
};

struct TrafficPolicy {
  std::optional<LoadBalancer> load_balancer;
  std::optional<ConnectionPool> connection_pool;
  std::optional<OutlierDetection> outlier_detection;
  std::optional<ClientTls> tls;
  std::vector<PortPolicy> port_level;
  std::optional<Tunnel> tunnel;
  std::optional<int> proxy_protocol;  // 1 or 2
  std::optional<RetryBudget> retry_budget;
  int line = 0;
};

}  // namespace weft::objects
