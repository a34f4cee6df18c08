#include <benchmark/benchmark.h>

#include "telemetry/istio_metrics.h"
#include "telemetry/prometheus.h"
#include "telemetry/record_for_test.h"

namespace weft::telemetry {
namespace {

void record_request(benchmark::State& state) {
  Registry registry;
  IstioMetrics metrics(registry, registry.make_shard());
  const auto peer = metrics.peer({.destination_service = "reviews.default.svc.cluster.local"});
  const FinishedRequest finished;
  for (auto _ : state) peer->record(finished.record);
}
BENCHMARK(record_request);

void resolve_peer(benchmark::State& state) {
  Registry registry;
  IstioMetrics metrics(registry, registry.make_shard());
  const PeerLabels labels{.destination_service = "reviews.default.svc.cluster.local"};
  const auto peer = metrics.peer(labels);
  for (auto _ : state) benchmark::DoNotOptimize(metrics.peer(labels));
}
BENCHMARK(resolve_peer);

void scrape(benchmark::State& state) {
  Registry registry;
  std::vector<std::shared_ptr<PeerMetrics>> peers;
  const FinishedRequest finished;
  std::vector<std::unique_ptr<IstioMetrics>> workers;
  for (int w = 0; w < 4; ++w) {
    workers.push_back(std::make_unique<IstioMetrics>(registry, registry.make_shard()));
    for (int i = 0; i < state.range(0); ++i) {
      const std::string service = "svc" + std::to_string(i);
      peers.push_back(workers.back()->peer({.destination_service = service}));
      peers.back()->record(finished.record);
    }
  }
  size_t bytes = 0;
  for (auto _ : state) bytes = write_prometheus(registry.collect()).size();
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(scrape)->Arg(10)->Arg(200)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace weft::telemetry
