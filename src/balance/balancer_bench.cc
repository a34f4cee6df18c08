#include <benchmark/benchmark.h>

#include "balance/balancer.h"
#include "balance/hash.h"

namespace weft::balance {
namespace {

void pick(benchmark::State& state, model::LbPolicy lb, bool weighted) {
  Random random(1);
  auto cluster = std::make_shared<model::Cluster>();
  cluster->lb = lb;
  Balancer balancer(cluster, std::make_shared<OutlierDetector>("c", model::OutlierDetection(), 1), random);
  model::EndpointSet set;
  for (uint32_t i = 0; i < static_cast<uint32_t>(state.range(0)); ++i) {
    model::Endpoint endpoint;
    endpoint.address = {.ip = IpAddress::v4(0x0a000000 + i), .port = 8080};
    endpoint.weight = weighted ? 1 + i % 5 : 1;
    set.endpoints.push_back(endpoint);
  }
  balancer.update(set);
  uint64_t key = 0;
  for (auto _ : state) {
    auto picked = balancer.pick({.hash = ++key * 0x9e3779b97f4a7c15u});
    benchmark::DoNotOptimize(picked);
  }
}
BENCHMARK_CAPTURE(pick, round_robin, model::LbPolicy::round_robin, false)->Arg(3)->Arg(1000);
BENCHMARK_CAPTURE(pick, round_robin_weighted, model::LbPolicy::round_robin, true)->Arg(3)->Arg(1000);
BENCHMARK_CAPTURE(pick, least_request, model::LbPolicy::least_request, false)->Arg(3)->Arg(1000);
BENCHMARK_CAPTURE(pick, least_request_weighted, model::LbPolicy::least_request, true)->Arg(3)->Arg(1000);
BENCHMARK_CAPTURE(pick, ring_hash, model::LbPolicy::ring_hash, false)->Arg(3)->Arg(1000);
BENCHMARK_CAPTURE(pick, maglev, model::LbPolicy::maglev, false)->Arg(3)->Arg(1000);

void report_success(benchmark::State& state) {
  OutlierDetector detector("c", {}, 1);
  const auto health = detector.health_of({.ip = IpAddress::v4(1), .port = 1});
  for (auto _ : state) detector.report(*health, AttemptResult::success, TimePoint(1s));
}
BENCHMARK(report_success);

}  // namespace
}  // namespace weft::balance
