// A mesh of 1,000 services with 10 endpoints each: a first translation, and one after a single change.
#include <benchmark/benchmark.h>

#include "translate/test_world.h"

namespace weft::translate {
namespace {

constexpr int kServices = 1000;
constexpr int kReplicas = 10;

std::string mesh() {
  std::string out =
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {istio-injection: enabled}}\n";
  for (int i = 0; i < kServices; ++i) {
    out += concat("---\napiVersion: v1\nkind: Service\nmetadata: {name: s", i, "}\nspec: {selector: {app: s",
                  i, "}, ports: [{name: http, port: 80, targetPort: 8080}]}\n");
    out += concat("---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: s", i,
                  "}\nspec:\n  replicas: ", kReplicas, "\n  selector: {matchLabels: {app: s", i,
                  "}}\n  template:\n    metadata: {labels: {app: s", i,
                  "}}\n    spec: {containers: [{name: c, image: weft/demo}]}\n");
    out += concat("---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: s", i,
                  "}\nspec: {hosts: [s", i, "], http: [{timeout: 1s, route: [{destination: {host: s", i,
                  "}}]}]}\n");
  }
  return out;
}

const WorldInput& input() {
  static const WorldInput kInput = [] {
    // 16 MiB of YAML at most: in parts.
    std::vector<objects::Object> all;
    const std::string text = mesh();
    for (auto& object : objects::load_text(text, "mesh.yaml").objects) all.push_back(std::move(object));
    return input_from(std::move(all));
  }();
  return kInput;
}

const ProxyId kProxy{.namespace_name = "default", .name = "s0-0"};

void first_translation(benchmark::State& state) {
  for (auto _ : state) {
    const auto world = World::make(input());
    benchmark::DoNotOptimize(translate(world, kProxy).snapshot.clusters.size());
  }
}
BENCHMARK(first_translation)->Unit(benchmark::kMillisecond);

// From the new set of objects to the new snapshot, everything between included.
void one_rule_changed(benchmark::State& state) {
  Translator translator;
  WorldInput next = input();
  auto world = World::make(next);
  benchmark::DoNotOptimize(translator.translate(world, kProxy));
  int64_t n = 0;
  for (auto _ : state) {
    for (auto& object : next.objects) {
      const auto* vs = objects::get_if<objects::VirtualService>(object);
      if (!vs) continue;
      auto changed = std::make_shared<objects::VirtualService>(*vs);
      changed->http.front().timeout = std::chrono::milliseconds(++n);
      object = std::shared_ptr<const objects::VirtualService>(std::move(changed));
      break;
    }
    world = World::make(next, world);
    benchmark::DoNotOptimize(translator.translate(world, kProxy).snapshot.routes.size());
  }
}
BENCHMARK(one_rule_changed)->Unit(benchmark::kMillisecond);

void one_pod_changed(benchmark::State& state) {
  Translator translator;
  WorldInput next = input();
  auto world = World::make(next);
  benchmark::DoNotOptimize(translator.translate(world, kProxy));
  for (auto _ : state) {
    bool& ready = next.workloads["default/s5-5"].ready;
    ready = !ready;
    world = World::make(next, world);
    benchmark::DoNotOptimize(translator.translate(world, kProxy).snapshot.endpoints.size());
  }
}
BENCHMARK(one_pod_changed)->Unit(benchmark::kMillisecond);

void another_proxy_of_the_namespace(benchmark::State& state) {
  Translator translator;
  const auto world = World::make(input());
  benchmark::DoNotOptimize(translator.translate(world, kProxy));
  int i = 0;
  for (auto _ : state) {
    const ProxyId proxy{.namespace_name = "default", .name = concat("s", ++i % kServices, "-1")};
    benchmark::DoNotOptimize(translator.translate(world, proxy).snapshot.clusters.size());
  }
}
BENCHMARK(another_proxy_of_the_namespace)->Unit(benchmark::kMillisecond);

void whole_validation(benchmark::State& state) {
  const auto world = World::make(input());
  for (auto _ : state) benchmark::DoNotOptimize(validate(*world).size());
}
BENCHMARK(whole_validation)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace weft::translate
