#include "translate/grpc_client.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "translate/clusters.h"
#include "translate/names.h"

namespace weft::translate {

namespace {

// The names by which a client of that namespace may mean a service, the whole one first.
std::vector<std::string> names_of(const ServiceInfo& service, std::string_view from) {
  std::vector<std::string> out{service.host};
  if (!service.kubernetes) return out;
  out.push_back(concat(service.name, ".", service.namespace_name, ".svc"));
  out.push_back(concat(service.name, ".", service.namespace_name));
  if (service.namespace_name == from) out.push_back(service.name);
  return out;
}

void adapt(model::ForwardAction& action) {
  if (action.timeout > Duration::zero()) action.max_stream_duration = action.timeout;
  if (action.retry && action.retry->is_default) action.retry.reset();
}

void adapt(model::RouteConfig& routes) {
  for (auto& host : routes.virtual_hosts) {
    for (auto& route : host.routes) {
      if (auto* action = std::get_if<model::ForwardAction>(&route.action)) adapt(*action);
    }
  }
}

// False: a client library cannot be told how to reach it, and plaintext instead would be wrong.
bool adapt_tls(model::Cluster& cluster) {
  using Source = model::SecretRef::Source;
  cluster.mesh_tls.reset();
  if (!cluster.tls) return true;
  model::TlsCommon& common = cluster.tls->common;
  if (common.certificate.source != Source::workload || common.roots.source != Source::workload) return false;
  model::TlsCommon out;
  out.min_version = out.max_version = model::TlsVersion::automatic;
  out.certificate = {.source = Source::provider, .name = common.certificate.name};
  out.roots = {.source = Source::provider, .name = common.roots.name};
  out.subject_alt_names = std::move(common.subject_alt_names);
  cluster.tls = model::UpstreamTls{.common = std::move(out)};
  return true;
}

bool adapt_discovery(model::Cluster& cluster) {
  switch (cluster.discovery) {
    case model::Discovery::eds:
      return true;
    case model::Discovery::strict_dns:
      cluster.discovery = model::Discovery::logical_dns;  // the same, of one name
      return cluster.fixed_endpoints.endpoints.size() == 1;
    case model::Discovery::logical_dns:
      return true;
    case model::Discovery::fixed:
    case model::Discovery::original_dst:
      break;
  }
  return false;
}

void adapt_balancing(model::Cluster& cluster) {
  const bool hash = cluster.lb == model::LbPolicy::ring_hash || cluster.lb == model::LbPolicy::maglev;
  cluster.lb = hash ? model::LbPolicy::ring_hash : model::LbPolicy::round_robin;
}

class Builder {
 public:
  Builder(const World& world, const Client& client, const Visible& visible)
      : world_(world), client_(client), visible_(visible), chooser_(client) {
    // There is no original destination: a headless service's endpoints are chosen among, as by a gateway.
    chooser_.gateway = true;
  }

  GrpcClientParts build() {
    for (const auto& service : visible_.services) {
      if (service->resolution == Resolution::external_name) continue;
      for (size_t i = 0; i < service->ports.size(); ++i) add(*service, i);
    }
    return std::move(out_);
  }

 private:
  void add(const ServiceInfo& service, size_t port_index) {
    const ServicePort& port = service.ports[port_index];
    if (!is_http(port.protocol) && port.protocol != Protocol::automatic) return;
    // Istio's name for a client library's routes is its default cluster's.
    const std::string routes_name = outbound_cluster(service.host, port.number);
    for (const auto& name : names_of(service, client_.namespace_name)) {
      model::Listener listener;
      listener.name = concat(name, ":", port.number);
      listener.api_routes = routes_name;
      // A service that is called "echo.default" itself keeps that name.
      if (name == service.host) {
        out_.listeners.insert_or_assign(listener.name, listener);
      } else {
        out_.listeners.emplace(listener.name, listener);
      }
    }
    model::RouteConfig routes = service_routes(world_, client_, visible_, service, port);
    routes.name = routes_name;
    adapt(routes);
    out_.routes.insert_or_assign(routes_name, std::move(routes));

    const RuleSet rules = rules_for(world_, service, client_);
    add_cluster(service, port_index, rules, nullptr);
    for (const auto* subset : rules.subsets()) add_cluster(service, port_index, rules, subset);
  }

  void add_cluster(const ServiceInfo& service, size_t port_index, const RuleSet& rules,
                   const objects::Subset* subset) {
    const auto made =
        outbound_cluster_of(world_, service, service.ports[port_index], rules, subset, chooser_);
    if (!made) return;
    model::Cluster cluster = *made;
    if (!adapt_discovery(cluster) || !adapt_tls(cluster)) return;
    adapt_balancing(cluster);
    if (cluster.discovery == model::Discovery::eds) {
      out_.endpoints.insert_or_assign(cluster.name, *endpoints_of(world_, service, port_index, subset));
    }
    out_.clusters.insert_or_assign(cluster.name, std::move(cluster));
  }

  const World& world_;
  const Client& client_;
  const Visible& visible_;
  Client chooser_;
  GrpcClientParts out_;
};

}  // namespace

GrpcClientParts grpc_client_parts(const World& world, const Client& client, const Visible& visible) {
  return Builder(world, client, visible).build();
}

}  // namespace weft::translate
