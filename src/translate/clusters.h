// Services to clusters and endpoints.
#pragma once

#include "model/cluster.h"
#include "translate/traffic_policy.h"
#include "translate/world.h"

namespace weft::translate {

// `subset` null: all endpoints. Null where the service has no cluster: an alias, a wildcard name to resolve.
std::shared_ptr<const model::Cluster> outbound_cluster_of(const World& world, const ServiceInfo& service,
                                                          const ServicePort& port, const RuleSet& rules,
                                                          const objects::Subset* subset,
                                                          const Client& client);

// What an EDS cluster of that name resolves to. `port_index` is the port's place in the service.
std::shared_ptr<const model::EndpointSet> endpoints_of(const World& world, const ServiceInfo& service,
                                                       size_t port_index, const objects::Subset* subset);

model::Cluster passthrough_cluster(const MeshOptions& options);
model::Cluster black_hole_cluster(const MeshOptions& options);

// What every mesh-TLS client side has in common; SNI and expected identities are the caller's.
model::UpstreamTls mesh_client_tls(bool http2);

// SDS names of a Secret's certificate and of its roots.
std::string secret_name(std::string_view credential);
std::string secret_ca_name(std::string_view credential);

}  // namespace weft::translate
