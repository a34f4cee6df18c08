// VirtualService http rules to routes.
//
//   RouteContext context{.world = world, .client = client, .gateway = "mesh", .port = 9080};
//   std::vector<model::Route> routes = routes_of(*virtual_service, context);
//
// A destination that does not exist still gets a route: to a cluster of the name it would have, which answers
// 503 with flag NC. So a mistake fails loudly and only where it was made.
#pragma once

#include <vector>

#include "model/route.h"
#include "objects/virtual_service.h"
#include "translate/traffic_policy.h"
#include "translate/world.h"

namespace weft::translate {

struct RouteContext {
  const World& world;
  const Client& client;
  std::string_view gateway;  // "mesh", or "namespace/name": which of the object's gateways this is for
  uint16_t port = 0;         // that the client connects to; the gateway's, as its Gateway writes it
  bool tls = false;          // the client's connection is TLS, terminated here
};

// Empty where no rule is for this client.
std::vector<model::Route> routes_of(const objects::VirtualService& virtual_service,
                                    const RouteContext& context);

// What a service gets without a VirtualService.
model::Route default_route(const World& world, const ServiceInfo& service, const ServicePort& port,
                           const Client& client);

// Prefix "/" or regex ".*", and nothing else asked.
bool is_catch_all(const model::Route& route);

// Where a destination goes: the cluster's name, whether or not there is one.
std::string cluster_for(const objects::Destination& destination, std::string_view rule_namespace,
                        const RouteContext& context);

// The gateways a rule is bound to, "mesh" or "namespace/name".
std::vector<std::string> gateways_of(const objects::VirtualService& virtual_service);
bool bound_to(const objects::VirtualService& virtual_service, std::string_view gateway);
// Whether one match entry is meant for this client: its gateways, or its labels and namespace.
bool meant_for(const std::vector<std::string>& gateways, const objects::Labels& source_labels,
               std::string_view source_namespace, std::string_view rule_namespace,
               const RouteContext& context);

// attempts 2 on what was provably not processed; of a rule that says more, what it says. Nothing: off.
std::optional<model::RetryPolicy> retry_policy(const std::optional<objects::HttpRetry>& retry,
                                               bool consistent_hash, const MeshOptions& options);

}  // namespace weft::translate
