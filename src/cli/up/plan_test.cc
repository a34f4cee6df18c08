#include "cli/up/plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/strings.h"
#include "cli/up/dns_zone.h"
#include "cli/up/pod_environment.h"
#include "cli/up/redirection.h"
#include "cli/up/roll_out.h"
#include "cli/up/service_rules.h"
#include "cli/up/sidecar_bootstrap.h"
#include "objects/load.h"

namespace weft::cli {
namespace {

std::vector<objects::Object> read(std::string_view text) {
  auto loaded = objects::load_text(text, "mesh.yaml");
  EXPECT_FALSE(yaml::any_error(loaded.complaints)) << loaded.complaints.front().to_string();
  return std::move(loaded.objects);
}

std::string deployment(std::string_view version, std::string_view more = "") {
  return concat(R"(apiVersion: apps/v1
kind: Deployment
metadata: {name: reviews}
spec:
  replicas: 2
  selector: {matchLabels: {app: reviews}}
  template:
    metadata: {labels: {app: reviews, version: )",
                version, R"(}}
    spec:
      containers:
      - {name: app, image: weft/demo, ports: [{name: web, containerPort: 8080}]}
)",
                more);
}

constexpr std::string_view kService = R"(---
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec:
  selector: {app: reviews}
  ports: [{name: http, port: 80, targetPort: web}]
---
apiVersion: v1
kind: Service
metadata: {name: peers}
spec:
  clusterIP: None
  selector: {app: reviews}
  ports: [{name: http, port: 8080}]
)";

wire::RunningPod pod(std::string name, std::string_view ip, bool ready = true) {
  return {.namespace_name = "default",
          .name = std::move(name),
          .ip = *IpAddress::parse(ip),
          .labels = {{"app", "reviews"}},
          .annotations = {},
          .owner = "reviews",
          .ready = ready,
          .ports = {{"web", 8080, "TCP"}}};
}

TEST(Plan, names_pods_by_deployment_revision_and_number) {
  const Plan plan = make_plan(read(deployment("v1")), {});
  ASSERT_EQ(plan.workloads.size(), 1u);
  const Workload& workload = plan.workloads[0];
  EXPECT_EQ(workload.replicas, 2);
  EXPECT_EQ(workload.pod_name(1), concat("reviews-", workload.revision, "-1"));
}

TEST(Plan, revision_changes_with_the_template_alone) {
  const auto revision = [](std::string_view text) { return make_plan(read(text), {}).workloads[0].revision; };
  EXPECT_EQ(revision(deployment("v1")), revision(deployment("v1")));
  EXPECT_NE(revision(deployment("v1")), revision(deployment("v2")));
  EXPECT_EQ(make_plan(read(deployment("v1")), {{"default/reviews", 5}}).workloads[0].revision,
            revision(deployment("v1")));
}

TEST(Plan, scale_overrides_replicas) {
  EXPECT_EQ(make_plan(read(deployment("v1")), {{"default/reviews", 5}}).workloads[0].replicas, 5);
}

TEST(Plan, sidecar_comes_by_the_namespaces_label_and_gateways_are_routers) {
  const auto with_label = concat(deployment("v1"),
                                 "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: "
                                 "{istio-injection: enabled}}\n");
  EXPECT_EQ(make_plan(read(with_label), {}).workloads[0].proxy, wire::RunningPod::Proxy::sidecar);
  EXPECT_EQ(make_plan(read(deployment("v1")), {}).workloads[0].proxy, wire::RunningPod::Proxy::none);
  for (const auto& workload : make_plan(read(default_gateways({})), {}).workloads) {
    EXPECT_EQ(workload.proxy, wire::RunningPod::Proxy::router) << workload.name;
  }
}

TEST(Plan, users_own_gateway_stands_in_for_the_default_one) {
  const std::string own = default_gateways({});
  EXPECT_TRUE(default_gateways(read(own)).empty());
}

Workload wanted(int replicas, bool deployment_kind = true) {
  Workload workload{.namespace_name = "default",
                    .name = "web",
                    .deployment = deployment_kind,
                    .replicas = replicas,
                    .revision = "new",
                    .pod = {}};
  return workload;
}

TEST(RollOut, makes_what_is_missing) {
  EXPECT_EQ(next_steps(wanted(2), {}),
            (std::vector<Step>{{Step::Kind::create, "web-new-0"}, {Step::Kind::create, "web-new-1"}}));
}

TEST(RollOut, an_old_pod_is_drained_only_when_a_new_one_is_ready) {
  std::vector<PodState> pods{{.name = "web-old-0", .revision = "old", .ready = true}};
  EXPECT_EQ(next_steps(wanted(1), pods), (std::vector<Step>{{Step::Kind::create, "web-new-0"}}));
  pods.push_back({.name = "web-new-0", .revision = "new"});
  EXPECT_TRUE(next_steps(wanted(1), pods).empty());
  pods[1].ready = true;
  EXPECT_EQ(next_steps(wanted(1), pods), (std::vector<Step>{{Step::Kind::drain, "web-old-0"}}));
}

TEST(RollOut, never_fewer_ready_pods_than_wanted) {
  std::vector<PodState> pods;
  for (int i = 0; i < 4; ++i)
    pods.push_back({.name = concat("web-old-", i), .revision = "old", .ready = true});
  for (int round = 0; round < 50; ++round) {
    for (const Step& step : next_steps(wanted(4), pods)) {
      if (step.kind == Step::Kind::create) {
        pods.push_back({.name = step.pod, .revision = "new"});
      } else {
        std::erase_if(pods, [&](const PodState& each) { return each.name == step.pod; });
      }
    }
    EXPECT_GE(std::ranges::count_if(pods, &PodState::ready), 4);
    EXPECT_LE(pods.size(), 5u);
    for (PodState& each : pods) each.ready = true;
  }
  EXPECT_TRUE(std::ranges::all_of(pods, [](const PodState& each) { return each.revision == "new"; }));
  EXPECT_EQ(pods.size(), 4u);
}

TEST(RollOut, scale_down_takes_the_pods_that_are_not_ready_first) {
  const std::vector<PodState> pods{{.name = "web-new-0", .revision = "new"},
                                   {.name = "web-new-1", .revision = "new", .ready = true}};
  EXPECT_EQ(next_steps(wanted(1), pods), (std::vector<Step>{{Step::Kind::drain, "web-new-0"}}));
}

TEST(RollOut, a_single_pod_is_gone_before_it_is_made_again) {
  std::vector<PodState> pods{{.name = "web", .revision = "old", .ready = true}};
  EXPECT_EQ(next_steps(wanted(1, false), pods), (std::vector<Step>{{Step::Kind::drain, "web"}}));
  pods[0].terminating = true;
  EXPECT_TRUE(next_steps(wanted(1, false), pods).empty());
  EXPECT_EQ(next_steps(wanted(1, false), {}), (std::vector<Step>{{Step::Kind::create, "web"}}));
}

TEST(DnsZone, services_have_their_address_and_headless_ones_their_pods) {
  const auto all = read(concat(deployment("v1"), kService));
  const Plan plan = make_plan(all, {});
  const auto addresses = translate::allocate_vips(all, {});
  const DnsZone zone =
      DnsZone::make(plan, {pod("a", "10.244.0.2"), pod("b", "10.244.0.3", false)}, addresses);
  const auto a = static_cast<uint16_t>(DnsType::a);

  const DnsReply service = zone.answer("reviews.default.svc.cluster.local", a);
  ASSERT_EQ(service.records.size(), 1u);
  EXPECT_EQ(service.records[0].address.to_string(), addresses.at("reviews.default.svc.cluster.local"));
  const DnsReply headless = zone.answer("peers.default.svc.cluster.local", a);
  ASSERT_EQ(headless.records.size(), 1u);
  EXPECT_EQ(headless.records[0].address.to_string(), "10.244.0.2");
  EXPECT_EQ(zone.answer("10-244-0-2.peers.default.svc.cluster.local", a).records.size(), 1u);
}

TEST(DnsZone, a_name_without_such_a_record_exists_and_another_does_not) {
  const auto all = read(concat(deployment("v1"), kService));
  const DnsZone zone = DnsZone::make(make_plan(all, {}), {}, translate::allocate_vips(all, {}));
  const DnsReply v6 = zone.answer("reviews.default.svc.cluster.local", static_cast<uint16_t>(DnsType::aaaa));
  EXPECT_EQ(v6.code, DnsReply::Code::no_error);
  EXPECT_TRUE(v6.records.empty());
  EXPECT_EQ(zone.answer("example.com", 1).code, DnsReply::Code::no_such_name);
}

TEST(DnsZone, hosts_of_service_entries_resolve_to_their_own_or_given_address) {
  const auto all = read(R"(apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: fixed}
spec: {hosts: [db.example.com], addresses: [192.0.2.7], ports: [{number: 5432, name: tcp, protocol: TCP}], resolution: STATIC, endpoints: [{address: 10.0.0.9}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: given}
spec: {hosts: [api.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
)");
  const DnsZone zone = DnsZone::make(make_plan(all, {}), {}, translate::allocate_vips(all, {}));
  EXPECT_EQ(zone.answer("db.example.com", 1).records.at(0).address.to_string(), "192.0.2.7");
  EXPECT_TRUE(zone.answer("api.example.com", 1).records.at(0).address.to_string().starts_with("240.240."));
}

TEST(ServiceRules, traffic_goes_to_ready_pods_at_the_named_port) {
  const auto all = read(concat(deployment("v1"), kService));
  const Plan plan = make_plan(all, {});
  const auto ports =
      virtual_ports(plan, {pod("a", "10.244.0.2"), pod("b", "10.244.0.3"), pod("c", "10.244.0.4", false)},
                    translate::allocate_vips(all, {}));
  ASSERT_EQ(ports.size(), 1u);  // the headless one has none
  ASSERT_EQ(ports[0].backends.size(), 2u);
  EXPECT_EQ(ports[0].backends[0].port, 8080);
  EXPECT_NE(
      service_rules(ports).find("numgen random mod 2 map { 0 : 10.244.0.2 . 8080, 1 : 10.244.0.3 . 8080 }"),
      std::string::npos);
}

TEST(ServiceRules, a_service_without_a_ready_pod_refuses_at_once) {
  const std::string rules =
      service_rules({{.name = "default/x:80", .address = "10.96.0.3", .port = 80, .backends = {}}});
  EXPECT_NE(rules.find("ip daddr 10.96.0.3 tcp dport 80 reject with tcp reset"), std::string::npos);
}

TEST(Redirection, everything_but_the_proxys_own_is_redirected) {
  const std::string rules = redirection_rules({}, ProxyKnownBy::user);
  EXPECT_NE(rules.find("meta skuid 1337 return"), std::string::npos);
  EXPECT_NE(rules.find("meta l4proto tcp redirect to :15001"), std::string::npos);
  EXPECT_NE(rules.find("meta l4proto tcp redirect to :15006"), std::string::npos);
}

TEST(Redirection, annotations_narrow_it) {
  objects::ObjectMeta meta;
  const auto redirection =
      redirection_of(meta, {{"traffic.sidecar.istio.io/includeOutboundIPRanges", "10.0.0.0/8"},
                            {"traffic.sidecar.istio.io/excludeOutboundPorts", "3306,7000-7010"},
                            {"traffic.sidecar.istio.io/includeInboundPorts", "8080"}});
  ASSERT_TRUE(redirection);
  const std::string rules = redirection_rules(*redirection, ProxyKnownBy::user);
  EXPECT_NE(rules.find("tcp dport { 3306, 7000-7010 } return"), std::string::npos);
  EXPECT_NE(rules.find("ip daddr 10.0.0.0/8 meta l4proto tcp redirect to :15001"), std::string::npos);
  EXPECT_NE(rules.find("tcp dport { 8080 } redirect to :15006"), std::string::npos);
  EXPECT_EQ(rules.find("    meta l4proto tcp redirect to :15001\n"), std::string::npos);
}

TEST(Redirection, a_bad_annotation_is_named) {
  objects::ObjectMeta meta{
      .api_version = {}, .name = "web", .namespace_name = "default", .file = "mesh.yaml", .line = 3};
  const auto redirection =
      redirection_of(meta, {{"traffic.sidecar.istio.io/excludeInboundPorts", "80,http"}});
  ASSERT_FALSE(redirection);
  EXPECT_NE(redirection.error().text.find("mesh.yaml:3"), std::string::npos);
  EXPECT_NE(redirection.error().text.find("'http'"), std::string::npos);
}

TEST(PodEnvironment, variables_come_from_fields_maps_and_one_another) {
  const auto all = read(R"yaml(apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {COLOUR: green}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers:
  - name: app
    image: weft/demo
    envFrom: [{configMapRef: {name: settings}}]
    env:
    - {name: ME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: APP, valueFrom: {fieldRef: {fieldPath: "metadata.labels['app']"}}}
    - {name: GREETING, value: "hello $(ME) in $(COLOUR), $$(ME) and $(NOBODY)"}
)yaml");
  const Plan plan = make_plan(all, {});
  const objects::Pod& object = *plan.workloads[0].pod;
  const auto environment = container_environment(
      object.spec.containers[0], {.pod = object, .name = "web", .ip = "10.244.0.2", .node_ip = "10.244.0.1"},
      plan);
  ASSERT_TRUE(environment) << environment.error().text;
  const auto has = [&](std::string_view text) {
    return std::ranges::find(*environment, text) != environment->end();
  };
  EXPECT_TRUE(has("APP=web"));
  EXPECT_TRUE(has("GREETING=hello web in green, $(ME) and $(NOBODY)"));
}

TEST(PodEnvironment, a_missing_config_map_is_named) {
  const auto all = read(R"(apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - {name: app, image: weft/demo, env: [{name: A, valueFrom: {configMapKeyRef: {name: gone, key: a}}}]}
)");
  const Plan plan = make_plan(all, {});
  const objects::Pod& object = *plan.workloads[0].pod;
  const auto environment = container_environment(
      object.spec.containers[0], {.pod = object, .name = "web", .ip = {}, .node_ip = {}}, plan);
  ASSERT_FALSE(environment);
  EXPECT_NE(environment.error().text.find("ConfigMap default/gone does not exist"), std::string::npos);
}

TEST(SidecarBootstrap, node_is_named_as_istio_names_it) {
  wire::RunningPod sidecar = pod("web-1", "10.244.0.7");
  EXPECT_EQ(node_id(sidecar), "sidecar~10.244.0.7~web-1.default~default.svc.cluster.local");
  sidecar.proxy = wire::RunningPod::Proxy::router;
  EXPECT_TRUE(node_id(sidecar).starts_with("router~"));
}

}  // namespace
}  // namespace weft::cli
