// Who may do what, as the proxy evaluates it: the model of Envoy's RBAC filters, HTTP and network.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/match.h"

namespace weft::model {

// A tree of tests. It serves as permission (what is asked for) and as principal (who asks).
struct Condition {
  enum class Kind : uint8_t {
    any,       // always true
    all_of,    // every child (true when there is none)
    any_of,    // at least one child
    none_of,   // exactly one child, negated
    header,    // HTTP only
    url_path,  // HTTP only; path without query
    destination_ip,
    destination_port,
    destination_port_range,  // [port, port_end)
    requested_server_name,   // SNI
    source_ip,               // peer, or what PROXY protocol said
    direct_remote_ip,        // the packet's peer
    remote_ip,               // from X-Forwarded-For, as far as trusted
    authenticated,           // peer identity over mTLS; no `value` (empty exact) means any authenticated peer
    metadata,                // dynamic metadata: never matches, kept for what refuses by it
    path_template,           // HTTP only; Istio's {*} and {**}: `value.value` holds the template
  };
  Kind kind = Kind::any;
  std::vector<Condition> children;
  HeaderMatch header;
  StringMatch value;         // url_path, requested_server_name, authenticated, path_template
  std::vector<Cidr> ranges;  // *_ip: any of
  uint16_t port = 0;
  uint32_t port_end = 0;
  bool any_authenticated = false;  // authenticated: any peer with a verified identity

  bool operator==(const Condition&) const = default;
};

struct RbacPolicy {
  std::string name;                    // "ns[default]-policy[allow-web]-rule[0]": what a denial names
  std::vector<Condition> permissions;  // any of
  std::vector<Condition> principals;   // any of
  bool operator==(const RbacPolicy&) const = default;
};

// One RBAC filter. A chain may hold several, evaluated in order; each must let the request pass.
struct Rbac {
  enum class Action : uint8_t { allow, deny, log };
  Action action = Action::allow;
  std::vector<RbacPolicy> policies;  // sorted by name
  // Evaluated and recorded, never enforced (Istio's dry run).
  bool shadow = false;
  // A filter without rules lets everything pass; `enforced` false is that case.
  bool enforced = true;
  std::string stat_prefix;
  bool operator==(const Rbac&) const = default;
};

}  // namespace weft::model
