// ClusterIP without a proxy: the hub rewrites a service's virtual address to one of its ready pods, as
// kube-proxy does. Every pod's traffic to another address passes the hub, so the rules live there alone.
//
//   nft(hub, service_rules(virtual_services(plan, pods, addresses)));
#pragma once

#include <string>
#include <vector>

#include "cli/up/plan.h"
#include "translate/world.h"

namespace weft::cli {

struct VirtualPort {
  std::string name;  // "default/reviews:http", for comments
  std::string address;
  uint16_t port = 0;
  bool udp = false;
  struct Backend {
    std::string address;
    uint16_t port = 0;
  };
  std::vector<Backend> backends;  // none: refused at once, as Kubernetes does
};

std::vector<VirtualPort> virtual_ports(const Plan& plan, const std::vector<wire::RunningPod>& pods,
                                       const translate::AddressMap& addresses);

// A script for `nft -f` that replaces the table in one transaction.
std::string service_rules(const std::vector<VirtualPort>& ports);

}  // namespace weft::cli
