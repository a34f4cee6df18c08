#include "translate/authorization.h"

#include <algorithm>

#include "base/strings.h"

namespace weft::translate {

namespace {

using model::Condition;
using Kind = Condition::Kind;
using Action = objects::AuthorizationPolicy::Action;
// A condition, or nothing where this chain cannot ask it.
using Asked = std::optional<Condition>;

Condition make(Kind kind) {
  Condition out;
  out.kind = kind;
  return out;
}
Condition group(Kind kind, std::vector<Condition> children) {
  Condition out = make(kind);
  out.children = std::move(children);
  return out;
}
Condition valued(Kind kind, model::StringMatch value) {
  Condition out = make(kind);
  out.value = std::move(value);
  return out;
}
Condition never() { return group(Kind::none_of, {make(Kind::any)}); }

std::string quote(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
          c == '-' || c == '/' || c == ':' || static_cast<uint8_t>(c) >= 0x80)) {
      out.push_back('\\');
    }
    out.push_back(c);
  }
  return out;
}

model::StringMatch regex(const std::string& pattern) {
  if (auto match = model::StringMatch::regex_match(pattern)) return *match;
  return model::StringMatch::exact("\n");  // too big to compile: matches nothing that can be sent
}

// exact, "pre*", "*suf"; "*" is anything that is there.
model::StringMatch pattern(std::string_view value, std::string_view before = {}) {
  if (value == "*") return regex(".+");
  if (value.starts_with('*')) {
    if (before.empty()) return model::StringMatch::suffix(std::string(value.substr(1)));
    return regex(concat(before, ".*", quote(value.substr(1))));
  }
  if (value.ends_with('*'))
    return model::StringMatch::prefix(concat(before, value.substr(0, value.size() - 1)));
  return model::StringMatch::exact(concat(before, value));
}

Condition header(std::string_view name, std::string_view value, bool ignore_case = false) {
  Condition out = make(Kind::header);
  out.header.name = to_lower(name);
  if (value == "*") {
    out.header.present_only = true;
    return out;
  }
  out.header.value = pattern(value);
  out.header.value.ignore_case = ignore_case;
  return out;
}

// Host names have no case, and a client may or may not write the port: "example.com" means example.com:8080
// too, so that a DENY cannot be walked around by naming the port.
Condition host(std::string_view value) {
  const bool has_port = value.find(':') != std::string_view::npos;
  if (value.ends_with('*') || has_port) return header(":authority", value, true);
  if (value.starts_with('*')) {
    Condition out = make(Kind::header);
    out.header.name = ":authority";
    out.header.value = regex(concat("(?i).*", quote(value.substr(1)), "(:[0-9]+)?"));
    return out;
  }
  return group(Kind::any_of,
               {header(":authority", value, true), header(":authority", concat(value, ":*"), true)});
}

Condition path(std::string_view value) {
  const bool templated =
      value.find("{*}") != std::string_view::npos || value.find("{**}") != std::string_view::npos;
  if (templated) return valued(Kind::path_template, model::StringMatch::exact(std::string(value)));
  return valued(Kind::url_path, pattern(value));
}

std::optional<Condition> address(Kind kind, std::string_view value) {
  const auto cidr = Cidr::parse(value);
  if (!cidr) return std::nullopt;
  Condition out = make(kind);
  out.ranges = {*cidr};
  return out;
}

std::optional<Condition> port(std::string_view value) {
  const auto number = parse_unsigned(value);
  if (!number || *number > 65535) return std::nullopt;
  Condition out = make(Kind::destination_port);
  out.port = static_cast<uint16_t>(*number);
  return out;
}

Condition namespace_of_peer(std::string_view value) {
  std::string middle;
  for (const auto part : split(value, '*')) {
    if (!middle.empty() || part.data() != value.data()) middle += ".*";
    middle += quote(part);
  }
  return valued(Kind::authenticated, regex(concat(".*/ns/", middle, "/.*")));
}

Condition service_account(std::string_view value, std::string_view policy_namespace) {
  const size_t slash = value.find('/');
  const std::string_view ns = slash == std::string_view::npos ? policy_namespace : value.substr(0, slash);
  const std::string_view name = slash == std::string_view::npos ? value : value.substr(slash + 1);
  return valued(Kind::authenticated,
                regex(concat("spiffe://.+/ns/", quote(ns), "/(.+/|)sa/", quote(name), "(/.+)?")));
}

Condition trust_domain(std::string_view value) {
  if (value == "*") return valued(Kind::authenticated, model::StringMatch::prefix("spiffe://"));
  const size_t star = value.find('*');
  if (star == std::string_view::npos) {
    return valued(Kind::authenticated, model::StringMatch::prefix(concat("spiffe://", value, "/")));
  }
  return valued(Kind::authenticated, regex(concat("spiffe://", quote(value.substr(0, star)), "[^/]*",
                                                  quote(value.substr(star + 1)), "/.*")));
}

// ---- One rule ----

// Gathers what a rule asks. `refused` says that a condition could not be asked here.
class RuleReader {
 public:
  RuleReader(const objects::AuthorizationPolicy& policy, bool tcp, const MeshOptions& options)
      : policy_(policy), tcp_(tcp), options_(options) {}

  std::optional<model::RbacPolicy> read(const objects::AuthorizationRule& rule, std::string name) {
    model::RbacPolicy out;
    out.name = std::move(name);
    std::vector<Condition> when_permission;
    std::vector<Condition> when_principal;
    for (const auto& condition : rule.when) read_when(condition, when_permission, when_principal);

    for (const auto& from : rule.from) out.principals.push_back(all(read_source(from), when_principal));
    if (rule.from.empty()) out.principals.push_back(all({}, when_principal));
    for (const auto& to : rule.to) out.permissions.push_back(all(read_operation(to), when_permission));
    if (rule.to.empty()) out.permissions.push_back(all({}, when_permission));

    if (refused_ && policy_.action == Action::allow) return std::nullopt;
    return out;
  }

 private:
  using Values = std::vector<std::string>;

  static Condition all(std::vector<Condition> own, const std::vector<Condition>& when) {
    own.insert(own.end(), when.begin(), when.end());
    if (own.empty()) own.push_back(make(Kind::any));
    return group(Kind::all_of, std::move(own));
  }

  // Any of the values, and none of the others.
  template <typename Ask>
  void add(const Values& values, const Values& others, const Ask& ask, std::vector<Condition>& out) {
    const auto any_of = [&](const Values& list) {
      std::vector<Condition> children;
      for (const auto& value : list) {
        Asked condition = ask(value);
        if (condition) {
          children.push_back(std::move(*condition));
        } else {
          refused_ = true;
        }
      }
      return children;
    };
    if (auto children = any_of(values); !children.empty())
      out.push_back(group(Kind::any_of, std::move(children)));
    if (auto children = any_of(others); !children.empty()) {
      out.push_back(group(Kind::none_of, {group(Kind::any_of, std::move(children))}));
    }
  }

  template <typename Ask>
  auto http_only(const Ask& ask) const {
    return [this, ask](const std::string& value) -> Asked {
      if (tcp_) return std::nullopt;
      return ask(value);
    };
  }

  // A principal of this mesh is meant under every name the mesh's trust domain has.
  Values with_aliases(const Values& principals) const {
    if (options_.trust_domain_aliases.empty()) return principals;
    Values domains = options_.trust_domain_aliases;
    domains.insert(domains.begin(), options_.trust_domain);
    Values out;
    for (const auto& principal : principals) {
      const size_t slash = principal.find('/');
      const std::string domain = principal.substr(0, slash);
      if (slash == std::string::npos || std::find(domains.begin(), domains.end(), domain) == domains.end()) {
        out.push_back(principal);
        continue;
      }
      for (const auto& other : domains) out.push_back(other + principal.substr(slash));
    }
    return out;
  }

  std::vector<Condition> read_source(const objects::AuthorizationSource& from) {
    std::vector<Condition> out;
    const auto principal = [](const std::string& value) -> Asked {
      return valued(Kind::authenticated, pattern(value, "spiffe://"));
    };
    add(with_aliases(from.principals), with_aliases(from.not_principals), principal, out);
    // Nothing verifies a request's own credentials yet: who must have them is never let in by this rule.
    const auto unverified = [](const std::string&) -> Asked { return std::nullopt; };
    add(from.request_principals, from.not_request_principals, unverified, out);
    add(
        from.service_accounts, from.not_service_accounts,
        [this](const std::string& value) -> Asked {
          return service_account(value, policy_.meta.namespace_name);
        },
        out);
    add(
        from.trust_domains, from.not_trust_domains,
        [](const std::string& value) -> Asked { return trust_domain(value); }, out);
    add(
        from.namespaces, from.not_namespaces,
        [](const std::string& value) -> Asked { return namespace_of_peer(value); }, out);
    add(
        from.remote_ip_blocks, from.not_remote_ip_blocks,
        [](const std::string& value) { return address(Kind::remote_ip, value); }, out);
    add(
        from.ip_blocks, from.not_ip_blocks,
        [](const std::string& value) { return address(Kind::direct_remote_ip, value); }, out);
    return out;
  }

  std::vector<Condition> read_operation(const objects::AuthorizationOperation& to) {
    std::vector<Condition> out;
    add(to.hosts, to.not_hosts, http_only([](const std::string& value) -> Asked { return host(value); }),
        out);
    add(to.methods, to.not_methods,
        http_only([](const std::string& value) -> Asked { return header(":method", value); }), out);
    add(to.paths, to.not_paths, http_only([](const std::string& value) -> Asked { return path(value); }),
        out);
    add(to.ports, to.not_ports, [](const std::string& value) { return port(value); }, out);
    return out;
  }

  void read_when(const objects::AuthorizationCondition& when, std::vector<Condition>& permission,
                 std::vector<Condition>& principal) {
    const std::string& key = when.key;
    if (key == "destination.ip") {
      add(
          when.values, when.not_values,
          [](const std::string& value) { return address(Kind::destination_ip, value); }, permission);
    } else if (key == "destination.port") {
      add(when.values, when.not_values, [](const std::string& value) { return port(value); }, permission);
    } else if (key == "connection.sni") {
      add(
          when.values, when.not_values,
          [](const std::string& value) -> Asked {
            return valued(Kind::requested_server_name, pattern(value));
          },
          permission);
    } else if (key == "source.ip") {
      add(
          when.values, when.not_values,
          [](const std::string& value) { return address(Kind::direct_remote_ip, value); }, principal);
    } else if (key == "remote.ip") {
      add(
          when.values, when.not_values,
          [](const std::string& value) { return address(Kind::remote_ip, value); }, principal);
    } else if (key == "source.namespace") {
      add(
          when.values, when.not_values,
          [](const std::string& value) -> Asked { return namespace_of_peer(value); }, principal);
    } else if (key == "source.principal") {
      add(
          with_aliases(when.values), with_aliases(when.not_values),
          [](const std::string& value) -> Asked {
            return valued(Kind::authenticated, pattern(value, "spiffe://"));
          },
          principal);
    } else if (key == "source.serviceAccount") {
      add(
          when.values, when.not_values,
          [this](const std::string& value) -> Asked {
            return service_account(value, policy_.meta.namespace_name);
          },
          principal);
    } else if (key == "source.trustDomain") {
      add(
          when.values, when.not_values, [](const std::string& value) -> Asked { return trust_domain(value); },
          principal);
    } else if (key.starts_with("request.headers[") && key.ends_with("]")) {
      const std::string name = key.substr(16, key.size() - 17);
      add(when.values, when.not_values,
          http_only([name](const std::string& value) -> Asked { return header(name, value); }), principal);
    } else {
      refused_ = true;
    }
  }

  const objects::AuthorizationPolicy& policy_;
  const bool tcp_;
  const MeshOptions& options_;
  bool refused_ = false;
};

// ---- One filter ----

model::Rbac::Action rbac_action(Action action) {
  switch (action) {
    case Action::allow:
      return model::Rbac::Action::allow;
    case Action::audit:
      return model::Rbac::Action::log;
    case Action::deny:
    case Action::custom:
      return model::Rbac::Action::deny;
  }
  return model::Rbac::Action::deny;
}

using Policies = std::vector<std::shared_ptr<const objects::AuthorizationPolicy>>;

std::shared_ptr<const model::Rbac> one_filter(const Policies& policies, Action action, bool dry_run, bool tcp,
                                              const MeshOptions& options) {
  auto out = std::make_shared<model::Rbac>();
  out->action = rbac_action(action);
  out->shadow = dry_run;
  if (tcp) out->stat_prefix = "tcp.";
  bool any = false;
  for (const auto& policy : policies) {
    if (policy->action != action || policy->dry_run() != dry_run) continue;
    any = true;
    const auto name = [&](size_t rule) {
      return concat("ns[", policy->meta.namespace_name, "]-policy[", policy->meta.name, "]-rule[", rule, "]");
    };
    // Without rules the policy matches nothing: as ALLOW it is what denies all.
    if (policy->rules.empty()) {
      out->policies.push_back({.name = name(0), .permissions = {never()}, .principals = {never()}});
    }
    for (size_t i = 0; i < policy->rules.size(); ++i) {
      RuleReader reader(*policy, tcp, options);
      if (auto rule = reader.read(policy->rules[i], name(i))) out->policies.push_back(std::move(*rule));
    }
  }
  if (!any) return nullptr;
  std::sort(out->policies.begin(), out->policies.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

}  // namespace

Authorization authorization_for(const World& world, std::string_view namespace_name,
                                const objects::Labels& labels) {
  Authorization out;
  const Policies policies = world.policies_for(namespace_name, labels);
  if (policies.empty()) return out;
  for (const Action action : {Action::audit, Action::deny, Action::allow}) {
    for (const bool dry_run : {false, true}) {
      if (auto rbac = one_filter(policies, action, dry_run, false, world.options()))
        out.http.push_back(std::move(rbac));
      if (auto rbac = one_filter(policies, action, dry_run, true, world.options())) {
        out.network.push_back(std::move(rbac));
      }
    }
  }
  return out;
}

}  // namespace weft::translate
