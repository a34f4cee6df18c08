#include "objects/checks.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace weft::objects {
namespace {

TEST(Duration, reads_what_go_reads) {
  const std::pair<std::string_view, Duration> cases[] = {
      {"0", 0ns},
      {"1ns", 1ns},
      {"1us", 1us},
      {"100ms", 100ms},
      {"1.5s", 1500ms},
      {".5s", 500ms},
      {"5.s", 5s},
      {"1h2m", 62min},
      {"1h2m3.25s", 3723250ms},
      {"-1s", -1s},
      {"+2m", 2min},
      {"0.001s", 1ms},
      {"315576000s", 315576000s},
      {"\u00b5s", 0ns},
  };
  for (const auto& [text, value] : cases) {
    const auto parsed = parse_duration(text);
    if (text == "\u00b5s") {
      EXPECT_FALSE(parsed);
      continue;
    }
    ASSERT_TRUE(parsed) << text << ": " << parsed.error().text;
    EXPECT_EQ(*parsed, value) << text;
  }
  EXPECT_EQ(*parse_duration("3\u00b5s"), 3us);
}

TEST(Duration, refuses_the_rest) {
  for (const std::string_view text : {"", "5", "s", "1d", "1 s", "1s ", "--1s", "1e3s", ".s", "1.2.3s",
                                      "ten seconds", "99999999999999999999s", "9999999999h", "-"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Timestamp, reads_rfc3339) {
  const auto at = [](std::string_view text) { return parse_timestamp(text); };
  EXPECT_EQ(at("1970-01-01T00:00:01Z"), WallTime(1s));
  EXPECT_EQ(at("1970-01-01T01:00:00.5+01:00"), WallTime(500ms));
  EXPECT_EQ(at("2026-11-24T21:40:12Z"), WallTime(1795556412s));
  for (const std::string_view text : {"", "2026-11-24", "2026-13-24T21:40:12Z", "2026-02-30T21:40:12Z",
                                      "2026-11-24T25:40:12Z", "2026-11-24T21:40:12", "2026-11-24T21:40:12.Z",
                                      "2026-11-24T21:40:12+0100", "yesterday", "9999-11-24T21:40:12Z"}) {
    EXPECT_EQ(at(text), std::nullopt) << text;
  }
}

TEST(Host, a_wildcard_covers_every_depth) {
  EXPECT_TRUE(host_covers("*", "a.b"));
  EXPECT_TRUE(host_covers("*.a.com", "b.a.com"));
  EXPECT_TRUE(host_covers("*.a.com", "c.b.A.com"));
  EXPECT_TRUE(host_covers("*.a.com", "*.b.a.com"));
  EXPECT_TRUE(host_covers("a.com", "A.com"));
  EXPECT_FALSE(host_covers("*.a.com", "a.com"));
  EXPECT_FALSE(host_covers("*.b.a.com", "*.a.com"));
  EXPECT_FALSE(host_covers("a.com", "*.com"));
}

struct CheckCase {
  std::string_view name;
  std::optional<Problem> (*check)(const std::string&);
  std::vector<std::string> good;
  std::vector<std::string> bad;
};

TEST(Checks, keep_the_rules_of_kubernetes_and_istio) {
  const std::string long63(63, 'a');
  const std::string long64(64, 'a');
  const CheckCase cases[] = {
      {"dns label", check_dns_label, {"a", "a-1", "1a", long63}, {"", "A", "a_b", "-a", "a-", "a.b", long64}},
      {"dns subdomain", check_dns_subdomain, {"a", "a.b-c"}, {"", "a..b", ".a", "A.b"}},
      {"service name", check_service_name, {"a1"}, {"1a", ""}},
      {"port name",
       check_port_name,
       {"http", "http-1", "1a"},
       {"", "123", "a--b", "abcdefghijklmnop", "HTTP"}},
      {"label key",
       check_label_key,
       {"app", "a.B_c", "example.com/app", long63},
       {"", "/a", "a/", "a/b/c", "a b", "-a", long64, "Example.com/a"}},
      {"label value", check_label_value, {"", "v1", "A.b_c-d"}, {"-a", "a b", long64, "a/b"}},
      {"env name", check_env_name, {"A_B", "a.b-c"}, {"", "1A", "A B"}},
      {"wildcard host",
       check_wildcard_host,
       {"*", "*.a.com", "a", "A.com", "a.b.", "*a.com", "*-a"},
       {"", "a*", "a.*", "*.", "**", "*.*.a"}},
      {"fqdn", check_fqdn, {"a.b", "a"}, {"*", "*.a", "a:80", "a/b", "http://a", "a_b"}},
      {"host or ip", check_host_or_ip, {"10.0.0.1", "fd00::1", "a.b"}, {"fd00:::1"}},
      {"cidr", check_cidr, {"10.0.0.0/8", "10.0.0.1", "fd00::/8"}, {"10.0.0.0/33", "10.0.0", "x"}},
      {"port text", check_port_text, {"1", "65535"}, {"0", "65536", "-1", "80 ", "http"}},
      {"unix path", check_unix_path, {"/a", "@a"}, {"", "/", "a", "/a/", "@"}},
      {"regex", check_regex, {"a.*", "[0-9]+"}, {"", "(", "(?=a)", "a{1001}"}},
      {"header name", check_header_name, {"x-a", "X_A"}, {"", "a b", "a:b", ":path"}},
      {"header value",
       check_header_value,
       {"", "a b\tc", "\xc3\xa4"},
       {"a\nb", "a\rb", std::string("a\0b", 3), "\x7f"}},
      {"export to", check_export_to, {".", "*", "~", "prod"}, {"", "..", "Prod", "a.b"}},
      {"gateway",
       check_gateway_ref,
       {"mesh", "ns/gw", "gw.ns.svc", "./gw"},
       {"", "a/b/c", "/gw", "ns/", "A"}},
  };
  for (const CheckCase& one : cases) {
    for (const std::string& text : one.good) {
      const auto problem = one.check(text);
      EXPECT_FALSE(problem) << one.name << " '" << text << "': " << problem->cause;
    }
    for (const std::string& text : one.bad) {
      const auto problem = one.check(text);
      ASSERT_TRUE(problem) << one.name << " '" << text << "'";
      EXPECT_FALSE(problem->cause.empty() || problem->next_step.empty()) << one.name << " '" << text << "'";
    }
  }
}

}  // namespace
}  // namespace weft::objects
