#include "translate/translate.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "translate/clusters.h"
#include "translate/gateway.h"
#include "translate/grpc_client.h"
#include "translate/inbound.h"
#include "translate/memo.h"
#include "translate/names.h"
#include "translate/outbound_listeners.h"
#include "translate/outbound_routes.h"

namespace weft::translate {

namespace {

// What all proxies of one namespace are told alike, as far as labels do not tell them apart.
struct Outbound {
  model::ResourceMap<model::Listener> listeners;
  model::ResourceMap<model::RouteConfig> routes;
  model::ResourceMap<model::Cluster> clusters;
  model::ResourceMap<model::EndpointSet> endpoints;
};

template <typename T>
void put(model::ResourceMap<T>& map, std::shared_ptr<const T> resource) {
  if (resource) map.insert_or_assign(resource->name, std::move(resource));
}

}  // namespace

struct Translator::Cache {
  std::shared_ptr<const World> world;
  std::shared_ptr<const World> previous;  // keeps the addresses in keys alive
  std::unordered_map<std::string, std::shared_ptr<const Outbound>> views;  // of this world
  Memo<model::Listener> listeners;
  Memo<std::map<std::string, model::Listener>> listener_sets;
  Memo<model::RouteConfig> routes;
  Memo<model::Cluster> clusters;
  Memo<model::EndpointSet> endpoints;
  Memo<model::Secret> secrets;

  void enter(const std::shared_ptr<const World>& next);
  std::shared_ptr<const Outbound> outbound(const Client& client, bool stock_envoy);
  std::shared_ptr<const Outbound> grpc_client(const Client& client);
  void add_clusters(const Client& client, const std::string& scope, const std::vector<ServiceRef>& services,
                    Outbound& out);
  void add_routes(const Client& client, const std::string& scope, const Visible& visible, Outbound& out);
  void add_listeners(const Client& client, const std::string& scope, const Visible& visible, bool stock_envoy,
                     Outbound& out);
  void add_inbound(const std::string& scope, const Workload& workload, bool stock_envoy,
                   model::Snapshot& out);
  void add_gateway(const std::string& scope, const Workload& workload, const Client& client, bool stock_envoy,
                   model::Snapshot& out);
  void add_secrets(std::string_view namespace_name, model::Snapshot& out);

  template <typename T, typename Make>
  std::shared_ptr<const T> remember(Memo<T>& memo, const std::string& slot, const MemoKey& key,
                                    const std::string& name, const Make& make) {
    return memo.get(slot, key, name,
                    [&]() -> std::shared_ptr<const T> { return std::make_shared<const T>(make()); });
  }
};

void Translator::Cache::enter(const std::shared_ptr<const World>& next) {
  if (world == next) return;
  views.clear();
  if (world && world->options() != next->options()) {
    listeners.clear();
    listener_sets.clear();
    routes.clear();
    clusters.clear();
    endpoints.clear();
    secrets.clear();
  }
  listeners.next_generation();
  listener_sets.next_generation();
  routes.next_generation();
  clusters.next_generation();
  endpoints.next_generation();
  secrets.next_generation();
  previous = std::move(world);
  world = next;
}

void Translator::Cache::add_clusters(const Client& client, const std::string& scope,
                                     const std::vector<ServiceRef>& services, Outbound& out) {
  const void* peers = &world->peer_authentications();
  for (const auto& service : services) {
    if (service->resolution == Resolution::external_name) continue;
    const RuleSet rules = rules_for(*world, *service, client);
    std::vector<const objects::Subset*> subsets = rules.subsets();
    subsets.insert(subsets.begin(), nullptr);
    MemoKey key;
    key.add(service.get()).add(peers).add_all(rules.rules);
    for (size_t i = 0; i < service->ports.size(); ++i) {
      const ServicePort& port = service->ports[i];
      for (const auto* subset : subsets) {
        const std::string name = outbound_cluster(service->host, port.number, subset ? subset->name : "");
        auto cluster = clusters.get(concat(scope, name), key, name, [&] {
          return outbound_cluster_of(*world, *service, port, rules, subset, client);
        });
        if (!cluster) continue;
        if (cluster->discovery == model::Discovery::eds) {
          // Endpoints are the same whoever asks, but for what a subset of that name selects.
          MemoKey inputs;
          inputs.add(service.get()).add(peers).add(subset);
          out.endpoints.insert_or_assign(name, endpoints.get(concat(scope, name), inputs, name, [&] {
            return endpoints_of(*world, *service, i, subset);
          }));
        }
        put(out.clusters, std::move(cluster));
      }
    }
  }
  put(out.clusters,
      remember(clusters, concat(scope, kPassthroughCluster), {}, std::string(kPassthroughCluster),
               [&] { return passthrough_cluster(world->options()); }));
  put(out.clusters, remember(clusters, concat(scope, kBlackHoleCluster), {}, std::string(kBlackHoleCluster),
                             [&] { return black_hole_cluster(world->options()); }));
}

void Translator::Cache::add_routes(const Client& client, const std::string& scope, const Visible& visible,
                                   Outbound& out) {
  MemoKey common;
  common.add(world->services_identity()).add(&world->destination_rules());
  std::map<uint16_t, MemoKey> ports;  // what the routes of each port depend on
  std::set<uint16_t> shared;          // those that 0.0.0.0_<port> listens for
  for (const auto& service : visible.services) {
    if (service->resolution == Resolution::external_name) continue;
    std::vector<const objects::VirtualService*> rules;
    bool asked = false;
    for (const auto& port : service->ports) {
      const bool detected = port.protocol == Protocol::automatic;
      if (!detected && !is_http(port.protocol)) continue;
      if (!asked) rules = visible.rules_for_host(*world, service->host);
      asked = true;
      const auto [it, fresh] = ports.try_emplace(port.number, common);
      if (fresh && port.number == 80) it->second.add_all(visible.virtual_services);
      for (const auto* rule : rules) it->second.add(rule);
      it->second.add(nullptr);
      // With an address of its own it has a listener of its own, and that its own routes.
      const bool own =
          detected && (service->resolution == Resolution::headless ||
                       std::any_of(service->addresses.begin(), service->addresses.end(),
                                   [](const auto& text) { return text.find('/') == std::string::npos; }));
      if (!own) {
        shared.insert(port.number);
        continue;
      }
      MemoKey key = common;
      for (const auto* rule : rules) key.add(rule);
      const std::string name = concat(service->host, ":", port.number);
      put(out.routes, remember(routes, concat(scope, name), key, name,
                               [&] { return service_routes(*world, client, visible, *service, port); }));
    }
  }
  for (const auto& [port, key] : ports) {
    if (!shared.contains(port)) continue;
    const std::string name = std::to_string(port);
    put(out.routes, remember(routes, concat(scope, name), key, name,
                             [&, number = port] { return port_routes(*world, client, visible, number); }));
  }
}

void Translator::Cache::add_listeners(const Client& client, const std::string& scope, const Visible& visible,
                                      bool stock_envoy, Outbound& out) {
  MemoKey key;
  key.add(world->services_identity()).add(&world->destination_rules());
  for (const auto& vs : visible.virtual_services) {
    if (!vs->tls.empty() || !vs->tcp.empty()) key.add(vs.get());
  }
  for (const auto& service : visible.services) {
    if (service->resolution == Resolution::headless) key.add(service.get());
  }
  const std::string listener_scope = concat(scope, stock_envoy ? "stock/" : "");
  auto set = remember(listener_sets, listener_scope, key, "set",
                      [&] { return outbound_listeners(*world, client, visible, stock_envoy); });
  MemoKey of_set;
  of_set.add(set.get());
  for (const auto& [name, listener] : *set) {
    put(out.listeners, remember(listeners, concat(listener_scope, name), of_set, name,
                                [&, &value = listener] { return value; }));
  }
  put(out.listeners,
      remember(listeners, concat(listener_scope, kVirtualOutbound), {}, std::string(kVirtualOutbound),
               [&] { return virtual_outbound(*world, stock_envoy); }));
}

std::shared_ptr<const Outbound> Translator::Cache::outbound(const Client& client, bool stock_envoy) {
  const std::string scope = concat(client.gateway ? "gateway/" : "sidecar/", client.namespace_name, "/",
                                   world->client_signature(client.labels), "/");
  auto& view = views[concat(scope, stock_envoy ? "stock" : "")];
  if (view) return view;
  auto made = std::make_shared<Outbound>();
  if (client.gateway) {
    add_clusters(client, scope, world->services_visible_in(client.namespace_name), *made);
  } else {
    const Visible visible = visible_to(*world, client);
    add_clusters(client, scope, visible.services, *made);
    add_routes(client, scope, visible, *made);
    add_listeners(client, scope, visible, stock_envoy, *made);
  }
  return view = std::move(made);
}

std::shared_ptr<const Outbound> Translator::Cache::grpc_client(const Client& client) {
  const std::string scope =
      concat("grpc/", client.namespace_name, "/", world->client_signature(client.labels), "/");
  auto& view = views[scope];
  if (view) return view;
  auto made = std::make_shared<Outbound>();
  // Made anew for each world, once for all such clients of a namespace, and compared.
  MemoKey key;
  key.add(world.get());
  const GrpcClientParts parts = grpc_client_parts(*world, client, visible_to(*world, client));
  const auto keep = [&](auto& memo, const auto& from, auto& into) {
    for (const auto& [name, value] : from) {
      put(into, remember(memo, concat(scope, name), key, name, [&one = value] { return one; }));
    }
  };
  keep(listeners, parts.listeners, made->listeners);
  keep(routes, parts.routes, made->routes);
  keep(clusters, parts.clusters, made->clusters);
  for (const auto& [name, value] : parts.endpoints) {
    made->endpoints.insert_or_assign(
        name, remember(endpoints, concat(scope, name), key, name, [&one = value] { return one; }));
  }
  return view = std::move(made);
}

void Translator::Cache::add_inbound(const std::string& scope, const Workload& workload, bool stock_envoy,
                                    model::Snapshot& out) {
  MemoKey key;
  key.add(&workload).add(&world->peer_authentications()).add(&world->authorization_policies());
  key.add(&world->destination_rules()).add_all(world->services_of(workload));
  std::optional<Inbound> made;  // listener and clusters are made together, and only if one is asked for
  const auto make = [&]() -> const Inbound& {
    if (!made) made = inbound_of(*world, workload, stock_envoy);
    return *made;
  };
  put(out.listeners, remember(listeners, concat(scope, kVirtualInbound), key, std::string(kVirtualInbound),
                              [&] { return make().listener; }));
  std::set<uint16_t> ports;
  for (const auto& service : world->services_of(workload)) {
    for (const auto& instance : service->instances) {
      if (instance.workload.get() != &workload) continue;
      for (size_t i = 0; i < service->ports.size(); ++i) {
        if (instance.ports[i] != 0 && service->ports[i].protocol != Protocol::udp)
          ports.insert(instance.ports[i]);
      }
    }
  }
  std::vector<std::string> names{std::string(kInboundPassthroughCluster)};
  for (const uint16_t port : ports) names.push_back(inbound_cluster(port));
  for (const auto& name : names) {
    put(out.clusters,
        clusters.get(concat(scope, name), key, name, [&]() -> std::shared_ptr<const model::Cluster> {
          for (const auto& cluster : make().clusters) {
            if (cluster.name == name) return std::make_shared<const model::Cluster>(cluster);
          }
          return nullptr;
        }));
  }
}

void Translator::Cache::add_gateway(const std::string& scope, const Workload& workload, const Client& client,
                                    bool stock_envoy, model::Snapshot& out) {
  // Gateways are few: their parts are made anew for each world, and compared.
  MemoKey key;
  key.add(world.get());
  const GatewayParts parts = gateway_parts(*world, workload, client, stock_envoy);
  for (const auto& [name, listener] : parts.listeners) {
    put(out.listeners,
        remember(listeners, concat(scope, name), key, name, [&, &value = listener] { return value; }));
  }
  for (const auto& [name, config] : parts.routes) {
    put(out.routes, remember(routes, concat(scope, name), key, name, [&, &value = config] { return value; }));
  }
  add_secrets(workload.namespace_name, out);
}

void Translator::Cache::add_secrets(std::string_view namespace_name, model::Snapshot& out) {
  std::set<std::string> names;
  const auto need = [&](const model::TlsCommon& tls) {
    for (const auto* ref : {&tls.certificate, &tls.roots}) {
      if (ref->source == model::SecretRef::Source::ads) names.insert(ref->name);
    }
  };
  for (const auto& [name, listener] : out.listeners) {
    for (const auto& chain : listener->chains) {
      if (chain.tls) need(chain.tls->common);
    }
  }
  for (const auto& [name, cluster] : out.clusters) {
    if (cluster->tls) need(cluster->tls->common);
  }
  MemoKey key;
  key.add(world.get());
  for (const auto& name : names) {
    put(out.secrets, secrets.get(concat(namespace_name, "/", name), key, name,
                                 [&]() -> std::shared_ptr<const model::Secret> {
                                   auto secret = secret_for(*world, namespace_name, name);
                                   if (!secret) return nullptr;
                                   return std::make_shared<const model::Secret>(std::move(*secret));
                                 }));
  }
}

ProxyId proxy_of(const Workload& workload) {
  return {.kind = workload.gateway ? ProxyId::Kind::gateway : ProxyId::Kind::sidecar,
          .namespace_name = workload.namespace_name,
          .name = workload.name};
}

Translator::Translator() : cache_(std::make_unique<Cache>()) {}
Translator::~Translator() = default;

Translation Translator::translate(const std::shared_ptr<const World>& world, const ProxyId& proxy) {
  Cache& cache = *cache_;
  cache.enter(world);
  const auto workload = world->find_workload(proxy.namespace_name, proxy.name);
  const Client client{.namespace_name = proxy.namespace_name,
                      .labels = workload ? workload->labels : objects::Labels{},
                      .gateway = proxy.kind == ProxyId::Kind::gateway};
  const bool grpc_client = proxy.kind == ProxyId::Kind::grpc_client;
  const auto view = grpc_client ? cache.grpc_client(client) : cache.outbound(client, proxy.stock_envoy);

  Translation out;
  out.found = workload != nullptr;
  out.snapshot.listeners = view->listeners;
  out.snapshot.routes = view->routes;
  out.snapshot.clusters = view->clusters;
  out.snapshot.endpoints = view->endpoints;
  if (!workload || grpc_client) return out;

  const std::string scope =
      concat("proxy/", proxy.namespace_name, "/", proxy.name, proxy.stock_envoy ? "/stock/" : "/");
  if (client.gateway) {
    cache.add_gateway(scope, *workload, client, proxy.stock_envoy, out.snapshot);
    return out;
  }
  cache.add_inbound(scope, *workload, proxy.stock_envoy, out.snapshot);
  // A pod that calls its own address (one of a headless service's) does not go through its sidecar.
  if (workload->ip) {
    const std::string own = concat(workload->ip->to_string(), "_");
    std::erase_if(out.snapshot.listeners, [&](const auto& item) { return item.first.starts_with(own); });
  }
  return out;
}

Translation translate(const std::shared_ptr<const World>& world, const ProxyId& proxy) {
  Translator translator;
  return translator.translate(world, proxy);
}

}  // namespace weft::translate
