#include <benchmark/benchmark.h>

#include "policy/facts_for_test.h"

namespace weft::policy {
namespace {

// Istio's shape: each rule lists principals, methods and paths. The caller is let in by the last rule.
Authorizer rules(int count) {
  std::vector<model::RbacPolicy> policies;
  for (int i = 0; i < count; ++i) {
    const std::string number = std::to_string(i);
    policies.push_back(
        rule("p" + number,
             {all_of({any_of({method("GET"), method("HEAD")}),
                      any_of({path("/api/" + number), path(model::StringMatch::prefix("/v" + number))})})},
             {all_of({any_of({principal("spiffe://cluster.local/ns/default/sa/client" + number),
                              principal("spiffe://cluster.local/ns/other/sa/client" + number)})})}));
  }
  return authorizer({filter(model::Rbac::Action::allow, std::move(policies))});
}

void authorize_by_last_rule(benchmark::State& state) {
  const int count = static_cast<int>(state.range(0));
  const auto compiled = rules(count);
  const std::string number = std::to_string(count - 1);
  Caller caller("/api/" + number + "?q=1");
  caller.as({"spiffe://cluster.local/ns/default/sa/client" + number});
  for (int i = 0; i < 12; ++i) caller.with("x-header-" + std::to_string(i), "value");
  for (auto _ : state) {
    auto verdict = compiled.authorize(caller.facts());
    if (!verdict) state.SkipWithError("must pass");
    benchmark::DoNotOptimize(verdict);
  }
}
BENCHMARK(authorize_by_last_rule)->Arg(1)->Arg(10)->Arg(100)->Arg(1000);

void authorize_by_header_and_network(benchmark::State& state) {
  const auto compiled = authorizer({
      filter(model::Rbac::Action::deny,
             {rule("d", {header("x-blocked", model::StringMatch::exact("1"))}, {anything()})}),
      filter(model::Rbac::Action::allow,
             {rule("a", {anything()},
                   {range(model::Condition::Kind::remote_ip, {"10.0.0.0/8", "192.168.0.0/16"})})}),
  });
  Caller caller("/x");
  for (int i = 0; i < 12; ++i) caller.with("x-header-" + std::to_string(i), "value");
  for (auto _ : state) benchmark::DoNotOptimize(compiled.authorize(caller.facts()));
}
BENCHMARK(authorize_by_header_and_network);

void authorize_without_filters(benchmark::State& state) {
  const auto compiled = authorizer({});
  const Caller caller("/x");
  for (auto _ : state) benchmark::DoNotOptimize(compiled.authorize(caller.facts()));
}
BENCHMARK(authorize_without_filters);

void deny(benchmark::State& state) {
  const auto compiled = rules(static_cast<int>(state.range(0)));
  const Caller caller("/nowhere");
  for (auto _ : state) benchmark::DoNotOptimize(compiled.authorize(caller.facts()));
}
BENCHMARK(deny)->Arg(1)->Arg(100);

}  // namespace
}  // namespace weft::policy
