// Where an HTTP request goes, and what happens to it on the way. One RouteConfig serves every proxy
// that names it (xDS RDS), so it is immutable and shared.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "model/match.h"

namespace weft::model {

struct HeaderEdit {
  enum class Kind : uint8_t { append_or_add, add_if_absent, overwrite_or_add, overwrite_if_exists };
  std::string name;   // as it is to be written
  std::string value;  // may hold %...% of the access-log format
  Kind kind = Kind::append_or_add;
  bool operator==(const HeaderEdit&) const = default;
};

struct HeaderEdits {
  std::vector<HeaderEdit> request_add;
  std::vector<std::string> request_remove;
  std::vector<HeaderEdit> response_add;
  std::vector<std::string> response_remove;
  bool empty() const {
    return request_add.empty() && request_remove.empty() && response_add.empty() && response_remove.empty();
  }
  bool operator==(const HeaderEdits&) const = default;
};

// config.route.v3.RetryPolicy. Conditions are a bit set.
struct RetryPolicy {
  enum Condition : uint32_t {
    on_5xx = 1u << 0,
    gateway_error = 1u << 1,
    connect_failure = 1u << 2,
    refused_stream = 1u << 3,
    retriable_4xx = 1u << 4,
    reset = 1u << 5,
    reset_before_request = 1u << 6,
    retriable_status_codes = 1u << 7,
    retriable_headers = 1u << 8,
    envoy_ratelimited = 1u << 9,
    grpc_cancelled = 1u << 10,
    grpc_deadline_exceeded = 1u << 11,
    grpc_internal = 1u << 12,
    grpc_resource_exhausted = 1u << 13,
    grpc_unavailable = 1u << 14,
    http3_post_connect_failure = 1u << 15,
  };
  uint32_t on = 0;
  uint32_t attempts = 1;                        // retries after the first try (num_retries)
  Duration per_try_timeout = Duration::zero();  // zero: none
  Duration per_try_idle_timeout = Duration::zero();
  std::vector<uint32_t> status_codes;
  Duration back_off_base = std::chrono::milliseconds(25);
  Duration back_off_max = std::chrono::milliseconds(250);
  bool avoid_previous_hosts = false;
  uint32_t host_selection_attempts = 1;
  // The policy is a default that no user asked for (bare Services): Weft then retries only what was provably
  // not processed, or whose method is idempotent.
  bool is_default = false;
  bool operator==(const RetryPolicy&) const = default;
};

struct WeightedCluster {
  std::string cluster;
  uint32_t weight = 1;
  HeaderEdits edits;
  std::string host_rewrite;  // empty: none
  bool operator==(const WeightedCluster&) const = default;
};

// Consistent hashing: the first policy that yields a value wins where `terminal`.
struct HashPolicy {
  enum class Kind : uint8_t { header, cookie, source_ip, query_parameter };
  Kind kind = Kind::header;
  std::string name;
  std::optional<Duration> cookie_ttl;  // set: generate the cookie where it is absent
  std::string cookie_path;
  bool terminal = false;
  bool operator==(const HashPolicy&) const = default;
};

struct Mirror {
  std::string cluster;
  uint32_t per_million = 1'000'000;
  bool operator==(const Mirror&) const = default;
};

struct ForwardAction {
  std::vector<WeightedCluster> clusters;  // one or more; a request picks by weight
  uint32_t total_weight = 1;
  std::string cluster_header;  // not empty: the header that names the cluster
  std::optional<std::string> prefix_rewrite;
  std::optional<Regex> regex_rewrite;
  std::string regex_substitution;
  std::string host_rewrite;  // empty: none
  bool auto_host_rewrite = false;
  Duration timeout = Duration::zero();       // zero: none. xDS's unset default of 15 s is filled in by wire
  std::optional<Duration> idle_timeout;      // overrides the connection manager's stream idle timeout
  std::optional<Duration> max_grpc_timeout;  // set: grpc-timeout is obeyed, capped by it (zero: no cap)
  // A gRPC client library's own form of `timeout`, which it does not read. weft-proxy refuses it.
  std::optional<Duration> max_stream_duration;
  std::optional<RetryPolicy> retry;
  std::vector<Mirror> mirrors;
  std::vector<HashPolicy> hash_policies;
  std::vector<std::string> upgrades;  // beyond the connection manager's
  // Which status answers an unknown cluster; Istio 503, Gateway API 500.
  int cluster_not_found_status = 503;
  bool operator==(const ForwardAction&) const = default;
};

struct RedirectAction {
  std::string scheme;  // empty: keep
  bool https = false;
  std::string host;   // empty: keep
  uint32_t port = 0;  // 0: keep
  std::optional<std::string> path;
  std::optional<std::string> prefix_rewrite;
  std::optional<Regex> regex_rewrite;
  std::string regex_substitution;
  int status = 301;
  bool strip_query = false;
  bool operator==(const RedirectAction&) const = default;
};

struct DirectResponse {
  int status = 200;
  std::string body;
  bool operator==(const DirectResponse&) const = default;
};

// Only meaningful in weftd; a proxy answers such a route with 500 (xDS NonForwardingAction).
struct NonForwarding {
  bool operator==(const NonForwarding&) const = default;
};

struct FaultDelay {
  Duration delay{};
  uint32_t per_million = 0;
  bool operator==(const FaultDelay&) const = default;
};
struct FaultAbort {
  int http_status = 0;   // or
  int grpc_status = -1;  // >= 0
  uint32_t per_million = 0;
  bool operator==(const FaultAbort&) const = default;
};

struct RouteMatch {
  enum class Path : uint8_t { prefix, exact, regex, path_separated_prefix, connect };
  Path path_kind = Path::prefix;
  std::string path = "/";
  std::optional<Regex> regex;
  bool ignore_case = false;
  std::vector<HeaderMatch> headers;  // all must hold
  std::vector<QueryMatch> query;
  bool grpc_only = false;
  std::optional<uint32_t> runtime_per_million;  // matches that share of requests only
  bool operator==(const RouteMatch&) const = default;
};

struct Route {
  std::string name;
  RouteMatch match;
  std::variant<ForwardAction, RedirectAction, DirectResponse, NonForwarding> action;
  HeaderEdits edits;
  std::optional<FaultDelay> fault_delay;
  std::optional<FaultAbort> fault_abort;
  // Which object of the user's chose this: "VirtualService default/reviews http[0] mesh.yaml:14", for
  // explain, logs and the metadata that Istio puts there.
  std::string origin;
  // istio filter metadata "config": the path of the VirtualService, as Istio writes it.
  std::string config_path;
  bool operator==(const Route&) const = default;
};

struct VirtualHost {
  std::string name;
  std::vector<std::string> domains;  // exact, "*.suffix", "prefix.*", "*"
  std::vector<Route> routes;         // the first match wins
  HeaderEdits edits;
  bool require_tls = false;  // 301 to https (config.route.v3.VirtualHost.ALL)
  bool include_attempt_count = false;
  std::optional<RetryPolicy> retry;
  bool operator==(const VirtualHost&) const = default;
};

struct RouteConfig {
  std::string name;
  std::vector<VirtualHost> virtual_hosts;
  HeaderEdits edits;
  bool ignore_port_in_host = false;
  bool operator==(const RouteConfig&) const = default;
};

}  // namespace weft::model
