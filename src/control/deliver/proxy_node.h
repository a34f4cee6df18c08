// Who a proxy says it is: the node of its first request, in Istio's form.
//
//   auto node = parse_proxy_node(*request.node);   //
//   "sidecar~10.0.0.7~web-1.default~default.svc.cluster.local"
//
// These are claims. What a proxy is given follows from them only as far as its authenticated identity
// bears them out (authenticate.h).
#pragma once

#include <map>
#include <string>

#include "base/address.h"
#include "base/result.h"
#include "wire/discovery.h"

namespace weft::control {

struct ProxyNode {
  enum class Type : uint8_t { sidecar, router };

  Type type = Type::sidecar;
  IpAddress ip;
  std::string pod;
  std::string namespace_name;
  std::string dns_domain;  // "default.svc.cluster.local"
  std::string id;          // the whole, as it came

  // From the metadata; empty where it does not say.
  std::string service_account;
  std::map<std::string, std::string> labels;
  std::string version;     // ISTIO_VERSION, or the user agent's
  std::string cluster_id;  // CLUSTER_ID
  // GENERATOR=grpc: a client library, which is told what a gRPC client needs (translate/grpc_client.h).
  bool grpc_client = false;
  wire::Node raw;

  // "web-1.default", how istioctl and the debug pages name a proxy.
  std::string short_id() const { return pod + "." + namespace_name; }
};

Result<ProxyNode> parse_proxy_node(const wire::Node& node);
std::string_view to_string(ProxyNode::Type type);

}  // namespace weft::control
