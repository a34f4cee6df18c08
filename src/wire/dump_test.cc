#include "wire/dump.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "wire/samples.h"
#include "wire/to_wire.h"
#include "yaml/tree.h"

namespace weft::wire {
namespace {

using namespace std::chrono_literals;

std::string json_of(ResourceType type, const std::string& message) {
  return any_to_json(*wrap_any(type, message), 0).value();
}

TEST(Dump, shows_names_values_and_types_as_envoy_does) {
  model::Cluster cluster;
  cluster.name = "c";
  cluster.connect_timeout = 250ms;
  const std::string json = json_of(ResourceType::cluster, encode(cluster));
  EXPECT_TRUE(
      json.starts_with(R"({"@type":"type.googleapis.com/envoy.config.cluster.v3.Cluster","name":"c",)"))
      << json;
  EXPECT_NE(json.find(R"("connect_timeout":"0.250s")"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("max_connections":4294967295)"), std::string::npos) << json;
  EXPECT_NE(
      json.find(
          R"("typed_extension_protocol_options":{"envoy.extensions.upstreams.http.v3.HttpProtocolOptions":{"@type":)"),
      std::string::npos)
      << json;
}

TEST(Dump, never_shows_a_private_key) {
  for (const model::Secret& secret : samples::secrets()) {
    const std::string json = json_of(ResourceType::secret, encode(secret));
    EXPECT_EQ(json.find("PRIVATE"), std::string::npos);
    EXPECT_EQ(json.find(base64_encode("-----BEGIN PRIVATE KEY-----\n")), std::string::npos);
  }
  EXPECT_NE(json_of(ResourceType::secret, encode(samples::secrets()[0])).find(base64_encode("[redacted]")),
            std::string::npos);
}

TEST(Dump, a_message_that_is_cut_off_is_an_error_and_json_all_the_same) {
  const std::string message = encode(samples::listeners()[0]);
  for (size_t size = 0; size < message.size(); size += 101) {
    JsonWriter json;
    (void)write_json(json, kListenerUrl, as_bytes(message).first(size));
    EXPECT_TRUE(yaml::parse_one(json.take(), "cut").has_value());
  }
  JsonWriter json;
  EXPECT_FALSE(write_json(json, kListenerUrl, as_bytes(message).first(message.size() - 1)).has_value());
}

TEST(Dump, config_dump_has_the_sections_of_envoys) {
  ConfigDump dump;
  const auto any = wrap_any(ResourceType::listener, encode(samples::listeners()[0]));
  dump.listeners.version = "7";
  dump.listeners.dynamic = {{.name = "virtualInbound",
                             .version = "7",
                             .any = any,
                             .last_updated = WallTime(1'785'585'600'123ms),
                             .error = "listeners[x] is wrong",
                             .error_version = "8"}};
  dump.secrets.dynamic = {
      {.name = "default", .any = wrap_any(ResourceType::secret, encode(samples::secrets()[0]))}};
  dump.clusters.fixed = {
      {.name = "c", .any = wrap_any(ResourceType::cluster, encode(samples::clusters()[0]))}};
  const std::string json = config_dump_json(dump);
  const auto tree = yaml::parse_one(json, "dump");
  ASSERT_TRUE(tree.has_value()) << tree.error().text;
  std::vector<std::string> types;
  for (const auto& section : tree->find("configs")->children) types.push_back(section.find("@type")->text);
  EXPECT_EQ(types, (std::vector<std::string>{"type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
                                             "type.googleapis.com/envoy.admin.v3.EndpointsConfigDump",
                                             "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
                                             "type.googleapis.com/envoy.admin.v3.RoutesConfigDump",
                                             "type.googleapis.com/envoy.admin.v3.SecretsConfigDump"}));
  const auto& listener = tree->find("configs")->children[2].find("dynamic_listeners")->children[0];
  EXPECT_EQ(listener.find("active_state")->find("last_updated")->text, "2026-08-01T12:00:00.123Z");
  EXPECT_EQ(listener.find("active_state")->find("listener")->find("name")->text, "virtualInbound");
  EXPECT_EQ(listener.find("error_state")->find("details")->text, "listeners[x] is wrong");
}

}  // namespace
}  // namespace weft::wire
