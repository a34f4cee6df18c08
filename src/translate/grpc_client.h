// What a gRPC client library is told, so that an application is its own proxy: a listener of each name it may
// ask for, routes, clusters and endpoints, in the part of xDS that gRPC reads (its proposals A27, A28, A29,
// A31).
//
//   xds:///echo.default.svc.cluster.local:7070
//
// Such a client has Istio's GENERATOR=grpc in its node's metadata. Differences from what a sidecar is told:
//   - a cluster has mesh TLS only where a DestinationRule says ISTIO_MUTUAL, by the certificate provider of
//   the
//     client's own bootstrap; where it demands TLS that a client library cannot be given, there is no
//     cluster, and calls fail;
//   - balancing is ROUND_ROBIN, or a hash ring where a rule asks for consistent hashing;
//   - a retry happens where a rule asks for it: what was provably not processed the library retries by
//   itself.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "model/snapshot.h"
#include "translate/outbound_routes.h"
#include "translate/traffic_policy.h"
#include "translate/world.h"

namespace weft::translate {

struct GrpcClientParts {
  std::map<std::string, model::Listener> listeners;
  std::map<std::string, model::RouteConfig> routes;
  std::map<std::string, model::Cluster> clusters;
  std::map<std::string, model::EndpointSet> endpoints;
};

GrpcClientParts grpc_client_parts(const World& world, const Client& client, const Visible& visible);

}  // namespace weft::translate
