#include "translate/clusters.h"

#include <algorithm>
#include <set>

#include "translate/names.h"

namespace weft::translate {

namespace {

// Debian's and Alpine's place for the roots that the system trusts; Istio's "system".
constexpr std::string_view kSystemRoots = "/etc/ssl/certs/ca-certificates.crt";

bool accepts_mesh_tls(const World& world, const ServiceInfo& service, const Instance& instance, size_t port) {
  if (!instance.workload) {
    // An address that a ServiceEntry gives: mesh TLS where it says so, or names its identity.
    const auto it = instance.labels.find("security.istio.io/tlsMode");
    if (it != instance.labels.end()) return it->second == "istio";
    return !service.external && !instance.service_account.empty();
  }
  const Workload& workload = *instance.workload;
  return workload.sidecar &&
         world.mtls_mode(workload.namespace_name, workload.labels, instance.ports[port]) != MtlsMode::disable;
}

// The identities that may answer for a service: those of its pods, whatever their readiness, so that a pod
// that becomes ready is not refused by a client whose cluster is a moment older than its endpoints.
std::vector<std::string> identities_of(const World& world, const ServiceInfo& service) {
  std::set<std::string> out;
  for (const auto& instance : service.instances) {
    if (instance.workload) {
      out.insert(instance.workload->principal);
      for (const auto& alias : world.options().trust_domain_aliases) {
        out.insert(concat("spiffe://", alias, "/ns/", instance.workload->namespace_name, "/sa/",
                          instance.workload->service_account));
      }
    } else if (!instance.service_account.empty()) {
      out.insert(concat("spiffe://", world.options().trust_domain, "/ns/", service.namespace_name, "/sa/",
                        instance.service_account));
    }
  }
  out.insert(service.subject_alt_names.begin(), service.subject_alt_names.end());
  return {out.begin(), out.end()};
}

std::vector<model::StringMatch> exactly(const std::vector<std::string>& names) {
  std::vector<model::StringMatch> out;
  for (const auto& name : names) out.push_back(model::StringMatch::exact(name));
  return out;
}

model::UpstreamTls user_tls(const objects::ClientTls& tls, const ServiceInfo& service, bool http2,
                            bool gateway, bool selected) {
  using Mode = objects::ClientTls::Mode;
  model::UpstreamTls out;
  out.sni = tls.sni;
  out.auto_host_sni = tls.sni.empty();
  std::vector<std::string> names = tls.subject_alt_names;
  if (names.empty() && !service.kubernetes) names = service.subject_alt_names;
  const bool skip_verify = tls.insecure_skip_verify.value_or(false);
  out.auto_san_validation = out.auto_host_sni && names.empty() && !skip_verify;
  if (http2) out.common.alpn = {"h2"};

  if (!tls.credential_name.empty() && (gateway || selected)) {
    if (tls.mode == Mode::mutual) {
      out.common.certificate = {.source = model::SecretRef::Source::ads,
                                .name = secret_name(tls.credential_name)};
    }
    if (!skip_verify) {
      out.common.roots = {.source = model::SecretRef::Source::ads,
                          .name = secret_ca_name(tls.credential_name)};
    }
  } else {
    if (tls.mode == Mode::mutual) {
      out.common.certificate = {.source = model::SecretRef::Source::files,
                                .certificate = tls.client_certificate,
                                .key = tls.private_key};
    }
    if (!skip_verify) {
      out.common.roots = {
          .source = model::SecretRef::Source::files,
          .ca = tls.ca_certificates.empty() ? std::string(kSystemRoots) : tls.ca_certificates};
    }
  }
  if (!skip_verify) out.common.subject_alt_names = exactly(names);
  return out;
}

void apply_pool(const objects::ConnectionPool& pool, model::Cluster& out) {
  const auto limit = [](const std::optional<uint32_t>& value, uint32_t& into) {
    if (value && *value > 0) into = *value;
  };
  limit(pool.max_connections, out.limits.max_connections);
  limit(pool.http1_max_pending_requests, out.limits.max_pending_requests);
  limit(pool.http2_max_requests, out.limits.max_requests);
  limit(pool.max_retries, out.limits.max_retries);
  limit(pool.max_requests_per_connection, out.max_requests_per_connection);
  limit(pool.max_concurrent_streams, out.max_concurrent_streams);
  if (pool.connect_timeout) out.connect_timeout = *pool.connect_timeout;
  if (pool.max_connection_duration) out.max_connection_duration = *pool.max_connection_duration;
  out.idle_timeout = pool.http_idle_timeout ? pool.http_idle_timeout : pool.tcp_idle_timeout;
  if (pool.tcp_keepalive) {
    model::Cluster::TcpKeepalive keepalive;
    const auto seconds = [](const std::optional<Duration>& value) {
      return value ? static_cast<uint32_t>(duration_cast<std::chrono::seconds>(*value).count()) : 0u;
    };
    keepalive.probes = pool.tcp_keepalive->probes.value_or(0);
    keepalive.time_s = seconds(pool.tcp_keepalive->time);
    keepalive.interval_s = seconds(pool.tcp_keepalive->interval);
    out.keepalive = keepalive;
  }
  if (pool.use_client_protocol) {
    out.protocol = model::Cluster::Protocol::as_client;
  } else if (pool.h2_upgrade == objects::ConnectionPool::H2Upgrade::upgrade) {
    out.protocol = model::Cluster::Protocol::http2;
  }
}

model::OutlierDetection outlier_of(const objects::OutlierDetection& from) {
  model::OutlierDetection out;
  if (from.consecutive_5xx_errors) {
    out.consecutive_5xx = *from.consecutive_5xx_errors;
    out.enforcing_consecutive_5xx = *from.consecutive_5xx_errors > 0 ? 100 : 0;
  }
  if (from.consecutive_gateway_errors) {
    out.consecutive_gateway_failure = *from.consecutive_gateway_errors;
    out.enforcing_consecutive_gateway_failure = *from.consecutive_gateway_errors > 0 ? 100 : 0;
  }
  out.split_external_local_origin_errors = from.split_external_local_origin_errors;
  if (from.consecutive_local_origin_failures) {
    out.consecutive_local_origin_failure = *from.consecutive_local_origin_failures;
    out.enforcing_consecutive_local_origin_failure = *from.consecutive_local_origin_failures > 0 ? 100 : 0;
  }
  if (from.interval) out.interval = *from.interval;
  if (from.base_ejection_time) out.base_ejection_time = *from.base_ejection_time;
  out.max_ejection_time = std::max(out.max_ejection_time, out.base_ejection_time);
  if (from.max_ejection_percent && *from.max_ejection_percent > 0) {
    out.max_ejection_percent = *from.max_ejection_percent;
  }
  return out;
}

void apply_balancer(const objects::LoadBalancer* from, const ServiceInfo& service, model::Cluster& out) {
  using Simple = objects::LoadBalancer::Simple;
  out.lb = model::LbPolicy::least_request;
  if (from) {
    switch (from->simple) {
      case Simple::unset:
      case Simple::least_request:
        break;
      case Simple::random:
        out.lb = model::LbPolicy::random;
        break;
      case Simple::round_robin:
        out.lb = model::LbPolicy::round_robin;
        break;
      case Simple::passthrough:
        out.discovery = model::Discovery::original_dst;
        out.fixed_endpoints = {};
        break;
    }
    if (from->consistent_hash) {
      const auto& hash = *from->consistent_hash;
      if (hash.algorithm == objects::LoadBalancer::ConsistentHash::Algorithm::maglev) {
        out.lb = model::LbPolicy::maglev;
        out.maglev_table = hash.table_size;
      } else {
        out.lb = model::LbPolicy::ring_hash;
        out.ring_size_min = hash.minimum_ring_size;
        out.ring_size_max = std::max(out.ring_size_max, out.ring_size_min);
      }
    }
  }
  if (out.discovery == model::Discovery::original_dst) out.lb = model::LbPolicy::cluster_provided;
}

void apply_discovery(const World& world, const ServiceInfo& service, size_t port_index, const Client& client,
                     const objects::Subset* subset, model::Cluster& out) {
  switch (service.resolution) {
    case Resolution::endpoints:
    case Resolution::external_name:
      out.discovery = model::Discovery::eds;
      return;
    case Resolution::headless:
      // A sidecar's client has chosen the pod itself; a gateway's has not.
      out.discovery = client.gateway ? model::Discovery::eds : model::Discovery::original_dst;
      return;
    case Resolution::none:
      out.discovery = model::Discovery::original_dst;
      return;
    case Resolution::dns:
    case Resolution::dns_round_robin:
      break;
  }
  out.discovery =
      service.resolution == Resolution::dns ? model::Discovery::strict_dns : model::Discovery::logical_dns;
  out.dns_refresh = world.options().dns_refresh;
  if (service.instances.empty()) {
    model::Endpoint endpoint;
    endpoint.hostname = service.host;
    endpoint.address.port = service.ports[port_index].target.number;
    out.fixed_endpoints.endpoints.push_back(std::move(endpoint));
  } else {
    out.fixed_endpoints = *endpoints_of(world, service, port_index, subset);
  }
  out.fixed_endpoints.cluster = out.name;
  // LOGICAL_DNS takes one name only.
  if (service.resolution == Resolution::dns_round_robin && out.fixed_endpoints.endpoints.size() > 1) {
    out.fixed_endpoints.endpoints.resize(1);
  }
}

void apply_tls(const World& world, const ServiceInfo& service, size_t port_index,
               const objects::Subset* subset, const RuleSet& rules, const objects::ClientTls* tls,
               const Client& client, model::Cluster& out) {
  using Mode = objects::ClientTls::Mode;
  const bool http2 = out.protocol == model::Cluster::Protocol::http2;
  const uint16_t port = service.ports[port_index].number;
  const std::string_view subset_name = subset ? std::string_view(subset->name) : std::string_view();
  if (tls) {
    if (tls->mode == Mode::disable) return;
    if (tls->mode == Mode::istio_mutual) {
      model::UpstreamTls mesh = mesh_client_tls(http2);
      mesh.sni = tls->sni.empty() ? mesh_sni(service.host, port, subset_name) : tls->sni;
      mesh.common.subject_alt_names =
          exactly(tls->subject_alt_names.empty() ? identities_of(world, service) : tls->subject_alt_names);
      out.tls = std::move(mesh);
      return;
    }
    const bool selected = !rules.empty() && rules.rules.front()->workload_selector.has_value();
    out.tls = user_tls(*tls, service, http2, client.gateway, selected);
    return;
  }
  if (service.external || !world.options().auto_mtls) return;
  model::UpstreamTls mesh = mesh_client_tls(http2);
  mesh.sni = mesh_sni(service.host, port, subset_name);
  mesh.common.subject_alt_names = exactly(identities_of(world, service));
  if (out.discovery != model::Discovery::original_dst) {
    out.mesh_tls = std::move(mesh);
    return;
  }
  // Such a cluster has no endpoints that could say what they speak: mesh TLS only where all of them do.
  const bool all =
      !service.instances.empty() &&
      std::all_of(service.instances.begin(), service.instances.end(), [&](const Instance& instance) {
        return accepts_mesh_tls(world, service, instance, port_index);
      });
  if (all) out.tls = std::move(mesh);
}

std::optional<SocketAddress> address_of(const Instance& instance, uint16_t port) {
  if (instance.workload) return SocketAddress{*instance.workload->ip, port, {}};
  if (instance.address.starts_with("unix://")) {
    SocketAddress address;
    address.path = instance.address.substr(7);
    return address;
  }
  const auto ip = IpAddress::parse(instance.address);
  if (!ip) return std::nullopt;
  return SocketAddress{*ip, port, {}};
}

}  // namespace

std::string secret_name(std::string_view credential) {
  return credential.find("://") == std::string_view::npos ? concat("kubernetes://", credential)
                                                          : std::string(credential);
}
std::string secret_ca_name(std::string_view credential) { return concat(secret_name(credential), "-cacert"); }

model::UpstreamTls mesh_client_tls(bool http2) {
  model::UpstreamTls out;
  out.common.alpn = {"istio-peer-exchange", "istio"};
  if (http2) out.common.alpn.push_back("h2");
  out.common.certificate = {.source = model::SecretRef::Source::workload, .name = "default"};
  out.common.roots = {.source = model::SecretRef::Source::workload, .name = "ROOTCA"};
  return out;
}

std::shared_ptr<const model::Cluster> outbound_cluster_of(const World& world, const ServiceInfo& service,
                                                          const ServicePort& port, const RuleSet& rules,
                                                          const objects::Subset* subset,
                                                          const Client& client) {
  if (service.resolution == Resolution::external_name || port.protocol == Protocol::udp) return nullptr;
  const bool resolves =
      service.resolution == Resolution::dns || service.resolution == Resolution::dns_round_robin;
  if (resolves && is_wildcard(service.host) && service.instances.empty()) return nullptr;
  const size_t port_index = static_cast<size_t>(&port - service.ports.data());

  auto out = std::make_shared<model::Cluster>();
  out->name = outbound_cluster(service.host, port.number, subset ? subset->name : "");
  out->connect_timeout = world.options().connect_timeout;
  if (is_http2(port.protocol)) {
    out->protocol = model::Cluster::Protocol::http2;
  } else if (port.protocol == Protocol::automatic && !client.gateway) {
    out->protocol = model::Cluster::Protocol::as_client;
  }
  out->service_host = service.host;
  out->service_name = service.kubernetes ? service.name : service.host;
  out->service_namespace = service.namespace_name;
  if (subset) out->subset = subset->name;
  if (!rules.empty()) {
    const auto& meta = rules.rules.front()->meta;
    out->config_path = config_path("destination-rule", meta.namespace_name, meta.name);
  }

  const ClientPolicy policy = rules.policy(port.number, subset);
  if (policy.connection_pool) apply_pool(*policy.connection_pool, *out);
  apply_discovery(world, service, port_index, client, subset, *out);
  apply_balancer(policy.load_balancer, service, *out);
  if (policy.outlier) {
    out->outlier = outlier_of(*policy.outlier);
    out->panic_threshold_percent = policy.outlier->min_health_percent.value_or(0);
  }
  apply_tls(world, service, port_index, subset, rules, policy.tls, client, *out);
  return out;
}

std::shared_ptr<const model::EndpointSet> endpoints_of(const World& world, const ServiceInfo& service,
                                                       size_t port_index, const objects::Subset* subset) {
  auto out = std::make_shared<model::EndpointSet>();
  out->cluster = outbound_cluster(service.host, service.ports[port_index].number, subset ? subset->name : "");
  for (const auto& instance : service.instances) {
    const uint16_t port = instance.ports[port_index];
    if (port == 0 || (!instance.ready && !service.publish_not_ready)) continue;
    if (subset && !objects::selects(subset->labels, instance.label_set())) continue;
    model::Endpoint endpoint;
    if (const auto address = address_of(instance, port)) {
      endpoint.address = *address;
    } else if (service.resolution == Resolution::dns || service.resolution == Resolution::dns_round_robin) {
      endpoint.hostname = instance.address;
      endpoint.address.port = port;
    } else {
      continue;
    }
    endpoint.weight = instance.weight;
    endpoint.locality = instance.locality;
    endpoint.mesh_tls = accepts_mesh_tls(world, service, instance, port_index);
    if (instance.workload) endpoint.workload = instance.workload->info;
    out->endpoints.push_back(std::move(endpoint));
  }
  return out;
}

model::Cluster passthrough_cluster(const MeshOptions& options) {
  model::Cluster out;
  out.name = kPassthroughCluster;
  out.discovery = model::Discovery::original_dst;
  out.lb = model::LbPolicy::cluster_provided;
  out.connect_timeout = options.connect_timeout;
  out.protocol = model::Cluster::Protocol::as_client;
  out.service_name = kPassthroughCluster;
  return out;
}

model::Cluster black_hole_cluster(const MeshOptions& options) {
  model::Cluster out;
  out.name = kBlackHoleCluster;
  out.discovery = model::Discovery::fixed;
  out.connect_timeout = options.connect_timeout;
  out.fixed_endpoints.cluster = out.name;
  out.service_name = kBlackHoleCluster;
  return out;
}

}  // namespace weft::translate
