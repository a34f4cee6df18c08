#include "objects/traffic_policy.h"

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "objects/readers.h"

namespace weft::objects {

namespace {

constexpr Range<int64_t> kCount{0, INT32_MAX, "a limit is 0 or more; 0 means the default"};
constexpr Range<int64_t> kPercent{0, 100, "a percentage is a whole number from 0 to 100"};

// The API's int32 limits: 0 is the same as not written.
bool limit(FieldReader& fields, std::string_view name, std::optional<uint32_t>& out) {
  uint32_t value = 0;
  if (!fields.integer(name, value, kCount)) return false;
  if (value > 0) out = value;
  return true;
}

// ---- loadBalancer

void read_cookie(FieldReader& fields, LoadBalancer::Cookie& out) {
  fields.text("name", out.name, check_header_name);
  fields.require("name");
  fields.text("path", out.path);
  // 0 is possible here: a session cookie.
  std::string ttl;
  if (fields.text("ttl", ttl)) {
    const auto value = parse_duration(ttl);
    if (value && *value >= Duration{0}) {
      out.ttl = *value;
    } else {
      fields.error("ttl", value ? concat(quoted(ttl), " is negative") : value.error().text,
                   "write it like 10m or 0s");
    }
  }
  fields.list("attributes", out.attributes,
              [](FieldReader& inner, std::pair<std::string, std::string>& attribute) {
                inner.text("name", attribute.first, check_header_name);
                inner.require("name");
                inner.text("value", attribute.second, check_header_value);
              });
}

bool is_prime(uint64_t number) {
  if (number < 4) return number > 1;
  if (number % 2 == 0) return false;
  for (uint64_t factor = 3; factor * factor <= number; factor += 2) {
    if (number % factor == 0) return false;
  }
  return true;
}

void read_maglev(FieldReader& fields, LoadBalancer::ConsistentHash& out) {
  constexpr int64_t kBiggestTable = 5'000'010;
  out.algorithm = LoadBalancer::ConsistentHash::Algorithm::maglev;
  fields.integer("tableSize", out.table_size, {1, kBiggestTable, "a table has 1 to 5000010 places"});
  if (fields.has("tableSize") && fields.clean() && !is_prime(out.table_size)) {
    fields.error("tableSize", concat(out.table_size, " is not a prime number"), "65537 is the default");
  }
}

void read_consistent_hash(FieldReader& fields, LoadBalancer::ConsistentHash& out) {
  using Key = LoadBalancer::ConsistentHash::Key;
  constexpr Range<int64_t> kRing{0, 8'388'608, "a ring has up to 8388608 places"};
  if (fields.text("httpHeaderName", out.name, check_header_name)) out.key = Key::header;
  if (fields.text("httpQueryParameterName", out.name, check_not_empty)) out.key = Key::query_parameter;
  if (fields.object("httpCookie", out.cookie, read_cookie)) out.key = Key::cookie;
  bool use_source_ip = false;
  fields.boolean("useSourceIp", use_source_ip);
  fields.at_most_one_of({"httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"});
  const bool has_key = fields.has("httpHeaderName") || fields.has("httpCookie") || use_source_ip ||
                       fields.has("httpQueryParameterName");
  if (!has_key) {
    fields.error("", "says nothing to hash",
                 "write httpHeaderName, httpCookie, useSourceIp or httpQueryParameterName");
  }
  fields.object("ringHash", out, [&](FieldReader& inner, LoadBalancer::ConsistentHash& value) {
    inner.integer("minimumRingSize", value.minimum_ring_size, kRing);
  });
  fields.object("maglev", out, read_maglev);
  if (fields.integer("minimumRingSize", out.minimum_ring_size, kRing)) {
    fields.warning("minimumRingSize", "is deprecated", "write ringHash: {minimumRingSize: ...}");
  }
  fields.at_most_one_of({"ringHash", "maglev", "minimumRingSize"});
}

void read_failover(FieldReader& fields, LoadBalancer::Locality::Failover& out) {
  fields.text("from", out.from, check_not_empty);
  fields.require("from");
  fields.text("to", out.to, check_not_empty);
  fields.require("to");
  if (!out.from.empty() && out.from == out.to) fields.error("to", "is the same region", "name another");
}

void read_distribute(FieldReader& fields, LoadBalancer::Locality::Distribute& out) {
  fields.text("from", out.from, check_not_empty);
  fields.require("from");
  std::map<std::string, uint32_t> shares;
  fields.integer_map("to", shares, {1, 100, "a share is a whole number from 1 to 100"});
  fields.require("to", "name the localities and their shares of 100");
  uint32_t sum = 0;
  for (const auto& [locality, share] : shares) {
    sum += share;
    out.to.emplace_back(locality, share);
  }
  if (fields.clean() && sum != 100)
    fields.error("to", concat("the shares add up to ", sum), "make them add up to 100");
}

void read_locality(FieldReader& fields, LoadBalancer::Locality& out) {
  fields.list("distribute", out.distribute, read_distribute);
  fields.list("failover", out.failover, read_failover);
  fields.texts("failoverPriority", out.failover_priority, check_not_empty);
  fields.boolean("enabled", out.enabled);
  fields.at_most_one_of({"distribute", "failover"});
  fields.at_most_one_of({"distribute", "failoverPriority"});
}

void read_zone_aware(FieldReader& fields, LoadBalancer::ZoneAware& out) {
  fields.boolean("enabled", out.enabled);
  fields.list("failover", out.failover, read_failover);
  fields.texts("failoverPriority", out.failover_priority, check_not_empty);
  fields.integer("minClusterSize", out.min_cluster_size, {1, UINT32_MAX, "a size is 1 or more"});
}

void read_warmup(FieldReader& fields, LoadBalancer::Warmup& out) {
  fields.duration("duration", out.duration);
  fields.require("duration");
  fields.number("minimumPercent", out.minimum_percent, {0, 100, "a percentage is a number from 0 to 100"});
  fields.number("aggression", out.aggression, {0, 1e9, "write a number, 0 or more"});
}

void read_load_balancer(FieldReader& fields, LoadBalancer& out) {
  using Simple = LoadBalancer::Simple;
  fields.choice("simple", out.simple,
                {{"UNSPECIFIED", Simple::unset},
                 {"LEAST_REQUEST", Simple::least_request},
                 {"LEAST_CONN", Simple::least_request},
                 {"RANDOM", Simple::random},
                 {"PASSTHROUGH", Simple::passthrough},
                 {"ROUND_ROBIN", Simple::round_robin}});
  const Node* simple = fields.node().find("simple");
  if (simple != nullptr && simple->text == "LEAST_CONN") {
    fields.warning("simple", "LEAST_CONN is deprecated", "write LEAST_REQUEST");
  }
  fields.object("consistentHash", out.consistent_hash, read_consistent_hash);
  fields.at_most_one_of({"simple", "consistentHash"});
  fields.object("localityLbSetting", out.locality, read_locality);
  fields.object("zoneAwareLbSetting", out.zone_aware, read_zone_aware);
  fields.object("warmup", out.warmup, read_warmup);
  Duration old_warmup{0};
  if (fields.duration("warmupDurationSecs", old_warmup)) {
    fields.warning("warmupDurationSecs", "is deprecated", "write warmup: {duration: ...}");
    out.warmup = LoadBalancer::Warmup{.duration = old_warmup};
  }
  fields.at_most_one_of({"warmup", "warmupDurationSecs"});
}

// ---- connectionPool

void read_tcp_keepalive(FieldReader& fields, ConnectionPool::TcpKeepalive& out) {
  fields.integer("probes", out.probes);
  fields.duration("time", out.time);
  fields.duration("interval", out.interval);
}

void read_pool_tcp(FieldReader& fields, ConnectionPool& out) {
  limit(fields, "maxConnections", out.max_connections);
  fields.duration("connectTimeout", out.connect_timeout);
  fields.object("tcpKeepalive", out.tcp_keepalive, read_tcp_keepalive);
  fields.duration("maxConnectionDuration", out.max_connection_duration);
  fields.duration("idleTimeout", out.tcp_idle_timeout);
}

void read_http2_keep_alive(FieldReader& fields, ConnectionPool::Http2KeepAlive& out) {
  fields.duration("interval", out.interval);
  fields.duration("timeout", out.timeout);
}

void read_pool_http(FieldReader& fields, ConnectionPool& out) {
  using H2Upgrade = ConnectionPool::H2Upgrade;
  limit(fields, "http1MaxPendingRequests", out.http1_max_pending_requests);
  limit(fields, "http2MaxRequests", out.http2_max_requests);
  limit(fields, "maxRequestsPerConnection", out.max_requests_per_connection);
  limit(fields, "maxRetries", out.max_retries);
  fields.duration("idleTimeout", out.http_idle_timeout);
  fields.choice("h2UpgradePolicy", out.h2_upgrade,
                {{"DEFAULT", H2Upgrade::unset},
                 {"DO_NOT_UPGRADE", H2Upgrade::do_not_upgrade},
                 {"UPGRADE", H2Upgrade::upgrade}});
  fields.boolean("useClientProtocol", out.use_client_protocol);
  limit(fields, "maxConcurrentStreams", out.max_concurrent_streams);
  fields.object("http2KeepAlive", out.http2_keep_alive, read_http2_keep_alive);
  if (out.h2_upgrade == H2Upgrade::upgrade && out.use_client_protocol) {
    fields.error("useClientProtocol", "cannot be true where h2UpgradePolicy is UPGRADE",
                 "keep one of the two");
  }
}

void read_connection_pool(FieldReader& fields, ConnectionPool& out) {
  fields.object("tcp", out, read_pool_tcp);
  fields.object("http", out, read_pool_http);
  if (!fields.has("tcp") && !fields.has("http") && fields.clean())
    fields.error("", "says nothing", "write tcp or http");
}

// ---- outlierDetection

void read_outlier_detection(FieldReader& fields, OutlierDetection& out) {
  std::optional<uint32_t> old_errors;
  if (fields.integer("consecutiveErrors", old_errors,
                     {0, INT32_MAX, "write a number of errors, 0 or more"})) {
    fields.warning("consecutiveErrors", "is deprecated",
                   "write consecutiveGatewayErrors or consecutive5xxErrors");
    if (*old_errors > 0) out.consecutive_gateway_errors = old_errors;
  }
  fields.integer("consecutive5xxErrors", out.consecutive_5xx_errors);
  fields.integer("consecutiveGatewayErrors", out.consecutive_gateway_errors);
  fields.boolean("splitExternalLocalOriginErrors", out.split_external_local_origin_errors);
  fields.integer("consecutiveLocalOriginFailures", out.consecutive_local_origin_failures);
  fields.duration("interval", out.interval);
  fields.duration("baseEjectionTime", out.base_ejection_time);
  fields.integer("maxEjectionPercent", out.max_ejection_percent, kPercent);
  if (out.max_ejection_percent == 0u) out.max_ejection_percent.reset();  // the API reads 0 as not written
  fields.integer("minHealthPercent", out.min_health_percent, kPercent);
  const Node* codes = fields.find("outlierDetectionHttpErrorCodes");
  if (codes != nullptr) {
    for (const Node& code : codes->children) {
      const auto value = yaml::as_integer(code);
      if (value && *value >= 100 && *value <= 599) {
        out.http_error_codes.push_back(static_cast<uint32_t>(*value));
      } else {
        fields.error("outlierDetectionHttpErrorCodes", concat(quoted(code.text), " is not a status"),
                     "a status is a number from 100 to 599");
      }
    }
  }
  if (out.consecutive_local_origin_failures.value_or(0) > 0 && !out.split_external_local_origin_errors) {
    fields.error("consecutiveLocalOriginFailures",
                 "has no effect while splitExternalLocalOriginErrors is false",
                 "set splitExternalLocalOriginErrors: true");
  }
}

// ---- tls

void read_client_tls(FieldReader& fields, ClientTls& out) {
  using Mode = ClientTls::Mode;
  fields.choice("mode", out.mode,
                {{"DISABLE", Mode::disable},
                 {"SIMPLE", Mode::simple},
                 {"MUTUAL", Mode::mutual},
                 {"ISTIO_MUTUAL", Mode::istio_mutual}});
  fields.text("clientCertificate", out.client_certificate);
  fields.text("privateKey", out.private_key);
  fields.text("caCertificates", out.ca_certificates);
  fields.text("credentialName", out.credential_name);
  fields.texts("subjectAltNames", out.subject_alt_names, check_not_empty);
  fields.text("sni", out.sni, check_fqdn);
  fields.boolean("insecureSkipVerify", out.insecure_skip_verify);
  fields.text("caCrl", out.ca_crl);

  if (out.mode == Mode::mutual && out.credential_name.empty()) {
    fields.require("clientCertificate",
                   "MUTUAL presents a certificate: name its file, or set credentialName");
    fields.require("privateKey", "MUTUAL presents a certificate: name its key's file, or set credentialName");
  }
  if (!out.credential_name.empty()) {
    for (const std::string_view name : {"clientCertificate", "privateKey", "caCertificates", "caCrl"}) {
      if (fields.has(name)) fields.error(name, "cannot stand beside credentialName", "keep one of the two");
    }
  }
  if (out.mode == Mode::istio_mutual) {
    for (const std::string_view name :
         {"clientCertificate", "privateKey", "caCertificates", "credentialName"}) {
      if (fields.has(name))
        fields.error(name, "cannot stand with mode ISTIO_MUTUAL, which uses the mesh's certificates",
                     "remove it");
    }
  }
}

// ---- the rest

void read_tunnel(FieldReader& fields, Tunnel& out) {
  fields.choice("protocol", out.post, {{"CONNECT", false}, {"POST", true}});
  fields.text("targetHost", out.target_host,
              [](const std::string& text) { return check_ip(text) ? check_fqdn(text) : std::nullopt; });
  fields.require("targetHost");
  fields.port("targetPort", out.target_port);
  fields.require("targetPort");
}

void read_retry_budget(FieldReader& fields, RetryBudget& out) {
  double percent = 0;
  if (fields.number("percent", percent, {0, 100, "a percentage is a number from 0 to 100"}))
    out.percent = percent;
  fields.integer("minRetryConcurrency", out.min_retry_concurrency);
  fields.duration("budgetInterval", out.budget_interval);
}

// What a port's policy and the whole policy have alike.
template <typename Policy>
void read_common(FieldReader& fields, Policy& out) {
  out.line = fields.line();
  fields.object("loadBalancer", out.load_balancer, read_load_balancer);
  fields.object("connectionPool", out.connection_pool, read_connection_pool);
  fields.object("outlierDetection", out.outlier_detection, read_outlier_detection);
  fields.object("tls", out.tls, read_client_tls);
}

void read_port_policy(FieldReader& fields, PortPolicy& out) {
  fields.object("port", out.port, [](FieldReader& inner, uint16_t& port) {
    inner.port("number", port);
    inner.require("number");
  });
  fields.require("port", "say which port of the service");
  read_common(fields, out);
  if (!out.load_balancer && !out.connection_pool && !out.outlier_detection && !out.tls && fields.clean()) {
    fields.error("", "says nothing about the port",
                 "write loadBalancer, connectionPool, outlierDetection or tls");
  }
}

}  // namespace

void read_traffic_policy(FieldReader& fields, TrafficPolicy& out) {
  read_common(fields, out);
  fields.list("portLevelSettings", out.port_level, read_port_policy);
  fields.object("tunnel", out.tunnel, read_tunnel);
  fields.object("proxyProtocol", out.proxy_protocol, [](FieldReader& inner, int& version) {
    version = 1;
    inner.choice("version", version, {{"V1", 1}, {"V2", 2}});
  });
  fields.object("retryBudget", out.retry_budget, read_retry_budget);
  fields.at_most_one_of({"tunnel", "proxyProtocol"});

  std::set<uint16_t> ports;
  for (const PortPolicy& policy : out.port_level) {
    if (policy.port != 0 && !ports.insert(policy.port).second) {
      fields.error("portLevelSettings", concat("port ", policy.port, " is listed twice"), "remove one");
    }
  }
  const bool says_something = out.load_balancer || out.connection_pool || out.outlier_detection || out.tls ||
                              !out.port_level.empty() || out.tunnel || out.proxy_protocol || out.retry_budget;
  if (!says_something && fields.clean()) {
    fields.error("", "says nothing", "write loadBalancer, connectionPool, outlierDetection or tls");
  }
}

}  // namespace weft::objects
