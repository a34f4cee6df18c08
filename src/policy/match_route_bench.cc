#include <benchmark/benchmark.h>

#include "policy/facts_for_test.h"
#include "policy/match_route.h"

namespace weft::policy {
namespace {

model::Route route(int number, bool regex) {
  model::Route route;
  route.name = std::to_string(number);
  route.match.path = "/api/v" + std::to_string(number) + "/";
  if (regex) {
    route.match.path_kind = model::RouteMatch::Path::regex;
    route.match.regex = Regex::compile("/api/v" + std::to_string(number) + "/[a-z]+").value();
  }
  return route;
}

std::shared_ptr<const model::RouteConfig> config(int hosts, int routes, bool regex) {
  auto config = std::make_shared<model::RouteConfig>();
  config->ignore_port_in_host = true;
  for (int h = 0; h < hosts; ++h) {
    model::VirtualHost host;
    const std::string name = "svc" + std::to_string(h);
    host.domains = {name, name + ".default", name + ".default.svc", name + ".default.svc.cluster.local"};
    for (int r = 0; r < routes; ++r) host.routes.push_back(route(r, regex));
    config->virtual_hosts.push_back(std::move(host));
  }
  return config;
}

void match_last(benchmark::State& state, int hosts, int routes, bool regex) {
  const CompiledRoutes compiled(config(hosts, routes, regex));
  Caller caller("/api/v" + std::to_string(routes - 1) + "/users");
  caller.request.authority = "svc" + std::to_string(hosts - 1) + ".default.svc.cluster.local:8080";
  for (int i = 0; i < 12; ++i) caller.with("x-header-" + std::to_string(i), "value");
  const RequestView view(caller.request);
  for (auto _ : state) {
    auto decision = compiled.match(view, 0);
    if (!decision) state.SkipWithError("must match");
    benchmark::DoNotOptimize(decision);
  }
}
BENCHMARK_CAPTURE(match_last, one_host_one_route, 1, 1, false);
BENCHMARK_CAPTURE(match_last, thousand_hosts, 1000, 1, false);
BENCHMARK_CAPTURE(match_last, hundred_prefixes, 1, 100, false);
BENCHMARK_CAPTURE(match_last, thousand_prefixes, 1, 1000, false);
BENCHMARK_CAPTURE(match_last, hundred_regexes, 1, 100, true);

}  // namespace
}  // namespace weft::policy
