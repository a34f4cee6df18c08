// What `weft get services` prints.
#pragma once

#include "cli/mesh_state.h"
#include "cli/up/plan.h"
#include "translate/world.h"

namespace weft::cli {

std::vector<ServiceStatus> service_statuses(const Plan& plan, const translate::AddressMap& addresses,
                                            const std::map<std::string, std::string>& gateways);

}  // namespace weft::cli
