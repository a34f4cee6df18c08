#include "cli/up/service_rules.h"

#include <set>

#include "base/strings.h"

namespace weft::cli {
namespace {

const objects::Pod* find_pod(const Plan& plan, const wire::RunningPod& running) {
  for (const Workload& workload : plan.workloads) {
    if (workload.namespace_name != running.namespace_name) continue;
    if (workload.name == (running.owner.empty() ? running.name : running.owner)) return workload.pod.get();
  }
  return nullptr;
}

uint16_t target_port(const objects::KubePort& port, const wire::RunningPod& pod, const Plan& plan) {
  if (port.target.empty()) return port.port;
  if (port.target.number != 0) return port.target.number;
  for (const auto& each : pod.ports) {
    if (each.name == port.target.name) return each.port;
  }
  const objects::Pod* object = find_pod(plan, pod);
  return object == nullptr ? 0 : objects::resolve_port(object->spec, port.target, port.transport);
}

// A pod that calls itself through its service: the answer must come back through the hub, not go straight
// home.
std::string hairpin(const std::vector<VirtualPort>& ports) {
  std::set<std::string> backends;
  for (const VirtualPort& port : ports) {
    for (const auto& backend : port.backends) backends.insert(backend.address);
  }
  if (backends.empty()) return {};
  std::string pairs;
  for (const std::string& address : backends)
    pairs += concat(pairs.empty() ? "" : ", ", address, " . ", address);
  return concat("    ct status dnat ip saddr . ip daddr { ", pairs, " } masquerade\n");
}

}  // namespace

std::vector<VirtualPort> virtual_ports(const Plan& plan, const std::vector<wire::RunningPod>& pods,
                                       const translate::AddressMap& addresses) {
  std::vector<VirtualPort> out;
  for (const auto& service : plan.services) {
    const auto& meta = service->meta;
    std::string address = service->cluster_ip;
    if (address.empty()) {
      const auto it = addresses.find(translate::service_host(meta.name, meta.namespace_name, {}));
      if (it == addresses.end()) continue;  // headless, or a name for another host
      address = it->second;
    }
    for (const auto& port : service->ports) {
      if (port.transport == objects::Transport::sctp) continue;
      VirtualPort entry{.name = concat(meta.namespace_name, "/", meta.name, ":", port.port),
                        .address = address,
                        .port = port.port,
                        .udp = port.transport == objects::Transport::udp,
                        .backends = {}};
      for (const auto& pod : pods) {
        const bool usable = (pod.ready && !pod.terminating) || service->publish_not_ready_addresses;
        if (!usable || pod.namespace_name != meta.namespace_name || service->selector.empty() ||
            !objects::selects(service->selector, pod.labels)) {
          continue;
        }
        if (const uint16_t target = target_port(port, pod, plan); target != 0) {
          entry.backends.push_back({pod.ip.to_string(), target});
        }
      }
      out.push_back(std::move(entry));
    }
  }
  return out;
}

std::string service_rules(const std::vector<VirtualPort>& ports) {
  std::string nat;
  std::string refuse;
  for (const VirtualPort& port : ports) {
    const std::string match =
        concat("ip daddr ", port.address, " ", port.udp ? "udp" : "tcp", " dport ", port.port);
    if (port.backends.empty()) {
      refuse += concat("    ", match, port.udp ? " reject" : " reject with tcp reset", " comment \"",
                       port.name, "\"\n");
      continue;
    }
    nat += concat("    ", match, " dnat ip to ");
    if (port.backends.size() == 1) {
      nat += concat(port.backends[0].address, ":", port.backends[0].port);
    } else {
      nat += concat("numgen random mod ", port.backends.size(), " map { ");
      for (size_t i = 0; i < port.backends.size(); ++i) {
        nat += concat(i == 0 ? "" : ", ", i, " : ", port.backends[i].address, " . ", port.backends[i].port);
      }
      nat += " }";
    }
    nat += concat(" comment \"", port.name, "\"\n");
  }
  return concat(
      "table inet weft_services\ndelete table inet weft_services\ntable inet weft_services {\n"
      "  chain forward_nat {\n    type nat hook prerouting priority dstnat; policy accept;\n",
      nat, "  }\n  chain local_nat {\n    type nat hook output priority -100; policy accept;\n", nat,
      "  }\n  chain hairpin {\n    type nat hook postrouting priority srcnat; policy accept;\n",
      hairpin(ports), "  }\n  chain refuse {\n    type filter hook forward priority filter; policy accept;\n",
      refuse, "  }\n  chain refuse_local {\n    type filter hook output priority filter; policy accept;\n",
      refuse, "  }\n}\n");
}

}  // namespace weft::cli
