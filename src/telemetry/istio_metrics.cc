#include "telemetry/istio_metrics.h"

#include <algorithm>

#include "base/strings.h"

namespace weft::telemetry {

namespace {

std::string_view or_unknown(std::string_view value) { return value.empty() ? "unknown" : value; }

// Names in the order in which Istio's own proxies write them do not matter; sorted output does. What varies
// from request to request stands last, so that a series' labels are two pieces put together.
void append_workload(std::string& text, std::string_view side, const model::WorkloadInfo* given,
                     std::string_view principal) {
  static const model::WorkloadInfo kUnknown = [] {
    model::WorkloadInfo info;
    info.cluster = "unknown";
    return info;
  }();
  const model::WorkloadInfo& info = given ? *given : kUnknown;
  const auto label = [&](std::string_view name, std::string_view value) {
    text.append(text.empty() ? "" : ",").append(side).append("_");
    const size_t at = text.size();
    std::string piece;
    append_label(piece, name, or_unknown(value));
    text.insert(at, piece);
  };
  label("workload", info.workload);
  label("workload_namespace", info.workload_namespace);
  label("principal", principal.empty() ? std::string_view(info.principal) : principal);
  label("app", info.app);
  label("version", info.version);
  label("canonical_service", info.canonical_service);
  label("canonical_revision", info.canonical_revision.empty() ? std::string_view("latest")
                                                              : std::string_view(info.canonical_revision));
  label("cluster", info.cluster);
}

std::string_view first_label(std::string_view host) { return host.substr(0, host.find('.')); }

std::string common_labels(const PeerLabels& labels) {
  std::string text;
  append_label(text, "reporter", labels.reporter == Reporter::source ? "source" : "destination");
  append_workload(text, "source", labels.source, labels.source_principal);
  append_workload(text, "destination", labels.destination, labels.destination_principal);
  const std::string_view service =
      labels.destination_service.empty() ? labels.authority : labels.destination_service;
  const std::string_view name = labels.destination_service_name.empty()
                                    ? first_label(labels.destination_service)
                                    : labels.destination_service_name;
  append_label(text, "destination_service", or_unknown(service));
  append_label(text, "destination_service_name", or_unknown(name.empty() ? service : name));
  std::string_view where = labels.destination_service_namespace;
  if (where.empty() && labels.destination) where = labels.destination->workload_namespace;
  append_label(text, "destination_service_namespace", or_unknown(where));
  std::string_view security = "unknown";
  if (labels.reporter == Reporter::destination) security = labels.mutual_tls ? "mutual_tls" : "none";
  append_label(text, "connection_security_policy", security);
  return text;
}

constexpr double milliseconds(Duration duration) { return static_cast<double>(duration.count()) / 1e6; }

}  // namespace

// ---- one route and peer

struct PeerMetrics::HttpSeries {
  int response_code;
  int grpc_status;  // -1: not gRPC
  Flags flags;
  bool grpc;
  Counter* requests;
  Histogram* duration;
  Histogram* request_bytes;
  Histogram* response_bytes;
  Counter* request_messages;  // gRPC
  Counter* response_messages;
};

struct PeerMetrics::TcpSeries {
  Flags flags;
  Counter* sent;
  Counter* received;
  Counter* opened;
  Counter* closed;
};

PeerMetrics::PeerMetrics(IstioMetrics& metrics, std::string labels)
    : metrics_(metrics), labels_(std::move(labels)), generation_(metrics.shard_.generation()) {}
PeerMetrics::~PeerMetrics() = default;

// References into the shard are good for one generation.
void PeerMetrics::refresh() {
  if (generation_ == metrics_.shard_.generation()) return;
  http_.clear();
  tcp_.clear();
  generation_ = metrics_.shard_.generation();
}

PeerMetrics::HttpSeries& PeerMetrics::http_series(const RequestRecord& record) {
  refresh();
  const int grpc_status = record.grpc ? record.grpc_status.value_or(-1) : -1;
  for (auto& series : http_) {
    if (series.response_code == record.response_code && series.flags == record.flags &&
        series.grpc == record.grpc && series.grpc_status == grpc_status) {
      return series;
    }
  }
  std::string text = labels_, scratch;
  append_label(text, "request_protocol", record.grpc ? "grpc" : "http");
  append_label(text, "response_code", std::to_string(record.response_code));
  append_label(text, "grpc_response_status", grpc_status < 0 ? "" : std::to_string(grpc_status));
  append_label(text, "response_flags", record.flags.to_string(scratch));
  Shard& shard = metrics_.shard_;
  HttpSeries series{.response_code = record.response_code,
                    .grpc_status = grpc_status,
                    .flags = record.flags,
                    .grpc = record.grpc,
                    .requests = &shard.counter(metrics_.requests_, text),
                    .duration = &shard.histogram(metrics_.duration_, text),
                    .request_bytes = &shard.histogram(metrics_.request_bytes_, text),
                    .response_bytes = &shard.histogram(metrics_.response_bytes_, text)};
  if (record.grpc) {
    series.request_messages = &shard.counter(metrics_.request_messages_, text);
    series.response_messages = &shard.counter(metrics_.response_messages_, text);
  }
  http_.push_back(series);
  return http_.back();
}

PeerMetrics::TcpSeries& PeerMetrics::tcp_series(const Flags& flags) {
  refresh();
  for (auto& series : tcp_) {
    if (series.flags == flags) return series;
  }
  std::string text = labels_, scratch;
  append_label(text, "request_protocol", "tcp");
  append_label(text, "response_flags", flags.to_string(scratch));
  Shard& shard = metrics_.shard_;
  tcp_.push_back({.flags = flags,
                  .sent = &shard.counter(metrics_.tcp_sent_, text),
                  .received = &shard.counter(metrics_.tcp_received_, text),
                  .opened = &shard.counter(metrics_.tcp_opened_, text),
                  .closed = &shard.counter(metrics_.tcp_closed_, text)});
  return tcp_.back();
}

void PeerMetrics::record(const RequestRecord& record) {
  HttpSeries& series = http_series(record);
  series.requests->add(1);
  series.duration->observe(milliseconds(record.duration));
  series.request_bytes->observe(static_cast<double>(record.request_header_bytes + record.bytes_received));
  series.response_bytes->observe(
      static_cast<double>(record.response_header_bytes + record.bytes_sent + record.response_trailer_bytes));
  if (record.grpc) {
    series.request_messages->add(record.request_messages);
    series.response_messages->add(record.response_messages);
  }
}

void PeerMetrics::connection_opened(const Flags& flags) { tcp_series(flags).opened->add(1); }

void PeerMetrics::tcp_bytes(uint64_t received, uint64_t sent) {
  TcpSeries& series = tcp_series({});
  series.received->add(received);
  series.sent->add(sent);
}

void PeerMetrics::connection_closed(const Flags& flags) { tcp_series(flags).closed->add(1); }

// ---- one worker

IstioMetrics::IstioMetrics(Registry& registry, Shard& shard)
    : shard_(shard),
      requests_(registry.counter("istio_requests_total", "Requests that ended.")),
      duration_(registry.histogram("istio_request_duration_milliseconds",
                                   "Time from a request's first byte to its response's last.")),
      request_bytes_(registry.histogram("istio_request_bytes", "Size of requests, head and body.")),
      response_bytes_(registry.histogram("istio_response_bytes", "Size of responses, head and body.")),
      request_messages_(registry.counter("istio_request_messages_total", "gRPC messages of clients.")),
      response_messages_(registry.counter("istio_response_messages_total", "gRPC messages of servers.")),
      tcp_sent_(registry.counter("istio_tcp_sent_bytes_total", "Bytes of TCP connections, to the client.")),
      tcp_received_(
          registry.counter("istio_tcp_received_bytes_total", "Bytes of TCP connections, from the client.")),
      tcp_opened_(registry.counter("istio_tcp_connections_opened_total", "TCP connections opened.")),
      tcp_closed_(registry.counter("istio_tcp_connections_closed_total", "TCP connections closed.")) {}

std::shared_ptr<PeerMetrics> IstioMetrics::peer(const PeerLabels& labels) {
  std::string text = common_labels(labels);
  auto& known = peers_[text];
  if (auto peer = known.lock()) return peer;
  auto peer = std::shared_ptr<PeerMetrics>(new PeerMetrics(*this, std::move(text)));
  known = peer;
  return peer;
}

void IstioMetrics::expire(TimePoint now, Duration idle) {
  std::erase_if(peers_, [](const auto& entry) { return entry.second.expired(); });
  shard_.expire(now, idle);
}

void add_istio_build(Registry& registry, Shard& shard, std::string_view component, std::string_view tag) {
  const Family build = registry.gauge("istio_build", "Which component and version this is.");
  shard.gauge(build, label_text({{"component", component}, {"tag", tag}})).set(1);
}

}  // namespace weft::telemetry
