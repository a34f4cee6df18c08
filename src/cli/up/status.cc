#include "cli/up/status.h"

#include "base/strings.h"

namespace weft::cli {
namespace {

std::string type_name(const objects::Service& service) {
  using Type = objects::Service::Type;
  switch (service.type) {
    case Type::cluster_ip:
      return "ClusterIP";
    case Type::node_port:
      return "NodePort";
    case Type::load_balancer:
      return "LoadBalancer";
    case Type::external_name:
      return "ExternalName";
  }
  return "ClusterIP";
}

std::string port_text(const objects::Service& service) {
  std::string out;
  for (const auto& port : service.ports) {
    const std::string_view transport = port.transport == objects::Transport::tcp   ? "TCP"
                                       : port.transport == objects::Transport::udp ? "UDP"
                                                                                   : "SCTP";
    out += concat(out.empty() ? "" : ",", port.port, "/", transport);
  }
  return out.empty() ? "<none>" : out;
}

std::string selector_text(const objects::Labels& labels) {
  std::string out;
  for (const auto& [key, value] : labels) out += concat(out.empty() ? "" : ",", key, "=", value);
  return out.empty() ? "<none>" : out;
}

}  // namespace

std::vector<ServiceStatus> service_statuses(const Plan& plan, const translate::AddressMap& addresses,
                                            const std::map<std::string, std::string>& gateways) {
  std::vector<ServiceStatus> out;
  for (const auto& service : plan.services) {
    const auto& meta = service->meta;
    const auto given = addresses.find(translate::service_host(meta.name, meta.namespace_name, {}));
    ServiceStatus status{.namespace_name = meta.namespace_name,
                         .name = meta.name,
                         .type = type_name(*service),
                         .cluster_ip = service->headless              ? "None"
                                       : !service->cluster_ip.empty() ? service->cluster_ip
                                       : given != addresses.end()     ? given->second
                                                                      : "<none>",
                         .external = service->external_name.empty() ? "<none>" : service->external_name,
                         .ports = port_text(*service),
                         .selector = selector_text(service->selector)};
    if (const auto label = service->selector.find("istio");
        label != service->selector.end() && label->second == "ingressgateway") {
      std::string external;
      for (const auto& [name, address] : gateways) external += concat(external.empty() ? "" : ",", address);
      if (!external.empty()) status.external = external;
    }
    out.push_back(std::move(status));
  }
  return out;
}

}  // namespace weft::cli
