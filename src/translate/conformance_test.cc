// What holds where an object says nothing, or where two objects speak of the same thing: Istio's defaults,
// precedence and order of merging.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "translate/authorization.h"
#include "translate/managers.h"
#include "translate/valid_world.h"

namespace weft::translate {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const ProxyId kClient{.namespace_name = "default", .name = "client"};
constexpr std::string_view kWebCluster = "outbound|80||web.default.svc.cluster.local";

constexpr std::string_view kMesh = R"(
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: elsewhere}
spec: {selector: {app: web}, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: c, image: weft/demo}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {containers: [{name: c, image: weft/demo}]}
---
apiVersion: v1
kind: Pod
metadata: {name: gw, namespace: edge, labels: {istio: ingressgateway}}
spec: {containers: [{name: istio-proxy, image: auto}]}
---
)";

std::shared_ptr<const World> mesh_with(std::string_view more, const MeshOptions& options = {}) {
  return valid_world(concat(kMesh, more), options);
}

struct Meta {
  std::string_view name = "rule";
  std::string_view namespace_name = "default";
  std::string_view created;
};

std::string object(std::string_view kind, std::string_view group, const Meta& meta, std::string_view spec) {
  const std::string created =
      meta.created.empty() ? "" : concat(", creationTimestamp: \"", meta.created, "\"");
  return concat("\n---\napiVersion: ", group, ".istio.io/v1\nkind: ", kind, "\nmetadata: {name: ", meta.name,
                ", namespace: ", meta.namespace_name, created, "}\nspec: ", spec, "\n");
}
std::string virtual_service(const Meta& meta, std::string_view spec) {
  return object("VirtualService", "networking", meta, spec);
}
std::string destination_rule(const Meta& meta, std::string_view spec) {
  return object("DestinationRule", "networking", meta, spec);
}
std::string gateway(const Meta& meta, std::string_view spec) {
  return object("Gateway", "networking", meta, spec);
}
std::string authorization(const Meta& meta, std::string_view spec) {
  return object("AuthorizationPolicy", "security", meta, spec);
}

// The routes of one host in one route configuration; none where there is no such host.
std::vector<model::Route> routes_for(const std::shared_ptr<const World>& world, const ProxyId& proxy,
                                     std::string_view config, std::string_view host) {
  const auto out = translate(world, proxy);
  const auto* routes = model::Snapshot::find(out.snapshot.routes, config);
  if (!routes) return {};
  for (const auto& virtual_host : routes->virtual_hosts) {
    if (virtual_host.domains.front() == host) return virtual_host.routes;
  }
  return {};
}
std::vector<model::Route> web_routes(std::string_view more) {
  return routes_for(mesh_with(more), kClient, "80", "web.default.svc.cluster.local");
}
std::vector<std::string> names_of(const std::vector<model::Route>& routes) {
  std::vector<std::string> out;
  for (const auto& route : routes) out.push_back(route.name);
  return out;
}
const model::ForwardAction& forward_of(const model::Route& route) {
  return std::get<model::ForwardAction>(route.action);
}

model::Cluster web_cluster(std::string_view more) {
  const auto out = translate(mesh_with(more), kClient);
  const auto* found = model::Snapshot::find(out.snapshot.clusters, kWebCluster);
  EXPECT_TRUE(found);
  return found ? *found : model::Cluster{};
}

// ---- Names ----

TEST(Names, without_a_dot_belong_to_the_namespace_of_the_rule_not_of_the_service) {
  const auto world = mesh_with(concat(
      virtual_service(
          {.namespace_name = "elsewhere"},
          "{hosts: [web.default.svc.cluster.local], http: [{route: [{destination: {host: web}}], mirror: "
          "{host: web}}]}"),
      destination_rule({.namespace_name = "elsewhere"},
                       "{host: web, trafficPolicy: {loadBalancer: {simple: "
                       "RANDOM}}}")));
  const auto routes = routes_for(world, kClient, "80", "web.default.svc.cluster.local");
  ASSERT_THAT(routes, SizeIs(1));
  EXPECT_EQ(forward_of(routes[0]).clusters[0].cluster, "outbound|8080||web.elsewhere.svc.cluster.local");
  ASSERT_THAT(forward_of(routes[0]).mirrors, SizeIs(1));
  EXPECT_EQ(forward_of(routes[0]).mirrors[0].cluster, "outbound|8080||web.elsewhere.svc.cluster.local");
  EXPECT_EQ(forward_of(routes[0]).mirrors[0].per_million, 1'000'000u)
      << "all of them, where no share is written";

  const auto clusters = translate(world, kClient).snapshot.clusters;
  EXPECT_EQ(model::Snapshot::find(clusters, kWebCluster)->lb, model::LbPolicy::least_request);
  EXPECT_EQ(model::Snapshot::find(clusters, "outbound|8080||web.elsewhere.svc.cluster.local")->lb,
            model::LbPolicy::random);
}

constexpr std::string_view kAnyHost =
    "{selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, "
    "hosts: [\"*\"]}]}";
const ProxyId kGateway{.kind = ProxyId::Kind::gateway, .namespace_name = "edge", .name = "gw"};

TEST(Names, of_gateways_without_a_namespace_are_of_the_rules_own) {
  const auto rule = [](std::string_view name, std::string_view ns, std::string_view gateways) {
    return virtual_service({.name = name, .namespace_name = ns},
                           concat("{hosts: [", name, ".example.com], ", gateways, "http: [{name: ", name,
                                  ", route: [{destination: {host: web.default.svc.cluster.local}}]}]}"));
  };
  const auto world = mesh_with(concat(
      gateway({.name = "gw", .namespace_name = "edge"}, kAnyHost), rule("same", "edge", "gateways: [gw], "),
      rule("whole", "default", "gateways: [edge/gw], "), rule("other", "default", "gateways: [gw], "),
      rule("none", "edge", ""), rule("both", "edge", "gateways: [gw, mesh], ")));
  const auto at = [&](const ProxyId& proxy, std::string_view config, std::string_view name) {
    return names_of(routes_for(world, proxy, config, concat(name, ".example.com")));
  };
  EXPECT_THAT(at(kGateway, "http.80", "same"), ElementsAre("same"));
  EXPECT_THAT(at(kGateway, "http.80", "whole"), ElementsAre("whole"));
  EXPECT_THAT(at(kGateway, "http.80", "both"), ElementsAre("both"));
  EXPECT_THAT(at(kGateway, "http.80", "other"), IsEmpty()) << "default/gw is another gateway";
  EXPECT_THAT(at(kGateway, "http.80", "none"), IsEmpty()) << "without gateways a rule is for sidecars";
  EXPECT_THAT(at(kClient, "80", "none"), ElementsAre("none"));
  EXPECT_THAT(at(kClient, "80", "both"), ElementsAre("both"));
  EXPECT_THAT(at(kClient, "80", "same"), IsEmpty()) << "sidecars are named by the word mesh";
}

// ---- Who is seen ----

TEST(Visibility, of_a_service_is_what_its_annotation_says) {
  const auto world = mesh_with(R"(
---
apiVersion: v1
kind: Service
metadata: {name: own, annotations: {networking.istio.io/exportTo: "."}}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: shared, annotations: {networking.istio.io/exportTo: "edge, elsewhere"}}
spec: {ports: [{name: http, port: 80}]}
)");
  EXPECT_TRUE(world->find_service("own.default.svc.cluster.local", "default"));
  EXPECT_FALSE(world->find_service("own.default.svc.cluster.local", "elsewhere"));
  EXPECT_TRUE(world->find_service("shared.default.svc.cluster.local", "elsewhere"));
  EXPECT_FALSE(world->find_service("shared.default.svc.cluster.local", "default"));
}

TEST(Visibility, of_two_entries_for_a_host_the_clients_own_goes_first_then_the_older) {
  const auto entry = [](const Meta& meta) {
    return object("ServiceEntry", "networking", meta,
                  "{hosts: [api.example.com], ports: [{number: 80, name: http, protocol: HTTP}], "
                  "resolution: DNS}");
  };
  const auto world = mesh_with(
      concat(entry({.name = "young", .namespace_name = "edge", .created = "2024-01-01T00:00:00Z"}),
             entry({.name = "old", .namespace_name = "elsewhere", .created = "2023-01-01T00:00:00Z"})));
  EXPECT_EQ(world->find_service("api.example.com", "edge")->name, "young");
  EXPECT_EQ(world->find_service("api.example.com", "default")->name, "old");
}

// ---- Gateways ----

TEST(Gateways, of_one_port_and_protocol_are_one_listener_and_the_older_of_two_protocols_has_it) {
  const auto server = [](std::string_view host, std::string_view protocol) {
    return concat("{selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: p, protocol: ",
                  protocol, "}, hosts: [", host, "]}]}");
  };
  const auto rule = [](std::string_view name) {
    return virtual_service({.name = name},
                           concat("{hosts: [", name, ".example.com], gateways: [default/", name,
                                  "], http: [{name: ", name, ", route: [{destination: {host: web}}]}]}"));
  };
  const auto world = mesh_with(concat(gateway({.name = "a"}, server("a.example.com", "HTTP")),
                                      gateway({.name = "b"}, server("b.example.com", "HTTP")),
                                      gateway({.name = "c"}, server("\"*\"", "TCP")), rule("a"), rule("b")));
  const auto out = translate(world, kGateway);
  ASSERT_EQ(out.snapshot.listeners.count("0.0.0.0_80"), 1u);
  EXPECT_THAT(model::Snapshot::find(out.snapshot.listeners, "0.0.0.0_80")->chains, SizeIs(1));
  EXPECT_THAT(names_of(routes_for(world, kGateway, "http.80", "a.example.com")), ElementsAre("a"));
  EXPECT_THAT(names_of(routes_for(world, kGateway, "http.80", "b.example.com")), ElementsAre("b"));
  std::vector<std::string> codes;
  for (const auto& complaint : validate(*world)) codes.push_back(complaint.code);
  EXPECT_THAT(codes, testing::Contains("IST0145"));
}

TEST(Gateways, take_rules_from_the_namespaces_that_their_hosts_name) {
  const auto rules_at = [](std::string_view host) {
    std::string text =
        gateway({.name = "gw", .namespace_name = "edge"},
                concat("{selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, "
                       "protocol: HTTP}, hosts: [\"",
                       host, "\"]}]}"));
    for (const std::string_view ns : {"edge", "default"}) {
      text +=
          virtual_service({.name = ns, .namespace_name = ns},
                          concat("{hosts: [a.example.com], gateways: [edge/gw], http: [{name: ", ns,
                                 ", match: [{uri: {prefix: /", ns,
                                 "}}], route: [{destination: {host: web.default.svc.cluster.local}}]}]}"));
    }
    return names_of(routes_for(mesh_with(text), kGateway, "http.80", "a.example.com"));
  };
  EXPECT_THAT(rules_at("*"), ElementsAre("default", "edge"));
  EXPECT_THAT(rules_at("*/*.example.com"), ElementsAre("default", "edge"));
  EXPECT_THAT(rules_at("./a.example.com"), ElementsAre("edge"));
  EXPECT_THAT(rules_at("default/a.example.com"), ElementsAre("default"));
  EXPECT_THAT(rules_at("other/a.example.com"), IsEmpty());
  EXPECT_THAT(rules_at("b.example.com"), IsEmpty());
}

TEST(Defaults, of_a_connection_manager_are_those_of_its_side) {
  const MeshOptions options;
  const auto manager = [&](Side side) { return http_manager({.mesh = options, .side = side}, "x"); };
  EXPECT_EQ(manager(Side::gateway).forward_client_cert, model::ForwardClientCert::sanitize_set);
  EXPECT_EQ(manager(Side::inbound).forward_client_cert, model::ForwardClientCert::append_forward);
  for (const Side side : {Side::inbound, Side::outbound, Side::gateway}) {
    EXPECT_EQ(manager(side).stream_idle_timeout, Duration::zero());
    EXPECT_THAT(manager(side).upgrades, ElementsAre("websocket"));
    EXPECT_TRUE(manager(side).normalize_path) << "pathNormalization: BASE";
    EXPECT_FALSE(manager(side).merge_slashes);
  }
}

// ---- VirtualService: the list of rules ----

TEST(Rules, whatever_takes_every_request_ends_the_list) {
  const auto count = [](std::string_view match) {
    return web_routes(
               virtual_service(
                   {}, concat("{hosts: [web], http: [{match: [", match,
                              "], route: [{destination: {host: web}}]}, {match: [{uri: {prefix: /x}}], "
                              "route: [{destination: {host: web}}]}]}")))
        .size();
  };
  EXPECT_EQ(count("{uri: {prefix: /}}"), 1u);
  EXPECT_EQ(count("{uri: {regex: \".*\"}}"), 1u);
  EXPECT_EQ(count("{port: 80}"), 1u) << "the port is known before the request";
  EXPECT_EQ(count("{headers: {method: {exact: GET}}}"), 1u) << "such keys are passed over";
  EXPECT_EQ(count("{uri: {prefix: /}, headers: {x-a: {}}}"), 2u);
  EXPECT_EQ(count("{uri: {prefix: /}, withoutHeaders: {x-a: {}}}"), 2u);
  EXPECT_EQ(count("{uri: {prefix: /}, queryParams: {a: {exact: b}}}"), 2u);
  EXPECT_EQ(count("{uri: {regex: \"/.*\"}}"), 2u);
  EXPECT_EQ(count("{uri: {exact: /}}"), 2u);
}

TEST(Rules, match_entries_are_alternatives_and_their_fields_are_not) {
  const auto routes = web_routes(virtual_service({}, R"({hosts: [web], http: [{name: r, match: [
      {name: a, uri: {prefix: /a}, method: {exact: GET}}, {name: b, uri: {prefix: /b}}],
      route: [{destination: {host: web}}]}]})"));
  EXPECT_THAT(names_of(routes), ElementsAre("r.a", "r.b"));
  EXPECT_EQ(routes[0].match.path, "/a");
  EXPECT_THAT(routes[0].match.headers, SizeIs(1));
  EXPECT_THAT(routes[1].match.headers, IsEmpty());
}

TEST(Rules, of_a_gateway_merge_private_ones_first_then_exported_then_public_each_oldest_first) {
  const auto rule = [](const Meta& meta, std::string_view export_to) {
    return virtual_service(
        meta,
        concat("{hosts: [a.example.com], gateways: [edge/gw], exportTo: [", export_to,
               "], http: [{name: ", meta.name, ", match: [{uri: {prefix: /", meta.name,
               "}}], route: [{destination: {host: web.default.svc.cluster.local}}]}, {name: ", meta.name,
               "-rest, route: [{destination: {host: "
               "web.default.svc.cluster.local}}]}]}"));
  };
  const auto world = mesh_with(
      concat(gateway({.name = "gw", .namespace_name = "edge"}, kAnyHost),
             rule({.name = "public-young", .created = "2022-01-01T00:00:00Z"}, "\"*\""),
             rule({.name = "public-old", .namespace_name = "z", .created = "2021-01-01T00:00:00Z"}, "\"*\""),
             rule({.name = "named", .namespace_name = "z", .created = "2023-01-01T00:00:00Z"}, "edge"),
             rule({.name = "private", .namespace_name = "edge", .created = "2024-01-01T00:00:00Z"}, "\".\""),
             rule({.name = "others", .namespace_name = "z", .created = "2020-01-01T00:00:00Z"}, "\".\"")));
  EXPECT_THAT(names_of(routes_for(world, kGateway, "http.80", "a.example.com")),
              ElementsAre("private", "named", "public-old", "public-young", "private-rest", "named-rest",
                          "public-old-rest", "public-young-rest"));
}

// ---- VirtualService: what holds where nothing is said ----

TEST(Defaults, of_a_route_are_no_timeout_and_two_careful_retries) {
  const auto routes =
      web_routes(virtual_service({}, "{hosts: [web], http: [{route: [{destination: {host: web}}]}]}"));
  ASSERT_THAT(routes, SizeIs(1));
  const auto& action = forward_of(routes[0]);
  EXPECT_EQ(action.timeout, Duration::zero());
  EXPECT_EQ(action.max_grpc_timeout, Duration::zero()) << "a gRPC client's own deadline has no cap";
  EXPECT_FALSE(action.idle_timeout);
  ASSERT_TRUE(action.retry);
  using Retry = model::RetryPolicy;
  EXPECT_EQ(action.retry->attempts, 2u);
  EXPECT_EQ(action.retry->on, Retry::connect_failure | Retry::refused_stream | Retry::grpc_unavailable |
                                  Retry::grpc_cancelled | Retry::retriable_status_codes);
  EXPECT_THAT(action.retry->status_codes, IsEmpty()) << "503 is not among them";
  EXPECT_EQ(action.retry->per_try_timeout, Duration::zero());
  EXPECT_EQ(action.retry->host_selection_attempts, 5u);
  EXPECT_EQ(action.retry->back_off_base, 25ms);
  EXPECT_EQ(action.retry->back_off_max, 250ms);
}

TEST(Defaults, of_a_timeout_that_is_written_caps_grpc_too) {
  const auto routes = web_routes(
      virtual_service({}, "{hosts: [web], http: [{timeout: 2s, route: [{destination: {host: web}}]}]}"));
  EXPECT_EQ(forward_of(routes.at(0)).timeout, 2s);
  EXPECT_EQ(forward_of(routes.at(0)).max_grpc_timeout, 2s);
}

TEST(Defaults, of_retries_fill_what_a_rule_leaves_out) {
  const auto with = [](std::string_view retries) {
    return forward_of(web_routes(virtual_service({}, concat("{hosts: [web], http: [{retries: ", retries,
                                                            ", route: [{destination: {host: web}}]}]}")))
                          .at(0))
        .retry;
  };
  EXPECT_FALSE(with("{attempts: 0}"));
  const auto three = with("{attempts: 3}");
  ASSERT_TRUE(three);
  EXPECT_EQ(three->attempts, 3u);
  EXPECT_TRUE(three->on & model::RetryPolicy::grpc_unavailable);
  EXPECT_TRUE(three->avoid_previous_hosts);
  const auto codes = with("{attempts: 1, retryOn: \"429,connect-failure\"}");
  ASSERT_TRUE(codes);
  EXPECT_THAT(codes->status_codes, ElementsAre(429u));
  EXPECT_EQ(codes->on, model::RetryPolicy::connect_failure | model::RetryPolicy::retriable_status_codes);
}

TEST(Defaults, of_a_fault_without_percentage_touch_no_request) {
  const auto routes = web_routes(
      virtual_service({},
                      "{hosts: [web], http: [{fault: {delay: {fixedDelay: 5s}, abort: {httpStatus: 500}}, "
                      "route: [{destination: {host: web}}]}]}"));
  ASSERT_TRUE(routes.at(0).fault_delay && routes.at(0).fault_abort);
  EXPECT_EQ(routes[0].fault_delay->per_million, 0u);
  EXPECT_EQ(routes[0].fault_abort->per_million, 0u);
}

TEST(Weights, are_shares_of_their_sum_and_zero_gets_nothing) {
  const auto of = [](std::string_view destinations) {
    return forward_of(
        web_routes(virtual_service({}, concat("{hosts: [web], http: [{route: [", destinations, "]}]}")))
            .at(0));
  };
  const auto split =
      of("{destination: {host: web}, weight: 1}, {destination: {host: web.elsewhere.svc.cluster.local}, "
         "weight: 3}, "
         "{destination: {host: none.example.com}, weight: 0}");
  EXPECT_EQ(split.total_weight, 4u);
  EXPECT_THAT(split.clusters, SizeIs(2));
  EXPECT_EQ(of("{destination: {host: web}}").clusters.at(0).cluster, kWebCluster)
      << "the only one has it all";
}

// ---- DestinationRule ----

TEST(Defaults, of_a_cluster_bound_nothing_and_eject_nobody) {
  const auto bare = web_cluster("");
  EXPECT_EQ(bare.lb, model::LbPolicy::least_request);
  EXPECT_EQ(bare.least_request_choices, 2u);
  EXPECT_EQ(bare.limits, model::PoolLimits{});
  EXPECT_EQ(bare.limits.max_connections, 4294967295u);
  EXPECT_EQ(bare.connect_timeout, 10s);
  EXPECT_EQ(bare.max_requests_per_connection, 0u);
  EXPECT_FALSE(bare.max_connection_duration);
  EXPECT_FALSE(bare.outlier);
}

TEST(Defaults, of_outlier_detection_are_istios) {
  const auto with = [](std::string_view block) {
    return web_cluster(
        destination_rule({}, concat("{host: web, trafficPolicy: {outlierDetection: {", block, "}}}")));
  };
  const auto plain = with("splitExternalLocalOriginErrors: false");
  ASSERT_TRUE(plain.outlier);
  EXPECT_EQ(plain.outlier->consecutive_5xx, 5u);
  EXPECT_EQ(plain.outlier->enforcing_consecutive_5xx, 100u);
  EXPECT_EQ(plain.outlier->enforcing_consecutive_gateway_failure, 0u) << "off until it is asked for";
  EXPECT_EQ(plain.outlier->interval, 10s);
  EXPECT_EQ(plain.outlier->base_ejection_time, 30s);
  EXPECT_EQ(plain.outlier->max_ejection_percent, 10u);
  EXPECT_EQ(plain.panic_threshold_percent, 0u) << "no panic: every host can be ejected";

  const auto gateway_errors = with("consecutive5xxErrors: 0, consecutiveGatewayErrors: 3");
  EXPECT_EQ(gateway_errors.outlier->enforcing_consecutive_5xx, 0u);
  EXPECT_EQ(gateway_errors.outlier->consecutive_gateway_failure, 3u);
  EXPECT_EQ(gateway_errors.outlier->enforcing_consecutive_gateway_failure, 100u);
  EXPECT_EQ(with("minHealthPercent: 40").panic_threshold_percent, 40u);
}

TEST(ClientTls, any_block_takes_the_place_of_automatic_mutual_tls_and_its_absence_brings_it_back) {
  const auto policy = [](std::string_view text) {
    return web_cluster(destination_rule({}, concat("{host: web, trafficPolicy: {", text, "}}")));
  };
  EXPECT_FALSE(policy("tls: {mode: SIMPLE}").mesh_tls);
  EXPECT_TRUE(policy("tls: {mode: SIMPLE}").tls);
  EXPECT_FALSE(policy("tls: {mode: ISTIO_MUTUAL}").mesh_tls) << "then it is not asked what an endpoint takes";
  EXPECT_TRUE(policy("tls: {mode: ISTIO_MUTUAL}").tls);
  EXPECT_TRUE(policy("loadBalancer: {simple: RANDOM}").mesh_tls);
  // Port-level settings replace the whole policy: of the block above nothing is left.
  const auto port = policy(
      "tls: {mode: DISABLE}, portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}}]");
  EXPECT_TRUE(port.mesh_tls);
  EXPECT_EQ(port.lb, model::LbPolicy::random);
}

TEST(Subset, policies_hold_only_where_a_route_names_the_subset) {
  const auto whole = web_cluster(destination_rule({}, R"({host: web, subsets: [{name: v1,
      labels: {app: web}, trafficPolicy: {loadBalancer: {simple: RANDOM}, connectionPool: {tcp: {maxConnections: 1}}}}]})"));
  EXPECT_EQ(whole.lb, model::LbPolicy::least_request);
  EXPECT_EQ(whole.limits, model::PoolLimits{});
}

// ---- AuthorizationPolicy ----

Authorization policies(std::string_view more) {
  return authorization_for(*mesh_with(more), "default", {{"app", "web"}});
}
using Action = model::Rbac::Action;
using Kind = model::Condition::Kind;

// What a rule asks is "any": of everybody, for everything.
bool matches_all(const model::RbacPolicy& rule) {
  const auto any = [](const std::vector<model::Condition>& list) {
    return list.size() == 1 && list[0].kind == Kind::all_of && list[0].children.size() == 1 &&
           list[0].children[0].kind == Kind::any;
  };
  return any(rule.permissions) && any(rule.principals);
}

TEST(Authorization, is_asked_audit_first_then_deny_then_allow) {
  const auto out = policies(
      concat(authorization({.name = "a"}, "{action: ALLOW, rules: [{}]}"),
             authorization({.name = "b", .namespace_name = "istio-system"}, "{action: DENY, rules: [{}]}"),
             authorization({.name = "c"}, "{action: AUDIT, rules: [{}]}")));
  for (const auto* filters : {&out.http, &out.network}) {
    ASSERT_THAT(*filters, SizeIs(3));
    EXPECT_EQ((*filters)[0]->action, Action::log);
    EXPECT_EQ((*filters)[1]->action, Action::deny);
    EXPECT_EQ((*filters)[2]->action, Action::allow);
  }
}

TEST(Authorization, an_empty_policy_denies_all_and_an_empty_rule_allows_all) {
  const auto nothing = policies(authorization({}, "{}"));
  ASSERT_THAT(nothing.http, SizeIs(1));
  EXPECT_EQ(nothing.http[0]->action, Action::allow);
  ASSERT_THAT(nothing.http[0]->policies, SizeIs(1));
  EXPECT_EQ(nothing.http[0]->policies[0].principals.at(0).kind, Kind::none_of) << "it matches nobody";
  const auto everything = policies(authorization({}, "{rules: [{}]}"));
  ASSERT_THAT(everything.http, SizeIs(1));
  EXPECT_EQ(everything.http[0]->action, Action::allow);
  EXPECT_TRUE(matches_all(everything.http[0]->policies.at(0)));
}

TEST(Authorization, a_dry_run_enforces_nothing) {
  const auto out = policies(R"(
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: draft, annotations: {istio.io/dry-run: "true"}}
spec: {}
)");
  ASSERT_THAT(out.http, SizeIs(1));
  EXPECT_TRUE(out.http[0]->shadow);
  EXPECT_TRUE(out.network.at(0)->shadow);
}

TEST(Authorization, on_tcp_a_deny_goes_without_what_only_http_has_and_an_allow_never_matches) {
  for (const std::string_view operation :
       {"methods: [DELETE]", "paths: [/admin]", "hosts: [a.example.com]", "notPaths: [/public]"}) {
    const auto rules = concat("rules: [{to: [{operation: {", operation, "}}]}]}");
    const auto deny = policies(authorization({}, concat("{action: DENY, ", rules)));
    ASSERT_THAT(deny.network.at(0)->policies, SizeIs(1)) << operation;
    EXPECT_TRUE(matches_all(deny.network[0]->policies[0])) << operation;
    EXPECT_FALSE(matches_all(deny.http.at(0)->policies.at(0))) << operation;
    const auto allow = policies(authorization({}, concat("{action: ALLOW, ", rules)));
    EXPECT_THAT(allow.network.at(0)->policies, IsEmpty()) << operation;
    EXPECT_TRUE(allow.network[0]->enforced) << "a filter without rules lets nobody in";
  }
}

// ---- The access log ----

TEST(AccessLogDefault, is_off_and_its_line_is_istios) {
  EXPECT_THAT(access_logs({}), IsEmpty());
  MeshOptions options;
  options.access_log_file = "/dev/stdout";
  ASSERT_THAT(access_logs(options), SizeIs(1));
  EXPECT_EQ(
      access_logs(options)[0].text_format,
      R"([%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% )"
      R"(%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% )"
      R"("%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% )"
      R"(%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" )"
      R"("%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% )"
      R"(%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% )"
      "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n");
  options.access_log_encoding = MeshOptions::Encoding::json;
  std::vector<std::string> fields;
  const auto logs = access_logs(options);
  for (const auto& [name, format] : logs.at(0).json_fields) fields.push_back(name);
  EXPECT_THAT(fields,
              testing::UnorderedElementsAre(
                  "start_time", "method", "path", "protocol", "response_code", "response_flags",
                  "response_code_details", "connection_termination_details",
                  "upstream_transport_failure_reason", "bytes_received", "bytes_sent", "duration",
                  "upstream_service_time", "x_forwarded_for", "user_agent", "request_id", "authority",
                  "upstream_host", "upstream_cluster", "upstream_local_address", "downstream_local_address",
                  "downstream_remote_address", "requested_server_name", "route_name"));
}

}  // namespace
}  // namespace weft::translate
