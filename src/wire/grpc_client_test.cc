// What weftd says to gRPC client libraries, in the fields that those read; and none of it gets into a
// weft-proxy.
#include <gtest/gtest.h>

#include "wire/discovery.h"
#include "wire/dump.h"
#include "wire/from_wire.h"
#include "wire/to_wire.h"

namespace weft::wire {
namespace {

// Without its white space.
std::string json_of(ResourceType type, const std::string& bytes) {
  std::string text = any_to_json(*wrap_any(type, bytes)).value_or("?");
  std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
  return text;
}

template <typename Decoded>
std::string error_of(const Decoded& decoded) {
  return decoded ? "" : decoded.error().text;
}

TEST(GrpcClient, a_listener_says_where_routes_are_and_is_no_proxys) {
  model::Listener listener;
  listener.name = "echo.default.svc.cluster.local:7070";
  listener.api_routes = "outbound|7070||echo.default.svc.cluster.local";
  const std::string bytes = encode(listener);
  EXPECT_EQ(json_of(ResourceType::listener, bytes),
            R"({"@type":"type.googleapis.com/envoy.config.listener.v3.Listener",)"
            R"("name":"echo.default.svc.cluster.local:7070","api_listener":{"api_listener":{"@type":)"
            R"("type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.)"
            R"(HttpConnectionManager","rds":{"config_source":{"ads":{},"resource_api_version":"V3"},)"
            R"("route_config_name":"outbound|7070||echo.default.svc.cluster.local"},"http_filters":[)"
            R"({"name":"envoy.filters.http.fault","typed_config":{"@type":)"
            R"("type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"}},)"
            R"({"name":"envoy.filters.http.router","typed_config":{"@type":)"
            R"("type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]}}})");
  EXPECT_EQ(error_of(decode_listener(as_bytes(bytes))),
            "listeners[echo.default.svc.cluster.local:7070].api_listener is not supported by weft-proxy");
}

TEST(GrpcClient, tls_comes_from_the_librarys_own_provider) {
  model::Cluster cluster;
  cluster.name = "sealed";
  cluster.discovery = model::Discovery::eds;
  model::UpstreamTls tls;
  tls.common.min_version = tls.common.max_version = model::TlsVersion::automatic;
  tls.common.certificate = {.source = model::SecretRef::Source::provider, .name = "default"};
  tls.common.roots = {.source = model::SecretRef::Source::provider, .name = "ROOTCA"};
  tls.common.subject_alt_names = {model::StringMatch::exact("spiffe://cluster.local/ns/a/sa/b")};
  cluster.tls = tls;
  const std::string bytes = encode(cluster);
  EXPECT_NE(json_of(ResourceType::cluster, bytes)
                .find(R"("common_tls_context":{"validation_context":{"match_subject_alt_names":[)"
                      R"({"exact":"spiffe://cluster.local/ns/a/sa/b"}],"ca_certificate_provider_instance":)"
                      R"({"instance_name":"default","certificate_name":"ROOTCA"}},)"
                      R"("tls_certificate_provider_instance":{"instance_name":"default",)"
                      R"("certificate_name":"default"}})"),
            std::string::npos)
      << json_of(ResourceType::cluster, bytes);
  EXPECT_NE(
      error_of(decode_cluster(as_bytes(bytes))).find("provider_instance is not supported by weft-proxy"),
      std::string::npos)
      << error_of(decode_cluster(as_bytes(bytes)));
}

TEST(GrpcClient, a_timeout_is_a_streams_longest_duration) {
  model::RouteConfig routes;
  routes.name = "r";
  model::Route route;
  model::ForwardAction action;
  action.clusters = {{.cluster = "c"}};
  action.max_stream_duration = std::chrono::seconds(3);
  route.action = action;
  routes.virtual_hosts = {{.name = "all", .domains = {"*"}, .routes = {route}}};
  const std::string bytes = encode(routes);
  EXPECT_NE(json_of(ResourceType::route, bytes).find(R"("max_stream_duration":{"max_stream_duration":"3s"})"),
            std::string::npos)
      << json_of(ResourceType::route, bytes);
  EXPECT_NE(error_of(decode_routes(as_bytes(bytes))).find("max_stream_duration is not supported"),
            std::string::npos);
}

TEST(GrpcClient, endpoints_have_a_locality_and_it_a_weight) {
  model::EndpointSet set;
  set.cluster = "c";
  set.endpoints = {{.address = *SocketAddress::parse("10.0.0.1:80"), .weight = 3},
                   {.address = *SocketAddress::parse("10.0.0.2:80")}};
  const std::string text = json_of(ResourceType::endpoint, encode(set));
  EXPECT_NE(text.find(R"("locality":{})"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("load_balancing_weight":4)"), std::string::npos) << text;
}

}  // namespace
}  // namespace weft::wire
