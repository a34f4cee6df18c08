#include "wire/to_wire.h"

#include "wire/cluster_wire.h"
#include "wire/listener_wire.h"
#include "wire/parts.h"
#include "wire/route_wire.h"
#include "wire/tls_wire.h"

namespace weft::wire {

std::string encode(const model::Listener& listener) { return serialize(to_message(listener)); }
std::string encode(const model::RouteConfig& routes) { return serialize(to_message(routes)); }
std::string encode(const model::Cluster& cluster) { return serialize(to_message(cluster)); }
std::string encode(const model::EndpointSet& endpoints) { return serialize(to_message(endpoints)); }
std::string encode(const model::Secret& secret) { return serialize(to_message(secret)); }

}  // namespace weft::wire
