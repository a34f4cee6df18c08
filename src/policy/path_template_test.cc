#include "policy/path_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::policy {
namespace {

TEST(PathTemplate, matches_whole_segments) {
  struct Case {
    const char *text, *path;
    bool matches;
  };
  const Case cases[] = {
      {"/foo/{*}", "/foo/bar", true},
      {"/foo/{*}", "/foo/bar/baz", false},
      {"/foo/{*}", "/foo/", false},
      {"/foo/{*}", "/foo", false},
      {"/foo/{*}/", "/foo/bar/", true},
      {"/foo/{*}/bar", "/foo/x/bar", true},
      {"/foo/{*}/bar", "/foo/x/y/bar", false},
      {"/foo/{**}", "/foo/", true},
      {"/foo/{**}", "/foo/a", true},
      {"/foo/{**}", "/foo/a/b/c", true},
      {"/foo/{**}", "/foo", false},
      {"/foo/{**}", "/foobar", false},
      {"/foo/{**}/", "/foo/bar/", true},
      {"/foo/{**}/", "/foo/bar/baz/", true},
      {"/foo/{**}/", "/foo//", true},
      {"/foo/{**}/", "/foo/", false},
      {"/foo/{*}/bar/{**}", "/foo/buzz/bar/", true},
      {"/foo/{*}/bar/{**}", "/foo/buzz/bar/baz", true},
      {"/foo/{*}/bar/{**}", "/foo/buzz/bar", false},
      {"/{**}/end", "/a/b/end", true},
      {"/{**}/end", "/end", false},
      {"/{**}/end", "//end", true},
      {"/{**}/end", "/friend", false},
      {"/{**}", "/", true},
      {"/{*}", "/", false},
      {"/plain", "/plain", true},
      {"/plain", "/Plain", false},
      {"/", "/", true},
      {"/foo/{*}", "", false},
  };
  for (const auto& c : cases) {
    const auto parsed = PathTemplate::parse(c.text);
    ASSERT_TRUE(parsed) << c.text;
    EXPECT_EQ(parsed->matches(c.path), c.matches) << c.text << " on " << c.path;
  }
  EXPECT_TRUE(PathTemplate::parse("/Foo/{*}/Bar", true)->matches("/fOO/x/bAR"));
}

TEST(PathTemplate, refuses_what_istio_refuses) {
  for (const auto* text : {"", "foo", "/foo/{*}bar", "/foo/a{**}", "/{**}/{*}", "/{**}/{**}", "/foo/*",
                           "/foo/{x}", "/foo/{*", "/{**}.mpd"}) {
    EXPECT_FALSE(PathTemplate::parse(text)) << text;
  }
  EXPECT_THAT(PathTemplate::parse("/a/{*}b").error().text, testing::HasSubstr("segment '{*}b'"));
}

}  // namespace
}  // namespace weft::policy
