#include "objects/authorization_policy.h"

#include <algorithm>

#include "base/strings.h"
#include "objects/readers.h"

namespace weft::objects {

namespace {

using Action = AuthorizationPolicy::Action;

// Empty and "*" mean different things in a policy, so the empty text is refused.
std::optional<Problem> check_value(const std::string& text) {
  if (!text.empty()) return std::nullopt;
  return Problem{"is empty", "write '*' for anything that is there"};
}

// "name" or "namespace/name": no wildcard.
std::optional<Problem> check_service_account(const std::string& text) {
  const size_t slash = text.find('/');
  if (slash != std::string::npos) {
    if (auto problem = check_dns_label(text.substr(0, slash))) return problem;
  }
  return check_dns_subdomain(slash == std::string::npos ? text : text.substr(slash + 1));
}

// Exact, with '*' first or last, or with {*} for one segment and {**} for any number; nothing but text may
// stand after {**}.
std::optional<Problem> check_path(const std::string& text) {
  if (auto problem = check_value(text)) return problem;
  if (text.find('{') == std::string::npos && text.find('}') == std::string::npos) return std::nullopt;
  bool any_number = false;
  for (const std::string_view segment : split(text, '/')) {
    const bool is_operator = segment == "{*}" || segment == "{**}";
    if (is_operator && any_number) {
      return Problem{concat(quoted(segment), " stands after {**}"),
                     "{**} is possible only as the last operator"};
    }
    any_number = any_number || segment == "{**}";
    if (is_operator || segment.find_first_of("{}*") == std::string_view::npos) continue;
    return Problem{concat(quoted(segment), " is not a segment of a template"),
                   "a segment is {*}, {**} once at most, or text"};
  }
  return std::nullopt;
}

bool has_any(const AuthorizationSource& source) {
  for (const auto* list :
       {&source.principals, &source.not_principals, &source.request_principals,
        &source.not_request_principals, &source.namespaces, &source.not_namespaces, &source.service_accounts,
        &source.not_service_accounts, &source.ip_blocks, &source.not_ip_blocks, &source.remote_ip_blocks,
        &source.not_remote_ip_blocks, &source.trust_domains, &source.not_trust_domains}) {
    if (!list->empty()) return true;
  }
  return false;
}

bool has_any(const AuthorizationOperation& operation) {
  for (const auto* list :
       {&operation.hosts, &operation.not_hosts, &operation.ports, &operation.not_ports, &operation.methods,
        &operation.not_methods, &operation.paths, &operation.not_paths}) {
    if (!list->empty()) return true;
  }
  return false;
}

// Identities stand in certificates with their scheme, and in policies without it.
void warn_about_scheme(FieldReader& fields, std::string_view name,
                       const std::vector<std::string>& principals) {
  for (const std::string& principal : principals) {
    if (!principal.starts_with("spiffe://")) continue;
    fields.warning(name, concat(quoted(principal), " matches nobody, because of its scheme"),
                   "leave out spiffe://");
  }
}

void read_source(FieldReader& fields, AuthorizationSource& out) {
  fields.texts("principals", out.principals, check_value);
  fields.texts("notPrincipals", out.not_principals, check_value);
  fields.texts("requestPrincipals", out.request_principals, check_value);
  fields.texts("notRequestPrincipals", out.not_request_principals, check_value);
  fields.texts("namespaces", out.namespaces, check_value);
  fields.texts("notNamespaces", out.not_namespaces, check_value);
  fields.texts("serviceAccounts", out.service_accounts, check_service_account);
  fields.texts("notServiceAccounts", out.not_service_accounts, check_service_account);
  fields.texts("ipBlocks", out.ip_blocks, check_cidr);
  fields.texts("notIpBlocks", out.not_ip_blocks, check_cidr);
  fields.texts("remoteIpBlocks", out.remote_ip_blocks, check_cidr);
  fields.texts("notRemoteIpBlocks", out.not_remote_ip_blocks, check_cidr);
  fields.texts("trustDomains", out.trust_domains, check_value);
  fields.texts("notTrustDomains", out.not_trust_domains, check_value);
  warn_about_scheme(fields, "principals", out.principals);
  warn_about_scheme(fields, "notPrincipals", out.not_principals);
  if (!has_any(out) && fields.clean())
    fields.error("", "names no source", "name one, or leave `from` out for any");
  if (!out.service_accounts.empty() || !out.not_service_accounts.empty()) {
    for (const std::string_view name : {"principals", "notPrincipals", "namespaces", "notNamespaces"}) {
      if (fields.has(name)) fields.error(name, "cannot stand beside serviceAccounts", "keep one of the two");
    }
  }
}

void read_operation(FieldReader& fields, AuthorizationOperation& out) {
  fields.texts("hosts", out.hosts, check_value);
  fields.texts("notHosts", out.not_hosts, check_value);
  fields.texts("ports", out.ports, check_port_text);
  fields.texts("notPorts", out.not_ports, check_port_text);
  fields.texts("methods", out.methods, check_value);
  fields.texts("notMethods", out.not_methods, check_value);
  fields.texts("paths", out.paths, check_path);
  fields.texts("notPaths", out.not_paths, check_path);
  if (!has_any(out) && fields.clean())
    fields.error("", "names no operation", "name one, or leave `to` out for any");
}

// The keys that take addresses or ports; nullptr for those that take any text.
TextCheck check_of_key(std::string_view key) {
  if (key == "source.ip" || key == "remote.ip" || key == "destination.ip") return check_cidr;
  if (key == "destination.port") return check_port_text;
  if (key == "source.serviceAccount") return check_service_account;
  return check_value;
}

bool has_bracketed_name(std::string_view key, std::string_view prefix) {
  return key.starts_with(prefix) && key.ends_with(']') && key.size() > prefix.size() + 1;
}

std::optional<Problem> check_condition_key(const std::string& key) {
  static const std::vector<std::string_view> kKeys = {"source.ip",
                                                      "remote.ip",
                                                      "source.namespace",
                                                      "source.principal",
                                                      "source.serviceAccount",
                                                      "source.trustDomain",
                                                      "request.auth.principal",
                                                      "request.auth.audiences",
                                                      "request.auth.presenter",
                                                      "destination.ip",
                                                      "destination.port",
                                                      "connection.sni"};
  if (std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end()) return std::nullopt;
  if (key.starts_with("request.headers")) {
    constexpr std::string_view kPrefix = "request.headers[";
    if (!has_bracketed_name(key, kPrefix))
      return Problem{concat(quoted(key), " names no header"), "write request.headers[name]"};
    return check_header_name(key.substr(kPrefix.size(), key.size() - kPrefix.size() - 1));
  }
  if (has_bracketed_name(key, "request.auth.claims[")) return std::nullopt;
  if (key.starts_with("experimental.envoy.filters.")) return std::nullopt;
  const std::string hint = did_you_mean(key, kKeys);
  return Problem{concat(quoted(key), " is not a key of a condition"),
                 hint.empty()
                     ? "keys are such as source.ip, source.namespace, request.headers[name], destination.port"
                     : hint};
}

void read_condition(FieldReader& fields, AuthorizationCondition& out) {
  out.line = fields.line();
  fields.text("key", out.key, check_condition_key);
  fields.require("key");
  fields.texts("values", out.values, check_of_key(out.key));
  fields.texts("notValues", out.not_values, check_of_key(out.key));
  if (out.values.empty() && out.not_values.empty() && fields.clean()) {
    fields.error("", "compares with nothing", "write values or notValues");
  }
}

void read_rule(FieldReader& fields, AuthorizationRule& out) {
  out.line = fields.line();
  fields.list("from", out.from, [](FieldReader& inner, AuthorizationSource& source) {
    inner.object("source", source, read_source);
    inner.require("source");
  });
  fields.list("to", out.to, [](FieldReader& inner, AuthorizationOperation& operation) {
    inner.object("operation", operation, read_operation);
    inner.require("operation");
  });
  fields.list("when", out.when, read_condition);
  for (const std::string_view name : {"from", "to"}) {
    const Node* node = fields.node().find(name);
    if (node != nullptr && node->is_sequence() && node->children.empty()) {
      fields.error(name, "is empty", "list something, or remove it");
    }
  }
}

// On a port that is not HTTP a DENY rule's HTTP conditions cannot be looked at, and it denies without them.
bool denies_all_tcp(const AuthorizationRule& rule) {
  const bool only_http_from =
      !rule.from.empty() && std::all_of(rule.from.begin(), rule.from.end(), [](const auto& source) {
        return source.principals.empty() && source.not_principals.empty() && source.namespaces.empty() &&
               source.not_namespaces.empty() && source.service_accounts.empty() &&
               source.not_service_accounts.empty() && source.ip_blocks.empty() &&
               source.not_ip_blocks.empty() && source.remote_ip_blocks.empty() &&
               source.not_remote_ip_blocks.empty() && source.trust_domains.empty() &&
               source.not_trust_domains.empty();
      });
  const bool only_http_to =
      !rule.to.empty() && std::all_of(rule.to.begin(), rule.to.end(), [](const auto& operation) {
        return operation.ports.empty() && operation.not_ports.empty();
      });
  return (only_http_from && rule.to.empty()) || only_http_to;
}

void read_target_ref(FieldReader& fields, TargetRef& out) {
  fields.text("group", out.group);
  fields.text("kind", out.kind, check_not_empty);
  fields.require("kind");
  fields.text("name", out.name, check_not_empty);
  fields.require("name");
  std::string namespace_name;
  if (fields.text("namespace", namespace_name) && !namespace_name.empty()) {
    fields.error("namespace", "another namespace's objects cannot be targets", "remove it");
  }
}

void read_spec(FieldReader& fields, AuthorizationPolicy& out) {
  read_workload_selector(fields, out.selector, "selector", "matchLabels");
  fields.list("targetRefs", out.target_refs, read_target_ref);
  TargetRef single;
  if (fields.object("targetRef", single, read_target_ref)) out.target_refs.push_back(std::move(single));
  fields.at_most_one_of({"selector", "targetRef", "targetRefs"});
  fields.choice("action", out.action,
                {{"ALLOW", Action::allow},
                 {"DENY", Action::deny},
                 {"AUDIT", Action::audit},
                 {"CUSTOM", Action::custom}});
  fields.list("rules", out.rules, read_rule);
  fields.at_most("rules", 512);
  fields.at_most("targetRefs", 16);
  fields.object("provider", out.provider, [](FieldReader& inner, std::string& name) {
    inner.text("name", name, check_not_empty);
    inner.require("name");
  });

  if (out.action == Action::custom) {
    fields.require("provider", "name the provider that decides");
  } else if (fields.has("provider")) {
    fields.error("provider", "stands only with action CUSTOM", "remove it");
  }
  if (out.rules.empty() && fields.clean() && (out.action == Action::deny || out.action == Action::custom)) {
    fields.error("rules", "is required with this action: without rules it never applies",
                 "write an empty rule, '- {}', to mean every request");
  }
  if (out.action == Action::deny && std::any_of(out.rules.begin(), out.rules.end(), denies_all_tcp)) {
    fields.warning("rules",
                   "a rule has only HTTP conditions: on ports that are not HTTP it denies everything",
                   "name the ports it is meant for in to.operation.ports");
  }
}

}  // namespace

bool AuthorizationPolicy::dry_run() const {
  const auto found = meta.annotations.find("istio.io/dry-run");
  return found != meta.annotations.end() && found->second == "true";
}

void read_object(FieldReader& fields, AuthorizationPolicy& out) {
  fields.object("spec", out, read_spec);
  fields.accept("status");
}

}  // namespace weft::objects
