#include "proxy/sanitise.h"

#include "base/strings.h"
#include "http/uri.h"
#include "proxy/mesh_headers.h"
#include "telemetry/trace_context.h"

namespace weft::proxy {

using telemetry::Flag;

namespace {

// Fields that steer an Envoy. From beyond the edge they are a way to bypass policy (CVE-2023-27487 and its
// kin), so an edge removes them.
constexpr std::string_view kInternalFields[] = {
    "x-envoy-original-path",
    "x-envoy-decorator-operation",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-retry-on",
    "x-envoy-max-retries",
    "x-envoy-external-address",
    "x-envoy-internal",
    "x-envoy-original-dst-host",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-attempt-count",
    "x-envoy-ip-tags",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-retriable-header-names",
    "x-envoy-retriable-status-codes",
    "x-envoy-force-trace",
};

http::PathRules path_rules(const model::HttpManager& http) {
  http::PathRules rules;
  rules.dot_segments = http.normalize_path;
  rules.merge_slashes = http.merge_slashes;
  using Escaped = model::HttpManager::EscapedSlashes;
  switch (http.escaped_slashes) {
    case Escaped::keep:
      rules.escaped_slashes = http::PathRules::EscapedSlashes::keep;
      break;
    case Escaped::reject:
      rules.escaped_slashes = http::PathRules::EscapedSlashes::reject;
      break;
    case Escaped::unescape_forward:
    case Escaped::unescape_redirect:
      rules.escaped_slashes = http::PathRules::EscapedSlashes::unescape;
      break;
  }
  return rules;
}

// The address `hops` from the right of X-Forwarded-For; the packets' peer where there is none.
SocketAddress client_of(const http::Request& request, const SocketAddress& peer, uint32_t hops) {
  if (hops == 0) return peer;
  const auto field = request.headers.joined("x-forwarded-for");
  if (!field) return peer;
  const auto addresses = split(*field, ',');
  if (addresses.size() < hops) return peer;
  const auto ip = IpAddress::parse(trim(addresses[addresses.size() - hops]));
  return ip ? SocketAddress{*ip, 0, ""} : peer;
}

void take_mesh_notes(http::Request& request, Connection& connection) {
  const auto http_note = request.headers.get(kHttpField);
  const auto peer_note = request.headers.get(kPeerField);
  if (!http_note && !peer_note) return;
  if (connection.mesh_peer) {
    if (peer_note && *peer_note != connection.peer_note) {
      connection.peer_note = *peer_note;
      connection.peer_workload = parse_peer(*peer_note);
      connection.metrics.clear();
    }
    std::string note(http_note.value_or(""));
    request.headers.remove(kPeerField);
    if (request.headers.remove(kHttpField) > 0) restore_http(note, request.version, request.headers);
    return;
  }
  request.headers.remove(kPeerField);
  request.headers.remove(kHttpField);
}

}  // namespace

std::optional<Outcome> sanitise(http::Request& request, Connection& connection,
                                const model::HttpManager& http, SocketAddress& remote) {
  take_mesh_notes(request, connection);
  if (request.version == http::Version::http10 && !http.accept_http_10) {
    return Outcome::make(426, "low_version", {Flag::downstream_protocol_error}, "");
  }
  if (request.authority.empty() && request.version != http::Version::http10) {
    return Outcome::make(400, kMissingHost, {}, "");
  }
  if (!request.is_connect() && request.path != "*") {
    if (auto normal = http::normalise_path(request.path, path_rules(http)); !normal) {
      return Outcome::make(400, "path_normalization_failed", {}, "", normal.error().text);
    }
  }
  if (http.strip_port_from_host) request.authority = http::host_of(request.authority);
  if (http.use_remote_address) {
    for (std::string_view name : kInternalFields) request.headers.remove(name);
  }
  remote = client_of(request, connection.traits.source, http.xff_trusted_hops);
  return std::nullopt;
}

namespace {

// x-forwarded-client-cert, as forward_client_cert_details says (Envoy's format: By, Hash, Subject, URI, DNS).
void forward_client_cert(http::Request& request, const Connection& connection,
                         const model::HttpManager& http) {
  constexpr std::string_view kField = "x-forwarded-client-cert";
  using Mode = model::ForwardClientCert;
  const Mode mode = http.forward_client_cert;
  if (mode == Mode::always_forward_only) return;
  if (mode == Mode::sanitize || !connection.mutual_tls()) {
    request.headers.remove(kField);
    return;
  }
  if (mode == Mode::forward_only) return;
  std::string entry;
  const auto add = [&entry](std::string_view key, std::string_view value) {
    if (!entry.empty()) entry.push_back(';');
    entry.append(key).append("=").append(value);
  };
  if (!connection.worker.self().principal.empty()) add("By", connection.worker.self().principal);
  if (!connection.peer.fingerprint.empty()) add("Hash", connection.peer.fingerprint);
  if (http.set_client_cert_subject) add("Subject", concat('"', connection.peer.subject, '"'));
  if (http.set_client_cert_uri) {
    for (const std::string& uri : connection.peer.uris) add("URI", uri);
  }
  if (http.set_client_cert_dns) {
    for (const std::string& name : connection.peer.dns_names) add("DNS", name);
  }
  if (mode == Mode::append_forward) {
    if (const auto before = request.headers.joined(kField)) entry = concat(*before, ',', entry);
  }
  request.headers.set(kField, entry);
}

}  // namespace

void add_proxy_headers(http::Request& request, const Connection& connection, const model::HttpManager& http) {
  request.headers.remove("expect");  // answered here (RFC 9110 section 10.1.1)
  if (!request.headers.has("x-request-id")) {
    if (http.generate_request_id) {
      request.headers.add("x-request-id", telemetry::make_request_id(connection.worker.loop().random()));
    }
  } else if (http.use_remote_address && !http.preserve_external_request_id) {
    request.headers.set("x-request-id", telemetry::make_request_id(connection.worker.loop().random()));
  }
  if (http.use_remote_address || !request.headers.has("x-forwarded-proto")) {
    request.headers.set("x-forwarded-proto", connection.tls && !connection.mesh_peer ? "https" : "http");
  }
  if (http.use_remote_address && !http.skip_xff_append) {
    std::string chain = connection.traits.source.ip.to_string();
    if (const auto before = request.headers.joined("x-forwarded-for")) chain = concat(*before, ',', chain);
    request.headers.set("x-forwarded-for", chain);
  }
  forward_client_cert(request, connection, http);
}

void add_response_headers(http::Response& response, const model::HttpManager& http,
                          const http::Request& request) {
  using Server = model::HttpManager::ServerHeader;
  if (!http.server_name.empty()) {
    if (http.server_header == Server::overwrite) {
      response.headers.set("server", http.server_name);
    } else if (http.server_header == Server::append_if_absent && !response.headers.has("server")) {
      response.headers.add("server", http.server_name);
    }
  }
  if (http.always_set_request_id_in_response) {
    if (const auto id = request.headers.get("x-request-id")) response.headers.set("x-request-id", *id);
  }
}

}  // namespace weft::proxy
