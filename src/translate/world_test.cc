#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "translate/test_world.h"

namespace weft::translate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr auto kTcp = objects::Transport::tcp;

TEST(SelectProtocol, app_protocol_beats_the_name_and_the_name_beats_the_port) {
  EXPECT_EQ(select_protocol("grpc", "http", 80, kTcp), Protocol::grpc);
  EXPECT_EQ(select_protocol("kubernetes.io/h2c", "tcp", 80, kTcp), Protocol::http2);
  EXPECT_EQ(select_protocol("kubernetes.io/ws", "", 80, kTcp), Protocol::http);
  EXPECT_EQ(select_protocol("kubernetes.io/wss", "", 80, kTcp), Protocol::https);
  EXPECT_EQ(select_protocol("example.com/own", "http-web", 80, kTcp), Protocol::http);
  EXPECT_EQ(select_protocol("", "HTTP2-api", 80, kTcp), Protocol::http2);
  EXPECT_EQ(select_protocol("", "grpc-web-ui", 80, kTcp), Protocol::grpc_web);
  EXPECT_EQ(select_protocol("", "mongo", 1, kTcp), Protocol::mongo);
  EXPECT_EQ(select_protocol("", "http", 3306, kTcp), Protocol::http);
  EXPECT_EQ(select_protocol("", "redis-cache", 80, kTcp), Protocol::redis);
  EXPECT_EQ(select_protocol("", "mysql", 80, kTcp), Protocol::mysql);
  EXPECT_EQ(select_protocol("", "https-api", 80, kTcp), Protocol::https);
  EXPECT_EQ(select_protocol("", "tls-api", 80, kTcp), Protocol::tls);
  EXPECT_EQ(select_protocol("", "udp-dns", 80, kTcp), Protocol::udp);
}

TEST(SelectProtocol, server_first_ports_are_tcp_and_the_rest_is_detected) {
  for (const uint16_t port : {25, 53, 3306, 27017})
    EXPECT_EQ(select_protocol("", "", port, kTcp), Protocol::tcp);
  EXPECT_EQ(select_protocol("", "", 80, kTcp), Protocol::automatic);
  EXPECT_EQ(select_protocol("", "httpx", 80, kTcp), Protocol::automatic);
  EXPECT_EQ(select_protocol("", "http", 80, objects::Transport::udp), Protocol::udp);
}

TEST(World, short_names_belong_to_the_namespace_of_the_rule) {
  const auto world = world_from("");
  EXPECT_EQ(world->resolve_host("reviews", "shop"), "reviews.shop.svc.cluster.local");
  EXPECT_EQ(world->resolve_host("reviews.other", "shop"), "reviews.other");
  EXPECT_EQ(world->resolve_host("*.example.com", "shop"), "*.example.com");
  EXPECT_EQ(world->resolve_host("10.0.0.1", "shop"), "10.0.0.1");
}

TEST(World, export_to_says_who_sees_an_object) {
  EXPECT_TRUE(World::exported({}, "a", "b"));
  EXPECT_TRUE(World::exported({"*"}, "a", "b"));
  EXPECT_TRUE(World::exported({"."}, "a", "a"));
  EXPECT_FALSE(World::exported({"."}, "a", "b"));
  EXPECT_FALSE(World::exported({"~"}, "a", "a"));
  EXPECT_TRUE(World::exported({"c", "b"}, "a", "b"));
}

constexpr std::string_view kPeers = R"(
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: mesh, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: selected-in-root, namespace: istio-system}
spec: {selector: {matchLabels: {app: web}}, mtls: {mode: DISABLE}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: b, namespace: loose}
spec: {mtls: {mode: DISABLE}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: a, namespace: loose}
spec: {mtls: {mode: PERMISSIVE}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: own, namespace: loose}
spec:
  selector: {matchLabels: {app: web}}
  mtls: {mode: UNSET}
  portLevelMtls: {8080: {mode: STRICT}, 8081: {mode: UNSET}}
)";

TEST(World, peer_authentication_goes_from_port_to_workload_to_namespace_to_mesh) {
  const auto world = world_from(kPeers);
  const objects::Labels web{{"app", "web"}};
  EXPECT_EQ(world->mtls_mode("loose", web, 8080), MtlsMode::strict);
  EXPECT_EQ(world->mtls_mode("loose", web, 8081), MtlsMode::permissive) << "UNSET is the wider scope's";
  EXPECT_EQ(world->mtls_mode("loose", web), MtlsMode::permissive) << "of two equally old the first by name";
  EXPECT_EQ(world->mtls_mode("loose", {}, 8080), MtlsMode::permissive);
  EXPECT_EQ(world->mtls_mode("elsewhere", web, 80), MtlsMode::strict)
      << "selectors in the root namespace do nothing";
  EXPECT_THAT(world->mtls_ports("loose", web), ElementsAre(8080, 8081));
  EXPECT_EQ(world_from("")->mtls_mode("any", {}, 80), MtlsMode::permissive);
}

TEST(World, destination_rules_are_sought_at_the_client_then_the_service_then_the_root) {
  const auto world = world_from(R"(
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: root, namespace: istio-system}
spec: {host: "*.svc.cluster.local"}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: near, namespace: client}
spec: {host: "*.server.svc.cluster.local"}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: own, namespace: server}
spec: {host: web.server.svc.cluster.local}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: own-more, namespace: server}
spec: {host: web}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: private, namespace: server}
spec: {host: web, exportTo: ["."]}
)");
  const auto names = [&](std::string_view host, std::string_view ns, std::string_view client) {
    std::vector<std::string> out;
    for (const auto& rule : world->destination_rules_for(host, ns, client, {}))
      out.push_back(rule->meta.name);
    return out;
  };
  const std::string_view web = "web.server.svc.cluster.local";
  EXPECT_THAT(names(web, "server", "client"), ElementsAre("near"));
  EXPECT_THAT(names(web, "server", "third"), ElementsAre("own", "own-more"));
  EXPECT_THAT(names("db.third.svc.cluster.local", "third", "fourth"), ElementsAre("root"));
  EXPECT_THAT(names(web, "server", "istio-system"), ElementsAre("own", "own-more"))
      << "for clients of the root namespace the service's rule goes first";
  EXPECT_THAT(names("example.com", "x", "y"), IsEmpty());
}

TEST(World, what_the_root_namespace_exports_to_nobody_is_for_its_own_proxies_first) {
  const auto world = world_from(R"(
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: own, namespace: server}
spec: {host: web}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: private, namespace: istio-system}
spec: {host: "*.server.svc.cluster.local", exportTo: ["."]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: public, namespace: istio-system}
spec: {host: web.server.svc.cluster.local}
)");
  const auto first = [&](std::string_view client) {
    const auto rules = world->destination_rules_for("web.server.svc.cluster.local", "server", client, {});
    return rules.empty() ? std::string() : rules.front()->meta.name;
  };
  EXPECT_EQ(first("istio-system"), "private");
  EXPECT_EQ(first("client"), "own");
}

TEST(World, of_two_policies_for_one_scope_the_older_holds) {
  const auto with = [](std::string_view ns) {
    const auto policy = [&](std::string_view name, std::string_view created, std::string_view mode) {
      return concat(
          "\n---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: ", name,
          ", namespace: ", ns, ", creationTimestamp: \"", created, "\"}\nspec: {mtls: {mode: ", mode, "}}\n");
    };
    return world_from(concat(policy("a", "2024-01-01T00:00:00Z", "DISABLE"),
                             policy("b", "2023-01-01T00:00:00Z", "STRICT")))
        ->mtls_mode("shop", {}, 80);
  };
  EXPECT_EQ(with("shop"), MtlsMode::strict);
  EXPECT_EQ(with("istio-system"), MtlsMode::strict);
}

constexpr std::string_view kPods = R"(
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: web}]}
---
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {app: web}}
spec: {containers: [{name: c, image: weft/demo, ports: [{name: web, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, labels: {app: web}}
spec: {containers: [{name: c, image: weft/demo, ports: [{name: web, containerPort: 9090}]}]}
)";

TEST(World, named_target_ports_are_each_pods_own) {
  const auto world = world_from(kPods);
  const auto service = world->find_service("web.default.svc.cluster.local", "default");
  ASSERT_TRUE(service);
  ASSERT_EQ(service->instances.size(), 2u);
  EXPECT_THAT(service->instances[0].ports, ElementsAre(8080));
  EXPECT_THAT(service->instances[1].ports, ElementsAre(9090));
}

TEST(World, what_did_not_change_is_the_same_pointer) {
  auto input = input_from(objects::load_text(kPods, "in.yaml").objects);
  const auto before = World::make(input);
  const auto same = World::make(input, before);
  EXPECT_EQ(before->find_service("web.default.svc.cluster.local", "default"),
            same->find_service("web.default.svc.cluster.local", "default"));
  EXPECT_EQ(before->services_identity(), same->services_identity());

  input.workloads["default/a"].ready = false;
  const auto after = World::make(input, same);
  EXPECT_NE(before->find_service("web.default.svc.cluster.local", "default"),
            after->find_service("web.default.svc.cluster.local", "default"));
  EXPECT_NE(before->find_workload("default", "a"), after->find_workload("default", "a"));
  EXPECT_EQ(before->find_workload("default", "b"), after->find_workload("default", "b"));
  EXPECT_EQ(before->services_identity(), after->services_identity());
}

TEST(World, a_service_entry_of_a_kubernetes_host_only_adds_names) {
  const auto world = world_from(concat(kPods, R"(
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: more}
spec:
  hosts: [web.default.svc.cluster.local]
  ports: [{number: 99, name: tcp, protocol: TCP}]
  resolution: STATIC
  subjectAltNames: [spiffe://other/ns/x/sa/y]
)"));
  ASSERT_EQ(world->services().size(), 1u);
  EXPECT_THAT(world->services()[0]->subject_alt_names, ElementsAre("spiffe://other/ns/x/sa/y"));
  EXPECT_EQ(world->services()[0]->find_port(99), nullptr);
}

TEST(AllocateVips, the_same_objects_get_the_same_addresses_and_keep_them) {
  const auto objects = objects::load_text(kPods, "in.yaml").objects;
  const AddressMap first = allocate_vips(objects, {});
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first, allocate_vips(objects, {}));
  const auto cidr = Cidr::parse("10.96.0.0/12");
  EXPECT_TRUE(cidr->contains(*IpAddress::parse(first.begin()->second)));
  const AddressMap kept{{"web.default.svc.cluster.local", "10.96.9.9"}};
  EXPECT_EQ(allocate_vips(objects, kept), kept);
}

TEST(AllocateVips, entries_without_addresses_get_one_unless_they_name_none_or_opt_out) {
  const auto addresses = allocate_vips(objects::load_text(R"(
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a}
spec: {hosts: [a.example.com, "*.b.example.com"], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS,
       endpoints: [{address: c.example.com}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: none}
spec: {hosts: [none.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: NONE}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: out, labels: {networking.istio.io/enable-autoallocate-ip: "false"}}
spec: {hosts: [out.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
)",
                                                          "in.yaml")
                                           .objects,
                                       {});
  ASSERT_EQ(addresses.size(), 1u);
  EXPECT_EQ(addresses.begin()->first, "a.example.com");
  EXPECT_TRUE(addresses.begin()->second.starts_with("240.240."));
}

struct InjectionCase {
  const char* name;
  objects::Labels namespace_labels, namespace_annotations, labels, annotations;
  bool wanted;
};

TEST(WantsSidecar, follows_namespace_and_pod) {
  const InjectionCase cases[] = {
      {"nothing asked", {}, {}, {}, {}, false},
      {"namespace enabled", {{"istio-injection", "enabled"}}, {}, {}, {}, true},
      {"pod says no",
       {{"istio-injection", "enabled"}},
       {},
       {{"sidecar.istio.io/inject", "false"}},
       {},
       false},
      {"pod says yes", {}, {}, {{"sidecar.istio.io/inject", "true"}}, {}, true},
      {"namespace disabled wins",
       {{"istio-injection", "disabled"}},
       {},
       {{"sidecar.istio.io/inject", "true"}},
       {},
       false},
      {"label beats annotation",
       {},
       {},
       {{"sidecar.istio.io/inject", "true"}},
       {{"sidecar.istio.io/inject", "false"}},
       true},
      {"annotation says no",
       {{"istio-injection", "enabled"}},
       {},
       {},
       {{"sidecar.istio.io/inject", "false"}},
       false},
      {"an annotation cannot ask", {}, {}, {}, {{"sidecar.istio.io/inject", "true"}}, false},
      {"revision", {{"istio.io/rev", "stable"}}, {}, {}, {}, true},
      {"revision, pod says no",
       {{"istio.io/rev", "stable"}},
       {},
       {{"sidecar.istio.io/inject", "false"}},
       {},
       false},
      {"revision of the pod", {}, {}, {{"istio.io/rev", "stable"}}, {}, true},
      {"revision of a pod that says no",
       {},
       {},
       {{"istio.io/rev", "stable"}, {"sidecar.istio.io/inject", "false"}},
       {},
       false},
      {"istio-injection beats a revision",
       {{"istio-injection", "disabled"}, {"istio.io/rev", "stable"}},
       {},
       {},
       {},
       false},
      {"and beats the pod's revision",
       {{"istio-injection", "disabled"}},
       {},
       {{"istio.io/rev", "stable"}},
       {},
       false},
      {"linkerd namespace", {}, {{"linkerd.io/inject", "enabled"}}, {}, {}, true},
      {"linkerd pod", {}, {}, {}, {{"linkerd.io/inject", "enabled"}}, true},
      {"linkerd pod disabled",
       {},
       {{"linkerd.io/inject", "enabled"}},
       {},
       {{"linkerd.io/inject", "disabled"}},
       false},
  };
  for (const auto& c : cases) {
    objects::Pod pod;
    pod.meta.namespace_name = "default";
    pod.meta.labels = c.labels;
    pod.meta.annotations = c.annotations;
    EXPECT_EQ(wants_sidecar(c.namespace_labels, c.namespace_annotations, pod), c.wanted) << c.name;
    pod.meta.namespace_name = "kube-system";
    EXPECT_FALSE(wants_sidecar(c.namespace_labels, c.namespace_annotations, pod)) << c.name;
    pod.meta.namespace_name = "default";
    pod.spec.host_network = true;
    EXPECT_FALSE(wants_sidecar(c.namespace_labels, c.namespace_annotations, pod)) << c.name;
  }
}

}  // namespace
}  // namespace weft::translate
