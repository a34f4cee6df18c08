#include "proxy/recording.h"

#include "base/log.h"
#include "base/strings.h"

namespace weft::proxy {

using telemetry::Flag;

namespace {

// Of the connection; known before there is a request.
telemetry::RequestRecord begin_record(const Connection& connection) {
  telemetry::RequestRecord record;
  record.start = connection.worker.loop().wall_now();
  record.downstream_local = connection.traits.destination;
  record.downstream_direct_remote = connection.traits.source;
  record.downstream_remote = connection.traits.source;
  record.connection_id = connection.id;
  record.server_name = connection.traits.server_name;
  record.downstream_tls_version = connection.tls_version;
  record.downstream_tls_cipher = connection.cipher;
  if (connection.mutual_tls()) record.downstream_peer = &connection.peer_names;
  record.filter_chain_name = connection.chain->model->name;
  record.listener_name = connection.listener->model->name;
  return record;
}

// As Envoy counts a head: names and values, those of the start line by their HTTP/2 names.
uint64_t head_bytes(const http::Request& request) {
  const auto field = [](std::string_view name, std::string_view value) {
    return value.empty() ? 0 : name.size() + value.size();
  };
  return request.headers.text_size() + field(":method", request.method) + field(":path", request.path) +
         field(":authority", request.authority) + field(":scheme", request.scheme);
}
uint64_t head_bytes(const http::Response& response) {
  return response.headers.text_size() + std::string_view(":status200").size();
}

// The client broke the protocol, for which Envoy has a flag; a Host that is missing is a good message that
// cannot be routed, a head that did not come in time a slow one, and who hangs up breaks nothing.
std::optional<Flag> flag_of(const net::Refusal& refusal) {
  switch (refusal.error.kind) {
    case Error::Kind::closed:
      return Flag::downstream_connection_termination;
    case Error::Kind::timeout:
      return std::nullopt;
    default:
      if (refusal.details == kMissingHost) return std::nullopt;
      return Flag::downstream_protocol_error;
  }
}

}  // namespace

Recording::Recording(Connection& connection, net::ServerExchange& client)
    : record(begin_record(connection)),
      connection_(connection),
      counts_(*connection.http_counts),
      start_(connection.worker.loop().now()),
      listener_(connection.listener) {
  const http::Request& request = client.request();
  record.request = &request;
  record.version = request.version;
  record.grpc = http::is_grpc(request.headers);
  record.request_header_bytes = head_bytes(request);
  counts_.requests_total->add(1);
  counts_.requests_active->add(1);
  ++connection.requests;
}

Recording::~Recording() {
  record.duration = since_start();
  write_metrics();
  write_access_logs(connection_, record);
  counts_.answered(record.response_code);
  counts_.requests_active->add(-1);
  --connection_.requests;
}

Duration Recording::since_start() const { return connection_.worker.loop().now() - start_; }

// Names are copied: the route configuration may be replaced while the request runs.
void Recording::route(const policy::RouteDecision& decision) {
  if (decision.virtual_host != nullptr) virtual_host_ = decision.virtual_host->name;
  if (decision.route != nullptr) {
    route_name_ = decision.route->name;
    route_origin_ = decision.route->origin;
  }
  record.route_name = route_name_;
  record.virtual_host = virtual_host_;
  record.route_origin = route_origin_;
}

void Recording::cluster(std::string_view name, std::shared_ptr<BackendCluster> cluster) {
  cluster_name_ = name;
  record.cluster_name = cluster_name_;
  cluster_ = std::move(cluster);
  record.cluster = cluster_ ? &cluster_->model() : nullptr;
}

void Recording::answered(Outcome outcome) {
  outcome_ = std::move(outcome);
  record.response_code = outcome_.status;
  record.response_code_details = outcome_.details;
  for (unsigned i = 0; i < telemetry::kFlagCount; ++i) {
    if (outcome_.flags.has(static_cast<telemetry::Flag>(i)))
      record.flags.set(static_cast<telemetry::Flag>(i));
  }
  record.denial_policy = outcome_.denial_policy;
  record.denial_rule = outcome_.denial_rule;
  if (record.grpc) {
    record.grpc_status =
        outcome_.grpc_status >= 0 ? outcome_.grpc_status : grpc_status_of_http(outcome_.status);
    record.response_code = outcome_.location.empty() ? 200 : outcome_.status;
  }
}

void Recording::response(http::Response head) {
  response_ = std::move(head);
  record.response_header_bytes = head_bytes(response_);
  record.response = &response_;
  record.response_code = response_.status;
  record.response_code_details = "via_upstream";
}

void Recording::response_trailers(const http::Headers& trailers) {
  record.response_trailer_bytes = trailers.text_size();
  grpc_status(trailers.get("grpc-status"));
  if (connection_.chain->logs.empty()) return;
  trailers_ = trailers;
  record.response_trailers = &trailers_;
}

void Recording::grpc_status(std::optional<std::string_view> text) {
  if (!text) return;
  if (const auto code = parse_unsigned(*text)) record.grpc_status = static_cast<int>(*code);
}

void Recording::client_left(const net::ServerExchange& client) {
  if (const net::Refusal* refusal = client.refusal()) {
    record.flags.set(flag_of(*refusal).value_or(Flag::downstream_protocol_error));
    record.response_code_details = refusal->details;
    if (refusal->status != 0) {
      record.response_code = refusal->status;
      record.bytes_sent = refusal->body_bytes;
    }
    termination_ = refusal->error.text;
    record.connection_termination_details = termination_;
    return;
  }
  const Error error = client.error();
  if (error.kind == Error::Kind::protocol || error.kind == Error::Kind::overflow) {
    record.flags.set(Flag::downstream_protocol_error);
    termination_ = concat("codec_error:", error.text);
    record.response_code_details = termination_;
    return;
  }
  record.flags.set(Flag::downstream_connection_termination);
  record.response_code_details = "downstream_remote_disconnect";
}

void RefusalRecorder::refused(const net::ConnectionInfo&, const net::Refusal& refusal) {
  telemetry::RequestRecord record = begin_record(connection_);
  record.request = refusal.request;
  record.version = refusal.version;
  record.response_code = refusal.status;
  record.response_code_details = refusal.details;
  record.connection_termination_details = refusal.error.text;
  record.bytes_sent = refusal.body_bytes;
  const auto flag = flag_of(refusal);
  if (flag) record.flags.set(*flag);

  const HttpCounts& counts = *connection_.http_counts;
  counts.requests_total->add(1);
  counts.answered(refusal.status);
  if (flag == Flag::downstream_protocol_error) counts.protocol_errors->add(1);
  if (refusal.error.kind == Error::Kind::timeout) counts.header_timeouts->add(1);
  if (connection_.chain->reports_metrics) {
    // By its own word alone nobody gets a series: what it calls its host is not looked at.
    peer_metrics(connection_, nullptr, nullptr, "")->record(record);
  }
  write_access_logs(connection_, record);
}

void RefusalRecorder::connection_failed(const net::ConnectionInfo&, const Error& error) {
  connection_.http_counts->protocol_errors->add(1);
  if (connection_.requests > 0) return;  // their lines tell
  telemetry::RequestRecord record = begin_record(connection_);
  record.version = http::Version::http2;
  record.flags.set(Flag::downstream_protocol_error);
  const std::string details = concat("codec_error:", error.text);
  record.response_code_details = details;
  write_access_logs(connection_, record);
}

void Recording::write_metrics() {
  if (!connection_.chain->reports_metrics) return;
  if (host_) record.upstream_host = host_->address();
  const std::string_view authority = record.request ? std::string_view(record.request->authority) : "";
  peer_metrics(connection_, cluster_.get(), host_.get(), authority)->record(record);
}

std::shared_ptr<telemetry::PeerMetrics> peer_metrics(Connection& connection, BackendCluster* cluster,
                                                     balance::Host* host, std::string_view authority) {
  Worker& worker = connection.worker;
  const bool outbound = connection.direction() != model::Direction::inbound;
  const model::Cluster* model = cluster ? &cluster->model() : nullptr;

  telemetry::PeerLabels labels;
  if (model != nullptr) {
    labels.destination_service = model->service_host;
    labels.destination_service_name = model->service_name;
    labels.destination_service_namespace = model->service_namespace;
  }
  labels.authority = authority;

  if (outbound) {
    if (host != nullptr && cluster != nullptr) {
      HostPools& pools = cluster->pools_of(*host);
      if (pools.metrics) return pools.metrics;
    }
    labels.reporter = telemetry::Reporter::source;
    labels.source = &worker.self().workload;
    const bool mesh = host != nullptr && cluster != nullptr && cluster->speaks_mesh_tls(*host);
    if (mesh) labels.source_principal = worker.self().principal;
    if (host != nullptr) {
      labels.destination = host->endpoint().workload.get();
      if (mesh && labels.destination) labels.destination_principal = labels.destination->principal;
    }
    auto metrics = worker.metrics().peer(labels);
    // Without a service of its own the series goes by the authority, which changes with each request.
    if (host != nullptr && cluster != nullptr && !model->service_host.empty()) {
      cluster->pools_of(*host).metrics = metrics;
    }
    return metrics;
  }

  for (const auto& known : connection.metrics) {
    if (known.cluster == model && known.peer == connection.peer_workload.get()) return known.metrics;
  }
  labels.reporter = telemetry::Reporter::destination;
  labels.source = connection.peer_workload.get();
  labels.destination = &worker.self().workload;
  labels.mutual_tls = connection.mutual_tls();
  if (labels.mutual_tls) {
    labels.source_principal = connection.peer.principal();
    labels.destination_principal = worker.self().principal;
  }
  auto metrics = worker.metrics().peer(labels);
  if (model != nullptr && !model->service_host.empty()) {
    if (connection.metrics.size() >= 8) connection.metrics.clear();
    connection.metrics.push_back({model, connection.peer_workload.get(), metrics});
  }
  return metrics;
}

void note_findings(const Connection& connection, std::span<const policy::Finding> findings) {
  const Worker::Counts& counts = connection.worker.counts;
  for (const policy::Finding& finding : findings) {
    const std::string_view rule = finding.policy ? std::string_view(finding.policy->name) : "none";
    if (!finding.filter->shadow) {
      if (!finding.log) continue;
      counts.audited->add(1);
      log_debug("rbac", connection.traits.source.to_string(), " is audited by ", rule);
      continue;
    }
    (finding.would_deny ? counts.shadow_denied : counts.shadow_allowed)->add(1);
    log_debug("rbac", "dry run: ", connection.traits.source.to_string(),
              finding.would_deny ? " would be refused by " : " would pass by ", rule);
  }
}

void write_access_logs(Connection& connection, const telemetry::RequestRecord& record) {
  std::string& line = connection.worker.scratch;
  for (const CompiledLog& log : connection.chain ? connection.chain->logs : connection.listener->logs) {
    if (log.writer == nullptr || !telemetry::wants(log.model, record)) continue;
    line.clear();
    log.format.append(record, line);
    connection.worker.ring(*log.writer).push(line);
  }
}

}  // namespace weft::proxy
