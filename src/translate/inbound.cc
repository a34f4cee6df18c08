#include "translate/inbound.h"

#include <algorithm>
#include <map>
#include <set>

#include "translate/authorization.h"
#include "translate/managers.h"
#include "translate/names.h"
#include "translate/stable_sort.h"
#include "translate/traffic_policy.h"

namespace weft::translate {

namespace {

enum class Speech : uint8_t { http, tcp, automatic };

Speech speech_of(Protocol protocol) {
  if (is_http(protocol)) return Speech::http;
  return protocol == Protocol::automatic ? Speech::automatic : Speech::tcp;
}

// One way a connection may arrive at a port, and what is done with it.
struct Arrival {
  std::vector<std::string> alpns;  // empty: any
  std::string_view transport;      // "tls" or "raw_buffer"
  bool http = false;               // else TCP
  bool mesh_tls = false;           // terminated here
};

const std::vector<std::string> kMeshHttp{"istio-http/1.0", "istio-http/1.1", "istio-h2"};
const std::vector<std::string> kMeshTcp{"istio-peer-exchange", "istio"};
const std::vector<std::string> kMeshAll{"istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1",
                                        "istio-h2"};

// Whether mesh TLS is demanded, accepted or unknown, and whether the port's protocol is known, together say
// which arrivals a port has. What has no arrival is closed: plaintext under STRICT.
std::vector<Arrival> arrivals(MtlsMode mode, Speech speech) {
  const Arrival mesh_http{.alpns = kMeshHttp, .transport = "tls", .http = true, .mesh_tls = true};
  const Arrival plain_http{.alpns = plaintext_http_alpns(), .transport = "raw_buffer", .http = true};
  const Arrival plain_tcp{.transport = "raw_buffer"};
  const Arrival own_tls{.transport = "tls"};  // the application's TLS, passed on as it is
  switch (speech) {
    case Speech::http:
      switch (mode) {
        case MtlsMode::strict:
          return {{.transport = "tls", .http = true, .mesh_tls = true}};
        case MtlsMode::permissive:
          return {{.alpns = kMeshAll, .transport = "tls", .http = true, .mesh_tls = true},
                  {.transport = "raw_buffer", .http = true}};
        case MtlsMode::disable:
          return {{.transport = "raw_buffer", .http = true}};
      }
      break;
    case Speech::tcp:
      switch (mode) {
        case MtlsMode::strict:
          return {{.transport = "tls", .mesh_tls = true}};
        case MtlsMode::permissive:
          return {{.alpns = kMeshAll, .transport = "tls", .mesh_tls = true}, own_tls, plain_tcp};
        case MtlsMode::disable:
          return {plain_tcp, own_tls};
      }
      break;
    case Speech::automatic:
      switch (mode) {
        case MtlsMode::strict:
          return {mesh_http, {.transport = "tls", .mesh_tls = true}};
        case MtlsMode::permissive:
          return {mesh_http,
                  plain_http,
                  {.alpns = kMeshTcp, .transport = "tls", .mesh_tls = true},
                  plain_tcp,
                  own_tls};
        case MtlsMode::disable:
          return {plain_http, plain_tcp, own_tls};
      }
      break;
  }
  return {};
}

model::DownstreamTls mesh_server_tls(const MeshOptions& options, bool http) {
  model::DownstreamTls out;
  out.require_client_certificate = true;
  out.common.alpn = {"h2", "http/1.1"};
  if (!http) out.common.alpn.insert(out.common.alpn.begin(), "istio-peer-exchange");
  out.common.cipher_suites = {
      "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256",
      "ECDHE-RSA-AES128-GCM-SHA256",   "AES256-GCM-SHA384",           "AES128-GCM-SHA256"};
  out.common.certificate = {.source = model::SecretRef::Source::workload, .name = "default"};
  out.common.roots = {.source = model::SecretRef::Source::workload, .name = "ROOTCA"};
  // Foreign trust domains are refused even where a common root signed them.
  out.common.subject_alt_names.push_back(
      model::StringMatch::prefix(concat("spiffe://", options.trust_domain, "/")));
  for (const auto& alias : options.trust_domain_aliases) {
    out.common.subject_alt_names.push_back(model::StringMatch::prefix(concat("spiffe://", alias, "/")));
  }
  return out;
}

// A port of the workload that some service names.
struct Target {
  ServiceRef service;
  const ServicePort* port = nullptr;
};

// By the workload's own port. Where two services disagree about one, the older decides.
std::map<uint16_t, Target> targets_of(const World& world, const Workload& workload) {
  std::map<uint16_t, Target> out;
  std::vector<ServiceRef> services = world.services_of(workload);
  stable_sort(services, [](const auto& a, const auto& b) { return older(a->meta(), b->meta()); });
  for (const auto& service : services) {
    for (const auto& instance : service->instances) {
      if (instance.workload.get() != &workload) continue;
      for (size_t i = 0; i < service->ports.size(); ++i) {
        const uint16_t number = instance.ports[i];
        if (number == 0 || service->ports[i].protocol == Protocol::udp) continue;
        out.emplace(number, Target{service, &service->ports[i]});
      }
    }
  }
  return out;
}

class Builder {
 public:
  Builder(const World& world, const Workload& workload, bool stock_envoy)
      : world_(world),
        options_(world.options()),
        workload_(workload),
        stock_envoy_(stock_envoy),
        authorization_(authorization_for(world, workload.namespace_name, workload.labels)) {}

  Inbound build() {
    Inbound out;
    model::Listener& listener = out.listener;
    listener.name = kVirtualInbound;
    listener.address = {IpAddress::any(), kInboundPort, {}};
    listener.direction = model::Direction::inbound;
    listener.original_dst_filter = true;
    listener.tls_inspector = true;
    listener.http_inspector = true;
    listener.detection_timeout = options_.detection_timeout;
    listener.continue_on_detection_timeout = true;
    listener.access_logs = no_route_access_logs(options_);
    listener.chains.push_back(loop_chain());

    const auto targets = targets_of(world_, workload_);
    add_unnamed_ports(targets, listener);
    for (const auto& [number, target] : targets) {
      out.clusters.push_back(cluster(inbound_cluster(number), &target));
      const MtlsMode mode = world_.mtls_mode(workload_.namespace_name, workload_.labels, number);
      const model::RouteConfig routes = inbound_routes(inbound_cluster(number), target.port->number, &target);
      for (const auto& arrival : arrivals(mode, speech_of(target.port->protocol))) {
        listener.chains.push_back(chain(arrival, number, concat("0.0.0.0_", number), routes));
      }
    }
    out.clusters.push_back(cluster(std::string(kInboundPassthroughCluster), nullptr));
    return out;
  }

 private:
  // A connection made to the listener's own port would be sent on to itself without end.
  model::FilterChain loop_chain() const {
    model::FilterChain out;
    out.name = "virtualInbound-blackhole";
    out.match.destination_port = kInboundPort;
    out.istio_stats = !stock_envoy_;
    out.terminal =
        std::make_shared<const model::TcpProxy>(tcp_proxy(options_, std::string(kBlackHoleCluster)));
    return out;
  }

  // Ports that no service names are open too, under the workload's mode and policies.
  void add_unnamed_ports(const std::map<uint16_t, Target>& targets, model::Listener& listener) const {
    std::vector<std::pair<uint16_t, MtlsMode>> ports{
        {0, world_.mtls_mode(workload_.namespace_name, workload_.labels)}};
    for (const uint16_t port : world_.mtls_ports(workload_.namespace_name, workload_.labels)) {
      if (!targets.contains(port)) {
        ports.emplace_back(port, world_.mtls_mode(workload_.namespace_name, workload_.labels, port));
      }
    }
    const model::RouteConfig routes = inbound_routes(std::string(kInboundPassthroughCluster), 0, nullptr);
    for (const auto& [port, mode] : ports) {
      for (const auto& arrival : arrivals(mode, Speech::automatic)) {
        listener.chains.push_back(
            chain(arrival, port, arrival.http ? "virtualInbound-catchall-http" : std::string(kVirtualInbound),
                  routes));
      }
    }
  }

  model::FilterChain chain(const Arrival& arrival, uint16_t port, const std::string& name,
                           const model::RouteConfig& routes) const {
    model::FilterChain out;
    out.name = name;
    if (port) out.match.destination_port = port;
    out.match.transport_protocol = arrival.transport;
    out.match.application_protocols = arrival.alpns;
    if (arrival.mesh_tls) out.tls = mesh_server_tls(options_, arrival.http);
    if (arrival.http) {
      auto manager = std::make_shared<model::HttpManager>(
          http_manager({.mesh = options_,
                        .side = Side::inbound,
                        .stock_envoy = stock_envoy_,
                        .authorization = &authorization_},
                       routes.name == kInboundPassthroughCluster ? concat(routes.name, ";")
                                                                 : concat("inbound_", name, ";")));
      manager->inline_routes = std::make_shared<const model::RouteConfig>(routes);
      out.terminal = std::shared_ptr<const model::HttpManager>(std::move(manager));
    } else {
      out.network_rbacs = authorization_.network;
      out.istio_stats = !stock_envoy_;
      out.terminal = std::make_shared<const model::TcpProxy>(tcp_proxy(options_, routes.name));
    }
    return out;
  }

  model::RouteConfig inbound_routes(const std::string& cluster_name, uint16_t service_port,
                                    const Target* target) const {
    model::RouteConfig out;
    out.name = cluster_name;
    model::Route route;
    route.name = "default";
    model::ForwardAction action;
    action.clusters.push_back({.cluster = cluster_name});
    action.max_grpc_timeout = Duration::zero();
    const bool grpc =
        target && (target->port->protocol == Protocol::grpc || target->port->protocol == Protocol::grpc_web);
    if (!grpc) {
      // The application may close an idle connection just as a request is sent on it: then it never saw it.
      model::RetryPolicy retry;
      retry.on = model::RetryPolicy::reset_before_request;
      retry.attempts = 2;
      retry.is_default = true;
      action.retry = retry;
    }
    route.action = std::move(action);
    if (target)
      route.origin = concat("Service ", target->service->namespace_name, "/", target->service->name);
    model::VirtualHost host;
    host.name = concat("inbound|http|", service_port);
    host.domains = {"*"};
    host.routes.push_back(std::move(route));
    out.virtual_hosts.push_back(std::move(host));
    return out;
  }

  model::Cluster cluster(std::string name, const Target* target) const {
    model::Cluster out;
    out.name = std::move(name);
    out.discovery = model::Discovery::original_dst;
    out.lb = model::LbPolicy::cluster_provided;
    out.connect_timeout = options_.connect_timeout;
    out.bind_source = IpAddress::v4(0x7f000006);
    out.protocol = model::Cluster::Protocol::as_client;
    if (!target) return out;
    if (is_http2(target->port->protocol)) {
      out.protocol = model::Cluster::Protocol::http2;
    } else if (target->port->protocol != Protocol::automatic) {
      out.protocol = model::Cluster::Protocol::http1;
    }
    out.service_host = target->service->host;
    out.service_name = target->service->kubernetes ? target->service->name : target->service->host;
    out.service_namespace = target->service->namespace_name;
    // The pool's bounds protect the workload at its own side too.
    const Client self{.namespace_name = workload_.namespace_name, .labels = workload_.labels};
    const ClientPolicy policy =
        rules_for(world_, *target->service, self).policy(target->port->number, nullptr);
    if (policy.connection_pool) {
      const auto& pool = *policy.connection_pool;
      const auto limit = [](const std::optional<uint32_t>& value, uint32_t& into) {
        if (value && *value > 0) into = *value;
      };
      limit(pool.max_connections, out.limits.max_connections);
      limit(pool.http1_max_pending_requests, out.limits.max_pending_requests);
      limit(pool.http2_max_requests, out.limits.max_requests);
      limit(pool.max_retries, out.limits.max_retries);
      limit(pool.max_requests_per_connection, out.max_requests_per_connection);
      if (pool.connect_timeout) out.connect_timeout = *pool.connect_timeout;
      out.idle_timeout = pool.http_idle_timeout ? pool.http_idle_timeout : pool.tcp_idle_timeout;
      out.max_connection_duration = pool.max_connection_duration;
    }
    return out;
  }

  const World& world_;
  const MeshOptions& options_;
  const Workload& workload_;
  const bool stock_envoy_;
  const Authorization authorization_;
};

}  // namespace

Inbound inbound_of(const World& world, const Workload& workload, bool stock_envoy) {
  return Builder(world, workload, stock_envoy).build();
}

}  // namespace weft::translate
