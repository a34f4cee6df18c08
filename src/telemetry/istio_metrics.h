// The istio_* metrics: names, the 25 labels, the buckets, as Kiali and Istio's dashboards read them.
//
// A route and a peer together are resolved to a PeerMetrics once and kept with the connection; a request then
// finds its series by status, flags and gRPC status in a short list.
//
//   IstioMetrics metrics(registry, shard);                       // one a worker
//   std::shared_ptr<PeerMetrics> peer = metrics.peer(labels); // cache it: per route and peer
//   peer->record(record);                                        // each request
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/cluster.h"
#include "telemetry/metrics.h"
#include "telemetry/record.h"

namespace weft::telemetry {

enum class Reporter : uint8_t { source, destination };

// Everything of a series' labels but what each request decides for itself. Views are copied.
struct PeerLabels {
  Reporter reporter = Reporter::destination;
  const model::WorkloadInfo* source = nullptr;  // null: unknown
  const model::WorkloadInfo* destination = nullptr;
  // Of the connection; they win over what WorkloadInfo says. Empty: unknown.
  std::string_view source_principal;
  std::string_view destination_principal;
  // Of the cluster's metadata; empty service: `authority`, then "unknown".
  std::string_view destination_service;            // "reviews.default.svc.cluster.local"
  std::string_view destination_service_name;       // "reviews"
  std::string_view destination_service_namespace;  // "default"
  std::string_view authority;
  bool mutual_tls = false;  // says the destination; the source says "unknown"
};

class IstioMetrics;

// What one route and peer count. Belongs to one worker.
class PeerMetrics {
 public:
  ~PeerMetrics();
  // An HTTP or gRPC request that ended.
  void record(const RequestRecord& record);
  // TCP
  void connection_opened(const Flags& flags = {});
  // Bytes since the last call; called every few seconds and at the end.
  void tcp_bytes(uint64_t received, uint64_t sent);
  void connection_closed(const Flags& flags);

 private:
  friend class IstioMetrics;
  struct HttpSeries;
  struct TcpSeries;
  PeerMetrics(IstioMetrics& metrics, std::string labels);
  HttpSeries& http_series(const RequestRecord& record);
  TcpSeries& tcp_series(const Flags& flags);
  void refresh();

  IstioMetrics& metrics_;
  std::string labels_;  // all but what a request decides
  std::vector<HttpSeries> http_;
  std::vector<TcpSeries> tcp_;
  uint64_t generation_ = 0;
};

// One a worker. The registry and the shard outlive it; it outlives every PeerMetrics.
class IstioMetrics {
 public:
  IstioMetrics(Registry& registry, Shard& shard);
  // The same labels give the same object while anybody holds it.
  std::shared_ptr<PeerMetrics> peer(const PeerLabels& labels);
  // Drops series that did not change for `idle`, and peers that nobody holds. Call it now and then.
  void expire(TimePoint now, Duration idle);

 private:
  friend class PeerMetrics;
  Shard& shard_;
  Family requests_, duration_, request_bytes_, response_bytes_, request_messages_, response_messages_;
  Family tcp_sent_, tcp_received_, tcp_opened_, tcp_closed_;
  std::unordered_map<std::string, std::weak_ptr<PeerMetrics>> peers_;
};

// istio_build{component,tag} 1
void add_istio_build(Registry& registry, Shard& shard, std::string_view component, std::string_view tag);

}  // namespace weft::telemetry
