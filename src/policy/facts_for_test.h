// Builders for the tests of this room: a request or a connection that defaults everything except the point.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "model/policy.h"
#include "policy/authorize.h"

namespace weft::policy {

inline IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }

// Owns what the facts point to.
struct Caller {
  http::Request request;
  std::vector<std::string> uris{"spiffe://cluster.local/ns/default/sa/client"};
  std::vector<std::string> dns_names;
  std::string subject;
  std::string server_name;
  IpAddress peer = ip("10.0.0.9");
  IpAddress remote = ip("10.0.0.9");
  IpAddress destination = ip("10.0.0.1");
  uint16_t port = 8080;

  explicit Caller(std::string path = "/", std::string method = "GET") {
    request.method = std::move(method);
    request.path = std::move(path);
    request.scheme = "http";
    request.authority = "web.default";
  }
  Caller& as(std::vector<std::string> names) {
    uris = std::move(names);
    return *this;
  }
  Caller& anonymous() { return as({}); }
  Caller& with(std::string_view name, std::string_view value) {
    request.headers.add(name, value);
    return *this;
  }

  ConnectionFacts connection() const {
    ConnectionFacts facts;
    facts.source_ip = facts.direct_remote_ip = peer;
    facts.destination_ip = destination;
    facts.destination_port = port;
    facts.server_name = server_name;
    facts.peer_uris = uris;
    facts.peer_dns_names = dns_names;
    facts.peer_subject = subject;
    return facts;
  }
  RequestFacts facts() const {
    return {.connection = connection(), .remote_ip = remote, .request = RequestView(request)};
  }
};

// ---- conditions

inline model::Condition condition(model::Condition::Kind kind) {
  model::Condition c;
  c.kind = kind;
  return c;
}
inline model::Condition anything() { return condition(model::Condition::Kind::any); }
inline model::Condition all_of(std::vector<model::Condition> children) {
  auto c = condition(model::Condition::Kind::all_of);
  c.children = std::move(children);
  return c;
}
inline model::Condition any_of(std::vector<model::Condition> children) {
  auto c = condition(model::Condition::Kind::any_of);
  c.children = std::move(children);
  return c;
}
inline model::Condition none_of(model::Condition child) {
  auto c = condition(model::Condition::Kind::none_of);
  c.children.push_back(std::move(child));
  return c;
}
inline model::Condition header(std::string name, model::StringMatch value) {
  auto c = condition(model::Condition::Kind::header);
  c.header.name = std::move(name);
  c.header.value = std::move(value);
  return c;
}
inline model::Condition method(std::string value) {
  return header(":method", model::StringMatch::exact(std::move(value)));
}
inline model::Condition path(model::StringMatch value) {
  auto c = condition(model::Condition::Kind::url_path);
  c.value = std::move(value);
  return c;
}
inline model::Condition path(std::string value) { return path(model::StringMatch::exact(std::move(value))); }
inline model::Condition principal(std::string value) {
  auto c = condition(model::Condition::Kind::authenticated);
  c.value = model::StringMatch::exact(std::move(value));
  return c;
}
inline model::Condition anyone_known() {
  auto c = condition(model::Condition::Kind::authenticated);
  c.any_authenticated = true;
  return c;
}
inline model::Condition range(model::Condition::Kind kind, std::initializer_list<std::string_view> ranges) {
  auto c = condition(kind);
  for (const auto text : ranges) c.ranges.push_back(Cidr::parse(text).value());
  return c;
}
inline model::Condition port(uint16_t number) {
  auto c = condition(model::Condition::Kind::destination_port);
  c.port = number;
  return c;
}

// ---- filters

inline model::RbacPolicy rule(std::string policy, std::vector<model::Condition> permissions,
                              std::vector<model::Condition> principals) {
  return {.name = "ns[default]-policy[" + policy + "]-rule[0]",
          .permissions = std::move(permissions),
          .principals = std::move(principals)};
}
inline std::shared_ptr<const model::Rbac> filter(model::Rbac::Action action,
                                                 std::vector<model::RbacPolicy> rules) {
  auto rbac = std::make_shared<model::Rbac>();
  rbac->action = action;
  rbac->policies = std::move(rules);
  return rbac;
}
inline Authorizer authorizer(Authorizer::Filters filters) {
  return Authorizer::make(std::move(filters)).value();
}

}  // namespace weft::policy
