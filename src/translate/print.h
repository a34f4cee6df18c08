// A snapshot as text for people: `weft translate --to model`, and the golden files that specify translation.
// Deterministic; fields that have their default are left out.
#pragma once

#include <string>

#include "model/snapshot.h"

namespace weft::translate {

std::string print(const model::Snapshot& snapshot);
std::string print(const model::Listener& listener);
std::string print(const model::RouteConfig& routes);
std::string print(const model::Cluster& cluster);
std::string print(const model::EndpointSet& endpoints);

}  // namespace weft::translate
