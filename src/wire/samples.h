// Rich samples of each resource for this room's tests: every field differs from its default, so that what is
// lost on the way shows.
#pragma once

#include <vector>

#include "model/snapshot.h"

namespace weft::wire::samples {

// What comes back equal, field by field.
std::vector<model::Listener> listeners();
std::vector<model::RouteConfig> routes();
std::vector<model::Cluster> clusters();
std::vector<model::EndpointSet> endpoints();
std::vector<model::Secret> secrets();

}  // namespace weft::wire::samples
