// Listeners: where bytes come in, how their protocol is told, and what is done with them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "model/policy.h"
#include "model/route.h"
#include "model/tls.h"

namespace weft::model {

enum class Direction : uint8_t { unspecified, inbound, outbound };

// config.accesslog.v3.AccessLog with a file or stream sink.
struct AccessLog {
  std::string path;         // "/dev/stdout", "/dev/stderr" or a file
  std::string text_format;  // empty and no JSON: Envoy's default format
  // JSON fields in order: name, format string. Not empty: JSON.
  std::vector<std::pair<std::string, std::string>> json_fields;
  // Written only where a filter holds; only what Istio sets is known.
  enum class Filter : uint8_t { none, no_route_only, not_health_check, status_5xx };
  Filter filter = Filter::none;
  bool operator==(const AccessLog&) const = default;
};

enum class ForwardClientCert : uint8_t {
  sanitize,
  forward_only,
  append_forward,
  sanitize_set,
  always_forward_only
};

struct HttpFilter {
  enum class Kind : uint8_t {
    rbac,
    fault,
    cors,
    grpc_stats,
    istio_stats,
    istio_alpn,
    metadata_exchange,
    router
  };
  Kind kind = Kind::router;
  std::string name;
  std::shared_ptr<const Rbac> rbac;  // kind rbac
  bool operator==(const HttpFilter& other) const {
    return kind == other.kind && name == other.name &&
           (rbac == other.rbac || (rbac && other.rbac && *rbac == *other.rbac));
  }
};

// extensions.filters.network.http_connection_manager.v3
struct HttpManager {
  std::string stat_prefix;
  enum class Codec : uint8_t { automatic, http1, http2 };
  Codec codec = Codec::automatic;
  std::string rds_name;                              // not empty: routes come by RDS; else
  std::shared_ptr<const RouteConfig> inline_routes;  // these
  std::vector<HttpFilter> filters;                   // in order; the router is last
  std::vector<AccessLog> access_logs;
  std::vector<std::string> upgrades;                       // "websocket", "CONNECT"
  Duration stream_idle_timeout = std::chrono::minutes(5);  // zero: off
  Duration request_timeout = Duration::zero();
  Duration request_headers_timeout = Duration::zero();
  Duration idle_timeout = std::chrono::hours(1);
  std::optional<Duration> max_connection_duration;
  Duration drain_timeout = std::chrono::seconds(5);
  Duration delayed_close_timeout = std::chrono::seconds(1);
  uint32_t max_request_headers_kb = 60;
  uint32_t max_headers_count = 100;
  uint32_t max_requests_per_connection = 0;
  bool use_remote_address = false;
  uint32_t xff_trusted_hops = 0;
  bool skip_xff_append = false;
  ForwardClientCert forward_client_cert = ForwardClientCert::sanitize;
  bool set_client_cert_uri = false, set_client_cert_dns = false, set_client_cert_subject = false;
  bool normalize_path = false;
  bool merge_slashes = false;
  enum class EscapedSlashes : uint8_t { keep, reject, unescape_redirect, unescape_forward };
  EscapedSlashes escaped_slashes = EscapedSlashes::keep;
  bool generate_request_id = true;
  bool preserve_external_request_id = false;
  bool always_set_request_id_in_response = false;
  bool accept_http_10 = true;
  bool preserve_header_case = true;
  bool strip_port_from_host = false;
  bool reject_underscore_headers = false;
  std::string server_name = "istio-envoy";
  enum class ServerHeader : uint8_t { overwrite, append_if_absent, pass_through };
  ServerHeader server_header = ServerHeader::overwrite;
  uint32_t http2_max_concurrent_streams = 0;  // 0: default
  uint32_t http2_initial_stream_window = 0, http2_initial_connection_window = 0;
  bool allow_connect = false;  // RFC 8441
  bool operator==(const HttpManager& other) const;
};

// extensions.filters.network.tcp_proxy.v3
struct TcpProxy {
  std::string stat_prefix;
  std::vector<std::pair<std::string, uint32_t>> clusters;  // name, weight
  uint32_t total_weight = 1;
  Duration idle_timeout = std::chrono::hours(1);  // zero: off
  std::optional<Duration> max_connection_duration;
  std::vector<AccessLog> access_logs;
  std::string origin;
  bool operator==(const TcpProxy&) const = default;
};

struct FilterChainMatch {
  std::optional<uint16_t> destination_port;
  std::vector<Cidr> destination;
  std::vector<std::string> server_names;           // exact, or "*.suffix"
  std::string transport_protocol;                  // "", "tls", "raw_buffer"
  std::vector<std::string> application_protocols;  // "http/1.1", "h2c", "istio", …
  std::vector<Cidr> source;
  std::vector<uint16_t> source_ports;
  bool operator==(const FilterChainMatch&) const = default;
};

struct FilterChain {
  std::string name;
  FilterChainMatch match;
  std::optional<DownstreamTls> tls;
  std::vector<std::shared_ptr<const Rbac>> network_rbacs;  // before the terminal filter, in order
  bool istio_stats = false;                                // network istio stats filter (TCP metrics)
  std::variant<std::shared_ptr<const HttpManager>, std::shared_ptr<const TcpProxy>> terminal;
  bool operator==(const FilterChain& other) const;
};

struct Listener {
  std::string name;
  SocketAddress address;
  std::vector<SocketAddress> additional_addresses;
  Direction direction = Direction::unspecified;
  bool bind_to_port = true;
  bool use_original_dst = false;  // hand the connection to the listener of its original destination
  bool original_dst_filter = false;
  bool tls_inspector = false;
  bool http_inspector = false;
  bool proxy_protocol = false;
  bool transparent = false;
  Duration detection_timeout = std::chrono::seconds(15);  // listener_filters_timeout; zero: none
  bool continue_on_detection_timeout = false;
  std::vector<FilterChain> chains;
  std::optional<FilterChain> default_chain;
  std::vector<AccessLog> access_logs;  // connections that met no chain
  // Not empty: an api_listener. A gRPC client library that was told to reach `name` takes its routes by RDS
  // of this name, and nothing else here means anything. weftd sends such, weft-proxy refuses them.
  std::string api_routes;
  bool operator==(const Listener&) const = default;
};

}  // namespace weft::model
