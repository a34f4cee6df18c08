// The model as xDS v3 messages: the bytes of one resource, which wrap_any (discovery.h) makes ready to send.
//
//   auto any = wrap_any(ResourceType::cluster, encode(cluster));
//
// A stock Envoy accepts what comes out. What only weft-proxy understands travels as filter metadata, which
// Envoy carries without acting on it. Encoding is deterministic: equal models give equal bytes.
#pragma once

#include <string>

#include "model/cluster.h"
#include "model/listener.h"
#include "model/route.h"
#include "model/snapshot.h"

namespace weft::wire {

std::string encode(const model::Listener& listener);
std::string encode(const model::RouteConfig& routes);
std::string encode(const model::Cluster& cluster);
std::string encode(const model::EndpointSet& endpoints);
std::string encode(const model::Secret& secret);

}  // namespace weft::wire
