// What weft-proxy does not implement it refuses by name, and what makes no sense it refuses with the reason.
#include <gtest/gtest.h>

#include "base/strings.h"
#include "wire/discovery.h"
#include "wire/from_wire.h"
#include "wire/protobuf_bytes.h"
#include "wire/samples.h"
#include "wire/schema.h"
#include "wire/to_wire.h"
#include "wire/tree_to_message.h"

namespace weft::wire {
namespace {

struct Case {
  const char* json;
  const char* error;
};

// The table's own reading of JSON, with nothing refused: what another control plane might send.
std::string message_of_json(std::string_view type, std::string_view json) {
  const auto tree = yaml::parse_one(json, "case");
  EXPECT_TRUE(tree.has_value()) << json;
  std::vector<yaml::Complaint> complaints;
  std::string bytes = tree_to_message(*tree, *find_message(type), "case", complaints);
  for (const auto& complaint : complaints) ADD_FAILURE() << complaint.to_string();
  return bytes;
}

template <typename Decode>
void expect_errors(std::string_view type, std::initializer_list<Case> cases, Decode decode) {
  for (const auto& [json, error] : cases) {
    const auto decoded = decode(as_bytes(message_of_json(type, json)));
    ASSERT_FALSE(decoded.has_value()) << json;
    EXPECT_EQ(decoded.error().text, error) << json;
  }
}

// A field by its number at the end of a message, empty: enough to be there.
std::string with_field(std::string bytes, uint32_t number, WireType type = WireType::length) {
  append_tag(bytes, number, type);
  append_varint(bytes, 0);
  return bytes;
}

TEST(Refusal, names_a_field_that_is_not_implemented) {
  struct Unknown {
    std::string message;
    ResourceType type;
    const char* error;
  };
  const std::string listener = encode(samples::listeners()[1]);
  const std::string cluster = encode(samples::clusters()[5]);
  const std::string routes = encode(samples::routes()[0]);
  const std::string endpoints = encode(samples::endpoints()[0]);
  for (const auto& [message, type, error] : std::initializer_list<Unknown>{
           {with_field(listener, 11), ResourceType::listener,
            "listeners[0.0.0.0_80].freebind is not supported by weft-proxy"},
           {with_field(listener, 13), ResourceType::listener,
            "listeners[0.0.0.0_80].socket_options is not supported by weft-proxy"},
           {with_field(listener, 4000), ResourceType::listener,
            "listeners[0.0.0.0_80] has a field of number 4000, which weft-proxy does not know"},
           {with_field(cluster, 8), ResourceType::cluster,
            "clusters[plain].health_checks is not supported by weft-proxy"},
           {with_field(cluster, 41), ResourceType::cluster,
            "clusters[plain].load_balancing_policy is not supported by weft-proxy"},
           {with_field(routes, 9), ResourceType::route, "routes[80].vhds is not supported by weft-proxy"},
           {with_field(endpoints, 4), ResourceType::endpoint,
            "endpoints[outbound|80||reviews.default.svc.cluster.local].policy is not supported by "
            "weft-proxy"},
           {with_field(listener, 3, WireType::varint), ResourceType::listener,
            "listeners[0.0.0.0_80].filter_chains is not well-formed protobuf"},
       }) {
    std::string text;
    if (type == ResourceType::listener) text = decode_listener(as_bytes(message)).error().text;
    if (type == ResourceType::cluster) text = decode_cluster(as_bytes(message)).error().text;
    if (type == ResourceType::route) text = decode_routes(as_bytes(message)).error().text;
    if (type == ResourceType::endpoint) text = decode_endpoints(as_bytes(message)).error().text;
    EXPECT_EQ(text, error);
  }
}

TEST(Refusal, names_a_field_deep_inside_an_any) {
  const MessageRow& hcm =
      *find_message("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager");
  std::string manager;
  append_bytes_field(manager, 2, "p");
  append_bytes_field(manager, find_field(hcm, "access_log_options")->number, "");
  std::string filter;
  append_bytes_field(filter, 1, "hcm");
  append_bytes_field(filter, 4, *wrap_any(concat("type.googleapis.com/", hcm.name), manager));
  std::string chain;
  append_bytes_field(chain, 3, filter);
  std::string listener;
  append_bytes_field(listener, 1, "virtualInbound");
  append_bytes_field(listener, 3, "");
  append_bytes_field(listener, 3, "");
  append_bytes_field(listener, 3, chain);
  const auto decoded = decode_listener(as_bytes(listener));
  ASSERT_FALSE(decoded.has_value());
  EXPECT_EQ(decoded.error().text,
            "listeners[virtualInbound].filter_chains[2].filters[0].typed_config.access_log_options is not "
            "supported by "
            "weft-proxy");
  EXPECT_EQ(decoded.error().kind, Error::Kind::unsupported);
}

TEST(Refusal, names_an_extension_that_is_not_implemented) {
  std::string filter;
  append_bytes_field(filter, 1, "lua");
  append_bytes_field(filter, 4,
                     *wrap_any("type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua", "x"));
  std::string chain;
  append_bytes_field(chain, 3, filter);
  std::string listener;
  append_bytes_field(listener, 1, "l");
  append_bytes_field(listener, 3, chain);
  EXPECT_EQ(decode_listener(as_bytes(listener)).error().text,
            "listeners[l].filter_chains[0].filters[0].typed_config of type "
            "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua is not supported by weft-proxy");
}

TEST(Refusal, of_clusters_says_why) {
  expect_errors(
      "envoy.config.cluster.v3.Cluster",
      {
          {R"({})", "clusters[].name is empty"},
          {R"({"name": "c", "lb_policy": "CLUSTER_PROVIDED"})",
           "clusters[c].lb_policy is CLUSTER_PROVIDED exactly where type is ORIGINAL_DST"},
          {R"({"name": "c", "type": "EDS"})",
           "clusters[c].eds_cluster_config.eds_config must be `ads: {}`: weft-proxy takes resources from the "
           "one ADS stream"},
          {R"({"name": "c", "load_assignment": {"endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": "db", "port_value": 1}}}}]}]}})",
           "clusters[c].load_assignment holds \"db\", which is no IP address; a cluster of type STRICT_DNS "
           "resolves names"},
          {R"({"name": "c", "load_assignment": {"endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": "1.1.1.1", "port_value": 70000}}}}]}]}})",
           "clusters[c].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_"
           "value is 70000, and ports end at 65535"},
          {R"({"name": "c", "load_assignment": {"endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"protocol": "UDP", "address": "1.1.1.1", "port_value": 7}}}}]}]}})",
           "clusters[c].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address."
           "protocol UDP is not supported by weft-proxy"},
          {R"({"name": "c", "connect_timeout": "0s"})", "clusters[c].connect_timeout must be above 0"},
          {R"({"name": "c", "connect_timeout": "-1s"})", "clusters[c].connect_timeout is negative"},
          {R"({"name": "c", "outlier_detection": {"enforcing_success_rate": 100}})",
           "clusters[c].outlier_detection.enforcing_success_rate above 0 is not supported by weft-proxy"},
          {R"({"name": "c", "lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": 10}})",
           "clusters[c].maglev_lb_config.table_size is 10; it is a prime up to 5000011"},
          {R"({"name": "c", "transport_socket_matches": [{"match": {"a": "b"}}]})",
           "clusters[c].transport_socket_matches[0].match other than {tlsMode: istio} or {} is not supported "
           "by weft-proxy"},
          {R"({"name": "c", "transport_socket": {"name": "t", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", "common_tls_context": {"validation_context": {"match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": "spiffe://a/b"}}]}}}}})",
           "clusters[c].transport_socket.typed_config.common_tls_context.validation_context tests names "
           "without trusted_ca: nothing would vouch for them"},
          {R"({"name": "c", "transport_socket": {"name": "t", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", "common_tls_context": {"validation_context": {"trusted_ca": {"filename": "/ca"}, "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"suffix": ".com"}}]}}}}})",
           "clusters[c].transport_socket.typed_config.common_tls_context.validation_context.match_typed_"
           "subject_alt_names[0] tests one kind of name with a test that a name of another kind could pass: "
           "give it for both URI and DNS"},
          {R"({"name": "c", "transport_socket": {"name": "t", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", "common_tls_context": {"tls_params": {"tls_minimum_protocol_version": "TLSv1_0"}}}}})",
           "clusters[c].transport_socket.typed_config.common_tls_context.tls_params.tls_minimum_protocol_"
           "version TLS below 1.2 is not supported by weft-proxy"},
      },
      decode_cluster);
}

TEST(Refusal, of_routes_says_why) {
#define ROUTE(text) \
  R"({"name": "r", "virtual_hosts": [{"name": "h", "domains": ["*"], "routes": [)" text R"(]}]})"
#define AT "routes[r].virtual_hosts[0].routes[0]"
  expect_errors(
      "envoy.config.route.v3.RouteConfiguration",
      {
          {R"({"name": "r", "virtual_hosts": [{"name": "h"}]})",
           "routes[r].virtual_hosts[0].domains is empty; \"*\" is every host"},
          {ROUTE(R"({"match": {}, "route": {"cluster": "c"}})"),
           AT ".match has none of prefix, path, safe_regex, path_separated_prefix and connect_matcher"},
          {ROUTE(R"({"match": {"prefix": "/"}})"),
           AT " has none of route, redirect, direct_response and non_forwarding_action"},
          {ROUTE(R"({"match": {"safe_regex": {"regex": "("}}, "route": {"cluster": "c"}})"),
           AT ".match.safe_regex.regex cannot be used: the regular expression '(' does not compile: missing "
              "): ("},
          {ROUTE(
               R"({"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": [{"name": "a"}]}}})"),
           AT ".route.weighted_clusters has no weight above 0"},
          {ROUTE(R"({"match": {"prefix": "/"}, "route": {"cluster": "c", "priority": "HIGH"}})"),
           AT ".route.priority HIGH is not supported by weft-proxy"},
          {ROUTE(
               R"({"match": {"prefix": "/"}, "route": {"cluster": "c", "retry_policy": {"retry_on": "5xx,wind"}}})"),
           AT ".route.retry_policy.retry_on \"wind\" is not supported by weft-proxy"},
          {ROUTE(
               R"({"match": {"prefix": "/"}, "route": {"cluster": "c", "regex_rewrite": {"pattern": {"regex": "a"}, "substitution": "\\1"}}})"),
           AT ".route.regex_rewrite.substitution names group 1, and the pattern has 0"},
          {ROUTE(R"({"match": {"prefix": "/"}, "direct_response": {"status": 99}})"),
           AT ".direct_response.status is 99; a status is 200 to 599"},
          {ROUTE(
               R"({"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"filename": "/x"}}})"),
           AT ".direct_response.body.filename is not supported by weft-proxy"},
          {ROUTE(
               R"({"match": {"prefix": "/"}, "route": {"cluster": "c"}, "typed_per_filter_config": {"x": {"@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors"}}})"),
           AT ".typed_per_filter_config[x] is not supported by weft-proxy"},
      },
      decode_routes);
#undef AT
#undef ROUTE
}

TEST(Refusal, of_listeners_says_why) {
#define CHAIN(text)                                                                                                  \
  R"({"name": "l", "address": {"socket_address": {"address": "0.0.0.0", "port_value": 1}}, "filter_chains": [)" text \
  "]}"
#define HTTP(text)                                                                                                                                                                               \
  CHAIN(                                                                                                                                                                                         \
      R"({"filters": [{"name": "h", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "s")" text \
      "}}]}")
#define RBAC(text)                                                                                                                                                                                                                         \
  HTTP(                                                                                                                                                                                                                                    \
      R"(, "rds": {"route_config_name": "r", "config_source": {"ads": {}}}, "http_filters": [{"name": "x", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC", "rules": {"policies": {"p": )" text \
      R"(}}}}])")
#define AT "listeners[l].filter_chains[0].filters[0].typed_config"
  expect_errors(
      "envoy.config.listener.v3.Listener",
      {
          {R"({"name": "l"})", "listeners[l].address has neither socket_address nor pipe"},
          {R"({"name": "l", "address": {"socket_address": {"address": "0.0.0.0", "port_value": 1}}})",
           "listeners[l].filter_chains is empty, and there is no default_filter_chain"},
          {CHAIN(R"({})"), "listeners[l].filter_chains[0].filters is empty"},
          {CHAIN(R"({"filter_chain_match": {"server_names": ["a.*"]}})"),
           "listeners[l].filter_chains[0].filter_chain_match.server_names[0] is \"a.*\"; a wildcard is "
           "\"*.\" before a suffix"},
          {CHAIN(R"({"filter_chain_match": {"transport_protocol": "quic"}})"),
           "listeners[l].filter_chains[0].filter_chain_match.transport_protocol quic is not supported by "
           "weft-proxy"},
          {HTTP(""), AT " has neither rds nor route_config"},
          {HTTP(R"(, "rds": {"route_config_name": "r", "config_source": {"ads": {}}})"),
           AT ".http_filters must end with envoy.filters.http.router, and hold it once"},
          {HTTP(
               R"(, "codec_type": "HTTP3", "route_config": {}, "http_filters": [{"name": "r", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}])"),
           AT ".codec_type HTTP3 is not supported by weft-proxy"},
          {RBAC(R"({"permissions": [{"any": true}]})"),
           AT ".http_filters[0].typed_config.rules.policies[p].principals is empty"},
          {RBAC(R"({"permissions": [{"any": false}], "principals": [{"any": true}]})"),
           AT ".http_filters[0].typed_config.rules.policies[p].permissions[0].any false is not supported by "
              "weft-proxy"},
          {RBAC(R"({"permissions": [{"any": true}], "principals": [{"authenticated": {}}]})"),
           AT ".http_filters[0].typed_config.rules.policies[p].principals[0].authenticated without "
              "principal_name is met by any TLS peer, even without a certificate; say principal_name with "
              "safe_regex \".+\""},
          {RBAC(
               R"({"permissions": [{"any": true}], "principals": [{"metadata": {"filter": "jwt", "path": [{"key": "sub"}], "value": {"present_match": true}}}]})"),
           AT ".http_filters[0].typed_config.rules.policies[p].principals[0].metadata is not supported by "
              "weft-proxy"},
      },
      decode_listener);
#undef AT
#undef RBAC
#undef HTTP
#undef CHAIN
}

TEST(Refusal, of_secrets_says_why) {
  expect_errors("envoy.extensions.transport_sockets.tls.v3.Secret",
                {
                    {R"({"name": "s"})", "secrets[s] has neither tls_certificate nor validation_context"},
                    {R"({"name": "s", "tls_certificate": {"certificate_chain": {"filename": "/x"}}})",
                     "secrets[s].tls_certificate.certificate_chain.filename is not supported by weft-proxy"},
                },
                decode_secret);
}

TEST(Refusal, of_text_that_is_not_utf8) {
  for (const std::string_view text :
       {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82", "a\x80"}) {
    std::string cluster;
    append_bytes_field(cluster, 1, "c");
    append_bytes_field(cluster, 28, text);  // without effect: not looked at
    append_bytes_field(cluster, 1, text);
    EXPECT_EQ(decode_cluster(as_bytes(cluster)).error().text, "clusters[c].name is not UTF-8");
  }
  std::string cluster;
  append_bytes_field(cluster, 1, "c\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  EXPECT_TRUE(decode_cluster(as_bytes(cluster)).has_value());
}

TEST(Refusal, of_nesting_without_end) {
  // permission.not_rule in itself: field 8, by 400.
  std::string permission = "\x18\x01";
  for (int i = 0; i < 400; ++i) {
    std::string around;
    append_bytes_field(around, 8, permission);
    permission = around;
  }
  std::string policy;
  append_bytes_field(policy, 1, permission);
  std::string entry;
  append_bytes_field(entry, 1, "p");
  append_bytes_field(entry, 2, policy);
  std::string rbac;
  append_bytes_field(rbac, 2, entry);
  std::string network;
  append_bytes_field(network, 1, rbac);
  std::string filter;
  append_bytes_field(filter, 4,
                     *wrap_any("type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC", network));
  std::string chain;
  append_bytes_field(chain, 3, filter);
  std::string listener;
  append_bytes_field(listener, 3, chain);
  const auto decoded = decode_listener(as_bytes(listener));
  ASSERT_FALSE(decoded.has_value());
  EXPECT_EQ(decoded.error().kind, Error::Kind::overflow);
}

}  // namespace
}  // namespace weft::wire
