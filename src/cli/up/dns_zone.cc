#include "cli/up/dns_zone.h"

#include "base/strings.h"

namespace weft::cli {
namespace {

constexpr std::string_view kDomain = "cluster.local";

std::string dashed(const IpAddress& address) {
  std::string text = address.to_string();
  for (char& c : text) {
    if (c == '.' || c == ':') c = '-';
  }
  return text;
}

std::string reverse_name(const IpAddress& address) {
  const uint32_t ip = address.v4_host_order();
  return concat(ip & 255, ".", ip >> 8 & 255, ".", ip >> 16 & 255, ".", ip >> 24, ".in-addr.arpa");
}

bool fits(const IpAddress& address, uint16_t type) {
  return type == static_cast<uint16_t>(DnsType::any) ||
         type == static_cast<uint16_t>(address.is_v4() ? DnsType::a : DnsType::aaaa);
}

void add_addresses(DnsReply& reply, const std::string& name, const std::vector<IpAddress>& addresses,
                   uint16_t type) {
  for (const IpAddress& address : addresses) {
    if (!fits(address, type)) continue;
    reply.records.push_back({.name = name,
                             .type = address.is_v4() ? DnsType::a : DnsType::aaaa,
                             .address = address,
                             .target = {}});
  }
}

const objects::Pod* find_pod(const Plan& plan, const wire::RunningPod& running) {
  for (const Workload& workload : plan.workloads) {
    if (workload.namespace_name == running.namespace_name &&
        workload.name == (running.owner.empty() ? running.name : running.owner)) {
      return workload.pod.get();
    }
  }
  return nullptr;
}

// What a ServiceEntry's host resolves to: its addresses, the one it was given, or its endpoints.
std::vector<IpAddress> entry_addresses(const objects::ServiceEntry& entry, const std::string& host,
                                       const translate::AddressMap& addresses) {
  std::vector<IpAddress> out;
  for (const std::string& text : entry.addresses) {
    if (auto address = IpAddress::parse(text)) out.push_back(*address);
  }
  if (!out.empty()) return out;
  if (const auto it = addresses.find(host); it != addresses.end()) {
    if (auto address = IpAddress::parse(it->second)) out.push_back(*address);
    return out;
  }
  for (const auto& endpoint : entry.endpoints) {
    if (auto address = IpAddress::parse(endpoint.address)) out.push_back(*address);
  }
  return out;
}

}  // namespace

DnsZone DnsZone::make(const Plan& plan, const std::vector<wire::RunningPod>& pods,
                      const translate::AddressMap& addresses) {
  DnsZone zone;
  for (const auto& service : plan.services) {
    const std::string host = translate::service_host(service->meta.name, service->meta.namespace_name, {});
    if (service->type == objects::Service::Type::external_name) {
      zone.aliases_[host] = to_lower(service->external_name);
    } else if (service->headless) {
      zone.add_headless(*service, host, plan, pods);
    } else {
      const auto given = addresses.find(host);
      const std::string text =
          service->cluster_ip.empty() && given != addresses.end() ? given->second : service->cluster_ip;
      if (const auto address = IpAddress::parse(text)) {
        zone.add(host, *address);
        zone.reverse_[reverse_name(*address)] = host;
        for (const auto& port : service->ports) {
          if (port.name.empty()) continue;
          const std::string_view transport = port.transport == objects::Transport::udp ? "_udp" : "_tcp";
          zone.services_[concat("_", port.name, ".", transport, ".", host)].push_back({host, port.port});
        }
      }
    }
  }
  for (const auto& entry : plan.entries) {
    for (const std::string& host : entry->hosts) {
      const auto found = entry_addresses(*entry, host, addresses);
      auto& into = host.starts_with("*") ? zone.wildcards_[host.substr(1)] : zone.addresses_[to_lower(host)];
      into.insert(into.end(), found.begin(), found.end());
    }
  }
  for (const auto& pod : pods) {
    zone.add(concat(dashed(pod.ip), ".", pod.namespace_name, ".pod.", kDomain), pod.ip);
    zone.reverse_.emplace(reverse_name(pod.ip),
                          concat(dashed(pod.ip), ".", pod.namespace_name, ".pod.", kDomain));
  }
  return zone;
}

void DnsZone::add_headless(const objects::Service& service, const std::string& host, const Plan& plan,
                           const std::vector<wire::RunningPod>& pods) {
  addresses_[host];  // it exists even while it has no pod
  for (const auto& pod : pods) {
    const bool usable = (pod.ready && !pod.terminating) || service.publish_not_ready_addresses;
    if (!usable || pod.namespace_name != service.meta.namespace_name || service.selector.empty() ||
        !objects::selects(service.selector, pod.labels)) {
      continue;
    }
    addresses_[host].push_back(pod.ip);
    const objects::Pod* object = find_pod(plan, pod);
    const bool named =
        object != nullptr && !object->spec.hostname.empty() && object->spec.subdomain == service.meta.name;
    const std::string own = concat(named ? object->spec.hostname : dashed(pod.ip), ".", host);
    addresses_[own].push_back(pod.ip);
    for (const auto& port : service.ports) {
      if (port.name.empty()) continue;
      const uint16_t target = port.target.empty()       ? port.port
                              : port.target.number != 0 ? port.target.number
                              : object != nullptr
                                  ? objects::resolve_port(object->spec, port.target, port.transport)
                                  : port.port;
      const std::string_view transport = port.transport == objects::Transport::udp ? "_udp" : "_tcp";
      services_[concat("_", port.name, ".", transport, ".", host)].push_back({own, target});
    }
  }
}

DnsReply DnsZone::answer(const std::string& name, uint16_t type) const {
  DnsReply reply;
  if (const auto it = services_.find(name); it != services_.end()) {
    if (type != static_cast<uint16_t>(DnsType::srv) && type != static_cast<uint16_t>(DnsType::any))
      return reply;
    for (const Srv& srv : it->second) {
      reply.records.push_back(
          {.name = name, .type = DnsType::srv, .address = {}, .target = srv.target, .port = srv.port});
    }
    return reply;
  }
  if (const auto it = reverse_.find(name); it != reverse_.end()) {
    if (type == static_cast<uint16_t>(DnsType::ptr)) {
      reply.records.push_back({.name = name, .type = DnsType::ptr, .address = {}, .target = it->second});
    }
    return reply;
  }
  std::string at = name;
  for (int hops = 0; hops < 8; ++hops) {
    if (const auto it = addresses_.find(at); it != addresses_.end()) {
      add_addresses(reply, at, it->second, type);
      return reply;
    }
    const auto alias = aliases_.find(at);
    if (alias == aliases_.end()) break;
    reply.records.push_back({.name = at, .type = DnsType::cname, .address = {}, .target = alias->second});
    at = alias->second;
  }
  // The most specific wildcard: from the first dot on.
  for (size_t dot = at.find('.'); dot != std::string::npos; dot = at.find('.', dot + 1)) {
    const auto it = wildcards_.find(at.substr(dot));
    if (it == wildcards_.end()) continue;
    add_addresses(reply, at, it->second, type);
    return reply;
  }
  if (reply.records.empty()) reply.code = DnsReply::Code::no_such_name;
  return reply;
}

}  // namespace weft::cli
