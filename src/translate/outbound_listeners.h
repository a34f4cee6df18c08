// Where a sidecar's clients' connections are sorted, by the address they were meant for.
//
// HTTP ports share 0.0.0.0_<port>, whose routes come by Host. Everything else is told apart by address: a
// listener for each service address and port. What no listener claims falls to virtualOutbound.
#pragma once

#include <map>
#include <string>

#include "model/listener.h"
#include "translate/outbound_routes.h"

namespace weft::translate {

// By name; without virtualOutbound.
std::map<std::string, model::Listener> outbound_listeners(const World& world, const Client& client,
                                                          const Visible& visible, bool stock_envoy);
model::Listener virtual_outbound(const World& world, bool stock_envoy);

// The chain for connections with one of several weighted destinations; shared with gateways.
model::TcpProxy tcp_route(const std::vector<objects::L4Destination>& destinations,
                          std::string_view rule_namespace, const RouteContext& context);

}  // namespace weft::translate
