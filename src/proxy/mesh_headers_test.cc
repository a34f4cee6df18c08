#include "proxy/mesh_headers.h"

#include <gtest/gtest.h>

namespace weft::proxy {
namespace {

http::Headers lower(const http::Headers& headers) {
  http::Headers out;
  for (const auto& field : headers) {
    std::string name(field.name);
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    out.add(name, field.value);
  }
  return out;
}

TEST(MeshHeaders, names_survive_the_hop_over_http2_as_they_were_written) {
  const std::vector<std::vector<const char*>> cases = {
      {"Accept", "User-Agent", "X-Request-Id"},
      {"accept", "user-agent"},
      {"ACCEPT", "x-Mixed", "User-Agent", "plain"},
      {"ETag", "Www-Authenticate"},
      {},
  };
  for (const auto& names : cases) {
    http::Headers sent;
    for (const char* name : names) sent.add(name, "v");
    const std::string note = describe_http(http::Version::http11, sent);
    http::Headers got = lower(sent);
    http::Version version = http::Version::http2;
    restore_http(note, version, got);
    EXPECT_EQ(version, http::Version::http11);
    EXPECT_TRUE(got == sent) << note;
  }
}

TEST(MeshHeaders, http2_needs_no_note_and_garbage_changes_nothing) {
  http::Headers headers;
  headers.add("a", "1");
  EXPECT_EQ(describe_http(http::Version::http2, headers), "");
  for (const char* note : {"", "2", "9.9;t", ";;", "1.2;Foo"}) {
    http::Version version = http::Version::http2;
    restore_http(note, version, headers);
    EXPECT_EQ(version, http::Version::http2) << note;
  }
}

TEST(MeshHeaders, peer_description_round_trips_and_refuses_what_is_not_one) {
  model::WorkloadInfo self;
  self.workload = "reviews-v1";
  self.workload_namespace = "default";
  self.canonical_service = "reviews";
  self.canonical_revision = "v1";
  const auto got = parse_peer(describe_peer(self));
  ASSERT_TRUE(got);
  EXPECT_EQ(*got, self);
  EXPECT_FALSE(parse_peer("a;b"));
  EXPECT_FALSE(parse_peer(std::string(5000, ';')));
}

}  // namespace
}  // namespace weft::proxy
