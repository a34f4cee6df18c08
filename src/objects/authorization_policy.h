// Istio AuthorizationPolicy (security.istio.io): who may do what.
//
// A rule holds where any `from`, any `to` and all `when` hold; an empty list is no condition. A field
// that is written but empty (`principals: []`) is the same as absent, as protobuf reads it.
#pragma once

#include "objects/meta.h"

namespace weft::objects {

struct AuthorizationSource {
  std::vector<std::string> principals;
  std::vector<std::string> not_principals;
  std::vector<std::string> request_principals;
  std::vector<std::string> not_request_principals;
  std::vector<std::string> namespaces;
  std::vector<std::string> not_namespaces;
  std::vector<std::string> service_accounts;
  std::vector<std::string> not_service_accounts;
  std::vector<std::string> ip_blocks;  // all IP blocks are known to parse as Cidr
  std::vector<std::string> not_ip_blocks;
  std::vector<std::string> remote_ip_blocks;
  std::vector<std::string> not_remote_ip_blocks;
  std::vector<std::string> trust_domains;
  std::vector<std::string> not_trust_domains;
};

struct AuthorizationOperation {
  std::vector<std::string> hosts;
  std::vector<std::string> not_hosts;
  std::vector<std::string> ports;  // known to be port numbers
  std::vector<std::string> not_ports;
  std::vector<std::string> methods;
  std::vector<std::string> not_methods;
  std::vector<std::string> paths;
  std::vector<std::string> not_paths;
};

struct AuthorizationCondition {
  std::string key;  // known to Istio: "request.headers[x-token]", "source.ip", ...
  std::vector<std::string> values;
  std::vector<std::string> not_values;
  int line = 0;
};

struct AuthorizationRule {
  std::vector<AuthorizationSource> from;
  std::vector<AuthorizationOperation> to;
  std::vector<AuthorizationCondition> when;
  int line = 0;
};

struct TargetRef {
  std::string group;
  std::string kind;
  std::string name;
};

struct AuthorizationPolicy {
  enum class Action : uint8_t { allow, deny, audit, custom };

  ObjectMeta meta;
  std::optional<WorkloadSelector> selector;
  std::vector<TargetRef> target_refs;    // targetRef and targetRefs; not with selector
  std::vector<AuthorizationRule> rules;  // none: ALLOW allows nothing, DENY denies nothing
  Action action = Action::allow;
  std::string provider;  // action CUSTOM
  bool dry_run() const;  // annotation istio.io/dry-run: "true"
};

}  // namespace weft::objects
