#include "translate/managers.h"

#include <algorithm>

#include "translate/names.h"

namespace weft::translate {

namespace {

// Istio's default line, in Envoy's format language.
constexpr std::string_view kTextFormat =
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% "
    "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
    "\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" "
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% "
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% "
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

const std::vector<std::pair<std::string, std::string>>& json_fields() {
  static const std::vector<std::pair<std::string, std::string>> kFields{
      {"authority", "%REQ(:AUTHORITY)%"},
      {"bytes_received", "%BYTES_RECEIVED%"},
      {"bytes_sent", "%BYTES_SENT%"},
      {"connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"},
      {"downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"},
      {"downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"},
      {"duration", "%DURATION%"},
      {"method", "%REQ(:METHOD)%"},
      {"path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"},
      {"protocol", "%PROTOCOL%"},
      {"request_id", "%REQ(X-REQUEST-ID)%"},
      {"requested_server_name", "%REQUESTED_SERVER_NAME%"},
      {"response_code", "%RESPONSE_CODE%"},
      {"response_code_details", "%RESPONSE_CODE_DETAILS%"},
      {"response_flags", "%RESPONSE_FLAGS%"},
      {"route_name", "%ROUTE_NAME%"},
      {"start_time", "%START_TIME%"},
      {"upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"},
      {"upstream_host", "%UPSTREAM_HOST%"},
      {"upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"},
      {"upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"},
      {"upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"},
      {"user_agent", "%REQ(USER-AGENT)%"},
      {"x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"},
  };
  return kFields;
}

using Kind = model::HttpFilter::Kind;

void add_filters(const ManagerOptions& options, std::vector<model::HttpFilter>& out) {
  const bool own = !options.stock_envoy;
  if (own) out.push_back({.kind = Kind::metadata_exchange, .name = "istio.metadata_exchange"});
  if (options.authorization) {
    for (const auto& rbac : options.authorization->http) {
      out.push_back({.kind = Kind::rbac, .name = "envoy.filters.http.rbac", .rbac = rbac});
    }
  }
  out.push_back({.kind = Kind::grpc_stats, .name = "envoy.filters.http.grpc_stats"});
  if (own && options.side != Side::inbound) out.push_back({.kind = Kind::istio_alpn, .name = "istio.alpn"});
  out.push_back({.kind = Kind::fault, .name = "envoy.filters.http.fault"});
  out.push_back({.kind = Kind::cors, .name = "envoy.filters.http.cors"});
  if (own) out.push_back({.kind = Kind::istio_stats, .name = "istio.stats"});
  out.push_back({.kind = Kind::router, .name = "envoy.filters.http.router"});
}

template <typename T>
bool meet(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.empty() || b.empty()) return a.empty() && b.empty();
  return std::any_of(a.begin(), a.end(),
                     [&](const T& item) { return std::find(b.begin(), b.end(), item) != b.end(); });
}

template <typename T>
void take_away(std::vector<T>& from, const std::vector<T>& what) {
  std::erase_if(from, [&](const T& item) { return std::find(what.begin(), what.end(), item) != what.end(); });
}

}  // namespace

model::HttpManager http_manager(const ManagerOptions& options, std::string stat_prefix) {
  model::HttpManager out;
  out.stat_prefix = std::move(stat_prefix);
  add_filters(options, out.filters);
  out.access_logs = access_logs(options.mesh);
  out.upgrades = {"websocket"};
  out.stream_idle_timeout = Duration::zero();
  out.normalize_path = true;
  out.drain_timeout = options.mesh.drain_timeout;
  switch (options.side) {
    case Side::outbound:
      break;
    case Side::inbound:
      out.forward_client_cert = model::ForwardClientCert::append_forward;
      break;
    case Side::gateway:
      out.forward_client_cert = model::ForwardClientCert::sanitize_set;
      out.use_remote_address = true;
      break;
  }
  if (options.side != Side::outbound) {
    out.set_client_cert_uri = out.set_client_cert_dns = out.set_client_cert_subject = true;
  }
  return out;
}

model::TcpProxy tcp_proxy(const MeshOptions& mesh, std::string cluster, std::string stat_prefix) {
  model::TcpProxy out;
  out.stat_prefix = stat_prefix.empty() ? cluster : std::move(stat_prefix);
  out.clusters.emplace_back(std::move(cluster), 1);
  out.access_logs = access_logs(mesh);
  return out;
}

bool make_distinct(model::FilterChain& chain, const std::vector<model::FilterChain>& earlier) {
  model::FilterChainMatch& match = chain.match;
  for (const auto& one : earlier) {
    const model::FilterChainMatch& other = one.match;
    if (match.destination_port != other.destination_port ||
        match.transport_protocol != other.transport_protocol ||
        !meet(match.application_protocols, other.application_protocols) ||
        !meet(match.destination, other.destination) || !meet(match.server_names, other.server_names)) {
      continue;
    }
    if (!match.server_names.empty()) {
      take_away(match.server_names, other.server_names);
      if (match.server_names.empty()) return false;
    } else if (!match.destination.empty()) {
      take_away(match.destination, other.destination);
      if (match.destination.empty()) return false;
    } else {
      return false;
    }
  }
  return true;
}

std::vector<model::AccessLog> access_logs(const MeshOptions& mesh) {
  if (mesh.access_log_file.empty()) return {};
  model::AccessLog log;
  log.path = mesh.access_log_file;
  if (mesh.access_log_encoding == MeshOptions::Encoding::json) {
    log.json_fields = mesh.access_log_json.empty() ? json_fields() : mesh.access_log_json;
  } else {
    log.text_format = mesh.access_log_format.empty() ? std::string(kTextFormat) : mesh.access_log_format;
  }
  return {log};
}

std::vector<model::AccessLog> no_route_access_logs(const MeshOptions& mesh) {
  auto logs = access_logs(mesh);
  for (auto& log : logs) log.filter = model::AccessLog::Filter::no_route_only;
  return logs;
}

}  // namespace weft::translate
