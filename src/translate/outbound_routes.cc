#include "translate/outbound_routes.h"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "translate/names.h"
#include "translate/stable_sort.h"

namespace weft::translate {

namespace {

bool carries_http(const ServicePort& port) {
  return is_http(port.protocol) || port.protocol == Protocol::automatic;
}

// The names a client in `from` may call a host by, besides itself: those that DNS search domains complete.
// Ports in Host are ignored (ignore_port_in_host), so that they need not be listed.
std::vector<std::string> short_names(const ServiceInfo& service, std::string_view from,
                                     const MeshOptions& options) {
  std::vector<std::string> out;
  if (!is_wildcard(service.host) && !IpAddress::parse(service.host)) out.push_back(service.host + ".");
  const std::string suffix = concat(".svc.", options.cluster_domain);
  if (!service.host.ends_with(suffix)) return out;
  const std::string base = service.host.substr(0, service.host.size() - suffix.size());  // reviews.default
  const size_t dot = base.find('.');
  if (dot == std::string::npos) return out;
  if (base.substr(dot + 1) == from) out.push_back(base.substr(0, dot));
  out.push_back(base);
  out.push_back(base + ".svc");
  return out;
}

void add_domains(const ServiceInfo& service, std::string_view from, const MeshOptions& options,
                 std::vector<std::string>& out) {
  out.push_back(service.host);
  for (auto& name : short_names(service, from, options)) out.push_back(std::move(name));
}

std::string bracketed(const std::string& address) {
  return address.find(':') == std::string::npos ? address : concat("[", address, "]");
}

std::vector<std::string> domains_of(const ServiceInfo& service, const Visible& visible, std::string_view from,
                                    const MeshOptions& options) {
  std::vector<std::string> out;
  add_domains(service, from, options, out);
  if (const auto it = visible.aliases.find(service.host); it != visible.aliases.end()) {
    for (const auto& alias : it->second) add_domains(*alias, from, options, out);
  }
  // Pods of a headless service have names of their own below it.
  if (service.resolution == Resolution::headless) {
    const size_t count = out.size();
    for (size_t i = 0; i < count; ++i) out.push_back("*." + out[i]);
  }
  for (const auto& address : service.addresses) {
    if (address.find('/') == std::string::npos) out.push_back(bracketed(address));
  }
  return out;
}

model::VirtualHost catch_all(const MeshOptions& options) {
  model::VirtualHost out;
  out.domains = {"*"};
  out.include_attempt_count = true;
  model::Route route;
  if (options.outbound == MeshOptions::OutboundPolicy::allow_any) {
    out.name = route.name = "allow_any";
    model::ForwardAction action;
    action.clusters.push_back({.cluster = std::string(kPassthroughCluster)});
    action.max_grpc_timeout = Duration::zero();
    route.action = std::move(action);
    route.origin = "mesh option outboundTrafficPolicy: ALLOW_ANY";
  } else {
    out.name = route.name = "block_all";
    route.action = model::DirectResponse{.status = 502, .body = {}};
    route.origin = "mesh option outboundTrafficPolicy: REGISTRY_ONLY";
  }
  out.routes.push_back(std::move(route));
  return out;
}

// Each VirtualService's routes, made once however many of its hosts are on the port.
class RoutesByRule {
 public:
  explicit RoutesByRule(const RouteContext& context) : context_(context) {}
  const std::vector<model::Route>& of(const objects::VirtualService& vs) {
    const auto [it, fresh] = made_.try_emplace(&vs);
    if (fresh) it->second = routes_of(vs, context_);
    return it->second;
  }

 private:
  const RouteContext& context_;
  std::unordered_map<const objects::VirtualService*, std::vector<model::Route>> made_;
};

// How well a VirtualService's hosts fit: 0 not at all, exact above every wildcard, longer above shorter.
size_t fit(const objects::VirtualService& vs, const std::string& host, const World& world) {
  size_t best = 0;
  for (const auto& written : vs.hosts) {
    const std::string name = world.resolve_host(written, vs.meta.namespace_name);
    if (name == host) return std::string::npos;
    if (is_wildcard(name) && host_within(host, name)) best = std::max(best, name.size());
  }
  return best;
}

model::VirtualHost virtual_host(std::string_view host, uint16_t port, std::vector<std::string> domains,
                                std::vector<model::Route> routes) {
  model::VirtualHost out;
  out.name = concat(host, ":", port);
  out.domains = std::move(domains);
  out.routes = std::move(routes);
  out.include_attempt_count = true;
  return out;
}

// Hosts of VirtualServices that are no service's: they are served on port 80, and on the ports of the
// services that the same VirtualService also names.
void add_hosts_without_service(const World& world, const Client& client, const Visible& visible,
                               uint16_t port, RoutesByRule& routes, std::vector<model::VirtualHost>& out) {
  for (const auto& vs : visible.virtual_services) {
    if (vs->http.empty()) continue;
    bool on_port = port == 80;
    std::vector<std::string> hosts;
    for (const auto& written : vs->hosts) {
      const std::string name = world.resolve_host(written, vs->meta.namespace_name);
      bool is_service = false;
      if (is_wildcard(name)) {
        for (const auto& service : visible.services) {
          if (!host_within(service->host, name)) continue;
          is_service = true;
          on_port |= service->find_port(port) != nullptr;
        }
      } else if (const auto service = world.find_service(name, client.namespace_name)) {
        is_service = true;
        on_port |= service->find_port(port) != nullptr;
      }
      if (!is_service && name != "*") hosts.push_back(name);
    }
    if (!on_port || hosts.empty() || routes.of(*vs).empty()) continue;
    for (const auto& host : hosts) out.push_back(virtual_host(host, port, {bracketed(host)}, routes.of(*vs)));
  }
}

// Two virtual hosts may not have a domain in common. The first keeps it; a short form never beats the host
// whose whole name it is.
void drop_duplicate_domains(std::vector<model::VirtualHost>& hosts,
                            const std::unordered_set<std::string>& whole) {
  // Names are lower-case by now. First all are judged, for views into them must hold; then the losers go.
  std::unordered_set<std::string_view> taken;
  std::unordered_set<std::string_view> names;
  taken.reserve(hosts.size() * 8);
  names.reserve(hosts.size());
  std::vector<std::vector<bool>> keeps(hosts.size());
  for (size_t i = 0; i < hosts.size(); ++i) {
    const bool first = names.insert(hosts[i].name).second;
    for (const auto& domain : hosts[i].domains) {
      const bool own = &domain == &hosts[i].domains.front();
      keeps[i].push_back(first && (own || !whole.contains(domain)) && taken.insert(domain).second);
    }
  }
  taken.clear();
  names.clear();
  for (size_t i = 0; i < hosts.size(); ++i) {
    if (std::find(keeps[i].begin(), keeps[i].end(), false) == keeps[i].end()) continue;
    std::vector<std::string> kept;
    for (size_t d = 0; d < keeps[i].size(); ++d) {
      if (keeps[i][d]) kept.push_back(std::move(hosts[i].domains[d]));
    }
    hosts[i].domains = std::move(kept);
  }
  std::erase_if(hosts, [](const auto& host) { return host.domains.empty(); });
}

}  // namespace

Visible visible_to(const World& world, const Client& client) {
  Visible out;
  out.services = world.services_visible_in(client.namespace_name);
  for (const auto& service : out.services) {
    if (service->resolution == Resolution::external_name) {
      out.aliases[to_lower(service->external_name)].push_back(service);
    }
  }
  for (const auto& vs : world.virtual_services()) {
    if (!World::exported(vs->export_to, vs->meta.namespace_name, client.namespace_name)) continue;
    if (!bound_to(*vs, "mesh")) continue;
    out.virtual_services.push_back(vs);
    bool wild = false;
    for (const auto& written : vs->hosts) {
      const std::string name = world.resolve_host(written, vs->meta.namespace_name);
      if (is_wildcard(name)) {
        wild = true;
      } else {
        out.rules_by_host[name].push_back(vs.get());
      }
    }
    if (wild) out.wild_rules.push_back(vs.get());
  }
  return out;
}

std::vector<const objects::VirtualService*> Visible::rules_for_host(const World& world,
                                                                    const std::string& host) const {
  std::vector<const objects::VirtualService*> out;
  if (const auto it = rules_by_host.find(host); it != rules_by_host.end()) out = it->second;
  std::vector<std::pair<size_t, const objects::VirtualService*>> wild;
  for (const auto* vs : wild_rules) {
    const size_t quality = fit(*vs, host, world);
    if (quality > 0 && quality != std::string::npos) wild.emplace_back(quality, vs);
  }
  stable_sort(wild, [](const auto& a, const auto& b) { return a.first > b.first; });
  for (const auto& [quality, vs] : wild) out.push_back(vs);
  return out;
}

model::RouteConfig port_routes(const World& world, const Client& client, const Visible& visible,
                               uint16_t port) {
  const RouteContext context{.world = world, .client = client, .gateway = "mesh", .port = port};
  const MeshOptions& options = world.options();
  RoutesByRule routes(context);

  model::RouteConfig out;
  out.name = std::to_string(port);
  out.ignore_port_in_host = true;
  add_hosts_without_service(world, client, visible, port, routes, out.virtual_hosts);
  std::unordered_set<std::string> whole;
  for (const auto& service : visible.services) {
    if (service->resolution == Resolution::external_name) continue;
    const ServicePort* service_port = service->find_port(port);
    if (!service_port || !carries_http(*service_port)) continue;
    whole.insert(service->host);
    std::vector<model::Route> list;
    for (const auto* vs : visible.rules_for_host(world, service->host)) {
      list = routes.of(*vs);
      if (!list.empty()) break;
    }
    if (list.empty()) list.push_back(default_route(world, *service, *service_port, client));
    out.virtual_hosts.push_back(virtual_host(
        service->host, port, domains_of(*service, visible, client.namespace_name, options), std::move(list)));
  }
  drop_duplicate_domains(out.virtual_hosts, whole);
  std::sort(out.virtual_hosts.begin(), out.virtual_hosts.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  out.virtual_hosts.push_back(catch_all(options));
  return out;
}

model::RouteConfig service_routes(const World& world, const Client& client, const Visible& visible,
                                  const ServiceInfo& service, const ServicePort& port) {
  const RouteContext context{.world = world, .client = client, .gateway = "mesh", .port = port.number};
  model::RouteConfig out;
  out.name = concat(service.host, ":", port.number);
  out.ignore_port_in_host = true;
  std::vector<model::Route> routes;
  for (const auto* vs : visible.rules_for_host(world, service.host)) {
    routes = routes_of(*vs, context);
    if (!routes.empty()) break;
  }
  if (routes.empty()) routes.push_back(default_route(world, service, port, client));
  out.virtual_hosts.push_back(virtual_host(service.host, port.number, {"*"}, std::move(routes)));
  return out;
}

}  // namespace weft::translate
