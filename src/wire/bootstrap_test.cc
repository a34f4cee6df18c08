#include "wire/bootstrap.h"

#include <gtest/gtest.h>

#include "wire/dump.h"

namespace weft::wire {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kYaml = R"(node:
  id: sidecar~10.0.0.7~web.default~default.svc.cluster.local
  cluster: web.default
  metadata:
    NAMESPACE: default
    LABELS: {app: web, "yes": true}
    PORT: 8080
  locality: {region: eu}
admin:
  address: {socket_address: {address: 127.0.0.1, port_value: 15000}}
dynamic_resources:
  ads_config:
    api_type: GRPC
    transport_api_version: V3
    grpc_services:
    - envoy_grpc: {cluster_name: xds-grpc}
      initial_metadata: [{key: Authorization, value: Bearer x}]
  cds_config: {ads: {}, resource_api_version: V3}
  ldsConfig: {ads: {}, initialFetchTimeout: 0s}
static_resources:
  clusters:
  - name: xds-grpc
    type: STRICT_DNS
    connect_timeout: 1.5s
    http2_protocol_options: {}
    load_assignment:
      cluster_name: xds-grpc
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: weftd, port_value: 15010}}}
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: 8080}}
    stat_prefix: ignored
    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: tcp
          weightedClusters: {clusters: [{name: a, weight: "3"}, {name: b, weight: 1}]}
stats_config: {stats_tags: [{tag_name: x, regex: y}]}
layered_runtime: {layers: [{name: admin, admin_layer: {}}]}
)";

TEST(Bootstrap, yaml_says_what_json_says) {
  const auto bootstrap = parse_bootstrap(kYaml, "b.yaml");
  ASSERT_TRUE(bootstrap.has_value()) << bootstrap.error().text;
  EXPECT_EQ(bootstrap->node.cluster, "web.default");
  EXPECT_EQ(bootstrap->node.metadata.text("NAMESPACE"), "default");
  EXPECT_EQ(*bootstrap->node.metadata.find("PORT"), Value(8080));
  EXPECT_EQ(*bootstrap->node.metadata.find("LABELS"), Value(Value::Object{{"app", "web"}, {"yes", true}}));
  EXPECT_EQ(bootstrap->node.locality.region, "eu");
  EXPECT_EQ(bootstrap->admin->to_string(), "127.0.0.1:15000");
  ASSERT_TRUE(bootstrap->ads.has_value());
  EXPECT_FALSE(bootstrap->ads->delta);
  EXPECT_EQ(bootstrap->ads->cluster, "xds-grpc");
  EXPECT_EQ(bootstrap->ads->metadata,
            (std::vector<std::pair<std::string, std::string>>{{"authorization", "Bearer x"}}));
  EXPECT_TRUE(bootstrap->listeners_by_ads);
  EXPECT_TRUE(bootstrap->clusters_by_ads);
  ASSERT_EQ(bootstrap->clusters.size(), 1u);
  const model::Cluster& cluster = *bootstrap->clusters[0];
  EXPECT_EQ(cluster.protocol, model::Cluster::Protocol::http2);
  EXPECT_EQ(cluster.connect_timeout, 1500ms);
  EXPECT_EQ(cluster.limits.max_connections, 1024u);
  EXPECT_EQ(cluster.fixed_endpoints.endpoints.at(0).hostname, "weftd");
  EXPECT_EQ(cluster.fixed_endpoints.endpoints.at(0).address.port, 15010);
  ASSERT_EQ(bootstrap->listeners.size(), 1u);
  EXPECT_EQ(bootstrap->listeners[0]->name, "127.0.0.1:8080");
  const auto& tcp =
      std::get<std::shared_ptr<const model::TcpProxy>>(bootstrap->listeners[0]->chains[0].terminal);
  EXPECT_EQ(tcp->total_weight, 4u);
  JsonWriter json;
  EXPECT_TRUE(
      write_json(json, "x/envoy.config.bootstrap.v3.Bootstrap", as_bytes(bootstrap->encoded)).has_value());
}

TEST(Bootstrap, says_line_column_field_cause_and_what_to_do) {
  struct Case {
    const char* text;
    const char* error;
  };
  for (const auto& [text, error] : std::initializer_list<Case>{
           {"static_resources:\n  listners: []\n",
            "b.yaml:2:3: error: static_resources.listners: is no field of "
            "envoy.config.bootstrap.v3.Bootstrap.StaticResources; "
            "did you mean listeners?"},
           {"admin:\n  address: {socket_address: {address: 127.0.0.1, port_value: 1.5}}\n",
            "b.yaml:2:62: error: admin.address.socket_address.port_value: is a number, and must be a whole "
            "number"},
           {"admin:\n  address: {socket_address: {address: 1, port_value: 1}}\n",
            "b.yaml:2:39: error: admin.address.socket_address.address: is a number, and must be text; put it "
            "in quotes"},
           {"admin:\n  address: {socket_address: {address: 1.1.1.1, port_value: -1}}\n",
            "b.yaml:2:60: error: admin.address.socket_address.port_value: -1 is out of range; it is 0 or "
            "more"},
           {"static_resources:\n  clusters:\n  - name: c\n    connect_timeout: 5\n",
            "b.yaml:4:22: error: static_resources.clusters[0].connect_timeout: is \"5\", which is no "
            "duration; durations are "
            "seconds: \"5s\", \"0.25s\""},
           {"static_resources:\n  clusters:\n  - name: c\n    lb_policy: BEST\n",
            "b.yaml:4:16: error: static_resources.clusters[0].lb_policy: is \"BEST\"; it is one of "
            "ROUND_ROBIN, LEAST_REQUEST, "
            "RING_HASH, RANDOM, MAGLEV, CLUSTER_PROVIDED, LOAD_BALANCING_POLICY_CONFIG"},
           {"static_resources:\n  clusters:\n  - name: c\n    health_checks: []\n",
            "b.yaml:4:5: error: static_resources.clusters[0].health_checks: is not supported by weft-proxy; "
            "take it out"},
           {"static_resources:\n  clusters: {}\n",
            "b.yaml:2:13: error: static_resources.clusters: is a mapping, and must be a list"},
           {"static_resources:\n  listeners:\n  - address: {pipe: {path: /x}}\n    filter_chains:\n    - "
            "filters:\n      - name: lua\n"
            "        typed_config:\n          \"@type\": type.googleapis.com/x.Lua\n",
            "b.yaml:8:20: error: static_resources.listeners[0].filter_chains[0].filters[0].typed_config: of "
            "type "
            "type.googleapis.com/x.Lua is not supported by weft-proxy"},
           {"static_resources:\n  clusters:\n  - name: c\n    type: EDS\n    eds_cluster_config:\n      "
            "eds_config: {api_config_source: {}}\n",
            "b.yaml:6:19: error: static_resources.clusters[0].eds_cluster_config.eds_config: must be `ads: "
            "{}`: weft-proxy takes "
            "resources from the one ADS stream"},
           {"static_resources:\n  clusters: [{name: c}, {name: c}]\n",
            "b.yaml:2:32: error: static_resources.clusters[1].name: is \"c\", and so is another's"},
           {"static_resources:\n  clusters: [{name: c, type: EDS, eds_cluster_config: {eds_config: {ads: "
            "{}}}}]\n",
            "b.yaml:2:3: error: static_resources: has cluster \"c\", whose endpoints come by ADS, and there "
            "is no "
            "dynamic_resources.ads_config"},
           {"dynamic_resources:\n  ads_config:\n    api_type: GRPC\n    transport_api_version: V3\n    "
            "grpc_services: [{envoy_grpc: "
            "{cluster_name: x}}]\n",
            "b.yaml:5:49: error: dynamic_resources.ads_config.grpc_services[0].envoy_grpc.cluster_name: is "
            "\"x\", and "
            "static_resources has no cluster of that name"},
           {"admin: {address: {pipe: {path: /x}, socket_address: {address: 1.1.1.1}}}\n",
            "b.yaml:1:37: error: admin.address.socket_address: excludes pipe, which is here as well"},
       }) {
    const auto bootstrap = parse_bootstrap(text, "b.yaml");
    ASSERT_FALSE(bootstrap.has_value()) << text;
    EXPECT_EQ(bootstrap.error().text, error);
  }
}

TEST(Bootstrap, says_everything_that_is_wrong_at_once) {
  const auto bootstrap = parse_bootstrap(
      R"({"static_resources": {"clusters": [{"name": ""}, {"name": "c", "connect_timeout": "0s"}]}})",
      "b.json");
  ASSERT_FALSE(bootstrap.has_value());
  EXPECT_EQ(bootstrap.error().text,
            "b.json:1:45: error: static_resources.clusters[0].name: is empty\n"
            "b.json:1:83: error: static_resources.clusters[1].connect_timeout: must be above 0");
}

TEST(Bootstrap, a_syntax_error_has_its_line) {
  const auto bootstrap = parse_bootstrap("{\n  \"node\": {\n", "b.json");
  ASSERT_FALSE(bootstrap.has_value());
  EXPECT_TRUE(bootstrap.error().text.starts_with("b.json:")) << bootstrap.error().text;
}

}  // namespace
}  // namespace weft::wire
