// RequestRecord: everything known about one finished HTTP request, or one TCP connection, for the access log,
// the metrics and the span. Filled in along the way, read once at the end.
//
// Views and pointers are good until the record has been written; the log formats at once and keeps nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/clock.h"
#include "http/message.h"
#include "model/cluster.h"

namespace weft::telemetry {

// Envoy's response flags: why a request ended as it did. Several may hold. The order is Envoy's: it is the
// order in which they are written.
enum class Flag : uint8_t {
  failed_local_health_check,          // LH
  no_healthy_upstream,                // UH
  upstream_request_timeout,           // UT
  local_reset,                        // LR
  upstream_remote_reset,              // UR
  upstream_connection_failure,        // UF
  upstream_connection_termination,    // UC
  upstream_overflow,                  // UO
  no_route_found,                     // NR
  delay_injected,                     // DI
  fault_injected,                     // FI
  rate_limited,                       // RL
  unauthorized_external_service,      // UAEX
  rate_limit_service_error,           // RLSE
  downstream_connection_termination,  // DC
  upstream_retry_limit_exceeded,      // URX
  stream_idle_timeout,                // SI
  invalid_envoy_request_headers,      // IH
  downstream_protocol_error,          // DPE
  upstream_max_stream_duration,       // UMSDR
  response_from_cache,                // RFCF
  no_filter_config,                   // NFCF
  duration_timeout,                   // DT
  upstream_protocol_error,            // UPE
  no_cluster_found,                   // NC
  overload_manager,                   // OM
  dns_resolution_failed,              // DF
  drop_overload,                      // DO
  downstream_remote_reset,            // DR
  unconditional_drop_overload,        // UDO
};
inline constexpr size_t kFlagCount = 30;
std::string_view short_name(Flag flag);  // "UH"
std::string_view long_name(Flag flag);   // "NoHealthyUpstream"

class Flags {
 public:
  constexpr void set(Flag flag) { bits_ |= uint64_t{1} << static_cast<unsigned>(flag); }
  constexpr bool has(Flag flag) const { return (bits_ >> static_cast<unsigned>(flag)) & 1; }
  constexpr bool none() const { return bits_ == 0; }
  constexpr uint64_t bits() const { return bits_; }
  // "UF,URX"; "-" if none. The view is of static text where at most one flag is set, else of `scratch`.
  std::string_view to_string(std::string& scratch) const;
  std::string to_long_string() const;  // "UpstreamConnectionFailure,UpstreamRetryLimitExceeded"; "-"
  bool operator==(const Flags&) const = default;

 private:
  uint64_t bits_ = 0;
};

// What a verified certificate said of one end of a connection.
struct PeerNames {
  std::span<const std::string> uris;
  std::span<const std::string> dns_names;
  std::string_view subject;
  std::string_view issuer;
  std::string_view serial;
  std::string_view fingerprint_256;
};

struct RequestRecord {
  enum class Kind : uint8_t { http, tcp };
  Kind kind = Kind::http;

  // ---- times. Durations count from `start`; nullopt: it never came to that.
  WallTime start{};
  Duration duration{};                         // to the last byte, either way
  std::optional<Duration> request_received;    // last byte of the request came
  std::optional<Duration> request_sent;        // first byte went to the backend
  std::optional<Duration> request_sent_fully;  // last byte went to the backend
  std::optional<Duration> response_received;   // first byte of the response came
  std::optional<Duration> response_received_fully;
  std::optional<Duration> response_sent;  // first byte went to the client

  // ---- bytes
  uint64_t bytes_received = 0;  // body from the client; of a TCP connection, all
  uint64_t bytes_sent = 0;      // body to the client
  uint64_t request_header_bytes = 0, response_header_bytes = 0, response_trailer_bytes = 0;
  uint64_t request_messages = 0, response_messages = 0;  // gRPC

  // ---- how it ended
  int response_code = 0;  // 0: none was sent
  std::optional<int> grpc_status;
  Flags flags;
  std::string_view response_code_details;  // "via_upstream", "route_not_found", …
  std::string_view connection_termination_details;
  std::string_view upstream_transport_failure;
  std::string_view denial_policy, denial_rule;  // not empty: authorisation refused it
  uint32_t attempts = 0;                        // tries; 1 is the first

  // ---- the message; null for TCP, or where none came
  const http::Request* request = nullptr;
  const http::Headers* request_trailers = nullptr;
  const http::Response* response = nullptr;
  const http::Headers* response_trailers = nullptr;
  http::Version version = http::Version::http11;
  bool grpc = false;

  // ---- where it went
  std::string_view route_name;
  std::string_view virtual_host;
  std::string_view route_origin;  // the object that made the route
  const model::Cluster* cluster = nullptr;
  std::string_view cluster_name;  // even where no such cluster exists
  std::optional<SocketAddress> upstream_host;
  std::string_view upstream_hostname;
  std::optional<SocketAddress> upstream_local;
  std::string_view upstream_protocol;

  // ---- who asked
  SocketAddress downstream_local;          // original destination where it was redirected
  SocketAddress downstream_direct_remote;  // the packets' peer
  SocketAddress downstream_remote;         // from X-Forwarded-For or PROXY protocol, else the same
  uint64_t connection_id = 0;
  std::string_view server_name;  // SNI
  std::string_view downstream_tls_version, downstream_tls_cipher;
  const PeerNames* downstream_peer = nullptr;  // null: not mutual TLS
  std::string_view filter_chain_name, listener_name;
};

}  // namespace weft::telemetry
