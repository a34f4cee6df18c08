// The virtual hosts that a sidecar's clients reach on one port.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "translate/routes.h"

namespace weft::translate {

// What the sidecars of one namespace see, as far as labels do not tell them apart.
struct Visible {
  std::vector<ServiceRef> services;  // sorted by host
  std::vector<std::shared_ptr<const objects::VirtualService>>
      virtual_services;  // bound to "mesh", oldest first
  // The ExternalName services by the host they stand for.
  std::map<std::string, std::vector<ServiceRef>> aliases;

  // VirtualServices by the whole names they claim, and those that claim a wildcard.
  std::unordered_map<std::string, std::vector<const objects::VirtualService*>> rules_by_host;
  std::vector<const objects::VirtualService*> wild_rules;
  // Those that claim this host, the best first: an exact host before a wildcard, a longer wildcard before a
  // shorter, the oldest first.
  std::vector<const objects::VirtualService*> rules_for_host(const World& world,
                                                             const std::string& host) const;
};
Visible visible_to(const World& world, const Client& client);

// Route config "9080": every HTTP (or undetermined) service with that port; what no service claims goes on to
// its own address, or is refused with 502.
model::RouteConfig port_routes(const World& world, const Client& client, const Visible& visible,
                               uint16_t port);

// Route config "reviews.default.svc.cluster.local:9080": of one service whose protocol is to be detected. Its
// listener is bound to its address, so that whatever Host a request has, it means this service.
model::RouteConfig service_routes(const World& world, const Client& client, const Visible& visible,
                                  const ServiceInfo& service, const ServicePort& port);

}  // namespace weft::translate
