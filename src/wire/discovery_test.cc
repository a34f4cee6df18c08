#include "wire/discovery.h"

#include <gtest/gtest.h>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "wire/ca.h"
#include "wire/samples.h"
#include "wire/to_wire.h"

namespace weft::wire {
namespace {

namespace discovery_pb = envoy::service::discovery::v3;

Node node() {
  Node node;
  node.id = "sidecar~10.0.0.7~web.default~default.svc.cluster.local";
  node.cluster = "web.default";
  node.metadata.set("NAMESPACE", "default");
  node.metadata.set("LABELS", Value::Object{{"app", "web"}});
  node.metadata.set("list", Value::Array{1, true, Value(), "x"});
  node.locality = {"eu", "eu-1", "a"};
  node.user_agent_name = "weft-proxy";
  node.user_agent_version = "1";
  return node;
}

TEST(Discovery, requests_come_back_equal) {
  const DiscoveryRequest request{.version = "7",
                                 .node = node(),
                                 .names = {"a", "b"},
                                 .type_url = std::string(kClusterUrl),
                                 .nonce = "n",
                                 .error = Refusal{.code = 13, .message = "no"}};
  const auto back = decode_request(as_bytes(encode(request)));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->version, "7");
  EXPECT_EQ(back->node, request.node);
  EXPECT_EQ(back->names, request.names);
  EXPECT_EQ(back->type_url, request.type_url);
  EXPECT_EQ(back->nonce, "n");
  EXPECT_EQ(back->error, request.error);

  const DeltaDiscoveryRequest delta{.node = node(),
                                    .type_url = std::string(kRouteUrl),
                                    .subscribe = {"80"},
                                    .unsubscribe = {"81"},
                                    .initial_versions = {{"80", "1"}, {"82", "2"}},
                                    .nonce = "m"};
  const auto delta_back = decode_delta_request(as_bytes(encode(delta)));
  ASSERT_TRUE(delta_back.has_value());
  EXPECT_EQ(delta_back->node, delta.node);
  EXPECT_EQ(delta_back->subscribe, delta.subscribe);
  EXPECT_EQ(delta_back->unsubscribe, delta.unsubscribe);
  EXPECT_EQ(delta_back->initial_versions, delta.initial_versions);
  EXPECT_FALSE(delta_back->error.has_value());
}

TEST(Discovery, responses_carry_shared_resources_as_they_are) {
  const auto any = wrap_any(ResourceType::endpoint, encode(samples::endpoints()[0]));
  const DiscoveryResponse response{.version = "3",
                                   .resources = {{.any = any}, {.any = any}},
                                   .type_url = std::string(kEndpointUrl),
                                   .nonce = "n",
                                   .control_plane = "weftd"};
  const std::string bytes = encode(response);
  discovery_pb::DiscoveryResponse message;
  ASSERT_TRUE(message.ParseFromString(bytes));
  EXPECT_EQ(message.resources_size(), 2);
  EXPECT_EQ(message.control_plane().identifier(), "weftd");
  const auto back = decode_response(as_bytes(bytes));
  ASSERT_TRUE(back.has_value());
  ASSERT_EQ(back->resources.size(), 2u);
  EXPECT_EQ(*back->resources[1].any, *any);
  EXPECT_EQ(back->version, "3");
  EXPECT_EQ(back->nonce, "n");

  const DeltaDiscoveryResponse delta{
      .system_version = "s",
      .resources = {{.name = "a", .version = "1", .any = any}, {.name = std::string(300, 'b'), .any = any}},
      .type_url = std::string(kEndpointUrl),
      .removed = {"x", "y"},
      .nonce = "n",
      .control_plane = "weftd"};
  const auto delta_back = decode_delta_response(as_bytes(encode(delta)));
  ASSERT_TRUE(delta_back.has_value());
  ASSERT_EQ(delta_back->resources.size(), 2u);
  EXPECT_EQ(delta_back->resources[0].name, "a");
  EXPECT_EQ(delta_back->resources[0].version, "1");
  EXPECT_EQ(delta_back->resources[1].name, std::string(300, 'b'));
  EXPECT_EQ(*delta_back->resources[1].any, *any);
  EXPECT_EQ(delta_back->removed, delta.removed);
  EXPECT_EQ(delta_back->system_version, "s");
}

TEST(Discovery, an_any_opens_to_what_it_was_wrapped_around) {
  const auto any = wrap_any(kSecretUrl, "bytes");
  const auto opened = open_any(*any);
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(opened->type_url, kSecretUrl);
  EXPECT_EQ(as_text(opened->message), "bytes");
  EXPECT_FALSE(open_any("\x0a\xff").has_value());
}

TEST(Discovery, type_urls_name_their_types) {
  for (const ResourceType type : kResourceTypes) EXPECT_EQ(resource_type(type_url(type)), type);
  EXPECT_EQ(resource_type("type.googleapis.com/envoy.Nothing"), std::nullopt);
}

TEST(Discovery, malformed_bytes_are_refused) {
  for (const std::string_view bytes : {"\x0a\x05x", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\x0b"}) {
    EXPECT_FALSE(decode_request(as_bytes(bytes)).has_value());
    EXPECT_FALSE(decode_response(as_bytes(bytes)).has_value());
    EXPECT_FALSE(decode_delta_request(as_bytes(bytes)).has_value());
    EXPECT_FALSE(decode_delta_response(as_bytes(bytes)).has_value());
  }
}

TEST(CertificateService, requests_and_responses_come_back_equal) {
  CertificateRequest request{.csr = "pem", .validity_seconds = 86400};
  request.metadata.set("ClusterID", "Kubernetes");
  EXPECT_EQ(decode_certificate_request(as_bytes(encode(request))).value(), request);
  const CertificateResponse response{.chain = {"leaf", "root"}};
  EXPECT_EQ(decode_certificate_response(as_bytes(encode(response))).value(), response);
  EXPECT_FALSE(decode_certificate_request(as_bytes("\x0a\x05x")).has_value());
}

}  // namespace
}  // namespace weft::wire
