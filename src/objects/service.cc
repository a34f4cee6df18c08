#include "objects/service.h"

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "objects/readers.h"

namespace weft::objects {

namespace {

// Often taken for the place of "HTTP", which is appProtocol's.
void read_transport(FieldReader& fields, Transport& out) {
  std::string text;
  const bool there = fields.text("protocol", text, [](const std::string& word) -> std::optional<Problem> {
    if (word == "TCP" || word == "UDP" || word == "SCTP") return std::nullopt;
    Problem problem = not_among(word, {"TCP", "UDP", "SCTP"});
    if (problem.next_step.empty()) problem.next_step = "name what is spoken over TCP in appProtocol";
    return problem;
  });
  if (there) out = text == "UDP" ? Transport::udp : text == "SCTP" ? Transport::sctp : Transport::tcp;
}

void read_port(FieldReader& fields, KubePort& out) {
  out.line = fields.line();
  fields.text("name", out.name, check_dns_label);
  fields.port("port", out.port);
  fields.require("port");
  read_transport(fields, out.transport);
  fields.text("appProtocol", out.app_protocol);
  fields.port_or_name("targetPort", out.target);
  fields.port("nodePort", out.node_port);
}

void check_ports(FieldReader& fields, const std::vector<KubePort>& ports) {
  std::set<std::pair<uint16_t, Transport>> numbers;
  std::set<std::string> names;
  for (const KubePort& port : ports) {
    if (port.name.empty() && ports.size() > 1) {
      fields.error("ports", concat("port ", port.port, " has no name"),
                   "name every port where there are several");
    }
    if (!port.name.empty() && !names.insert(port.name).second) {
      fields.error("ports", concat("two ports are called ", quoted(port.name)), "give each its own name");
    }
    if (port.port != 0 && !numbers.emplace(port.port, port.transport).second) {
      fields.error("ports", concat("port ", port.port, " is listed twice"), "remove one");
    }
  }
}

void read_cluster_ips(FieldReader& fields, Service& out) {
  const auto check = [](const std::string& text) {
    return text == "None" || text.empty() ? std::nullopt : check_ip(text);
  };
  fields.text("clusterIP", out.cluster_ip, check);
  fields.texts("clusterIPs", out.cluster_ips, check);
  out.headless = out.cluster_ip == "None" || (!out.cluster_ips.empty() && out.cluster_ips.front() == "None");
  if (out.headless) {
    out.cluster_ip.clear();
    out.cluster_ips.clear();
    return;
  }
  if (out.cluster_ip.empty() && !out.cluster_ips.empty()) out.cluster_ip = out.cluster_ips.front();
  if (out.cluster_ips.empty() && !out.cluster_ip.empty()) out.cluster_ips.push_back(out.cluster_ip);
  if (!out.cluster_ips.empty() && out.cluster_ips.front() != out.cluster_ip) {
    fields.error("clusterIPs", "does not begin with clusterIP", "leave one of the two out");
  }
}

void read_spec(FieldReader& fields, Service& out) {
  using Type = Service::Type;
  fields.choice("type", out.type,
                {{"ClusterIP", Type::cluster_ip},
                 {"NodePort", Type::node_port},
                 {"LoadBalancer", Type::load_balancer},
                 {"ExternalName", Type::external_name}});
  fields.labels("selector", out.selector);
  fields.list("ports", out.ports, read_port);
  check_ports(fields, out.ports);
  read_cluster_ips(fields, out);
  fields.text("externalName", out.external_name, check_fqdn);
  fields.texts("externalIPs", out.external_ips, check_ip);
  fields.boolean("publishNotReadyAddresses", out.publish_not_ready_addresses);
  fields.choice("sessionAffinity", out.session_affinity_client_ip, {{"None", false}, {"ClientIP", true}});
  fields.accept_kube("sessionAffinityConfig", "SessionAffinityConfig");
  fields.choice("internalTrafficPolicy", out.internal_traffic_local, {{"Cluster", false}, {"Local", true}});
  fields.text("trafficDistribution", out.traffic_distribution,
              [](const std::string& text) -> std::optional<Problem> {
                static const std::vector<std::string_view> kWords = {"PreferClose", "PreferSameZone",
                                                                     "PreferSameNode"};
                if (std::find(kWords.begin(), kWords.end(), text) != kWords.end()) return std::nullopt;
                return not_among(text, kWords);
              });
  fields.accept({"loadBalancerIP", "loadBalancerSourceRanges", "externalTrafficPolicy", "healthCheckNodePort",
                 "ipFamilies", "ipFamilyPolicy", "allocateLoadBalancerNodePorts", "loadBalancerClass"});
  for (const std::string_view name :
       {"externalIPs", "sessionAffinityConfig", "internalTrafficPolicy", "trafficDistribution",
        "loadBalancerIP", "loadBalancerSourceRanges", "loadBalancerClass"}) {
    if (fields.has(name)) out.ignored.push_back({concat("spec.", name), fields.line_of(name)});
  }
  if (out.session_affinity_client_ip) {
    out.ignored.push_back({"spec.sessionAffinity", fields.line_of("sessionAffinity")});
  }

  if (out.type == Type::external_name) {
    fields.require("externalName", "name the host it stands for");
    if (out.headless || !out.cluster_ip.empty()) {
      fields.error("clusterIP", "cannot stand in a service of type ExternalName", "remove it");
    }
  } else {
    if (out.ports.empty() && !out.headless) fields.require("ports", "list at least one port");
    if (fields.has("externalName")) {
      fields.error("externalName", "stands only in a service of type ExternalName", "set type: ExternalName");
    }
  }
  if (out.headless && (out.type == Type::node_port || out.type == Type::load_balancer)) {
    fields.error("clusterIP", "None cannot stand in a service of this type", "use type ClusterIP");
  }
}

}  // namespace

void read_object(FieldReader& fields, Service& out) {
  fields.object("spec", out, read_spec);
  fields.require("spec");
  fields.accept("status");
}

}  // namespace weft::objects
