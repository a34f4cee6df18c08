#include "translate/gateway.h"

#include <algorithm>

#include "translate/authorization.h"
#include "translate/clusters.h"
#include "translate/managers.h"
#include "translate/names.h"
#include "translate/outbound_listeners.h"
#include "translate/routes.h"

namespace weft::translate {

namespace {

using objects::GatewayProtocol;
using TlsMode = objects::ServerTls::Mode;

bool speaks_http(GatewayProtocol protocol) {
  return protocol == GatewayProtocol::http || protocol == GatewayProtocol::http2 ||
         protocol == GatewayProtocol::grpc || protocol == GatewayProtocol::grpc_web;
}

bool passes_tls(const objects::GatewayServer& server) {
  return server.tls &&
         (server.tls->mode == TlsMode::passthrough || server.tls->mode == TlsMode::auto_passthrough);
}

// What one port can hold only one of.
enum class Nature : uint8_t { http, tcp, tls };
Nature nature_of(const objects::GatewayServer& server) {
  if (speaks_http(server.protocol)) return Nature::http;
  return server.tls ? Nature::tls : Nature::tcp;
}

bool terminates_https(const objects::GatewayServer& server) {
  return server.protocol == GatewayProtocol::https && server.tls && !passes_tls(server);
}

// A server at one port of the pod.
struct Placed {
  const objects::Gateway* gateway = nullptr;
  const objects::GatewayServer* server = nullptr;
  uint16_t port = 0;       // of the pod
  std::string route_name;  // of its HTTP routes
  std::vector<std::string> server_names;

  std::string gateway_name() const { return concat(gateway->meta.namespace_name, "/", gateway->meta.name); }
};

struct Placement {
  std::vector<Placed> servers;
  std::vector<ServerConflict> conflicts;
};

std::string_view bare_host(std::string_view written) {
  const size_t slash = written.find('/');
  return slash == std::string_view::npos ? written : written.substr(slash + 1);
}

std::vector<std::string> sni_of(const objects::GatewayServer& server) {
  std::vector<std::string> out;
  for (const auto& host : server.hosts) {
    const std::string name = to_lower(bare_host(host));
    if (name == "*") return {};
    out.push_back(name);
  }
  return out;
}

// Where the pod listens for a Gateway's port: where the Service in front of it sends that port, else there
// itself.
std::set<uint16_t> pod_ports(const World& world, const Workload& workload, uint16_t port) {
  std::set<uint16_t> out;
  for (const auto& service : world.services_of(workload)) {
    for (size_t i = 0; i < service->ports.size(); ++i) {
      if (service->ports[i].number != port) continue;
      for (const auto& instance : service->instances) {
        if (instance.workload.get() == &workload && instance.ports[i] != 0) out.insert(instance.ports[i]);
      }
    }
  }
  if (out.empty()) out.insert(port);
  return out;
}

std::string route_name_of(const objects::Gateway& gateway, const objects::GatewayServer& server,
                          uint16_t port) {
  const std::string bind = server.bind.empty() ? "" : "." + server.bind;
  if (speaks_http(server.protocol)) return concat("http.", port, bind);
  if (terminates_https(server)) {
    return concat("https.", port, ".", server.port_name, ".", gateway.meta.name, ".",
                  gateway.meta.namespace_name, bind);
  }
  return {};
}

Placement place(const World& world, const Workload& workload) {
  Placement out;
  for (const auto& gateway : world.gateways()) {
    if (!objects::selects(gateway->selector, workload.labels)) continue;
    for (const auto& server : gateway->servers) {
      for (const uint16_t port : pod_ports(world, workload, server.port)) {
        Placed placed{.gateway = gateway.get(),
                      .server = &server,
                      .port = port,
                      .route_name = route_name_of(*gateway, server, port),
                      .server_names = server.tls ? sni_of(server) : std::vector<std::string>{}};
        ServerConflict conflict{.gateway = gateway.get(), .server = &server};
        for (const auto& other : out.servers) {
          if (other.port != port || other.server->bind != server.bind) continue;
          const Nature nature = nature_of(server);
          if (nature_of(*other.server) != nature) {
            conflict.why = "another protocol is served on the port";
          } else if (nature == Nature::tcp) {
            conflict.why = "the port is taken by a TCP server";
          } else if (nature == Nature::tls) {
            for (const auto& name : placed.server_names) {
              const auto& names = other.server_names;
              if (std::find(names.begin(), names.end(), name) != names.end()) {
                conflict.why = concat("host ", name, " is already served on the port");
              }
            }
            if (placed.server_names.empty() && other.server_names.empty()) {
              conflict.why = "host * is already served on the port";
            }
            if (!placed.route_name.empty() && placed.route_name == other.route_name) {
              conflict.why = concat("another server of the Gateway has port name \"", server.port_name, "\"");
            }
          }
          if (!conflict.why.empty()) {
            conflict.other = other.gateway;
            break;
          }
        }
        if (!conflict.why.empty()) {
          out.conflicts.push_back(std::move(conflict));
        } else {
          out.servers.push_back(std::move(placed));
        }
      }
    }
  }
  return out;
}

model::TlsVersion version_of(objects::ServerTls::Version version, model::TlsVersion otherwise) {
  using V = objects::ServerTls::Version;
  switch (version) {
    case V::automatic:
      return otherwise;
    case V::tls1_0:
    case V::tls1_1:  // below what the proxies speak
    case V::tls1_2:
      return model::TlsVersion::tls12;
    case V::tls1_3:
      return model::TlsVersion::tls13;
  }
  return otherwise;
}

model::DownstreamTls server_tls(const objects::ServerTls& from, bool http) {
  model::DownstreamTls out;
  if (http) {
    out.common.alpn = {"h2", "http/1.1"};
  } else if (from.mode == TlsMode::istio_mutual) {
    out.common.alpn = {"istio-peer-exchange", "h2", "http/1.1"};
  }
  out.common.min_version = version_of(from.min_version, model::TlsVersion::tls12);
  out.common.max_version = version_of(from.max_version, model::TlsVersion::tls13);
  out.common.cipher_suites = from.cipher_suites;
  for (const auto& name : from.subject_alt_names) {
    out.common.subject_alt_names.push_back(model::StringMatch::exact(name));
  }
  const bool mutual = from.mode == TlsMode::mutual || from.mode == TlsMode::optional_mutual;
  out.require_client_certificate = from.mode == TlsMode::mutual || from.mode == TlsMode::istio_mutual;
  if (from.mode == TlsMode::istio_mutual) {
    out.common.certificate = {.source = model::SecretRef::Source::workload, .name = "default"};
    out.common.roots = {.source = model::SecretRef::Source::workload, .name = "ROOTCA"};
  } else if (!from.credential_name.empty()) {
    out.common.certificate = {.source = model::SecretRef::Source::ads,
                              .name = secret_name(from.credential_name)};
    if (mutual) {
      out.common.roots = {.source = model::SecretRef::Source::ads,
                          .name = secret_ca_name(from.credential_name)};
    }
  } else {
    out.common.certificate = {.source = model::SecretRef::Source::files,
                              .certificate = from.server_certificate,
                              .key = from.private_key};
    if (mutual) out.common.roots = {.source = model::SecretRef::Source::files, .ca = from.ca_certificates};
  }
  if (from.insecure_skip_verify.value_or(false) && mutual) out.common.roots = {};
  return out;
}

// VirtualServices bound to a gateway, in the order their routes are merged: private to the proxy's namespace,
// exported to it by name, public; each oldest first.
std::vector<const objects::VirtualService*> rules_of(const World& world, std::string_view gateway,
                                                     std::string_view proxy_namespace) {
  std::vector<const objects::VirtualService*> classes[3];
  for (const auto& vs : world.virtual_services()) {
    if (!bound_to(*vs, gateway) || !World::exported(vs->export_to, vs->meta.namespace_name, proxy_namespace))
      continue;
    const auto has = [&](std::string_view target) {
      return std::find(vs->export_to.begin(), vs->export_to.end(), target) != vs->export_to.end();
    };
    if (vs->export_to.empty() || has("*")) {
      classes[2].push_back(vs.get());
    } else if (has(".") && vs->meta.namespace_name == proxy_namespace) {
      classes[0].push_back(vs.get());
    } else {
      classes[1].push_back(vs.get());
    }
  }
  std::vector<const objects::VirtualService*> out;
  for (const auto& list : classes) out.insert(out.end(), list.begin(), list.end());
  return out;
}

// Where a server's hosts and a rule's meet: of each pair the narrower.
std::vector<std::string> meeting_hosts(const World& world, const Placed& placed,
                                       const objects::VirtualService& vs) {
  std::vector<std::string> out;
  for (const auto& written : placed.server->hosts) {
    const auto host = server_host_for(written, placed.gateway->meta.namespace_name, vs.meta.namespace_name);
    if (!host) continue;
    for (const auto& claimed : vs.hosts) {
      const std::string name = world.resolve_host(claimed, vs.meta.namespace_name);
      const std::string* narrower = host_within(name, *host)   ? &name
                                    : host_within(*host, name) ? &*host
                                                               : nullptr;
      if (narrower && std::find(out.begin(), out.end(), *narrower) == out.end()) out.push_back(*narrower);
    }
  }
  return out;
}

class Builder {
 public:
  Builder(const World& world, const Workload& workload, const Client& client, bool stock_envoy)
      : world_(world),
        client_(client),
        stock_envoy_(stock_envoy),
        authorization_(authorization_for(world, workload.namespace_name, workload.labels)),
        placement_(place(world, workload)) {}

  GatewayParts build() {
    GatewayParts out;
    for (const auto& placed : placement_.servers) {
      model::Listener& listener = listener_of(placed, out);
      add_chains(placed, listener);
      if (!placed.route_name.empty() && !out.routes.contains(placed.route_name)) {
        out.routes.emplace(placed.route_name, http_routes(placed.route_name));
      }
    }
    std::erase_if(out.listeners, [](const auto& item) { return item.second.chains.empty(); });
    return out;
  }

 private:
  model::Listener& listener_of(const Placed& placed, GatewayParts& out) const {
    const std::string bind = placed.server->bind.empty() ? "0.0.0.0" : placed.server->bind;
    const std::string name = concat(bind, "_", placed.port);
    const auto [it, fresh] = out.listeners.try_emplace(name);
    model::Listener& listener = it->second;
    if (fresh) {
      listener.name = name;
      if (const auto ip = IpAddress::parse(bind)) listener.address = {*ip, placed.port, {}};
      listener.direction = model::Direction::outbound;
      listener.detection_timeout = std::chrono::seconds(15);
      listener.access_logs = no_route_access_logs(world_.options());
    }
    return listener;
  }

  void add_chains(const Placed& placed, model::Listener& listener) const {
    const auto& server = *placed.server;
    if (speaks_http(server.protocol)) {
      // Servers of one port share its routes, and so the one chain.
      if (listener.chains.empty()) listener.chains.push_back(http_chain(placed, listener.name));
      return;
    }
    if (server.tls) listener.tls_inspector = true;
    if (terminates_https(server)) {
      model::FilterChain chain = http_chain(placed, listener.name);
      chain.match.server_names = placed.server_names;
      chain.tls = server_tls(*server.tls, true);
      add(std::move(chain), listener);
    } else if (passes_tls(server)) {
      add_passthrough_chains(placed, listener);
    } else if (auto proxy = tcp_routes(placed)) {
      model::FilterChain chain = tcp_chain(std::move(*proxy));
      if (server.tls) {
        chain.match.server_names = placed.server_names;
        chain.tls = server_tls(*server.tls, false);
      }
      add(std::move(chain), listener);
    }
  }

  static void add(model::FilterChain chain, model::Listener& listener) {
    if (make_distinct(chain, listener.chains)) listener.chains.push_back(std::move(chain));
  }

  model::FilterChain http_chain(const Placed& placed, const std::string& listener_name) const {
    auto manager =
        std::make_shared<model::HttpManager>(http_manager({.mesh = world_.options(),
                                                           .side = Side::gateway,
                                                           .stock_envoy = stock_envoy_,
                                                           .authorization = &authorization_},
                                                          concat("outbound_", listener_name, ";")));
    manager->rds_name = placed.route_name;
    model::FilterChain chain;
    chain.terminal = std::shared_ptr<const model::HttpManager>(std::move(manager));
    return chain;
  }

  model::FilterChain tcp_chain(model::TcpProxy proxy) const {
    model::FilterChain chain;
    chain.network_rbacs = authorization_.network;
    chain.istio_stats = !stock_envoy_;
    chain.terminal = std::make_shared<const model::TcpProxy>(std::move(proxy));
    return chain;
  }

  RouteContext context(const Placed& placed, const std::string& gateway_name) const {
    return {.world = world_,
            .client = client_,
            .gateway = gateway_name,
            .port = placed.server->port,
            .tls = placed.server->tls.has_value() && !speaks_http(placed.server->protocol)};
  }

  // The first tcp route of a rule that is bound to the server.
  std::optional<model::TcpProxy> tcp_routes(const Placed& placed) const {
    const std::string name = placed.gateway_name();
    const RouteContext where = context(placed, name);
    for (const auto* vs : rules_of(world_, name, client_.namespace_name)) {
      if (meeting_hosts(world_, placed, *vs).empty()) continue;
      for (size_t i = 0; i < vs->tcp.size(); ++i) {
        const auto& rule = vs->tcp[i];
        const bool fits =
            rule.match.empty() || std::any_of(rule.match.begin(), rule.match.end(), [&](const auto& match) {
              return (match.port == 0 || match.port == where.port) &&
                     meant_for(match.gateways, match.source_labels, match.source_namespace,
                               vs->meta.namespace_name, where);
            });
        if (!fits || rule.route.empty()) continue;
        model::TcpProxy proxy = tcp_route(rule.route, vs->meta.namespace_name, where);
        proxy.origin =
            concat("VirtualService ", vs->meta.namespace_name, "/", vs->meta.name, " tcp[", i, "]");
        return proxy;
      }
    }
    return std::nullopt;
  }

  void add_passthrough_chains(const Placed& placed, model::Listener& listener) const {
    const std::string name = placed.gateway_name();
    const RouteContext where = context(placed, name);
    for (const auto* vs : rules_of(world_, name, client_.namespace_name)) {
      if (meeting_hosts(world_, placed, *vs).empty()) continue;
      for (size_t i = 0; i < vs->tls.size(); ++i) {
        for (const auto& match : vs->tls[i].match) {
          if (match.port != 0 && match.port != where.port) continue;
          if (!meant_for(match.gateways, match.source_labels, match.source_namespace, vs->meta.namespace_name,
                         where)) {
            continue;
          }
          model::TcpProxy proxy = tcp_route(vs->tls[i].route, vs->meta.namespace_name, where);
          proxy.origin =
              concat("VirtualService ", vs->meta.namespace_name, "/", vs->meta.name, " tls[", i, "]");
          model::FilterChain chain = tcp_chain(std::move(proxy));
          chain.match.server_names = match.sni_hosts;
          const auto& names = chain.match.server_names;
          if (std::find(names.begin(), names.end(), "*") != names.end()) chain.match.server_names.clear();
          add(std::move(chain), listener);
        }
      }
    }
  }

  model::RouteConfig http_routes(const std::string& route_name) const {
    model::RouteConfig out;
    out.name = route_name;
    out.ignore_port_in_host = true;
    std::map<std::string, model::VirtualHost> hosts;
    uint16_t port = 0;
    const auto host_of = [&](const std::string& host) -> model::VirtualHost& {
      const auto [it, fresh] = hosts.try_emplace(host);
      if (fresh) {
        it->second.name = concat(host, ":", port);
        it->second.domains = {host};
        it->second.include_attempt_count = true;
      }
      return it->second;
    };
    for (const auto& placed : placement_.servers) {
      if (placed.route_name != route_name) continue;
      port = placed.server->port;
      const std::string name = placed.gateway_name();
      const RouteContext where = context(placed, name);
      const bool redirect = placed.server->tls && placed.server->tls->https_redirect;
      for (const auto* vs : rules_of(world_, name, client_.namespace_name)) {
        const auto meeting = meeting_hosts(world_, placed, *vs);
        if (meeting.empty()) continue;
        const auto routes = routes_of(*vs, where);
        if (routes.empty()) continue;
        for (const auto& host : meeting) {
          auto& list = host_of(host).routes;
          list.insert(list.end(), routes.begin(), routes.end());
        }
      }
      if (!redirect) continue;
      for (const auto& written : placed.server->hosts)
        host_of(to_lower(bare_host(written))).require_tls = true;
      for (auto& [host, virtual_host] : hosts) {
        if (std::any_of(placed.server->hosts.begin(), placed.server->hosts.end(), [&](const auto& written) {
              return host_within(host, to_lower(bare_host(written)));
            })) {
          virtual_host.require_tls = true;
        }
      }
    }
    if (hosts.empty()) {
      model::VirtualHost nothing;  // without routes: 404
      nothing.name = concat("blackhole:", port);
      nothing.domains = {"*"};
      out.virtual_hosts.push_back(std::move(nothing));
    }
    for (auto& [host, virtual_host] : hosts) {
      // Rules of several objects merge in order, but what catches everything goes last.
      std::vector<model::Route> last;
      std::vector<model::Route> first;
      for (auto& route : virtual_host.routes)
        (is_catch_all(route) ? last : first).push_back(std::move(route));
      for (auto& route : last) first.push_back(std::move(route));
      virtual_host.routes = std::move(first);
      out.virtual_hosts.push_back(std::move(virtual_host));
    }
    return out;
  }

  const World& world_;
  const Client& client_;
  const bool stock_envoy_;
  const Authorization authorization_;
  const Placement placement_;
};

}  // namespace

std::optional<std::string> server_host_for(std::string_view written, std::string_view gateway_namespace,
                                           std::string_view rule_namespace) {
  const size_t slash = written.find('/');
  if (slash != std::string_view::npos) {
    const std::string_view ns = written.substr(0, slash);
    if (ns == "." ? rule_namespace != gateway_namespace : ns != "*" && ns != rule_namespace)
      return std::nullopt;
  }
  return to_lower(bare_host(written));
}

GatewayParts gateway_parts(const World& world, const Workload& workload, const Client& client,
                           bool stock_envoy) {
  return Builder(world, workload, client, stock_envoy).build();
}

std::vector<ServerConflict> gateway_conflicts(const World& world, const Workload& workload) {
  return place(world, workload).conflicts;
}

}  // namespace weft::translate
