// May this request, or this connection, pass?
//
// authorize() is the only place that makes a Permit, and whoever picks an endpoint demands one: a request
// that was not authorised cannot be sent on, by the type system. A Denial names the policy and the rule.
//
//   auto authorizer = Authorizer::make(chain_filters);          // once, when configuration arrives
//   auto verdict = authorizer->authorize(facts);                // a request; allocates nothing when it
//   passes if (!verdict) return reply_denied(verdict.error()); pick_endpoint(std::move(*verdict), ...);
//
// Each filter of the chain is asked in order. ALLOW passes a request that one of its rules matches, DENY
// refuses it, LOG marks it. A shadow filter is evaluated and recorded, never enforced.
//
// Where a request can be read in two ways, the reading that lets less pass counts. A header field may come
// several times: a backend may take the first, the last, each or the joined list (CVE-2026-26308 and its kin
// were two readings of one header). So a test of such a header inside a DENY holds if it holds for any single
// value or for the joined one, inside an ALLOW only if it holds for every single value and for the joined
// one; a negation (notValues, inverted tests) turns this round. HTTP conditions never match on TCP, whichever
// way they are put; the translator widens DENY rules as Istio does.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/listener.h"
#include "model/policy.h"
#include "policy/facts.h"

namespace weft::policy {

// What a filter that is not enforced (shadow, or LOG) has to say about the request.
struct Finding {
  const model::Rbac* filter = nullptr;
  const model::RbacPolicy* policy = nullptr;  // null: none matched
  bool would_deny = false;                    // shadow filters
  bool log = false;                           // LOG filters: a rule matched
};

// Proof that authorize() let something pass. It cannot be copied or made elsewhere.
class [[nodiscard]] Permit {
 public:
  Permit(Permit&&) noexcept = default;
  Permit& operator=(Permit&&) noexcept = default;
  Permit(const Permit&) = delete;
  Permit& operator=(const Permit&) = delete;

  // The ALLOW rule that matched last; null where no ALLOW filter is enforced.
  const model::RbacPolicy* policy() const { return policy_; }
  const std::vector<Finding>& findings() const { return findings_; }
  // A LOG filter (AUDIT policy) matched.
  bool audit() const;

 private:
  friend class Authorizer;
  Permit(const model::RbacPolicy* policy, std::vector<Finding> findings)
      : policy_(policy), findings_(std::move(findings)) {}

  const model::RbacPolicy* policy_;
  std::vector<Finding> findings_;
};

struct Denial {
  std::string policy;  // "default/deny-admin"; empty: no ALLOW rule matched
  std::string rule;    // as the configuration names it: "ns[default]-policy[deny-admin]-rule[0]", or "none"
  size_t filter = 0;   // which of the chain's filters, in order
  model::Rbac::Action action = model::Rbac::Action::deny;
  std::string text;  // for whoever operates this: what was refused, to whom, by which rule
  std::vector<Finding> findings;

  // Envoy's response code details: "rbac_access_denied_matched_policy[ns[…]-policy[…]-rule[0]]".
  std::string details() const;
};

// What one rule said, for `weft explain`.
struct RuleTrace {
  size_t filter = 0;
  const model::Rbac* rbac = nullptr;
  const model::RbacPolicy* policy = nullptr;
  bool permissions_match = false;
  bool principals_match = false;
  bool matched() const { return permissions_match && principals_match; }
};

// Immutable; usable from any thread.
class Authorizer {
 public:
  using Filters = std::vector<std::shared_ptr<const model::Rbac>>;

  // Errors: a path template that does not parse, named with its rule.
  static Result<Authorizer> make(Filters filters);
  // The RBAC filters of a connection manager, in order.
  static Filters filters_of(const model::HttpManager& manager);
  ~Authorizer();
  Authorizer(Authorizer&&) noexcept;
  Authorizer& operator=(Authorizer&&) noexcept;

  std::expected<Permit, Denial> authorize(const RequestFacts& facts) const;
  std::expected<Permit, Denial> authorize_connection(const ConnectionFacts& facts) const;
  // Every rule of every filter, asked on its own.
  std::vector<RuleTrace> explain(const RequestFacts& facts) const;
  std::vector<RuleTrace> explain_connection(const ConnectionFacts& facts) const;

  bool empty() const { return filters_.empty(); }

 private:
  class Filter;  // one compiled filter

  Authorizer();
  std::expected<Permit, Denial> decide(const Asked& asked) const;
  std::vector<RuleTrace> trace(const Asked& asked) const;

  std::vector<std::unique_ptr<Filter>> filters_;
};

// "ns[default]-policy[deny-admin]-rule[0]" -> "default/deny-admin"; any other name as it is.
std::string policy_of_rule(std::string_view rule);

}  // namespace weft::policy
