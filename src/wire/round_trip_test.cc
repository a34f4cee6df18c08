// What weftd says is what the proxy understands: every field of the model survives the wire.
#include <gtest/gtest.h>

#include "wire/discovery.h"
#include "wire/dump.h"
#include "wire/from_wire.h"
#include "wire/rbac_wire.h"
#include "wire/samples.h"
#include "wire/to_wire.h"

namespace weft::wire {
namespace {

// On a difference the two are shown as JSON, which names the field.
template <typename T, typename Decode>
void expect_round_trip(const std::vector<T>& samples, ResourceType type, Decode decode) {
  for (const T& sample : samples) {
    const std::string bytes = encode(sample);
    const auto back = decode(as_bytes(bytes));
    ASSERT_TRUE(back.has_value()) << back.error().text;
    EXPECT_TRUE(**back == sample) << any_to_json(*wrap_any(type, bytes)).value_or("?") << "\ncame back as\n"
                                  << any_to_json(*wrap_any(type, encode(**back))).value_or("?");
    EXPECT_EQ(encode(**back), bytes);
  }
}

TEST(RoundTrip, listeners_come_back_equal) {
  expect_round_trip(samples::listeners(), ResourceType::listener, decode_listener);
}
TEST(RoundTrip, routes_come_back_equal) {
  expect_round_trip(samples::routes(), ResourceType::route, decode_routes);
}
TEST(RoundTrip, clusters_come_back_equal) {
  expect_round_trip(samples::clusters(), ResourceType::cluster, decode_cluster);
}
TEST(RoundTrip, endpoints_come_back_equal) {
  expect_round_trip(samples::endpoints(), ResourceType::endpoint, decode_endpoints);
}
TEST(RoundTrip, secrets_come_back_equal) {
  expect_round_trip(samples::secrets(), ResourceType::secret, decode_secret);
}

TEST(RoundTrip, equal_models_give_equal_bytes) {
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(encode(samples::listeners()[0]), encode(samples::listeners()[0]));
    EXPECT_EQ(encode(samples::routes()[0]), encode(samples::routes()[0]));
    EXPECT_EQ(encode(samples::endpoints()[0]), encode(samples::endpoints()[0]));
  }
}

TEST(RoundTrip, an_endpoint_without_weight_gets_no_traffic) {
  model::EndpointSet set = samples::endpoints()[0];
  const size_t before = set.endpoints.size();
  set.endpoints[0].weight = 0;
  const auto back = decode_endpoints(as_bytes(encode(set)));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ((*back)->endpoints.size(), before - 1);
}

TEST(RoundTrip, a_path_template_is_a_regex_that_means_the_same) {
  struct Case {
    const char* path_template;
    const char* path;
    bool matches;
  };
  for (const auto& [path_template, path, matches] : std::initializer_list<Case>{
           {"/a/{*}/c", "/a/b/c", true},
           {"/a/{*}/c", "/a/b/b/c", false},
           {"/a/{*}/c", "/a//c", false},
           {"/a/{**}", "/a/b/c", true},
           {"/a/{**}", "/a/", true},
           {"/a.b/{*}", "/axb/c", false},
       }) {
    const std::string pattern = template_to_regex(path_template);
    EXPECT_EQ(Regex::compile(pattern)->matches_fully(path), matches) << path_template << " on " << path;
    EXPECT_EQ(regex_to_template(pattern), path_template);
  }
  EXPECT_EQ(regex_to_template("/a/[^/]+"), "");
  EXPECT_EQ(regex_to_template("(?:)/a/(b|c)"), "");
}

}  // namespace
}  // namespace weft::wire
