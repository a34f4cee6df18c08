// AuthorizationPolicies to the RBAC filters of one workload.
#pragma once

#include "translate/managers.h"
#include "translate/world.h"

namespace weft::translate {

// AUDIT, then DENY, then ALLOW; dry-run policies as filters of their own that only record.
//
// An attribute that only HTTP has cannot be asked of a TCP connection. There an ALLOW rule that asks for it
// never matches, and a DENY or AUDIT rule goes without it and so matches more: both fail closed.
Authorization authorization_for(const World& world, std::string_view namespace_name,
                                const objects::Labels& labels);

}  // namespace weft::translate
