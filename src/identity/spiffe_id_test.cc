#include "identity/spiffe_id.h"

#include <gtest/gtest.h>

namespace weft::identity {
namespace {

TEST(SpiffeId, a_mesh_workload_has_a_namespace_and_an_account) {
  const auto id = SpiffeId::parse("spiffe://cluster.local/ns/shop/sa/cart");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->trust_domain(), "cluster.local");
  EXPECT_EQ(id->path(), "/ns/shop/sa/cart");
  EXPECT_EQ(id->name_space(), "shop");
  EXPECT_EQ(id->service_account(), "cart");
  EXPECT_EQ(id->principal(), "cluster.local/ns/shop/sa/cart");
  EXPECT_EQ(*SpiffeId::make("cluster.local", "shop", "cart"), *id);
}

TEST(SpiffeId, other_paths_are_ids_without_a_namespace) {
  for (const char* text : {"spiffe://example.org", "spiffe://example.org/web", "spiffe://td/ns/a/sa/b/c",
                           "spiffe://td/NS/a/sa/b"}) {
    const auto id = SpiffeId::parse(text);
    ASSERT_TRUE(id) << text;
    EXPECT_EQ(id->name_space(), "") << text;
    EXPECT_EQ(id->service_account(), "") << text;
  }
}

TEST(SpiffeId, refuses_what_the_standard_does_not_allow) {
  using namespace std::string_literals;
  const std::string bad[] = {"",
                             "spiffe://",
                             "spiffe:///ns/a/sa/b",
                             "SPIFFE://td/a",
                             "https://td/a",
                             "spiffe://TD/a",
                             "spiffe://td:443/a",
                             "spiffe://user@td/a",
                             "spiffe://td/a/",
                             "spiffe://td//a",
                             "spiffe://td/a/../b",
                             "spiffe://td/./b",
                             "spiffe://td/a?x=1",
                             "spiffe://td/a#f",
                             "spiffe://td/a%2fb",
                             "spiffe://td/\xc3\xa4",
                             "spiffe://td/a\0b"s,
                             "spiffe://" + std::string(256, 'a'),
                             "spiffe://td/" + std::string(2048, 'a')};
  for (const auto& text : bad) EXPECT_FALSE(SpiffeId::parse(text)) << text;
}

TEST(SpiffeId, parts_cannot_smuggle_another_identity) {
  EXPECT_FALSE(SpiffeId::make("td", "a/sa/b", "c"));
  EXPECT_FALSE(SpiffeId::make("td", "a", "b/c"));
  EXPECT_FALSE(SpiffeId::make("td/ns/x/sa", "a", "b"));
  EXPECT_FALSE(SpiffeId::make("td", "", "b"));
}

}  // namespace
}  // namespace weft::identity
