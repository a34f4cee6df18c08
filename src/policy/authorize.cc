#include "policy/authorize.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "policy/condition.h"
#include "policy/rule_index.h"

namespace weft::policy {

using Action = model::Rbac::Action;

// ---- one filter, compiled

namespace {

// "default/a, default/b and 3 more": each policy once, though it has many rules.
std::string list_policies(const model::Rbac& rbac) {
  constexpr size_t kShown = 4;
  std::vector<std::string> names;
  for (const auto& rule : rbac.policies) {
    auto name = policy_of_rule(rule.name);
    if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
  }
  if (names.size() <= kShown) return join(names, ", ");
  const size_t more = names.size() - kShown;
  names.resize(kShown);
  return concat(join(names, ", "), " and ", more, " more");
}

}  // namespace

class Authorizer::Filter {
 public:
  struct Rule {
    ConditionTree permissions;
    ConditionTree principals;
  };

  static Result<std::unique_ptr<Filter>> make(std::shared_ptr<const model::Rbac> rbac) {
    // A LOG rule is read as a DENY rule is: what might match is written down.
    const auto strictness = rbac->action == Action::allow ? Strictness::allow : Strictness::deny;
    std::vector<Rule> rules;
    for (const auto& policy : rbac->policies) {
      auto permissions = ConditionTree::compile(policy.permissions, strictness);
      if (!permissions) return fail(std::move(permissions).error().within(concat("rule ", policy.name)));
      auto principals = ConditionTree::compile(policy.principals, strictness);
      if (!principals) return fail(std::move(principals).error().within(concat("rule ", policy.name)));
      rules.push_back({std::move(*permissions), std::move(*principals)});
    }
    return std::unique_ptr<Filter>(new Filter(std::move(rbac), std::move(rules)));
  }

  const model::Rbac& rbac() const { return *rbac_; }
  const std::vector<Rule>& rules() const { return rules_; }
  const std::string& policies() const { return policies_; }

  // The first rule, by name, that matches; null if none does.
  const model::RbacPolicy* match(const Asked& asked) const {
    const auto place = index_.first(asked, [&](size_t i) {
      return rules_[i].permissions.holds(asked) && rules_[i].principals.holds(asked);
    });
    return place ? &rbac_->policies[*place] : nullptr;
  }

 private:
  Filter(std::shared_ptr<const model::Rbac> rbac, std::vector<Rule> rules)
      : rbac_(std::move(rbac)),
        rules_(std::move(rules)),
        index_(rbac_->policies),
        policies_(list_policies(*rbac_)) {}

  std::shared_ptr<const model::Rbac> rbac_;
  std::vector<Rule> rules_;  // one for each of rbac_->policies
  RuleIndex index_;
  std::string policies_;  // for denials: listed once, not for each refused request
};

namespace {

bool lets_pass(Action action, const model::RbacPolicy* matched) {
  switch (action) {
    case Action::allow:
      return matched != nullptr;
    case Action::deny:
      return matched == nullptr;
    case Action::log:
      return true;
  }
  return false;
}

Finding finding_of(const model::Rbac& rbac, const model::RbacPolicy* matched) {
  return {.filter = &rbac,
          .policy = matched,
          .would_deny = !lets_pass(rbac.action, matched),
          .log = rbac.action == Action::log && matched != nullptr};
}

// "GET /admin of 10.0.0.9 (spiffe://…)", with nothing in it that could end a log line.
std::string describe(const Asked& asked) {
  const auto& connection = asked.connection;
  std::string what = "a connection";
  if (asked.request) {
    const RequestView& request = asked.request->request;
    what = concat(printable(request.method, 20), " ", printable(request.path_alone(), 100));
  }
  return concat(what, " of ", asked.remote_ip().to_string(), " (", printable(connection.peer_name(), 200),
                ") to port ", connection.destination_port);
}

std::string explain_refusal(const Asked& asked, const model::Rbac& rbac, const std::string& policies,
                            const model::RbacPolicy* matched) {
  if (matched) {
    return concat(describe(asked), " is denied by ", policy_of_rule(matched->name), ", ", matched->name);
  }
  if (rbac.policies.empty()) return concat(describe(asked), " is denied: the ALLOW policy has no rule");
  return concat(describe(asked), " matches none of the ", rbac.policies.size(),
                " ALLOW rules of: ", policies);
}

}  // namespace

// ---- the decision

std::expected<Permit, Denial> Authorizer::decide(const Asked& asked) const {
  const model::RbacPolicy* allowed_by = nullptr;
  std::vector<Finding> findings;
  for (size_t i = 0; i < filters_.size(); ++i) {
    const model::Rbac& rbac = filters_[i]->rbac();
    const bool recorded_only = rbac.shadow || rbac.action == Action::log;
    if (!rbac.enforced && !recorded_only) continue;

    const model::RbacPolicy* matched = filters_[i]->match(asked);
    if (recorded_only) {
      findings.push_back(finding_of(rbac, matched));
      continue;
    }
    if (!lets_pass(rbac.action, matched)) {
      Denial denial;
      if (matched) denial.policy = policy_of_rule(matched->name);
      denial.rule = matched ? matched->name : "none";
      denial.filter = i;
      denial.action = rbac.action;
      denial.text = explain_refusal(asked, rbac, filters_[i]->policies(), matched);
      denial.findings = std::move(findings);
      return std::unexpected(std::move(denial));
    }
    if (rbac.action == Action::allow) allowed_by = matched;
  }
  return Permit(allowed_by, std::move(findings));
}

std::expected<Permit, Denial> Authorizer::authorize(const RequestFacts& facts) const {
  return decide({.connection = facts.connection, .request = &facts});
}

std::expected<Permit, Denial> Authorizer::authorize_connection(const ConnectionFacts& facts) const {
  return decide({.connection = facts});
}

std::vector<RuleTrace> Authorizer::trace(const Asked& asked) const {
  std::vector<RuleTrace> traces;
  for (size_t i = 0; i < filters_.size(); ++i) {
    const auto& rules = filters_[i]->rules();
    for (size_t r = 0; r < rules.size(); ++r) {
      traces.push_back({.filter = i,
                        .rbac = &filters_[i]->rbac(),
                        .policy = &filters_[i]->rbac().policies[r],
                        .permissions_match = rules[r].permissions.holds(asked),
                        .principals_match = rules[r].principals.holds(asked)});
    }
  }
  return traces;
}

std::vector<RuleTrace> Authorizer::explain(const RequestFacts& facts) const {
  return trace({.connection = facts.connection, .request = &facts});
}

std::vector<RuleTrace> Authorizer::explain_connection(const ConnectionFacts& facts) const {
  return trace({.connection = facts});
}

// ---- making one

Result<Authorizer> Authorizer::make(Filters filters) {
  Authorizer authorizer;
  for (auto& filter : filters) {
    WEFT_TRY(auto compiled, Filter::make(std::move(filter)));
    authorizer.filters_.push_back(std::move(compiled));
  }
  return authorizer;
}

Authorizer::Filters Authorizer::filters_of(const model::HttpManager& manager) {
  Filters filters;
  for (const auto& filter : manager.filters) {
    if (filter.kind == model::HttpFilter::Kind::rbac && filter.rbac) filters.push_back(filter.rbac);
  }
  return filters;
}

Authorizer::Authorizer() = default;
Authorizer::~Authorizer() = default;
Authorizer::Authorizer(Authorizer&&) noexcept = default;
Authorizer& Authorizer::operator=(Authorizer&&) noexcept = default;

// ---- what they say of themselves

bool Permit::audit() const {
  return std::ranges::any_of(findings_, [](const Finding& finding) { return finding.log; });
}

std::string Denial::details() const { return concat("rbac_access_denied_matched_policy[", rule, "]"); }

std::string policy_of_rule(std::string_view rule) {
  constexpr std::string_view kNamespace = "ns[", kPolicy = "]-policy[", kRule = "]-rule[";
  const size_t policy = rule.find(kPolicy);
  const size_t number = rule.rfind(kRule);
  if (!rule.starts_with(kNamespace) || policy == rule.npos || number == rule.npos || number < policy) {
    return std::string(rule);
  }
  const size_t name = policy + kPolicy.size();
  return concat(rule.substr(kNamespace.size(), policy - kNamespace.size()), "/",
                rule.substr(name, number - name));
}

}  // namespace weft::policy
