#include "wire/rbac_wire.h"

#include <algorithm>

#include "base/check.h"
#include "base/result.h"
#include "envoy/extensions/filters/http/rbac/v3/rbac.pb.h"
#include "envoy/extensions/filters/network/rbac/v3/rbac.pb.h"
#include "wire/parts.h"

namespace weft::wire {

namespace {

using HttpRbac = envoy::extensions::filters::http::rbac::v3::RBAC;
using NetworkRbac = envoy::extensions::filters::network::rbac::v3::RBAC;
using model::Condition;
using model::Rbac;
using model::StringMatch;
using wire::read;
using wire::write;
using Kind = Condition::Kind;

// Envoy demands a prefix of the network filter; this one stands for none.
constexpr char kNoPrefix[] = "rbac.";
// An Envoy's `authenticated: {}` is met by any TLS peer, with or without a certificate. Only a name that is
// not empty proves one.
constexpr char kAnyName[] = ".+";
// A test on metadata that no filter ever sets: it never matches, in an Envoy as here.
constexpr char kNever[] = "never";
// What begins the regex of a path template, so that it can be told from a regex that somebody wrote.
constexpr std::string_view kTemplateMark = "(?:)";
constexpr std::string_view kOneSegment = "[^/]+";
constexpr std::string_view kAnyRest = ".*";

bool is_special(char c) { return std::string_view("\\^$.[]|()?*+{}").find(c) != std::string_view::npos; }

void write_never(matcher_pb::MetadataMatcher& to) {
  to.set_filter(kWeft);
  to.add_path()->set_key(kNever);
  to.mutable_value()->set_present_match(true);
}

bool is_never(const matcher_pb::MetadataMatcher& from) {
  return from.filter() == kWeft && from.path_size() == 1 && from.path(0).key() == kNever &&
         from.value().present_match();
}

bool is_ip(Kind kind) {
  return kind == Kind::destination_ip || kind == Kind::source_ip || kind == Kind::direct_remote_ip ||
         kind == Kind::remote_ip;
}

// Permissions and principals differ in type and in the names of some fields; these say it once for both.
struct AsPermission {
  using Message = rbac_pb::Permission;
  static auto& all(Message& to) { return *to.mutable_and_rules()->mutable_rules(); }
  static auto& any(Message& to) { return *to.mutable_or_rules()->mutable_rules(); }
  static Message& negated(Message& to) { return *to.mutable_not_rule(); }
};
struct AsPrincipal {
  using Message = rbac_pb::Principal;
  static auto& all(Message& to) { return *to.mutable_and_ids()->mutable_ids(); }
  static auto& any(Message& to) { return *to.mutable_or_ids()->mutable_ids(); }
  static Message& negated(Message& to) { return *to.mutable_not_id(); }
};

void write_leaf(const Condition& from, rbac_pb::Permission& to);
void write_leaf(const Condition& from, rbac_pb::Principal& to);

template <typename As>
void write_children(const std::vector<Condition>& from,
                    google::protobuf::RepeatedPtrField<typename As::Message>& to);

template <typename As>
void write_condition(const Condition& from, typename As::Message& to) {
  switch (from.kind) {
    case Kind::any:
      to.set_any(true);
      return;
    case Kind::all_of:
      // Envoy wants at least one; and nothing to meet is met.
      if (from.children.empty()) {
        to.set_any(true);
      } else {
        write_children<As>(from.children, As::all(to));
      }
      return;
    case Kind::any_of:
      if (from.children.empty()) {
        write_never(*to.mutable_metadata());
      } else {
        write_children<As>(from.children, As::any(to));
      }
      return;
    case Kind::none_of:
      WEFT_CHECK(from.children.size() == 1);
      write_condition<As>(from.children[0], As::negated(to));
      return;
    case Kind::header:
      write(from.header, *to.mutable_header());
      return;
    case Kind::url_path:
      write(from.value, *to.mutable_url_path()->mutable_path());
      return;
    case Kind::path_template:
      to.mutable_url_path()->mutable_path()->mutable_safe_regex()->set_regex(
          template_to_regex(from.value.value));
      return;
    case Kind::metadata:
      write_never(*to.mutable_metadata());
      return;
    default:
      break;
  }
  if (is_ip(from.kind) && from.ranges.empty()) {
    write_never(*to.mutable_metadata());
    return;
  }
  if (is_ip(from.kind) && from.ranges.size() > 1) {
    for (const Cidr& range : from.ranges) {
      Condition one;
      one.kind = from.kind;
      one.ranges = {range};
      write_leaf(one, *As::any(to).Add());
    }
    return;
  }
  write_leaf(from, to);
}

template <typename As>
void write_children(const std::vector<Condition>& from,
                    google::protobuf::RepeatedPtrField<typename As::Message>& to) {
  for (const Condition& child : from) write_condition<As>(child, *to.Add());
}

void write_leaf(const Condition& from, rbac_pb::Permission& to) {
  switch (from.kind) {
    case Kind::destination_ip:
      write(from.ranges[0], *to.mutable_destination_ip());
      return;
    case Kind::destination_port:
      to.set_destination_port(from.port);
      return;
    case Kind::destination_port_range:
      to.mutable_destination_port_range()->set_start(from.port);
      to.mutable_destination_port_range()->set_end(static_cast<int32_t>(from.port_end));
      return;
    case Kind::requested_server_name:
      write(from.value, *to.mutable_requested_server_name());
      return;
    default:
      // Who asks is no part of what is asked for: whoever built the tree put it in the wrong list.
      WEFT_CHECK(false && "a principal's condition among the permissions");
  }
}

void write_leaf(const Condition& from, rbac_pb::Principal& to) {
  switch (from.kind) {
    case Kind::source_ip:
      write(from.ranges[0], *to.mutable_source_ip());
      return;
    case Kind::direct_remote_ip:
      write(from.ranges[0], *to.mutable_direct_remote_ip());
      return;
    case Kind::remote_ip:
      write(from.ranges[0], *to.mutable_remote_ip());
      return;
    case Kind::authenticated: {
      auto& name = *to.mutable_authenticated()->mutable_principal_name();
      const bool anyone =
          from.any_authenticated || (from.value.kind == StringMatch::Kind::exact && from.value.value.empty());
      if (anyone) {
        name.mutable_safe_regex()->set_regex(kAnyName);
      } else {
        write(from.value, name);
      }
      return;
    }
    default:
      WEFT_CHECK(false && "a permission's condition among the principals");
  }
}

// ---- and back

Condition of_kind(Kind kind) {
  Condition condition;
  condition.kind = kind;
  return condition;
}

Read<Condition> read_ip(Kind kind, const core_pb::CidrRange& from, const Place& at) {
  Condition condition = of_kind(kind);
  WEFT_TRY(Cidr range, read(from, at));
  condition.ranges.push_back(range);
  return condition;
}

Read<Condition> read_path(const matcher_pb::PathMatcher& from, const Place& at) {
  Condition condition = of_kind(Kind::url_path);
  if (!from.has_path()) return refuse(at("path"), "is missing");
  WEFT_TRY(condition.value, read(from.path(), at("path")));
  if (condition.value.kind != StringMatch::Kind::regex) return condition;
  if (std::string path_template = regex_to_template(condition.value.value); !path_template.empty()) {
    condition.kind = Kind::path_template;
    condition.value = StringMatch::exact(std::move(path_template));
  }
  return condition;
}

Read<Condition> read_metadata(const matcher_pb::MetadataMatcher& from, const Place& at) {
  if (!is_never(from)) return not_supported(at);
  return of_kind(Kind::metadata);
}

Read<Condition> read_condition(const rbac_pb::Permission& from, const Place& at);
Read<Condition> read_condition(const rbac_pb::Principal& from, const Place& at);

// The children of one and/or. Ranges of one kind of address, or-ed, are one condition with several ranges.
template <typename Message>
Read<Condition> read_set(Kind kind, const google::protobuf::RepeatedPtrField<Message>& from,
                         std::string_view field, const Place& at) {
  if (from.empty()) return refuse(at(field), "is empty");
  Condition condition = of_kind(kind);
  for (int i = 0; i < from.size(); ++i) {
    WEFT_TRY(Condition child, read_condition(from[i], at(field, static_cast<size_t>(i))));
    condition.children.push_back(std::move(child));
  }
  const Kind first = condition.children.front().kind;
  const bool ranges = kind == Kind::any_of && condition.children.size() > 1 && is_ip(first) &&
                      std::ranges::all_of(condition.children,
                                          [first](const Condition& child) { return child.kind == first; });
  if (!ranges) return condition;
  Condition merged = of_kind(first);
  for (const Condition& child : condition.children) {
    merged.ranges.insert(merged.ranges.end(), child.ranges.begin(), child.ranges.end());
  }
  return merged;
}

Condition negation(Condition child) {
  Condition condition = of_kind(Kind::none_of);
  condition.children.push_back(std::move(child));
  return condition;
}

Read<Condition> read_any(bool any, const Place& at) {
  if (!any) return not_supported(at, "false");
  return of_kind(Kind::any);
}

Read<Condition> read_condition(const rbac_pb::Permission& from, const Place& at) {
  switch (from.rule_case()) {
    case rbac_pb::Permission::kAndRules:
      return read_set(Kind::all_of, from.and_rules().rules(), "rules", at("and_rules"));
    case rbac_pb::Permission::kOrRules:
      return read_set(Kind::any_of, from.or_rules().rules(), "rules", at("or_rules"));
    case rbac_pb::Permission::kNotRule: {
      WEFT_TRY(Condition child, read_condition(from.not_rule(), at("not_rule")));
      return negation(std::move(child));
    }
    case rbac_pb::Permission::kAny:
      return read_any(from.any(), at("any"));
    case rbac_pb::Permission::kHeader: {
      Condition condition = of_kind(Kind::header);
      WEFT_TRY(condition.header, read(from.header(), at("header")));
      return condition;
    }
    case rbac_pb::Permission::kUrlPath:
      return read_path(from.url_path(), at("url_path"));
    case rbac_pb::Permission::kDestinationIp:
      return read_ip(Kind::destination_ip, from.destination_ip(), at("destination_ip"));
    case rbac_pb::Permission::kDestinationPort: {
      Condition condition = of_kind(Kind::destination_port);
      WEFT_TRY(condition.port, read_port(from.destination_port(), at("destination_port")));
      return condition;
    }
    case rbac_pb::Permission::kDestinationPortRange: {
      Condition condition = of_kind(Kind::destination_port_range);
      const Place range = at("destination_port_range");
      const auto& ports = from.destination_port_range();
      if (ports.start() < 0 || ports.end() < ports.start()) return refuse(range, "is no range");
      WEFT_TRY(condition.port, read_port(static_cast<uint32_t>(ports.start()), range("start")));
      condition.port_end = static_cast<uint32_t>(ports.end());
      return condition;
    }
    case rbac_pb::Permission::kMetadata:
      return read_metadata(from.metadata(), at("metadata"));
    case rbac_pb::Permission::kRequestedServerName: {
      Condition condition = of_kind(Kind::requested_server_name);
      WEFT_TRY(condition.value, read(from.requested_server_name(), at("requested_server_name")));
      return condition;
    }
    case rbac_pb::Permission::RULE_NOT_SET:
      break;
  }
  return refuse(at, "says nothing");
}

Read<Condition> read_authenticated(const rbac_pb::Principal::Authenticated& from, const Place& at) {
  if (!from.has_principal_name()) {
    return refuse(at,
                  "without principal_name is met by any TLS peer, even without a certificate; say "
                  "principal_name with safe_regex \".+\"",
                  Error::Kind::unsupported);
  }
  Condition condition = of_kind(Kind::authenticated);
  WEFT_TRY(condition.value, read(from.principal_name(), at("principal_name")));
  if (condition.value.kind == StringMatch::Kind::exact && condition.value.value.empty()) {
    return refuse(at("principal_name"), "is empty");
  }
  if (condition.value.kind == StringMatch::Kind::regex && condition.value.value == kAnyName) {
    condition.any_authenticated = true;
    condition.value = {};
  }
  return condition;
}

Read<Condition> read_condition(const rbac_pb::Principal& from, const Place& at) {
  switch (from.identifier_case()) {
    case rbac_pb::Principal::kAndIds:
      return read_set(Kind::all_of, from.and_ids().ids(), "ids", at("and_ids"));
    case rbac_pb::Principal::kOrIds:
      return read_set(Kind::any_of, from.or_ids().ids(), "ids", at("or_ids"));
    case rbac_pb::Principal::kNotId: {
      WEFT_TRY(Condition child, read_condition(from.not_id(), at("not_id")));
      return negation(std::move(child));
    }
    case rbac_pb::Principal::kAny:
      return read_any(from.any(), at("any"));
    case rbac_pb::Principal::kAuthenticated:
      return read_authenticated(from.authenticated(), at("authenticated"));
    case rbac_pb::Principal::kSourceIp:
      return read_ip(Kind::source_ip, from.source_ip(), at("source_ip"));
    case rbac_pb::Principal::kDirectRemoteIp:
      return read_ip(Kind::direct_remote_ip, from.direct_remote_ip(), at("direct_remote_ip"));
    case rbac_pb::Principal::kRemoteIp:
      return read_ip(Kind::remote_ip, from.remote_ip(), at("remote_ip"));
    case rbac_pb::Principal::kHeader: {
      Condition condition = of_kind(Kind::header);
      WEFT_TRY(condition.header, read(from.header(), at("header")));
      return condition;
    }
    case rbac_pb::Principal::kUrlPath:
      return read_path(from.url_path(), at("url_path"));
    case rbac_pb::Principal::kMetadata:
      return read_metadata(from.metadata(), at("metadata"));
    case rbac_pb::Principal::IDENTIFIER_NOT_SET:
      break;
  }
  return refuse(at, "says nothing");
}

// ---- rules and filters

void write(const Rbac& from, rbac_pb::RBAC& to) {
  switch (from.action) {
    case Rbac::Action::allow:
      to.set_action(rbac_pb::RBAC::ALLOW);
      break;
    case Rbac::Action::deny:
      to.set_action(rbac_pb::RBAC::DENY);
      break;
    case Rbac::Action::log:
      to.set_action(rbac_pb::RBAC::LOG);
      break;
  }
  for (const auto& policy : from.policies) {
    auto& rule = (*to.mutable_policies())[policy.name];
    // Envoy wants at least one of each, and an empty list is met by nobody.
    write_children<AsPermission>(policy.permissions, *rule.mutable_permissions());
    if (policy.permissions.empty()) write_never(*rule.add_permissions()->mutable_metadata());
    write_children<AsPrincipal>(policy.principals, *rule.mutable_principals());
    if (policy.principals.empty()) write_never(*rule.add_principals()->mutable_metadata());
  }
}

Read<Rbac> read(const rbac_pb::RBAC& from, const Place& at) {
  Rbac to;
  switch (from.action()) {
    case rbac_pb::RBAC::ALLOW:
      to.action = Rbac::Action::allow;
      break;
    case rbac_pb::RBAC::DENY:
      to.action = Rbac::Action::deny;
      break;
    case rbac_pb::RBAC::LOG:
      to.action = Rbac::Action::log;
      break;
    default:
      return not_supported(at("action"), std::to_string(from.action()));
  }
  for (const auto& [name, rule] : from.policies()) {
    const Place place = at("policies", name);
    model::RbacPolicy policy;
    policy.name = name;
    if (rule.permissions().empty()) return refuse(place("permissions"), "is empty");
    if (rule.principals().empty()) return refuse(place("principals"), "is empty");
    for (int i = 0; i < rule.permissions_size(); ++i) {
      WEFT_TRY(auto condition,
               read_condition(rule.permissions(i), place("permissions", static_cast<size_t>(i))));
      policy.permissions.push_back(std::move(condition));
    }
    for (int i = 0; i < rule.principals_size(); ++i) {
      WEFT_TRY(auto condition,
               read_condition(rule.principals(i), place("principals", static_cast<size_t>(i))));
      policy.principals.push_back(std::move(condition));
    }
    to.policies.push_back(std::move(policy));
  }
  // The map of a message has no order; ours is by name.
  std::ranges::sort(to.policies, {}, &model::RbacPolicy::name);
  return to;
}

template <typename Filter>
void write_rules(const Rbac& from, Filter& to) {
  if (!from.enforced) return;
  if (from.shadow) {
    write(from, *to.mutable_shadow_rules());
    to.set_shadow_rules_stat_prefix(from.stat_prefix);
  } else {
    write(from, *to.mutable_rules());
  }
}

template <typename Filter>
Read<Rbacs> read_rules(const Filter& from, const std::string& prefix, const Place& at) {
  Rbacs rbacs;
  if (from.has_rules()) {
    WEFT_TRY(Rbac rbac, read(from.rules(), at("rules")));
    rbac.stat_prefix = prefix;
    rbacs.push_back(std::make_shared<const Rbac>(std::move(rbac)));
  }
  if (from.has_shadow_rules()) {
    WEFT_TRY(Rbac rbac, read(from.shadow_rules(), at("shadow_rules")));
    rbac.shadow = true;
    rbac.stat_prefix = from.shadow_rules_stat_prefix();
    rbacs.push_back(std::make_shared<const Rbac>(std::move(rbac)));
  }
  if (rbacs.empty()) {
    Rbac rbac;
    rbac.enforced = false;
    rbac.stat_prefix = prefix;
    rbacs.push_back(std::make_shared<const Rbac>(std::move(rbac)));
  }
  return rbacs;
}

}  // namespace

void write_network_rbac(const Rbac& from, google::protobuf::Any& to) {
  NetworkRbac filter;
  filter.set_stat_prefix(from.stat_prefix.empty() || from.shadow ? kNoPrefix : from.stat_prefix);
  write_rules(from, filter);
  pack(filter, to);
}

void write_http_rbac(const Rbac& from, google::protobuf::Any& to) {
  HttpRbac filter;
  if (!from.shadow) filter.set_rules_stat_prefix(from.stat_prefix);
  write_rules(from, filter);
  pack(filter, to);
}

Read<Rbacs> read_network_rbac(const google::protobuf::Any& from, const Place& at) {
  if (!holds<NetworkRbac>(from)) return not_supported(at);
  WEFT_TRY(const auto filter, unpack<NetworkRbac>(from, at));
  return read_rules(filter, filter.stat_prefix() == kNoPrefix ? std::string() : filter.stat_prefix(), at);
}

Read<Rbacs> read_http_rbac(const google::protobuf::Any& from, const Place& at) {
  if (!holds<HttpRbac>(from)) return not_supported(at);
  WEFT_TRY(const auto filter, unpack<HttpRbac>(from, at));
  return read_rules(filter, filter.rules_stat_prefix(), at);
}

std::string template_to_regex(std::string_view path_template) {
  std::string out(kTemplateMark);
  while (!path_template.empty()) {
    if (path_template.starts_with("{**}")) {
      out += kAnyRest;
      path_template.remove_prefix(4);
    } else if (path_template.starts_with("{*}")) {
      out += kOneSegment;
      path_template.remove_prefix(3);
    } else {
      if (is_special(path_template[0])) out += '\\';
      out += path_template[0];
      path_template.remove_prefix(1);
    }
  }
  return out;
}

std::string regex_to_template(std::string_view pattern) {
  if (!pattern.starts_with(kTemplateMark)) return {};
  std::string_view rest = pattern.substr(kTemplateMark.size());
  std::string out;
  while (!rest.empty()) {
    if (rest.starts_with(kOneSegment)) {
      out += "{*}";
      rest.remove_prefix(kOneSegment.size());
    } else if (rest.starts_with(kAnyRest)) {
      out += "{**}";
      rest.remove_prefix(kAnyRest.size());
    } else {
      if (rest[0] == '\\' && rest.size() > 1) rest.remove_prefix(1);
      out += rest[0];
      rest.remove_prefix(1);
    }
  }
  // Only what reads back the same is a template.
  return template_to_regex(out) == pattern ? out : std::string();
}

}  // namespace weft::wire
