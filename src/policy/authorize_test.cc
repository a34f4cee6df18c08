#include "policy/authorize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <type_traits>

#include "base/random.h"
#include "policy/facts_for_test.h"

namespace weft::policy {
namespace {

using model::StringMatch;
using Action = model::Rbac::Action;
using Kind = model::Condition::Kind;
using testing::HasSubstr;
using testing::Not;

static_assert(!std::is_copy_constructible_v<Permit> && !std::is_default_constructible_v<Permit>,
              "only authorize() makes a Permit");

bool allowed(const Authorizer& authorizer, const Caller& caller) {
  return authorizer.authorize(caller.facts()).has_value();
}

// ---- the order of decisions

TEST(Authorize, passes_everything_without_filters) { EXPECT_TRUE(allowed(authorizer({}), Caller())); }

TEST(Authorize, denies_everything_when_the_allow_policy_has_no_rule) {
  const auto verdict = authorizer({filter(Action::allow, {})}).authorize(Caller("/x").facts());
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().rule, "none");
  EXPECT_EQ(verdict.error().policy, "");
  EXPECT_EQ(verdict.error().details(), "rbac_access_denied_matched_policy[none]");
  EXPECT_THAT(verdict.error().text, HasSubstr("has no rule"));
}

TEST(Authorize, denies_request_without_identity) {
  const auto only_known =
      authorizer({filter(Action::allow, {rule("known", {anything()}, {anyone_known()})})});
  EXPECT_TRUE(allowed(only_known, Caller()));
  EXPECT_FALSE(allowed(only_known, Caller().anonymous()));
}

TEST(Authorize, deny_wins_over_allow_and_names_its_rule) {
  const auto both = authorizer({
      filter(Action::deny, {rule("deny-admin", {path(StringMatch::prefix("/admin"))}, {anything()})}),
      filter(Action::allow, {rule("allow-all", {anything()}, {anything()})}),
  });
  const auto fine = both.authorize(Caller("/index").facts());
  ASSERT_TRUE(fine);
  ASSERT_NE(fine->policy(), nullptr);
  EXPECT_EQ(policy_of_rule(fine->policy()->name), "default/allow-all");

  const auto refused = both.authorize(Caller("/admin/users?x=1").facts());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().policy, "default/deny-admin");
  EXPECT_EQ(refused.error().rule, "ns[default]-policy[deny-admin]-rule[0]");
  EXPECT_EQ(refused.error().filter, 0u);
  EXPECT_EQ(refused.error().action, Action::deny);
  EXPECT_EQ(refused.error().details(),
            "rbac_access_denied_matched_policy[ns[default]-policy[deny-admin]-rule[0]]");
  EXPECT_EQ(
      refused.error().text,
      "GET /admin/users of 10.0.0.9 (spiffe://cluster.local/ns/default/sa/client) to port 8080 is denied "
      "by default/deny-admin, ns[default]-policy[deny-admin]-rule[0]");
}

TEST(Authorize, says_which_allow_policies_did_not_match) {
  const auto two = authorizer({filter(
      Action::allow, {rule("a", {method("PUT")}, {anything()}), rule("b", {path("/only")}, {anything()})})});
  const auto refused = two.authorize(Caller("/x").anonymous().facts());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().text,
            "GET /x of 10.0.0.9 (a peer without identity) to port 8080 matches none of the 2 ALLOW rules of: "
            "default/a, default/b");
}

TEST(Authorize, cannot_be_made_to_write_a_second_log_line) {
  const auto none = authorizer({filter(Action::allow, {})});
  const auto refused = none.authorize(Caller("/x\r\nfake: line").facts());
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text, Not(HasSubstr("\n")));
}

TEST(Authorize, a_filter_that_is_not_enforced_lets_pass) {
  auto off = std::make_shared<model::Rbac>(*filter(Action::allow, {}));
  off->enforced = false;
  EXPECT_TRUE(allowed(authorizer({off}), Caller()));
}

TEST(Authorize, every_filter_of_the_chain_must_let_pass) {
  const auto two = authorizer({filter(Action::allow, {rule("a", {method("GET")}, {anything()})}),
                               filter(Action::allow, {rule("b", {path("/x")}, {anything()})})});
  EXPECT_TRUE(allowed(two, Caller("/x")));
  EXPECT_FALSE(allowed(two, Caller("/y")));
  EXPECT_FALSE(allowed(two, Caller("/x", "PUT")));
}

TEST(Authorize, shadow_filters_are_recorded_and_never_enforced) {
  auto shadow =
      std::make_shared<model::Rbac>(*filter(Action::deny, {rule("dry", {path("/x")}, {anything()})}));
  shadow->shadow = true;
  const auto dry = authorizer({shadow});
  const auto verdict = dry.authorize(Caller("/x").facts());
  ASSERT_TRUE(verdict);
  ASSERT_EQ(verdict->findings().size(), 1u);
  EXPECT_TRUE(verdict->findings()[0].would_deny);
  EXPECT_EQ(verdict->findings()[0].policy->name, "ns[default]-policy[dry]-rule[0]");
  EXPECT_FALSE(dry.authorize(Caller("/y").facts())->findings()[0].would_deny);
}

TEST(Authorize, log_policies_mark_and_never_refuse) {
  const auto audit = authorizer({filter(Action::log, {rule("audit", {method("DELETE")}, {anything()})})});
  EXPECT_TRUE(audit.authorize(Caller("/", "DELETE").facts())->audit());
  EXPECT_FALSE(audit.authorize(Caller("/", "GET").facts())->audit());
}

TEST(Authorize, findings_stay_with_a_denial) {
  const auto both = authorizer(
      {filter(Action::log, {rule("audit", {anything()}, {anything()})}), filter(Action::allow, {})});
  const auto verdict = both.authorize(Caller().facts());
  ASSERT_FALSE(verdict);
  ASSERT_EQ(verdict.error().findings.size(), 1u);
  EXPECT_TRUE(verdict.error().findings[0].log);
}

// ---- conditions, one by one

struct ConditionCase {
  const char* name;
  model::Condition condition;
  Caller caller;
  bool holds;
};

Caller from(std::string_view address) {
  Caller caller;
  caller.peer = caller.remote = ip(address);
  return caller;
}

std::vector<ConditionCase> condition_cases() {
  std::vector<ConditionCase> cases;
  const auto add = [&](const char* name, model::Condition c, Caller caller, bool holds) {
    cases.push_back({name, std::move(c), std::move(caller), holds});
  };
  auto ports = condition(Kind::destination_port_range);
  ports.port = 8000;
  ports.port_end = 8080;
  auto sni = condition(Kind::requested_server_name);
  sni.value = StringMatch::suffix(".example.com");
  auto templated = condition(Kind::path_template);
  templated.value = StringMatch::exact("/users/{*}/files");
  auto empty_name = condition(Kind::authenticated);
  Caller example;
  example.server_name = "a.example.com";
  Caller other_remote;
  other_remote.remote = ip("203.0.113.5");
  Caller dns = Caller().anonymous();
  dns.dns_names = {"client.example"};
  Caller subject = Caller().anonymous();
  subject.subject = "CN=client";

  add("path ignores the query", path("/a"), Caller("/a?b=/c"), true);
  add("path ignores a fragment", path("/a"), Caller("/a#b"), true);
  add("path is exact", path("/a"), Caller("/a/"), false);
  add("path prefix", path(StringMatch::prefix("/a/")), Caller("/a/b"), true);
  add("path suffix", path(StringMatch::suffix(".png")), Caller("/a.png?x=.jpg"), true);
  add("path keeps its case", path("/A"), Caller("/a"), false);
  add("template", templated, Caller("/users/ann/files?x"), true);
  add("template, one segment", templated, Caller("/users/ann/b/files"), false);
  add("method is case-sensitive", method("GET"), Caller("/", "get"), false);
  add("authority ignores case where asked", header(":authority", StringMatch::exact("WEB.Default", true)),
      Caller(), true);
  add("host is the authority", header("host", StringMatch::exact("web.default")), Caller(), true);
  add("header name in any case", header("x-team", StringMatch::exact("a")), Caller().with("X-Team", "a"),
      true);
  add("absent header", header("x-team", StringMatch::prefix("")), Caller(), false);
  add("address in range", range(Kind::direct_remote_ip, {"10.0.0.0/8"}), from("10.9.9.9"), true);
  add("address out of range", range(Kind::direct_remote_ip, {"10.0.0.0/8"}), from("11.0.0.0"), false);
  add("single address", range(Kind::source_ip, {"10.0.0.9"}), from("10.0.0.9"), true);
  add("v6 range", range(Kind::source_ip, {"2001:db8::/32"}), from("2001:db8:1::1"), true);
  add("v6 range, v4 caller", range(Kind::source_ip, {"::/0"}), from("10.0.0.9"), false);
  add("v4 range, mapped caller", range(Kind::source_ip, {"10.0.0.0/8"}), from("::ffff:10.1.2.3"), true);
  add("remote is not the peer", range(Kind::remote_ip, {"203.0.113.0/24"}), other_remote, true);
  add("peer is not the remote", range(Kind::direct_remote_ip, {"203.0.113.0/24"}), other_remote, false);
  add("destination", range(Kind::destination_ip, {"10.0.0.1"}), Caller(), true);
  add("port", port(8080), Caller(), true);
  add("other port", port(8081), Caller(), false);
  add("range excludes its end", ports, Caller(), false);
  add("sni", sni, example, true);
  add("no sni", sni, Caller(), false);
  add("principal", principal("spiffe://cluster.local/ns/default/sa/client"), Caller(), true);
  add("another principal", principal("spiffe://cluster.local/ns/default/sa/clien"), Caller(), false);
  add("second URI", principal("spiffe://b"), Caller().as({"spiffe://a", "spiffe://b"}), true);
  add("DNS name", principal("client.example"), dns, true);
  add("subject", principal("CN=client"), subject, true);
  add("no value: anyone known", empty_name, Caller(), true);
  add("no value: not a stranger", empty_name, Caller().anonymous(), false);
  add("metadata never holds", condition(Kind::metadata), Caller(), false);
  add("not metadata", none_of(condition(Kind::metadata)), Caller(), true);
  add("all of nothing", all_of({}), Caller(), true);
  add("any of nothing", any_of({}), Caller(), false);
  return cases;
}

TEST(Authorize, conditions_hold_as_envoy_defines_them) {
  for (const auto& c : condition_cases()) {
    const auto allow = authorizer({filter(Action::allow, {rule("t", {c.condition}, {anything()})})});
    const auto deny = authorizer({filter(Action::deny, {rule("t", {c.condition}, {anything()})})});
    EXPECT_EQ(allowed(allow, c.caller), c.holds) << c.name;
    EXPECT_EQ(allowed(deny, c.caller), !c.holds) << c.name;
  }
}

// ---- what can be read in two ways

TEST(Authorize, a_repeated_header_cannot_slip_past_a_deny) {
  const auto deny = authorizer(
      {filter(Action::deny, {rule("t", {header("x-role", StringMatch::exact("guest"))}, {anything()})})});
  EXPECT_FALSE(allowed(deny, Caller().with("x-role", "guest")));
  EXPECT_FALSE(allowed(deny, Caller().with("x-role", "admin").with("X-Role", "guest")));
  EXPECT_FALSE(allowed(deny, Caller().with("x-role", "guest").with("x-role", "admin")));
  EXPECT_TRUE(allowed(deny, Caller().with("x-role", "admin")));
}

TEST(Authorize, a_joined_header_cannot_slip_past_a_deny) {
  const auto deny = authorizer(
      {filter(Action::deny, {rule("t", {header("x-role", StringMatch::exact("a,b"))}, {anything()})})});
  EXPECT_FALSE(allowed(deny, Caller().with("x-role", "a").with("x-role", "b")));
}

TEST(Authorize, a_repeated_header_opens_no_allow) {
  const auto allow = authorizer(
      {filter(Action::allow, {rule("t", {header("x-role", StringMatch::exact("admin"))}, {anything()})})});
  EXPECT_TRUE(allowed(allow, Caller().with("x-role", "admin")));
  EXPECT_FALSE(allowed(allow, Caller().with("x-role", "admin").with("x-role", "guest")));
  EXPECT_FALSE(allowed(allow, Caller().with("x-role", "guest").with("x-role", "admin")));
}

TEST(Authorize, a_negation_reads_a_repeated_header_the_other_way_round) {
  const auto not_guest = none_of(header("x-role", StringMatch::exact("guest")));
  const auto allow = authorizer({filter(Action::allow, {rule("t", {not_guest}, {anything()})})});
  EXPECT_TRUE(allowed(allow, Caller()));
  EXPECT_TRUE(allowed(allow, Caller().with("x-role", "a").with("x-role", "b")));
  EXPECT_FALSE(allowed(allow, Caller().with("x-role", "admin").with("x-role", "guest")));

  const auto deny = authorizer({filter(Action::deny, {rule("t", {not_guest}, {anything()})})});
  EXPECT_TRUE(allowed(deny, Caller().with("x-role", "guest")));
  EXPECT_FALSE(allowed(deny, Caller().with("x-role", "admin").with("x-role", "guest")));
}

TEST(Authorize, an_inverted_test_of_a_repeated_header_opens_no_allow) {
  auto inverted = header("x-role", StringMatch::exact("guest"));
  inverted.header.invert = true;
  const auto allow = authorizer({filter(Action::allow, {rule("t", {inverted}, {anything()})})});
  EXPECT_TRUE(allowed(allow, Caller().with("x-role", "admin")));
  EXPECT_FALSE(allowed(allow, Caller().with("x-role", "admin").with("x-role", "guest")));
  EXPECT_FALSE(allowed(allow, Caller())) << "a missing header does not match, inverted or not";
}

TEST(Authorize, a_trailing_dot_is_the_same_host) {
  const auto deny = authorizer(
      {filter(Action::deny,
              {rule("t", {header(":authority", StringMatch::exact("admin.example", true))}, {anything()})})});
  Caller caller;
  for (const auto* host : {"admin.example", "admin.example.", "ADMIN.example."}) {
    caller.request.authority = host;
    EXPECT_FALSE(allowed(deny, caller)) << host;
  }
  const auto with_port = authorizer(
      {filter(Action::deny,
              {rule("t", {header(":authority", StringMatch::exact("admin.example:80"))}, {anything()})})});
  caller.request.authority = "admin.example.:80";
  EXPECT_FALSE(allowed(with_port, caller));
}

TEST(Authorize, http_conditions_never_match_on_tcp) {
  const Caller caller;
  auto templated = condition(Kind::path_template);
  templated.value = StringMatch::exact("/{**}");
  for (const auto& c : {method("GET"), path("/"), header("x", StringMatch::prefix("")), templated}) {
    for (const auto& put : {c, none_of(c)}) {
      const auto allow = authorizer({filter(Action::allow, {rule("t", {put}, {anything()})})});
      EXPECT_FALSE(allow.authorize_connection(caller.connection()));
    }
    const auto deny = authorizer({filter(Action::deny, {rule("t", {c}, {anything()})})});
    EXPECT_TRUE(deny.authorize_connection(caller.connection()));
  }
}

TEST(Authorize, connection_conditions_hold_on_tcp) {
  const auto allow = authorizer({filter(
      Action::allow, {rule("t", {port(8080)}, {principal("spiffe://cluster.local/ns/default/sa/client")})})});
  EXPECT_TRUE(allow.authorize_connection(Caller().connection()));
  const auto refused = allow.authorize_connection(Caller().anonymous().connection());
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text, HasSubstr("a connection of 10.0.0.9 (a peer without identity)"));
}

TEST(Authorize, says_where_a_template_is_wrong) {
  auto templated = condition(Kind::path_template);
  templated.value = StringMatch::exact("/a/{**}/{*}");
  const auto made = Authorizer::make({filter(Action::allow, {rule("web", {templated}, {anything()})})});
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().text, HasSubstr("ns[default]-policy[web]-rule[0]"));
  EXPECT_THAT(made.error().text, HasSubstr("{**}, which must be the last"));
}

TEST(Authorize, explains_every_rule) {
  const auto two = authorizer({filter(
      Action::allow, {rule("a", {method("PUT")}, {anything()}), rule("b", {path("/x")}, {anyone_known()})})});
  const auto traces = two.explain(Caller("/x").facts());
  ASSERT_EQ(traces.size(), 2u);
  EXPECT_FALSE(traces[0].permissions_match);
  EXPECT_TRUE(traces[0].principals_match);
  EXPECT_TRUE(traces[1].matched());
}

TEST(Authorize, reads_policy_names_from_rule_names) {
  EXPECT_EQ(policy_of_rule("ns[a]-policy[b.c]-rule[12]"), "a/b.c");
  EXPECT_EQ(policy_of_rule("ns[a]-policy[b"), "ns[a]-policy[b");
  EXPECT_EQ(policy_of_rule("]-rule[ns[]-policy["), "]-rule[ns[]-policy[");
  EXPECT_EQ(policy_of_rule(""), "");
}

// ---- against an evaluator that is too simple to be wrong

// Three answers: a doubtful one is what the filter's action makes of it.
struct Naive {
  const Caller& caller;
  bool certain;  // read for certainty (ALLOW) or possibility (DENY)

  bool header_test(const model::HeaderMatch& match, bool want_certain) const {
    std::vector<std::string> values;
    if (match.name == ":method") {
      values.push_back(caller.request.method);
    } else {
      for (const auto& field : caller.request.headers) {
        if (field.name == match.name) values.emplace_back(field.value);
      }
    }
    if (values.empty()) {
      if (match.present_only) return match.invert;
      return match.treat_missing_as_empty && match.value.matches("") != match.invert;
    }
    if (values.size() > 1) values.push_back(*caller.request.headers.joined(match.name));
    size_t passed = 0;
    for (const auto& value : values)
      passed += (match.present_only || match.value.matches(value)) != match.invert;
    return want_certain ? passed == values.size() : passed > 0;
  }

  bool holds(const model::Condition& c, bool want_certain) const {
    const auto in_ranges = [&](const IpAddress& address) {
      for (const auto& range : c.ranges) {
        if (range.contains(address)) return true;
      }
      return false;
    };
    bool result = false;
    switch (c.kind) {
      case Kind::any:
        return true;
      case Kind::all_of:
        result = true;
        for (const auto& child : c.children) result = holds(child, want_certain) && result;
        return result;
      case Kind::any_of:
        for (const auto& child : c.children) result = holds(child, want_certain) || result;
        return result;
      case Kind::none_of:
        return !holds(c.children[0], !want_certain);
      case Kind::header:
        return header_test(c.header, want_certain);
      case Kind::url_path:
        return c.value.matches(caller.request.path_without_query());
      case Kind::destination_port:
        return c.port == caller.port;
      case Kind::destination_port_range:
        return c.port <= caller.port && caller.port < c.port_end;
      case Kind::source_ip:
      case Kind::direct_remote_ip:
        return in_ranges(caller.peer);
      case Kind::remote_ip:
        return in_ranges(caller.remote);
      case Kind::destination_ip:
        return in_ranges(caller.destination);
      case Kind::authenticated:
        for (const auto& uri : caller.uris) {
          if (c.any_authenticated || c.value.matches(uri)) return true;
        }
        return false;
      default:
        return false;
    }
  }

  const model::RbacPolicy* match(const model::Rbac& rbac) const {
    for (const auto& policy : rbac.policies) {
      bool permission = false, who = false;
      for (const auto& c : policy.permissions) permission = holds(c, certain) || permission;
      for (const auto& c : policy.principals) who = holds(c, certain) || who;
      if (permission && who) return &policy;
    }
    return nullptr;
  }
};

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  std::string word() { return std::string(1, static_cast<char>('a' + random_.below(4))); }
  std::string address() { return "10.0.0." + std::to_string(random_.below(8)); }

  StringMatch string_match(std::string value) {
    switch (random_.below(5)) {
      case 0:
        return StringMatch::prefix(std::move(value));
      case 1:
        return StringMatch::suffix(std::move(value));
      case 2:
        return StringMatch::contains(std::move(value));
      default:
        return StringMatch::exact(std::move(value));
    }
  }

  model::Condition leaf() {
    switch (random_.below(11)) {
      case 0:
        return anything();
      case 1:
        return method(random_.below(2) ? "GET" : "PUT");
      case 2:
      case 3:
        return path(string_match("/" + word()));
      case 4: {
        auto c = header("x-" + word(), string_match(word()));
        c.header.present_only = random_.below(5) == 0;
        c.header.invert = random_.below(4) == 0;
        c.header.treat_missing_as_empty = random_.below(4) == 0;
        return c;
      }
      case 5:
        return port(static_cast<uint16_t>(8080 + random_.below(3)));
      case 6:
        return range(Kind::direct_remote_ip, {address(), "10.0.0.4/31"});
      case 7:
        return range(Kind::remote_ip, {address()});
      case 8:
        return random_.below(4) == 0 ? anyone_known() : principal("spiffe://" + word());
      case 9:
        return principal("spiffe://" + word());
      default:
        return condition(Kind::metadata);
    }
  }

  model::Condition tree(int depth) {
    const uint64_t kind = depth == 0 ? 9 : random_.below(9);
    std::vector<model::Condition> children;
    if (kind < 4) {
      for (uint64_t n = random_.below(7); n > 0; --n) children.push_back(tree(depth - 1));
    }
    if (kind < 2) return all_of(std::move(children));
    if (kind < 4) return any_of(std::move(children));
    if (kind < 6) return none_of(tree(depth - 1));
    return leaf();
  }

  std::shared_ptr<const model::Rbac> rbac() {
    std::vector<model::RbacPolicy> rules;
    for (uint64_t n = random_.below(80) < 5 ? 70 : random_.below(6); n > 0; --n) {
      std::vector<model::Condition> permissions, principals;
      for (uint64_t k = 1 + random_.below(3); k > 0; --k) permissions.push_back(tree(3));
      for (uint64_t k = 1 + random_.below(6); k > 0; --k) principals.push_back(tree(2));
      rules.push_back(rule(std::to_string(n), std::move(permissions), std::move(principals)));
    }
    return filter(random_.below(2) ? Action::allow : Action::deny, std::move(rules));
  }

  Caller caller() {
    Caller caller("/" + word() + (random_.below(2) ? "?q=/a" : ""), random_.below(2) ? "GET" : "PUT");
    std::vector<std::string> uris;
    for (uint64_t n = random_.below(6); n > 0; --n) uris.push_back("spiffe://" + word());
    caller.as(std::move(uris));
    caller.peer = ip(address());
    caller.remote = ip(address());
    caller.port = static_cast<uint16_t>(8080 + random_.below(3));
    for (uint64_t n = random_.below(5); n > 0; --n) caller.with("x-" + word(), word());
    return caller;
  }

 private:
  Random random_;
};

TEST(Authorize, agrees_with_a_naive_evaluator) {
  Generator generator(7);
  size_t passed = 0, refused = 0;
  for (int round = 0; round < 400; ++round) {
    const auto rbac = generator.rbac();
    const auto compiled = authorizer({rbac});
    for (int i = 0; i < 25; ++i) {
      const auto caller = generator.caller();
      const bool is_allow = rbac->action == Action::allow;
      const auto* expected = Naive{caller, is_allow}.match(*rbac);
      const auto verdict = compiled.authorize(caller.facts());
      ASSERT_EQ(verdict.has_value(), (expected != nullptr) == is_allow) << "round " << round << ", " << i;
      if (verdict) {
        ++passed;
        EXPECT_EQ(verdict->policy(), is_allow ? expected : nullptr);
      } else {
        ++refused;
        EXPECT_EQ(verdict.error().rule, expected ? expected->name : "none");
      }
    }
  }
  EXPECT_GT(passed, 1000u);
  EXPECT_GT(refused, 1000u);
}

}  // namespace
}  // namespace weft::policy
