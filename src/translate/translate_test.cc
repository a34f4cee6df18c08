#include "translate/translate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "translate/print.h"
#include "translate/valid_world.h"

namespace weft::translate {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const ProxyId kClient{.namespace_name = "default", .name = "client"};

constexpr std::string_view kBase = R"(
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: other}
spec: {selector: {app: other}, ports: [{name: http, port: 81}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web, version: v1}}
spec: {serviceAccountName: web, containers: [{name: c, image: weft/demo}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec: {containers: [{name: c, image: weft/demo}]}
---
)";

std::shared_ptr<const World> world_with(std::string_view more, const MeshOptions& options = {}) {
  return valid_world(concat(kBase, more), options);
}

const model::Cluster& cluster(const Translation& translation, std::string_view name) {
  const auto* found = model::Snapshot::find(translation.snapshot.clusters, name);
  EXPECT_TRUE(found) << "no cluster " << name;
  static const model::Cluster kNone;
  return found ? *found : kNone;
}

const model::VirtualHost* host(const Translation& translation, std::string_view routes,
                               std::string_view name) {
  const auto* config = model::Snapshot::find(translation.snapshot.routes, routes);
  if (!config) return nullptr;
  for (const auto& virtual_host : config->virtual_hosts) {
    if (virtual_host.name == name) return &virtual_host;
  }
  return nullptr;
}

std::string first_cluster(const model::Route& route) {
  const auto* forward = std::get_if<model::ForwardAction>(&route.action);
  return forward ? forward->clusters.front().cluster : "";
}

constexpr std::string_view kWeb = "web.default.svc.cluster.local";

TEST(Translate, an_unknown_pod_gets_the_outbound_part_alone) {
  const auto out = translate(world_with(""), {.namespace_name = "default", .name = "not-yet"});
  EXPECT_FALSE(out.found);
  EXPECT_TRUE(out.snapshot.listeners.contains("virtualOutbound"));
  EXPECT_FALSE(out.snapshot.listeners.contains("virtualInbound"));
}

TEST(Translate, bare_services_are_retried_by_default_twice_and_marked_so) {
  const auto out = translate(world_with(""), kClient);
  const auto* virtual_host = host(out, "80", concat(kWeb, ":80"));
  ASSERT_TRUE(virtual_host);
  const auto& action = std::get<model::ForwardAction>(virtual_host->routes.front().action);
  ASSERT_TRUE(action.retry);
  EXPECT_EQ(action.retry->attempts, 2u);
  EXPECT_TRUE(action.retry->is_default);
  EXPECT_TRUE(action.retry->avoid_previous_hosts);
  EXPECT_FALSE(action.retry->on & model::RetryPolicy::on_5xx);
  EXPECT_EQ(action.timeout, Duration::zero());
}

TEST(Translate, the_oldest_rule_for_a_host_wins_on_sidecars) {
  const auto rule = [](std::string_view name, std::string_view created, std::string_view to) {
    return concat("\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: ", name,
                  ", creationTimestamp: \"", created,
                  "\"}\nspec: {hosts: [web], http: [{route: [{destination: {host: ", to, "}}]}]}");
  };
  const auto out = translate(world_with(concat(rule("a", "2024-02-01T00:00:00Z", "web"),
                                               rule("b", "2024-01-01T00:00:00Z", "other"))),
                             kClient);
  EXPECT_EQ(first_cluster(host(out, "80", concat(kWeb, ":80"))->routes.front()),
            "outbound|81||other.default.svc.cluster.local");
}

TEST(Translate, a_rule_that_is_for_others_leaves_the_service_its_own_route) {
  const auto out = translate(world_with(R"(
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http: [{match: [{sourceLabels: {app: nobody}}], route: [{destination: {host: other}}]}]
)"),
                             kClient);
  EXPECT_EQ(host(out, "80", concat(kWeb, ":80"))->routes.front().name, "default");
}

TEST(Translate, exact_hosts_beat_wildcards_and_longer_wildcards_shorter) {
  const auto rule = [](std::string_view name, std::string_view claimed) {
    return concat("\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: ", name,
                  "}\nspec: {hosts: [\"", claimed, "\"], http: [{name: ", name,
                  ", route: [{destination: {host: web}}]}]}");
  };
  const auto name_of = [](const Translation& out, std::string_view port, std::string_view service) {
    return host(out, port, concat(service, ":", port))->routes.front().name;
  };
  const auto out =
      translate(world_with(concat(rule("a-wide", "*.cluster.local"),
                                  rule("b-narrow", "*.default.svc.cluster.local"), rule("c-exact", kWeb))),
                kClient);
  EXPECT_EQ(name_of(out, "80", kWeb), "c-exact");
  EXPECT_EQ(name_of(out, "81", "other.default.svc.cluster.local"), "b-narrow");
}

TEST(Translate, private_rules_are_for_their_own_namespace) {
  const auto world = world_with(R"(
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: elsewhere}
spec:
  hosts: [web.default.svc.cluster.local]
  exportTo: ["."]
  http: [{route: [{destination: {host: other.default.svc.cluster.local}}]}]
)");
  EXPECT_EQ(host(translate(world, kClient), "80", concat(kWeb, ":80"))->routes.front().name, "default");
  const auto there = translate(world, {.namespace_name = "elsewhere", .name = "x"});
  EXPECT_EQ(first_cluster(host(there, "80", concat(kWeb, ":80"))->routes.front()),
            "outbound|81||other.default.svc.cluster.local");
}

TEST(Translate, short_domains_are_for_clients_of_the_same_namespace) {
  const auto world = world_with("");
  EXPECT_THAT(host(translate(world, kClient), "80", concat(kWeb, ":80"))->domains, Contains("web"));
  const auto there = translate(world, {.namespace_name = "elsewhere", .name = "x"});
  EXPECT_THAT(host(there, "80", concat(kWeb, ":80"))->domains, Not(Contains("web")));
  EXPECT_THAT(host(there, "80", concat(kWeb, ":80"))->domains, Contains("web.default"));
}

TEST(Translate, a_missing_subset_is_a_route_to_a_cluster_that_is_not_there) {
  const auto out = translate(world_with(R"(
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec: {hosts: [web], http: [{route: [{destination: {host: web, subset: v9}}]}]}
)"),
                             kClient);
  const std::string name = first_cluster(host(out, "80", concat(kWeb, ":80"))->routes.front());
  EXPECT_EQ(name, concat("outbound|80|v9|", kWeb));
  EXPECT_FALSE(out.snapshot.clusters.contains(name));
}

// ---- DestinationRule ----

TEST(Translate, port_level_settings_replace_the_whole_policy_and_subsets_go_over_it_by_block) {
  const auto out = translate(world_with(R"(
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec:
  host: web
  trafficPolicy:
    loadBalancer: {simple: ROUND_ROBIN}
    connectionPool: {tcp: {maxConnections: 3}}
  subsets:
  - {name: plain, labels: {version: v1}}
  - {name: block, labels: {version: v1}, trafficPolicy: {loadBalancer: {simple: RANDOM}}}
  - name: level
    labels: {version: v1}
    trafficPolicy: {portLevelSettings: [{port: {number: 80}, outlierDetection: {interval: 1s}}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: other}
spec:
  host: other
  trafficPolicy:
    loadBalancer: {simple: ROUND_ROBIN}
    connectionPool: {tcp: {maxConnections: 3}}
    portLevelSettings: [{port: {number: 81}, connectionPool: {http: {http2MaxRequests: 5}}}]
)"),
                             kClient);
  const auto of = [&](std::string_view subset) -> const model::Cluster& {
    return cluster(out, concat("outbound|80|", subset, "|", kWeb));
  };
  EXPECT_EQ(of("plain").lb, model::LbPolicy::round_robin);
  EXPECT_EQ(of("block").lb, model::LbPolicy::random);
  EXPECT_EQ(of("block").limits.max_connections, 3u);
  EXPECT_EQ(of("level").lb, model::LbPolicy::least_request) << "all blocks are replaced";
  EXPECT_EQ(of("level").limits.max_connections, model::PoolLimits::kUnlimited);
  ASSERT_TRUE(of("level").outlier);
  EXPECT_EQ(of("level").panic_threshold_percent, 0u);
  const auto& other = cluster(out, "outbound|81||other.default.svc.cluster.local");
  EXPECT_EQ(other.lb, model::LbPolicy::least_request);
  EXPECT_EQ(other.limits.max_connections, model::PoolLimits::kUnlimited);
  EXPECT_EQ(other.limits.max_requests, 5u);
}

TEST(Translate, rules_of_one_host_and_namespace_unite_their_subsets_and_the_first_policy_wins) {
  const auto rule = [](std::string_view name, std::string_view simple, std::string_view subset) {
    return concat("\n---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: ", name,
                  "}\nspec: {host: web, trafficPolicy: {loadBalancer: {simple: ", simple,
                  "}}, subsets: [{name: ", subset, ", labels: {version: v1}}]}");
  };
  const auto out =
      translate(world_with(concat(rule("a", "RANDOM", "one"), rule("b", "ROUND_ROBIN", "two"))), kClient);
  EXPECT_EQ(cluster(out, concat("outbound|80|one|", kWeb)).lb, model::LbPolicy::random);
  EXPECT_EQ(cluster(out, concat("outbound|80|two|", kWeb)).lb, model::LbPolicy::random);
}

TEST(Translate, a_tls_block_overrides_automatic_mutual_tls) {
  const auto plain = translate(world_with(""), kClient);
  EXPECT_TRUE(cluster(plain, concat("outbound|80||", kWeb)).mesh_tls);
  const auto off = translate(world_with(R"(
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec: {host: web, trafficPolicy: {tls: {mode: DISABLE}}}
)"),
                             kClient);
  EXPECT_FALSE(cluster(off, concat("outbound|80||", kWeb)).mesh_tls);
  EXPECT_FALSE(cluster(off, concat("outbound|80||", kWeb)).tls);
  MeshOptions options;
  options.auto_mtls = false;
  EXPECT_FALSE(cluster(translate(world_with("", options), kClient), concat("outbound|80||", kWeb)).mesh_tls);
}

TEST(Translate, endpoints_say_whether_they_take_mutual_tls) {
  const std::string_view name = "outbound|80||web.default.svc.cluster.local";
  const auto mesh_tls = [&](std::string_view more) {
    const auto out = translate(world_with(more), kClient);
    const auto* endpoints = model::Snapshot::find(out.snapshot.endpoints, name);
    return endpoints && endpoints->endpoints.size() == 1 && endpoints->endpoints.front().mesh_tls;
  };
  EXPECT_TRUE(mesh_tls(""));
  EXPECT_FALSE(mesh_tls(R"(
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: plain}
spec: {selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: DISABLE}}}
)")) << "the pod's port counts, not the service's";
}

TEST(Translate, the_identities_expected_are_those_of_the_service) {
  const auto out = translate(world_with(""), kClient);
  const auto& tls = *cluster(out, concat("outbound|80||", kWeb)).mesh_tls;
  EXPECT_THAT(tls.common.subject_alt_names,
              ElementsAre(model::StringMatch::exact("spiffe://cluster.local/ns/default/sa/web")));
  EXPECT_EQ(tls.sni, concat("outbound_.80_._.", kWeb));
}

TEST(Translate, pods_that_are_not_ready_are_no_endpoints_unless_asked_for) {
  const auto count = [](std::string_view publish) {
    const auto out = translate(world_from(concat(R"(
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, publishNotReadyAddresses: )",
                                                 publish, R"(, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}, annotations: {test/ready: "false"}}
spec: {containers: [{name: c, image: weft/demo}]}
)")),
                               kClient);
    return model::Snapshot::find(out.snapshot.endpoints, concat("outbound|80||", kWeb))->endpoints.size();
  };
  EXPECT_EQ(count("false"), 0u);
  EXPECT_EQ(count("true"), 1u);
}

TEST(Translate, a_consistent_hash_is_on_routes_and_keeps_retries_at_their_host) {
  const auto out = translate(world_with(R"(
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec: {host: web, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}}
)"),
                             kClient);
  const auto& action =
      std::get<model::ForwardAction>(host(out, "80", concat(kWeb, ":80"))->routes.front().action);
  ASSERT_EQ(action.hash_policies.size(), 1u);
  EXPECT_EQ(action.hash_policies.front().name, "x-user");
  EXPECT_FALSE(action.retry->avoid_previous_hosts);
  EXPECT_EQ(cluster(out, concat("outbound|80||", kWeb)).lb, model::LbPolicy::ring_hash);
}

TEST(Translate, the_pools_bounds_hold_at_the_server_too) {
  const auto out = translate(world_with(R"(
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec: {host: web, trafficPolicy: {connectionPool: {http: {http1MaxPendingRequests: 9}}}}
)"),
                             {.namespace_name = "default", .name = "web"});
  EXPECT_EQ(cluster(out, "inbound|8080||").limits.max_pending_requests, 9u);
  EXPECT_EQ(cluster(out, "inbound|8080||").discovery, model::Discovery::original_dst);
  EXPECT_EQ(cluster(out, "inbound|8080||").bind_source->to_string(), "127.0.0.6");
}

// ---- What is remembered ----

constexpr std::string_view kRule = R"(
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec: {hosts: [web], http: [{timeout: 1s, route: [{destination: {host: web}}]}]}
)";

TEST(Translator, proxies_of_a_namespace_share_what_is_the_same) {
  const auto world = world_with("");
  Translator translator;
  const auto a = translator.translate(world, kClient).snapshot;
  const auto b = translator.translate(world, {.namespace_name = "default", .name = "web"}).snapshot;
  EXPECT_EQ(a.routes.at("80"), b.routes.at("80"));
  EXPECT_EQ(a.listeners.at("0.0.0.0_80"), b.listeners.at("0.0.0.0_80"));
  const auto c = translator.translate(world, {.namespace_name = "elsewhere", .name = "x"}).snapshot;
  const std::string name = concat("outbound|80||", kWeb);
  EXPECT_EQ(a.clusters.at(name), c.clusters.at(name)) << "equal across namespaces: one";
  EXPECT_EQ(a.endpoints.at(name), c.endpoints.at(name));
  EXPECT_NE(a.routes.at("80"), c.routes.at("80")) << "short names differ";
}

TEST(Translator, a_changed_rule_makes_its_own_routes_anew_and_nothing_else) {
  Translator translator;
  auto input = input_from(objects::load_text(concat(kBase, kRule), "in.yaml").objects);
  const auto before_world = World::make(input);
  const auto before = translator.translate(before_world, kClient).snapshot;
  for (auto& object : input.objects) {
    if (const auto* vs = objects::get_if<objects::VirtualService>(object)) {
      auto changed = std::make_shared<objects::VirtualService>(*vs);
      changed->http.front().timeout = std::chrono::seconds(2);
      object = std::shared_ptr<const objects::VirtualService>(std::move(changed));
    }
  }
  const auto after = translator.translate(World::make(input, before_world), kClient).snapshot;
  EXPECT_NE(before.routes.at("80"), after.routes.at("80"));
  EXPECT_EQ(before.routes.at("81"), after.routes.at("81"));
  EXPECT_EQ(before.clusters, after.clusters);
  EXPECT_EQ(before.listeners, after.listeners);
  EXPECT_EQ(before.endpoints, after.endpoints);
}

TEST(Translator, a_pod_that_changes_touches_its_services_endpoints_alone) {
  Translator translator;
  auto input = input_from(objects::load_text(kBase, "in.yaml").objects);
  const auto before_world = World::make(input);
  const auto before = translator.translate(before_world, kClient).snapshot;
  input.workloads["default/web"].ready = false;
  const auto after = translator.translate(World::make(input, before_world), kClient).snapshot;
  const std::string web = concat("outbound|80||", kWeb);
  EXPECT_NE(before.endpoints.at(web), after.endpoints.at(web));
  EXPECT_EQ(before.endpoints.at("outbound|81||other.default.svc.cluster.local"),
            after.endpoints.at("outbound|81||other.default.svc.cluster.local"));
  EXPECT_EQ(before.clusters, after.clusters);
  EXPECT_EQ(before.routes, after.routes);
  EXPECT_EQ(before.listeners, after.listeners);
}

TEST(Translator, what_it_remembers_is_what_it_would_make) {
  Translator translator;
  std::shared_ptr<const World> previous;
  for (const auto& more : {std::string(), std::string(kRule), std::string(), concat(kRule, "\n---\n", R"(
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec: {host: web, subsets: [{name: v1, labels: {version: v1}}]}
)")}) {
    const auto world =
        World::make(input_from(objects::load_text(concat(kBase, more), "in.yaml").objects), previous);
    for (const auto& workload : world->workloads()) {
      EXPECT_EQ(print(translator.translate(world, proxy_of(*workload)).snapshot),
                print(translate(world, proxy_of(*workload)).snapshot));
    }
    previous = world;
  }
}

TEST(Translator, labels_matter_only_where_a_rule_asks_for_them) {
  const auto world = world_with(R"(
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
  - {name: clients, match: [{sourceLabels: {app: client}}], route: [{destination: {host: other}}]}
  - {name: rest, route: [{destination: {host: web}}]}
)");
  Translator translator;
  const auto client = translator.translate(world, kClient);
  const auto web = translator.translate(world, {.namespace_name = "default", .name = "web"});
  EXPECT_EQ(host(client, "80", concat(kWeb, ":80"))->routes.front().name, "clients");
  EXPECT_EQ(host(client, "80", concat(kWeb, ":80"))->routes.size(), 1u)
      << "it has no condition left: the list ends";
  EXPECT_EQ(host(web, "80", concat(kWeb, ":80"))->routes.front().name, "rest");
  EXPECT_EQ(client.snapshot.routes.at("81"), web.snapshot.routes.at("81"));
}

TEST(Translator, a_stock_envoy_is_not_told_of_filters_it_does_not_have) {
  const auto world = world_with("");
  ProxyId stock = kClient;
  stock.stock_envoy = true;
  const std::string text = print(translate(world, stock).snapshot);
  EXPECT_THAT(text, Not(HasSubstr("istio_stats")));
  EXPECT_THAT(text, Not(HasSubstr("istio_alpn")));
  EXPECT_THAT(text, Not(HasSubstr("metadata_exchange")));
}

}  // namespace
}  // namespace weft::translate
