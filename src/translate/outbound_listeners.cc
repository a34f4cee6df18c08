#include "translate/outbound_listeners.h"

#include <algorithm>
#include <set>

#include "translate/managers.h"
#include "translate/names.h"
#include "translate/stable_sort.h"

namespace weft::translate {

namespace {

constexpr std::string_view kWildcard = "0.0.0.0";

Result<Cidr> whole_address(std::string_view text) { return Cidr::parse(text); }

std::vector<Cidr> cidrs(const std::vector<std::string>& texts) {
  std::vector<Cidr> out;
  for (const auto& text : texts) {
    if (const auto cidr = whole_address(text)) out.push_back(*cidr);
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool matches_all(const model::FilterChainMatch& match) { return match == model::FilterChainMatch{}; }

// A listener while services still add to it. Two services may mean the same address and port: then the older
// one's chains stay and the younger adds those that can be told apart.
struct Draft {
  std::string bind;
  uint16_t port = 0;
  bool has_http = false;
  bool tcp_only = false;  // nothing here waits for the client's first bytes
  std::vector<model::FilterChain> chains;

  void add(model::FilterChain chain) {
    if (make_distinct(chain, chains)) chains.push_back(std::move(chain));
  }
};

class Drafts {
 public:
  Drafts(const World& world, const Client& client, const Visible& visible, bool stock_envoy)
      : world_(world), client_(client), visible_(visible), stock_envoy_(stock_envoy) {}

  void add(const ServiceInfo& service) {
    if (service.resolution == Resolution::external_name) return;
    for (const auto& port : service.ports) {
      if (port.protocol == Protocol::udp) continue;
      // There the proxy itself listens.
      if (port.number == kOutboundPort || port.number == kInboundPort) continue;
      if (is_http(port.protocol)) {
        add_http(draft(kWildcard, port.number), service, port, /*detected=*/false);
      } else {
        for (const auto& [bind, destination] : places(service, port)) {
          add_opaque(draft(bind, port.number), service, port, destination);
        }
      }
    }
  }

  std::map<std::string, model::Listener> finish() {
    std::map<std::string, model::Listener> out;
    for (auto& [name, draft] : drafts_) {
      if (!draft.chains.empty()) out.emplace(name, finish(name, draft));
    }
    return out;
  }

 private:
  Draft& draft(std::string_view bind, uint16_t port) {
    Draft& out = drafts_[concat(bind, "_", port)];
    out.bind = bind;
    out.port = port;
    return out;
  }

  // Where an opaque port of a service listens: at its address; at 0.0.0.0 for a range, told by destination,
  // or where it has no address; for a headless service at each pod's.
  static std::vector<std::pair<std::string, std::vector<Cidr>>> places(const ServiceInfo& service,
                                                                       const ServicePort& port) {
    std::vector<std::pair<std::string, std::vector<Cidr>>> out;
    if (service.resolution == Resolution::headless) {
      for (const auto& instance : service.instances) {
        if (instance.workload && instance.workload->ip)
          out.push_back({instance.workload->ip->to_string(), {}});
      }
      return out;
    }
    std::vector<std::string> ranges;
    for (const auto& address : service.addresses) {
      if (address.find('/') == std::string::npos) {
        out.push_back({address, {}});
      } else {
        ranges.push_back(address);
      }
    }
    if (!ranges.empty()) out.push_back({std::string(kWildcard), cidrs(ranges)});
    if (out.empty() && !service.kubernetes) out.push_back({std::string(kWildcard), {}});
    return out;
  }

  void add_http(Draft& draft, const ServiceInfo& service, const ServicePort& port, bool detected) {
    if (draft.has_http) return;  // the routes already hold every service of the port
    draft.has_http = true;
    draft.tcp_only = false;
    const bool own = detected && draft.bind != kWildcard;
    auto manager = std::make_shared<model::HttpManager>(
        http_manager({.mesh = world_.options(), .side = Side::outbound, .stock_envoy = stock_envoy_},
                     concat("outbound_", draft.bind, "_", draft.port, ";")));
    manager->rds_name = own ? concat(service.host, ":", port.number) : std::to_string(port.number);
    model::FilterChain chain;
    chain.match.transport_protocol = "raw_buffer";
    chain.match.application_protocols = plaintext_http_alpns();
    chain.terminal = std::shared_ptr<const model::HttpManager>(std::move(manager));
    draft.add(std::move(chain));
  }

  void add_opaque(Draft& draft, const ServiceInfo& service, const ServicePort& port,
                  const std::vector<Cidr>& destination) {
    if (draft.chains.empty()) draft.tcp_only = port.protocol != Protocol::automatic;
    const RouteContext context{.world = world_, .client = client_, .gateway = "mesh", .port = port.number};
    if (is_tls(port.protocol)) {
      add_tls_rules(draft, service, port, destination, context);
    } else {
      add_tcp_rules(draft, service, port, destination, context);
    }
    if (port.protocol == Protocol::automatic) add_http(draft, service, port, /*detected=*/true);
  }

  void add_chain(Draft& draft, std::vector<Cidr> destination, std::vector<std::string> server_names,
                 model::TcpProxy proxy) {
    model::FilterChain chain;
    chain.match.destination = std::move(destination);
    chain.match.server_names = std::move(server_names);
    chain.istio_stats = !stock_envoy_;
    chain.terminal = std::make_shared<const model::TcpProxy>(std::move(proxy));
    draft.add(std::move(chain));
  }

  model::TcpProxy own_cluster(const ServiceInfo& service, const ServicePort& port) {
    model::TcpProxy proxy = tcp_proxy(world_.options(), outbound_cluster(service.host, port.number));
    const ClientPolicy policy = rules_for(world_, service, client_).policy(port.number, nullptr);
    if (policy.connection_pool) {
      if (policy.connection_pool->tcp_idle_timeout)
        proxy.idle_timeout = *policy.connection_pool->tcp_idle_timeout;
      proxy.max_connection_duration = policy.connection_pool->max_connection_duration;
    }
    proxy.origin =
        concat(service.kubernetes ? "Service " : "ServiceEntry ", service.namespace_name, "/", service.name);
    return proxy;
  }

  void add_tls_rules(Draft& draft, const ServiceInfo& service, const ServicePort& port,
                     const std::vector<Cidr>& destination, const RouteContext& context) {
    bool matched = false;
    std::set<std::pair<std::vector<std::string>, std::vector<std::string>>> handled;
    for (const auto* vs : visible_.rules_for_host(world_, service.host)) {
      for (size_t i = 0; i < vs->tls.size(); ++i) {
        for (const auto& match : vs->tls[i].match) {
          if (match.port != 0 && match.port != port.number) continue;
          if (!meant_for(match.gateways, match.source_labels, match.source_namespace, vs->meta.namespace_name,
                         context)) {
            continue;
          }
          matched = true;
          // The same test again, for other clients: never reached.
          if (!handled.emplace(match.sni_hosts, match.destination_subnets).second) continue;
          model::TcpProxy proxy = tcp_route(vs->tls[i].route, vs->meta.namespace_name, context);
          proxy.origin =
              concat("VirtualService ", vs->meta.namespace_name, "/", vs->meta.name, " tls[", i, "]");
          add_chain(draft, match.destination_subnets.empty() ? destination : cidrs(match.destination_subnets),
                    match.sni_hosts, std::move(proxy));
        }
      }
    }
    if (matched) return;
    // Without an address of its own the service is told by the name that the client asks for.
    std::vector<std::string> names;
    if (draft.bind == kWildcard) names = {service.host};
    add_chain(draft, destination, std::move(names), own_cluster(service, port));
  }

  void add_tcp_rules(Draft& draft, const ServiceInfo& service, const ServicePort& port,
                     const std::vector<Cidr>& destination, const RouteContext& context) {
    for (const auto* vs : visible_.rules_for_host(world_, service.host)) {
      for (size_t i = 0; i < vs->tcp.size(); ++i) {
        const auto& rule = vs->tcp[i];
        std::vector<std::string> subnets;
        bool everything = rule.match.empty();
        for (const auto& match : rule.match) {
          if (match.port != 0 && match.port != port.number) continue;
          if (!meant_for(match.gateways, match.source_labels, match.source_namespace, vs->meta.namespace_name,
                         context)) {
            continue;
          }
          if (match.destination_subnets.empty()) everything = true;
          subnets.insert(subnets.end(), match.destination_subnets.begin(), match.destination_subnets.end());
        }
        if (!everything && subnets.empty()) continue;
        model::TcpProxy proxy = tcp_route(rule.route, vs->meta.namespace_name, context);
        proxy.origin =
            concat("VirtualService ", vs->meta.namespace_name, "/", vs->meta.name, " tcp[", i, "]");
        add_chain(draft, everything ? destination : cidrs(subnets), {}, std::move(proxy));
        if (everything) return;
      }
    }
    add_chain(draft, destination, {}, own_cluster(service, port));
  }

  model::Listener finish(const std::string& name, Draft& draft) {
    model::Listener out;
    out.name = name;
    if (const auto ip = IpAddress::parse(draft.bind)) out.address = {*ip, draft.port, {}};
    out.direction = model::Direction::outbound;
    out.bind_to_port = false;
    for (auto& chain : draft.chains) {
      out.tls_inspector |= !chain.match.server_names.empty();
      out.http_inspector |= !chain.match.application_protocols.empty();
      if (matches_all(chain.match) && !out.default_chain) {
        out.default_chain = std::move(chain);
      } else {
        out.chains.push_back(std::move(chain));
      }
    }
    out.detection_timeout =
        out.http_inspector || out.tls_inspector ? world_.options().detection_timeout : Duration::zero();
    out.continue_on_detection_timeout = true;
    if (out.default_chain && out.chains.empty()) {
      out.chains.push_back(std::move(*out.default_chain));
      out.default_chain.reset();
    } else if (!out.default_chain) {
      out.default_chain = fall_through();
    }
    out.access_logs = no_route_access_logs(world_.options());
    return out;
  }

  model::FilterChain fall_through() const;

  const World& world_;
  const Client& client_;
  const Visible& visible_;
  const bool stock_envoy_;
  std::map<std::string, Draft> drafts_;
};

std::string_view unclaimed_cluster(const MeshOptions& options) {
  return options.outbound == MeshOptions::OutboundPolicy::allow_any ? kPassthroughCluster : kBlackHoleCluster;
}

model::FilterChain to_unclaimed(const MeshOptions& options, std::string name) {
  model::FilterChain chain;
  chain.name = std::move(name);
  model::TcpProxy proxy = tcp_proxy(options, std::string(unclaimed_cluster(options)));
  proxy.origin = options.outbound == MeshOptions::OutboundPolicy::allow_any
                     ? "mesh option outboundTrafficPolicy: ALLOW_ANY"
                     : "mesh option outboundTrafficPolicy: REGISTRY_ONLY";
  chain.terminal = std::make_shared<const model::TcpProxy>(std::move(proxy));
  return chain;
}

model::FilterChain Drafts::fall_through() const {
  model::FilterChain chain = to_unclaimed(world_.options(), "PassthroughFilterChain");
  chain.istio_stats = !stock_envoy_;
  return chain;
}

}  // namespace

model::TcpProxy tcp_route(const std::vector<objects::L4Destination>& destinations,
                          std::string_view rule_namespace, const RouteContext& context) {
  model::TcpProxy out = tcp_proxy(context.world.options(), "");
  out.clusters.clear();
  out.total_weight = 0;
  for (const auto& destination : destinations) {
    const uint32_t weight =
        destinations.size() == 1 ? 1 : static_cast<uint32_t>(std::max(destination.weight, 0));
    if (weight == 0) continue;
    out.clusters.emplace_back(cluster_for(destination.destination, rule_namespace, context), weight);
    out.total_weight += weight;
  }
  if (out.clusters.empty()) {
    out.clusters.emplace_back(kBlackHoleCluster, 1);
    out.total_weight = 1;
  }
  out.stat_prefix = out.clusters.front().first;
  return out;
}

std::map<std::string, model::Listener> outbound_listeners(const World& world, const Client& client,
                                                          const Visible& visible, bool stock_envoy) {
  Drafts drafts(world, client, visible, stock_envoy);
  std::vector<ServiceRef> oldest_first = visible.services;
  stable_sort(oldest_first, [](const auto& a, const auto& b) { return older(a->meta(), b->meta()); });
  for (const auto& service : oldest_first) drafts.add(*service);
  return drafts.finish();
}

model::Listener virtual_outbound(const World& world, bool stock_envoy) {
  const MeshOptions& options = world.options();
  model::Listener out;
  out.name = kVirtualOutbound;
  out.address = {IpAddress::any(), kOutboundPort, {}};
  out.direction = model::Direction::outbound;
  out.use_original_dst = true;
  out.original_dst_filter = true;
  out.detection_timeout = Duration::zero();
  out.access_logs = no_route_access_logs(options);

  // A connection made to this port itself would be sent on to itself without end.
  model::FilterChain loop;
  loop.name = "virtualOutbound-blackhole";
  loop.match.destination_port = kOutboundPort;
  loop.terminal = std::make_shared<const model::TcpProxy>(tcp_proxy(options, std::string(kBlackHoleCluster)));
  out.chains.push_back(std::move(loop));
  out.chains.push_back(to_unclaimed(options, "virtualOutbound-catchall-tcp"));
  for (auto& chain : out.chains) chain.istio_stats = !stock_envoy;
  return out;
}

}  // namespace weft::translate
