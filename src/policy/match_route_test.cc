#include "policy/match_route.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/random.h"
#include "policy/facts_for_test.h"

namespace weft::policy {
namespace {

using model::RouteMatch;
using model::StringMatch;
using Path = model::RouteMatch::Path;
using Why = RouteDecision::Why;
using testing::HasSubstr;

model::Route route(std::string name, RouteMatch match = {}) {
  model::Route route;
  route.name = std::move(name);
  route.match = std::move(match);
  return route;
}

model::VirtualHost host(std::string name, std::vector<std::string> domains) {
  model::VirtualHost host;
  host.name = std::move(name);
  host.domains = std::move(domains);
  host.routes.push_back(route("all"));
  return host;
}

CompiledRoutes routes(std::vector<model::VirtualHost> hosts, bool ignore_port = false) {
  auto config = std::make_shared<model::RouteConfig>();
  config->name = "8080";
  config->virtual_hosts = std::move(hosts);
  config->ignore_port_in_host = ignore_port;
  return CompiledRoutes(config);
}

std::string host_for(const CompiledRoutes& compiled, std::string_view authority) {
  const auto* found = compiled.virtual_host_of(authority);
  return found ? found->name : "";
}

// ---- virtual hosts

TEST(MatchRoute, prefers_exact_then_suffix_then_prefix_then_any) {
  const auto compiled = routes({host("any", {"*"}), host("prefix", {"www.*"}),
                                host("long prefix", {"www.a.*"}), host("suffix", {"*.com"}),
                                host("long suffix", {"*.example.com"}), host("exact", {"www.example.com"})});
  EXPECT_EQ(host_for(compiled, "www.example.com"), "exact");
  EXPECT_EQ(host_for(compiled, "a.example.com"), "long suffix");
  EXPECT_EQ(host_for(compiled, "a.b.example.com"), "long suffix");
  EXPECT_EQ(host_for(compiled, "example.com"), "suffix");
  EXPECT_EQ(host_for(compiled, "www.example.org"), "prefix");
  EXPECT_EQ(host_for(compiled, "www.a.org"), "long prefix");
  EXPECT_EQ(host_for(compiled, "other"), "any");
  EXPECT_EQ(host_for(compiled, ""), "any");
}

TEST(MatchRoute, a_wildcard_stands_for_at_least_one_character) {
  const auto compiled = routes({host("suffix", {"*-b.com"}), host("prefix", {"a-*"})});
  EXPECT_EQ(host_for(compiled, "a-b.com"), "suffix");
  EXPECT_EQ(host_for(compiled, "-b.com"), "");
  EXPECT_EQ(host_for(compiled, "a-"), "");
  EXPECT_EQ(host_for(compiled, "a-c"), "prefix");
}

TEST(MatchRoute, hosts_ignore_case_and_one_trailing_dot) {
  const auto compiled = routes({host("web", {"Web.Example.com"}), host("sub", {"*.Example.org"})});
  EXPECT_EQ(host_for(compiled, "WEB.example.COM"), "web");
  EXPECT_EQ(host_for(compiled, "web.example.com."), "web");
  EXPECT_EQ(host_for(compiled, "a.example.org."), "sub");
  EXPECT_EQ(host_for(compiled, "web.example.com.."), "");
}

TEST(MatchRoute, the_port_counts_unless_it_is_ignored) {
  EXPECT_EQ(host_for(routes({host("web", {"web"})}), "web:8080"), "");
  EXPECT_EQ(host_for(routes({host("web", {"web:8080"})}), "web:8080"), "web");
  const auto ignoring = routes({host("web", {"web"}), host("v6", {"[::1]"})}, true);
  EXPECT_EQ(host_for(ignoring, "web:8080"), "web");
  EXPECT_EQ(host_for(ignoring, "web.:8080"), "web");
  EXPECT_EQ(host_for(ignoring, "[::1]:80"), "v6");
  EXPECT_EQ(host_for(ignoring, "[::1]"), "v6");
}

TEST(MatchRoute, the_first_virtual_host_keeps_a_domain_claimed_twice) {
  EXPECT_EQ(host_for(routes({host("first", {"web"}), host("second", {"web"})}), "web"), "first");
}

// ---- routes

struct MatchCase {
  const char* name;
  RouteMatch match;
  Caller caller;
  bool matches;
};

RouteMatch at_path(Path kind, std::string path, bool ignore_case = false) {
  RouteMatch match;
  match.path_kind = kind;
  match.path = std::move(path);
  match.ignore_case = ignore_case;
  return match;
}
RouteMatch with_regex(std::string_view pattern) {
  RouteMatch match;
  match.path_kind = Path::regex;
  match.regex = Regex::compile(pattern).value();
  return match;
}
RouteMatch with_header(model::HeaderMatch header) {
  RouteMatch match;
  match.headers.push_back(std::move(header));
  return match;
}
RouteMatch with_query(std::string name, std::optional<StringMatch> value) {
  RouteMatch match;
  match.query.push_back({.name = std::move(name), .present_only = !value});
  if (value) match.query.back().value = *value;
  return match;
}
RouteMatch grpc_only() {
  RouteMatch match;
  match.grpc_only = true;
  return match;
}
Caller connect() { return Caller("", "CONNECT"); }
Caller websocket() {
  Caller caller("/chat", "CONNECT");
  caller.request.protocol = "websocket";
  return caller;
}

TEST(MatchRoute, matches_as_envoy_defines_it) {
  const model::HeaderMatch is_a{.name = "x-a", .value = StringMatch::exact("1")};
  const model::HeaderMatch not_a{.name = "x-a", .value = StringMatch::exact("1"), .invert = true};
  const model::HeaderMatch without_a{
      .name = "x-a", .value = StringMatch::exact("1"), .invert = true, .treat_missing_as_empty = true};
  const model::HeaderMatch present{.name = "x-a", .present_only = true};
  const model::HeaderMatch absent{.name = "x-a", .present_only = true, .invert = true};
  const model::HeaderMatch joined{.name = "x-a", .value = StringMatch::exact("1,2")};
  const MatchCase cases[] = {
      {"any path", at_path(Path::prefix, "/"), Caller("/x"), true},
      {"text prefix", at_path(Path::prefix, "/a"), Caller("/ab"), true},
      {"prefix and case", at_path(Path::prefix, "/a"), Caller("/A"), false},
      {"prefix without case", at_path(Path::prefix, "/a", true), Caller("/AB"), true},
      {"prefix not in the query", at_path(Path::prefix, "/a?b"), Caller("/a?b"), false},
      {"exact without query", at_path(Path::exact, "/a"), Caller("/a?b=c"), true},
      {"exact without fragment", at_path(Path::exact, "/a"), Caller("/a#b"), true},
      {"exact", at_path(Path::exact, "/a"), Caller("/a/"), false},
      {"exact without case", at_path(Path::exact, "/a", true), Caller("/A"), true},
      {"segments: the path itself", at_path(Path::path_separated_prefix, "/a"), Caller("/a"), true},
      {"segments: below", at_path(Path::path_separated_prefix, "/a"), Caller("/a/b"), true},
      {"segments: query", at_path(Path::path_separated_prefix, "/a"), Caller("/a?b"), true},
      {"segments: another", at_path(Path::path_separated_prefix, "/a"), Caller("/ab"), false},
      {"segments: slash at the end", at_path(Path::path_separated_prefix, "/a/"), Caller("/a"), true},
      {"segments: root", at_path(Path::path_separated_prefix, "/"), Caller("/x"), true},
      {"regex is whole", with_regex("/v[0-9]"), Caller("/v1/x"), false},
      {"regex without query", with_regex("/v[0-9]"), Caller("/v1?x"), true},
      {"header", with_header(is_a), Caller().with("X-A", "1"), true},
      {"header missing", with_header(is_a), Caller(), false},
      {"header inverted", with_header(not_a), Caller().with("x-a", "2"), true},
      {"header inverted and missing", with_header(not_a), Caller(), false},
      {"header missing as empty", with_header(without_a), Caller(), true},
      {"header present", with_header(present), Caller().with("x-a", ""), true},
      {"header not present", with_header(present), Caller(), false},
      {"header absent", with_header(absent), Caller(), true},
      {"header not absent", with_header(absent), Caller().with("x-a", "1"), false},
      {"header joined", with_header(joined), Caller().with("x-a", "1").with("x-a", "2"), true},
      {"query", with_query("b", StringMatch::exact("2")), Caller("/?a=1&b=2"), true},
      {"query value", with_query("b", StringMatch::exact("1")), Caller("/?a=1&b=2"), false},
      {"query missing", with_query("c", StringMatch::exact("")), Caller("/?a=1"), false},
      {"query present", with_query("b", std::nullopt), Caller("/?b"), true},
      {"grpc", grpc_only(), Caller().with("content-type", "application/grpc"), true},
      {"grpc with codec", grpc_only(), Caller().with("content-type", "application/grpc+proto"), true},
      {"not grpc", grpc_only(), Caller().with("content-type", "application/grpc-web"), false},
      {"connect", at_path(Path::connect, ""), connect(), true},
      {"connect is not any path", at_path(Path::prefix, "/"), connect(), false},
      {"not connect", at_path(Path::connect, ""), Caller(), false},
      {"websocket over HTTP/2 has a path", at_path(Path::prefix, "/chat"), websocket(), true},
      {"websocket is not a tunnel", at_path(Path::connect, ""), websocket(), false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(matches(c.match, RequestView(c.caller.request), 0), c.matches) << c.name;
  }
}

TEST(MatchRoute, a_share_of_requests_takes_the_route) {
  RouteMatch match;
  match.runtime_per_million = 250'000;
  const Caller caller;
  EXPECT_TRUE(matches(match, RequestView(caller.request), 249'999));
  EXPECT_FALSE(matches(match, RequestView(caller.request), 250'000));
}

TEST(MatchRoute, the_first_route_that_matches_wins) {
  auto web = host("web", {"*"});
  web.routes = {route("a", at_path(Path::exact, "/a")), route("prefix", at_path(Path::prefix, "/a")),
                route("same", at_path(Path::exact, "/a"))};
  const auto compiled = routes({web});
  EXPECT_EQ(compiled.match(RequestView(Caller("/a").request), 0).route->name, "a");
  EXPECT_EQ(compiled.match(RequestView(Caller("/ab").request), 0).route->name, "prefix");
}

TEST(MatchRoute, says_why_there_is_no_route) {
  auto web = host("web", {"web.default"});
  web.routes = {route("a", at_path(Path::exact, "/a"))};
  auto tls = host("secure", {"secure"});
  tls.require_tls = true;
  const auto compiled = routes({web, tls});

  Caller caller("/b");
  auto decision = compiled.match(RequestView(caller.request), 0);
  EXPECT_FALSE(decision);
  EXPECT_EQ(decision.why, Why::no_route);
  EXPECT_EQ(decision.virtual_host->name, "web");
  EXPECT_EQ(decision.why_not(compiled.config(), caller.request.authority),
            "virtual host 'web' of route configuration '8080' has no route for this request among its 1");

  caller.request.authority = "unknown\n.example";
  decision = compiled.match(RequestView(caller.request), 0);
  EXPECT_EQ(decision.why, Why::no_virtual_host);
  EXPECT_EQ(decision.why_not(compiled.config(), caller.request.authority),
            "no virtual host of route configuration '8080' serves the host 'unknown\\x0a.example'");

  caller.request.authority = "secure";
  EXPECT_EQ(compiled.match(RequestView(caller.request), 0).why, Why::tls_required);
  caller.request.scheme = "https";
  EXPECT_TRUE(compiled.match(RequestView(caller.request), 0));
}

// ---- the index

TEST(RouteIndex, knows_how_every_match_of_an_expression_begins) {
  const std::pair<const char*, const char*> cases[] = {
      {"/api/v1/.*", "/api/v1/"}, {"^/api$", "/api"},    {"/apis?/x", "/api"}, {"/api*", "/ap"},
      {"/api+", "/api"},          {"/a{0,1}b", "/"},     {"/a|/b", ""},        {"/(a|b)/c", "/"},
      {"/x[|]y|/z", ""},          {"/x[|]y", "/x"},      {"(?i)/api", ""},     {"/api(?i)/x", "/api"},
      {"/a\\.b", "/a"},           {"\\Q/a|b\\E", ""},    {"/\xc3\xa9?", "/"},  {"", ""},
      {"/a[]|]b", "/a"},          {"/[[:alpha:]|]", ""}, {"/a\\|b", "/a"},     {"/a(b|c)|/d", ""},
  };
  for (const auto& [pattern, text] : cases) EXPECT_EQ(literal_beginning(pattern), text) << pattern;
}

TEST(RouteIndex, finds_what_a_walk_over_all_routes_finds) {
  Random random(11);
  const auto letters = [&](uint64_t most) {
    std::string text = "/";
    for (uint64_t n = random.below(most); n > 0; --n) text.push_back("ab/"[random.below(3)]);
    return text;
  };
  for (int round = 0; round < 200; ++round) {
    auto web = host("web", {"*"});
    web.routes.clear();
    for (uint64_t n = random.below(60); n > 0; --n) {
      auto path = letters(round % 2 ? 5 : 25);
      RouteMatch match;
      switch (random.below(5)) {
        case 0:
          match = with_regex(path + "[ab]?/*");
          break;
        case 1:
          match = with_regex(path + "?(a|b)*");
          break;
        case 2:
          match = at_path(Path::exact, path, random.below(4) == 0);
          break;
        case 3:
          match = at_path(Path::path_separated_prefix, path, random.below(4) == 0);
          break;
        default:
          match = at_path(Path::prefix, path, random.below(4) == 0);
          break;
      }
      if (random.below(3) == 0) match.runtime_per_million = 500'000;
      web.routes.push_back(route(std::to_string(n), match));
    }
    const auto compiled = routes({web});
    const auto& given = compiled.config().virtual_hosts[0].routes;
    for (int i = 0; i < 100; ++i) {
      const Caller caller(letters(12) + (i % 3 ? "" : "?q"));
      const RequestView view(caller.request);
      const uint64_t draw = random.next();
      const model::Route* expected = nullptr;
      for (const auto& each : given) {
        if (!expected && matches(each.match, view, draw)) expected = &each;
      }
      ASSERT_EQ(compiled.match(view, draw).route, expected) << caller.request.path;
    }
  }
}

// ---- clusters

TEST(MatchRoute, picks_clusters_by_weight) {
  model::ForwardAction action;
  action.clusters = {
      {.cluster = "v1", .weight = 90}, {.cluster = "v2", .weight = 10}, {.cluster = "v3", .weight = 0}};
  Random random(3);
  const Caller caller;
  std::map<std::string, int> counts;
  for (int i = 0; i < 10000; ++i) {
    const auto pick = pick_cluster(action, RequestView(caller.request), random.next());
    EXPECT_EQ(pick.weighted->cluster, pick.cluster);
    ++counts[std::string(pick.cluster)];
  }
  EXPECT_NEAR(counts["v1"], 9000, 4 * std::sqrt(10000 * 0.9 * 0.1));
  EXPECT_EQ(counts["v3"], 0);
}

TEST(MatchRoute, one_destination_gets_everything) {
  model::ForwardAction action;
  action.clusters = {{.cluster = "only", .weight = 0}};
  EXPECT_EQ(pick_cluster(action, RequestView(Caller().request), 7).cluster, "only");
}

TEST(MatchRoute, a_header_may_name_the_cluster) {
  model::ForwardAction action;
  action.cluster_header = "x-cluster";
  const Caller named = Caller().with("X-Cluster", "c"), unnamed;
  EXPECT_EQ(pick_cluster(action, RequestView(named.request), 0).cluster, "c");
  EXPECT_EQ(pick_cluster(action, RequestView(unnamed.request), 0).cluster, "");
}

}  // namespace
}  // namespace weft::policy
