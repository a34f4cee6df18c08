#include "http/uri.h"

#include <gtest/gtest.h>

namespace weft::http {
namespace {

std::string normal(std::string_view path, PathRules rules) {
  std::string target(path);
  const auto result = normalise_path(target, rules);
  return result ? target : "refused";
}

TEST(NormalisePath, gives_one_spelling_to_one_path) {
  const PathRules base = PathRules::base();
  struct Row {
    std::string_view path, result;
  };
  for (const Row row : {
           Row{"/", "/"},
           {"/a/b", "/a/b"},
           {"/a/./b", "/a/b"},
           {"/a/../b", "/b"},
           {"/a/b/..", "/a/"},
           {"/a/b/.", "/a/b/"},
           {"/a/b/../../c", "/c"},
           {"/..", "refused"},
           {"/a/../../b", "refused"},
           {"/%2e%2e/b", "refused"},
           {"/a/%2e%2E/b", "/b"},
           {"/a%41%7e", "/aA~"},
           {"/a%3a%3A", "/a%3A%3A"},
           {"/a\\b", "/a/b"},
           {"/a\\..\\b", "/b"},
           {"/a//b", "/a//b"},
           {"/a%2Fb%5cc", "/a%2Fb%5Cc"},
           {"/a%", "refused"},
           {"/a%2", "refused"},
           {"/a%zz", "refused"},
           {"/a%00", "refused"},
           {"/a?b/../c%", "/a?b/../c%"},
           {"/a/..?q", "/?q"},
           {"/a;x=1/b", "/a;x=1/b"},
           {"/...", "/..."},
           {"/.a/..b", "/.a/..b"},
           {"/a#b", "refused"},
           {"*", "*"},
           {"a", "refused"},
       }) {
    EXPECT_EQ(normal(row.path, base), row.result) << row.path;
  }
}

TEST(NormalisePath, follows_its_rules_for_slashes) {
  EXPECT_EQ(normal("/a//b///c", PathRules::merge()), "/a/b/c");
  EXPECT_EQ(normal("//a/.//..", PathRules::merge()), "/");
  EXPECT_EQ(normal("/a%2Fb%5cc", PathRules::decode_and_merge()), "/a/b/c");
  EXPECT_EQ(normal("/a%2f..%2fb", PathRules::decode_and_merge()), "/b");
  EXPECT_EQ(normal("/a%2Fb", {.escaped_slashes = PathRules::EscapedSlashes::reject}), "refused");
  EXPECT_EQ(normal("/a/../%2e", PathRules::none()), "/a/../%2e");
}

TEST(NormalisePath, is_done_after_once) {
  for (const std::string_view path :
       {"/a/./b//c/../%41%2f", "/a/%2e/..//x", "/x%25%32%66", "/a/b/..?x=/../"}) {
    for (const PathRules rules : {PathRules::base(), PathRules::merge()}) {
      const std::string once = normal(path, rules);
      EXPECT_EQ(normal(once, rules), once) << path;
    }
  }
}

TEST(ParseAuthority, splits_host_and_port) {
  EXPECT_EQ(parse_authority("Example.COM:8080")->host, "example.com");
  EXPECT_EQ(parse_authority("Example.COM:8080")->port, 8080);
  EXPECT_EQ(parse_authority("a")->port, std::nullopt);
  EXPECT_EQ(parse_authority("[::1]:80")->host, "::1");
  EXPECT_EQ(parse_authority("[FE80::1]")->host, "fe80::1");
  for (const std::string_view bad : {"", ":80", "a:b", "a:65536", "a:1:2", "u@a", "a/b", "a b", "[::1",
                                     "[::1]x", "[a]", "[1.2.3.4]", "a\\b", "a#", "a?", "a[b]"}) {
    EXPECT_FALSE(parse_authority(bad)) << bad;
  }
}

TEST(QueryParameters, walks_names_and_values) {
  std::string all;
  QueryParameters p("a=1&&b&c=x=y&=z");
  while (p.next()) all += std::string(p.name()) + ">" + std::string(p.value()) + " ";
  EXPECT_EQ(all, "a>1 b> c>x=y >z ");
  EXPECT_EQ(query_parameter("a=1&b=2&b=3", "b"), "2");
  EXPECT_EQ(query_decode("a+b%20c%zz"), "a b c%zz");
}

}  // namespace
}  // namespace weft::http
