// Clusters and their endpoints, both ways. Private to this room.
#pragma once

#include <memory>

#include "model/cluster.h"
#include "wire/place.h"
#include "wire/protos.h"

namespace weft::wire {

cluster_pb::Cluster to_message(const model::Cluster& from);
Read<std::shared_ptr<const model::Cluster>> from_message(const cluster_pb::Cluster& from, const Place& at);

endpoint_pb::ClusterLoadAssignment to_message(const model::EndpointSet& from);
Read<model::EndpointSet> read_endpoints(const endpoint_pb::ClusterLoadAssignment& from, const Place& at);

}  // namespace weft::wire
