// Gateways to the listeners, routes and secrets of an ingress or egress proxy.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "model/listener.h"
#include "model/snapshot.h"
#include "translate/traffic_policy.h"
#include "translate/world.h"

namespace weft::translate {

struct GatewayParts {
  std::map<std::string, model::Listener> listeners;
  std::map<std::string, model::RouteConfig> routes;
};

GatewayParts gateway_parts(const World& world, const Workload& workload, const Client& client,
                           bool stock_envoy);

// A server that another server on its port leaves no room for, and which that is.
struct ServerConflict {
  const objects::Gateway* gateway = nullptr;
  const objects::GatewayServer* server = nullptr;
  const objects::Gateway* other = nullptr;
  std::string why;
};
std::vector<ServerConflict> gateway_conflicts(const World& world, const Workload& workload);

// The Secret behind an SDS name, "kubernetes://web-tls" or "kubernetes://web-tls-cacert", as far as a proxy
// of this namespace may see it. Nothing where there is none, or it lacks what the name promises.
std::optional<model::Secret> secret_for(const World& world, std::string_view namespace_name,
                                        std::string_view name);

// "ns/host" or "host" of a server, for VirtualServices of a namespace; nothing where it is not for them.
std::optional<std::string> server_host_for(std::string_view written, std::string_view gateway_namespace,
                                           std::string_view rule_namespace);

}  // namespace weft::translate
