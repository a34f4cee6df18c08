#include "policy/rewrite.h"

#include <gtest/gtest.h>

#include "policy/facts_for_test.h"

namespace weft::policy {
namespace {

using model::HeaderEdit;
using Path = model::RouteMatch::Path;

model::RouteMatch at(Path kind, std::string path) {
  model::RouteMatch match;
  match.path_kind = kind;
  match.path = std::move(path);
  return match;
}

// ---- paths and hosts

TEST(Rewrite, replaces_what_the_route_matched) {
  struct Case {
    model::RouteMatch match;
    const char *rewrite, *path, *expected;
  };
  const Case cases[] = {
      {at(Path::prefix, "/a"), "/b", "/a/x?q=/a", "/b/x?q=/a"},
      {at(Path::prefix, "/a"), "/", "/a/x", "//x"},  // text, as Istio's users know it
      {at(Path::prefix, "/a/"), "/", "/a/x", "/x"},
      {at(Path::prefix, "/a"), "/b", "/abc", "/bbc"},
      {at(Path::exact, "/a"), "/b", "/a?q", "/b?q"},
      {at(Path::path_separated_prefix, "/a"), "/", "/a/x", "/x"},
      {at(Path::path_separated_prefix, "/a"), "/", "/a", "/"},
      {at(Path::path_separated_prefix, "/a"), "", "/a?q", "/?q"},
      {at(Path::path_separated_prefix, "/a/"), "/b", "/a/x", "/b/x"},
      {at(Path::path_separated_prefix, "/a"), "/b/", "/a/x", "/b/x"},
      {at(Path::prefix, "/"), "/b", "/x", "/bx"},
  };
  for (const auto& c : cases) {
    model::ForwardAction action;
    action.prefix_rewrite = c.rewrite;
    EXPECT_EQ(rewrite_path(action, c.match, c.path), c.expected) << c.path << " -> " << c.rewrite;
  }
}

TEST(Rewrite, regex_sees_the_path_alone) {
  model::ForwardAction action;
  action.regex_rewrite = Regex::compile("^/v([0-9]+)/(.*)$").value();
  action.regex_substitution = "/\\2/version/\\1";
  EXPECT_EQ(rewrite_path(action, {}, "/v2/users?x=/v3/y"), "/users/version/2?x=/v3/y");
}

TEST(Rewrite, leaves_paths_alone_without_a_rewrite) { EXPECT_EQ(rewrite_path({}, {}, "/a"), std::nullopt); }

TEST(Rewrite, the_destination_names_the_host_before_the_route) {
  model::ForwardAction action;
  model::WeightedCluster weighted;
  EXPECT_EQ(rewrite_host(action, &weighted, "endpoint"), "");
  action.auto_host_rewrite = true;
  EXPECT_EQ(rewrite_host(action, &weighted, "endpoint"), "endpoint");
  action.host_rewrite = "route";
  EXPECT_EQ(rewrite_host(action, nullptr, "endpoint"), "route");
  weighted.host_rewrite = "destination";
  EXPECT_EQ(rewrite_host(action, &weighted, "endpoint"), "destination");
}

// ---- redirects

std::string redirect(const model::RedirectAction& action, std::string_view authority, std::string path,
                     std::string scheme = "http", model::RouteMatch match = {}) {
  Caller caller(std::move(path));
  caller.request.authority = authority;
  caller.request.scheme = std::move(scheme);
  return redirect_location(action, match, RequestView(caller.request));
}

TEST(Redirect, builds_the_location_as_envoy_does) {
  EXPECT_EQ(redirect({.https = true}, "a.com", "/x?y"), "https://a.com/x?y");
  EXPECT_EQ(redirect({.https = true}, "a.com:80", "/"), "https://a.com/");
  EXPECT_EQ(redirect({.https = true}, "a.com:8080", "/"), "https://a.com:8080/");
  EXPECT_EQ(redirect({.scheme = "http"}, "a.com:443", "/", "https"), "http://a.com/");
  EXPECT_EQ(redirect({.host = "b.com"}, "a.com:8080", "/x"), "http://b.com/x");
  EXPECT_EQ(redirect({.host = "b.com", .port = 8443}, "a.com", "/x"), "http://b.com:8443/x");
  EXPECT_EQ(redirect({.port = 8443}, "a.com:8080", "/x"), "http://a.com:8443/x");
  EXPECT_EQ(redirect({.port = 8443}, "[::1]:80", "/x"), "http://[::1]:8443/x");
  EXPECT_EQ(redirect({.path = "/new"}, "a.com", "/x?y=1"), "http://a.com/new?y=1");
  EXPECT_EQ(redirect({.path = "/new?z"}, "a.com", "/x?y=1"), "http://a.com/new?z");
  EXPECT_EQ(redirect({.path = "/new", .strip_query = true}, "a.com", "/x?y=1"), "http://a.com/new");
  EXPECT_EQ(redirect({.strip_query = true}, "a.com", "/x?y=1"), "http://a.com/x");
  EXPECT_EQ(redirect({.prefix_rewrite = "/b"}, "a.com", "/a/x?y", "http", at(Path::prefix, "/a")),
            "http://a.com/b/x?y");
}

TEST(Redirect, leaves_out_the_port_that_the_scheme_implies) {
  EXPECT_EQ(redirect({.port = 80}, "a.com:8080", "/"), "http://a.com/");
  EXPECT_EQ(redirect({.scheme = "https", .port = 443}, "a.com", "/"), "https://a.com/");
  EXPECT_EQ(redirect({.scheme = "https", .port = 80}, "a.com", "/"), "https://a.com:80/");
}

TEST(Redirect, sends_plain_http_to_https) {
  Caller caller("/x");
  caller.request.authority = "a.com:80";
  EXPECT_EQ(https_location(RequestView(caller.request)), "https://a.com/x");
}

// ---- headers

const auto no_format = [](std::string_view, std::string&) { FAIL() << "no value here holds a '%'"; };

std::string all(const http::Headers& headers) {
  std::string out;
  for (const auto& field : headers) out.append(field.name).append(": ").append(field.value).append("\n");
  return out;
}

TEST(HeaderEdits, each_kind_does_what_it_says) {
  http::Headers headers;
  headers.add("a", "1");
  headers.add("b", "1");
  headers.add("gone", "1");
  apply_edits(headers, {"gone", "never-there"},
              {{"a", "2", HeaderEdit::Kind::append_or_add},
               {"A", "3", HeaderEdit::Kind::add_if_absent},
               {"b", "2", HeaderEdit::Kind::overwrite_or_add},
               {"c", "2", HeaderEdit::Kind::overwrite_if_exists},
               {"d", "2", HeaderEdit::Kind::add_if_absent}},
              no_format);
  EXPECT_EQ(all(headers), "a: 1\nb: 2\na: 2\nd: 2\n");
}

TEST(HeaderEdits, apply_from_the_most_specific_to_the_least) {
  const auto edit = [](const char* value) {
    model::HeaderEdits edits;
    edits.request_add.push_back({"x-level", value, HeaderEdit::Kind::append_or_add});
    edits.response_add.push_back({"x-level", value, HeaderEdit::Kind::overwrite_or_add});
    return edits;
  };
  model::RouteConfig config;
  config.edits = edit("config");
  model::VirtualHost host;
  host.edits = edit("host");
  model::Route route;
  route.edits = edit("route");
  model::WeightedCluster weighted;
  weighted.edits = edit("destination");
  const RouteDecision decision{.why = RouteDecision::Why::matched, .virtual_host = &host, .route = &route};

  Caller caller;
  apply_request_edits(caller.request, config, decision, &weighted, no_format);
  EXPECT_EQ(caller.request.headers.joined("x-level"), "destination,route,host,config");
  http::Headers response;
  apply_response_edits(response, config, decision, &weighted, no_format);
  EXPECT_EQ(all(response), "x-level: config\n");
}

TEST(HeaderEdits, host_sets_the_authority_and_other_pseudo_headers_stay) {
  model::Route route;
  route.edits.request_add = {{"Host", "new.example", HeaderEdit::Kind::overwrite_or_add},
                             {":path", "/stolen", HeaderEdit::Kind::overwrite_or_add}};
  route.edits.request_remove = {"host"};
  Caller caller("/kept");
  apply_request_edits(caller.request, {}, {.why = RouteDecision::Why::matched, .route = &route}, nullptr,
                      no_format);
  EXPECT_EQ(caller.request.authority, "new.example");
  EXPECT_EQ(caller.request.path, "/kept");
  EXPECT_TRUE(caller.request.headers.empty());
}

TEST(HeaderEdits, values_with_operators_are_formatted) {
  http::Headers headers;
  const auto format = [](std::string_view value, std::string& out) { out = "<" + std::string(value) + ">"; };
  apply_edits(headers, {}, {{"a", "%REQ(X)%"}, {"b", "plain"}}, format);
  EXPECT_EQ(all(headers), "a: <%REQ(X)%>\nb: plain\n");
}

// ---- faults, mirrors, hashing

TEST(Fault, delay_and_abort_are_drawn_apart) {
  model::Route route;
  EXPECT_FALSE(decide_fault(route, 0, 0).any());
  route.fault_delay = {.delay = 5s, .per_million = 100'000};
  route.fault_abort = {.http_status = 503, .per_million = 500'000};
  EXPECT_EQ(decide_fault(route, 99'999, 500'000).delay, 5s);
  EXPECT_EQ(decide_fault(route, 99'999, 500'000).abort_http_status, 0);
  EXPECT_EQ(decide_fault(route, 100'000, 499'999).delay, Duration::zero());
  EXPECT_EQ(decide_fault(route, 100'000, 499'999).abort_http_status, 503);
  route.fault_abort = {.grpc_status = 14, .per_million = 1'000'000};
  EXPECT_EQ(decide_fault(route, 0, 12345).abort_grpc_status, 14);
}

TEST(Fault, an_unset_percentage_is_none) {
  model::Route route;
  route.fault_delay = {.delay = 5s};
  EXPECT_FALSE(decide_fault(route, 0, 0).any());
}

TEST(Mirror, takes_its_share) {
  EXPECT_TRUE(decide_mirror({.per_million = 1'000'000}, 999'999));
  EXPECT_FALSE(decide_mirror({.per_million = 10}, 10));
  EXPECT_FALSE(decide_mirror({.per_million = 0}, 0));
}

TEST(HashInput, reads_what_the_policy_names) {
  using Kind = model::HashPolicy::Kind;
  Caller caller("/?user=7");
  caller.with("X-User", "ann").with("cookie", "a=1; session=\"s 1\"; b").with("cookie", "late=2");
  const RequestView view(caller.request);
  const auto value = [&](Kind kind, std::string name) {
    return hash_input({.kind = kind, .name = std::move(name)}, view, "10.0.0.9").value;
  };
  EXPECT_EQ(value(Kind::header, "x-user"), "ann");
  EXPECT_EQ(value(Kind::header, "x-none"), std::nullopt);
  EXPECT_EQ(value(Kind::query_parameter, "user"), "7");
  EXPECT_EQ(value(Kind::source_ip, ""), "10.0.0.9");
  EXPECT_EQ(value(Kind::cookie, "session"), "s 1");
  EXPECT_EQ(value(Kind::cookie, "late"), "2");
  EXPECT_EQ(value(Kind::cookie, "b"), std::nullopt);
}

TEST(HashInput, asks_for_a_cookie_where_it_is_to_be_made) {
  const Caller caller;
  model::HashPolicy policy{.kind = model::HashPolicy::Kind::cookie, .name = "session"};
  EXPECT_FALSE(hash_input(policy, RequestView(caller.request), "").make_cookie);
  policy.cookie_ttl = 0s;
  EXPECT_TRUE(hash_input(policy, RequestView(caller.request), "").make_cookie);
  const Caller with = Caller().with("Cookie", "session=x");
  EXPECT_FALSE(hash_input(policy, RequestView(with.request), "").make_cookie);
}

}  // namespace
}  // namespace weft::policy
