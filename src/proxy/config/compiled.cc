#include "proxy/config/compiled.h"

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "proxy/mesh_headers.h"
#include "proxy/transport.h"

namespace weft::proxy {

const CompiledChain* CompiledListener::find(const model::FilterChain* chain) const {
  for (const CompiledChain& compiled : chains) {
    if (compiled.model == chain) return &compiled;
  }
  return default_chain && default_chain->model == chain ? &*default_chain : nullptr;
}

// ALPN names by carriage. Istio's own names tell an Envoy which filter chain to take.
std::vector<std::string> ClientTls::alpn_of(Carriage carriage) const {
  if (!mesh_) {
    switch (carriage) {
      case Carriage::http1:
        return {"http/1.1"};
      case Carriage::http2:
        return {"h2"};
      case Carriage::mesh:
        return alpn_.empty() ? std::vector<std::string>{"h2", "http/1.1"} : alpn_;
      case Carriage::tcp:
        return alpn_;
    }
  }
  switch (carriage) {
    case Carriage::http1:
      return {"istio-http/1.1", "istio", "http/1.1"};
    case Carriage::http2:
      return {"istio-h2", "istio", "h2"};
    case Carriage::mesh:
      return {std::string(kMeshAlpn), "istio-http/1.1", "istio", "http/1.1"};
    case Carriage::tcp:
      return {"istio-peer-exchange", "istio"};
  }
  return {};
}

std::shared_ptr<const tls::ClientContext> ClientTls::context(Carriage carriage) const {
  const std::lock_guard lock(mutex_);
  auto& made = made_[static_cast<size_t>(carriage)];
  if (!made) made = base_->for_server(peer_names_, server_name_, alpn_of(carriage));
  return made;
}

telemetry::LogWriter* LogFiles::open(const std::string& path) {
  auto& writer = writers_[path];
  if (!writer) {
    auto opened = telemetry::LogWriter::open({.path = path});
    if (!opened) {
      log_warning("access-log", path, ": ", opened.error().to_string(), "; nothing is written there");
      return nullptr;
    }
    writer = std::move(*opened);
  }
  return writer.get();
}

void LogFiles::reopen_all() {
  for (auto& [path, writer] : writers_) {
    if (writer) writer->reopen();
  }
}

uint64_t LogFiles::dropped() const {
  uint64_t sum = 0;
  for (const auto& [path, writer] : writers_) {
    if (writer) sum += writer->dropped();
  }
  return sum;
}

ConfigCompiler::ConfigCompiler(LogFiles& logs, std::string hostname, uint64_t seed)
    : logs_(logs), hostname_(std::move(hostname)), seed_(seed) {}

namespace {

bool uses_secrets(const model::Listener& listener) {
  return std::any_of(listener.chains.begin(), listener.chains.end(),
                     [](const auto& chain) { return chain.tls.has_value(); }) ||
         (listener.default_chain && listener.default_chain->tls);
}

// Everything a chain asks of a connection that only its first bytes tell.
bool asks_for_detection(const model::FilterChain& chain) {
  return !chain.match.transport_protocol.empty() || !chain.match.application_protocols.empty() ||
         !chain.match.server_names.empty();
}

std::string key_of(const model::TlsCommon& common, bool verify_host) {
  const auto ref = [](const model::SecretRef& r) {
    return concat(static_cast<int>(r.source), '|', r.name, '|', r.certificate, '|', r.key, '|', r.ca, '|');
  };
  return concat(ref(common.certificate), ref(common.roots), static_cast<int>(common.min_version), '|',
                static_cast<int>(common.max_version), '|', join(common.cipher_suites, ":"), '|',
                int{verify_host});
}

}  // namespace

Result<std::vector<CompiledLog>> ConfigCompiler::compile_logs(const std::vector<model::AccessLog>& logs) {
  std::vector<CompiledLog> compiled;
  for (const model::AccessLog& log : logs) {
    WEFT_TRY(auto format, telemetry::AccessLogFormat::compile(log, {.hostname = hostname_}));
    compiled.push_back({log, std::move(format), logs_.open(log.path)});
  }
  return compiled;
}

Result<CompiledChain> ConfigCompiler::compile_chain(const model::FilterChain& chain, const Secrets& secrets) {
  CompiledChain compiled;
  compiled.model = &chain;
  WEFT_TRY(compiled.connection_authorizer, policy::Authorizer::make(chain.network_rbacs));
  policy::Authorizer::Filters request_filters;
  const std::vector<model::AccessLog>* logs = nullptr;
  if (const model::HttpManager* http = compiled.http()) {
    for (const model::HttpFilter& filter : http->filters) {
      if (filter.kind == model::HttpFilter::Kind::rbac && filter.rbac) request_filters.push_back(filter.rbac);
      if (filter.kind == model::HttpFilter::Kind::istio_stats) compiled.reports_metrics = true;
    }
    if (http->inline_routes)
      compiled.inline_routes = std::make_shared<const policy::CompiledRoutes>(http->inline_routes);
    logs = &http->access_logs;
  } else if (const model::TcpProxy* tcp = compiled.tcp()) {
    logs = &tcp->access_logs;
  }
  compiled.reports_metrics = compiled.reports_metrics || chain.istio_stats;
  WEFT_TRY(compiled.request_authorizer, policy::Authorizer::make(std::move(request_filters)));
  if (logs != nullptr) {
    WEFT_TRY(compiled.logs, compile_logs(*logs));
  }
  if (chain.tls) {
    std::vector<std::string> alpn = chain.tls->common.alpn;
    // Peers of the mesh come to chains that trust what the workload trusts, or that speak Istio's own names
    // (a bootstrap with certificates from files).
    const bool mesh =
        chain.tls->common.roots.source == model::SecretRef::Source::workload ||
        std::any_of(alpn.begin(), alpn.end(), [](const auto& name) { return name.starts_with("istio"); });
    if (mesh && compiled.http() != nullptr) alpn.insert(alpn.begin(), std::string(kMeshAlpn));
    auto context = make_server_context(*chain.tls, std::move(alpn), secrets);
    if (context) {
      compiled.tls = std::move(*context);
    } else if (context.error().kind == Error::Kind::not_found) {
      compiled.awaits_secret = context.error().text;
    } else {
      return fail(std::move(context).error());
    }
  }
  return compiled;
}

Result<std::shared_ptr<const CompiledListener>> ConfigCompiler::compile_listener(
    std::shared_ptr<const model::Listener> listener, const Secrets& secrets) {
  auto compiled = std::make_shared<CompiledListener>();
  compiled->model = listener;
  WEFT_TRY(compiled->logs, compile_logs(listener->access_logs));
  compiled->chains.reserve(listener->chains.size());
  for (const model::FilterChain& chain : listener->chains) {
    auto one = compile_chain(chain, secrets);
    if (!one) return fail(std::move(one).error().within(concat("filter chain '", chain.name, "'")));
    compiled->chains.push_back(std::move(*one));
    compiled->needs_detection = compiled->needs_detection || asks_for_detection(chain);
  }
  if (listener->default_chain) {
    auto one = compile_chain(*listener->default_chain, secrets);
    if (!one) return fail(std::move(one).error().within("default filter chain"));
    compiled->default_chain = std::move(*one);
  }
  compiled->needs_detection =
      compiled->needs_detection && (listener->tls_inspector || listener->http_inspector);
  return std::shared_ptr<const CompiledListener>(std::move(compiled));
}

Result<std::shared_ptr<const ClientTls>> ConfigCompiler::client_tls(const model::UpstreamTls& tls,
                                                                    const model::Cluster& cluster, bool mesh,
                                                                    const Secrets& secrets,
                                                                    std::string& awaits) {
  auto& base = client_bases_[key_of(tls.common, tls.auto_san_validation)];
  if (!base) {
    model::UpstreamTls general = tls;
    general.common.subject_alt_names.clear();
    general.sni.clear();
    auto made = make_client_context(general, {}, secrets);
    if (!made) {
      if (made.error().kind != Error::Kind::not_found) return fail(std::move(made).error());
      awaits = made.error().text;
      return std::shared_ptr<const ClientTls>();
    }
    base = std::move(*made);
  }
  WEFT_TRY(auto rules, name_rules(tls.common.subject_alt_names));
  // A name that the request's authority would give is the service's own: pools are by endpoint, not by
  // request.
  std::string name = tls.sni;
  if (name.empty() && (tls.auto_host_sni || tls.auto_san_validation)) {
    name = cluster.service_host;
    if (name.empty() && !cluster.fixed_endpoints.endpoints.empty())
      name = cluster.fixed_endpoints.endpoints[0].hostname;
  }
  return std::make_shared<const ClientTls>(base, std::move(rules), std::move(name), tls.common.alpn, mesh);
}

Result<std::shared_ptr<const CompiledCluster>> ConfigCompiler::compile_cluster(
    std::shared_ptr<const model::Cluster> cluster, std::shared_ptr<const model::EndpointSet> endpoints,
    const Secrets& secrets, const CompiledCluster* before) {
  auto compiled = std::make_shared<CompiledCluster>();
  compiled->model = cluster;
  compiled->endpoints = std::move(endpoints);
  const bool has_tls = cluster->tls || cluster->mesh_tls;
  const bool same_tls = before != nullptr && before->model->tls == cluster->tls &&
                        before->model->mesh_tls == cluster->mesh_tls &&
                        before->trust_generation == secrets.generation;
  compiled->trust_generation = has_tls ? secrets.generation : 0;
  if (same_tls) {
    compiled->tls = before->tls;
    compiled->mesh_tls = before->mesh_tls;
    compiled->awaits_secret = before->awaits_secret;
  } else {
    if (cluster->tls) {
      WEFT_TRY(compiled->tls, client_tls(*cluster->tls, *cluster, false, secrets, compiled->awaits_secret));
    }
    if (cluster->mesh_tls) {
      WEFT_TRY(compiled->mesh_tls,
               client_tls(*cluster->mesh_tls, *cluster, true, secrets, compiled->awaits_secret));
    }
  }

  // Limits and ejections are facts about the backend: they outlive a change of configuration.
  compiled->limits = before != nullptr ? before->limits : std::make_shared<net::Limits>();
  compiled->limits->max_connections = cluster->limits.max_connections;
  compiled->limits->max_pending = cluster->limits.max_pending_requests;
  compiled->limits->max_requests = cluster->limits.max_requests;
  compiled->limits->max_retries = cluster->limits.max_retries;
  if (cluster->outlier) {
    if (before != nullptr && before->outlier) {
      compiled->outlier = before->outlier;
      compiled->outlier->set_config(*cluster->outlier);
    } else {
      compiled->outlier =
          std::make_shared<balance::OutlierDetector>(cluster->name, *cluster->outlier, ++seed_, ejected_);
    }
    const model::EndpointSet& all = compiled->endpoints ? *compiled->endpoints : cluster->fixed_endpoints;
    compiled->outlier->set_host_count(all.endpoints.size());
  }
  return std::shared_ptr<const CompiledCluster>(std::move(compiled));
}

std::shared_ptr<const Config> ConfigCompiler::compile(std::shared_ptr<const model::Snapshot> snapshot,
                                                      const Secrets& secrets) {
  problems_.clear();
  const bool secrets_changed = secrets.generation != secrets_generation_;
  if (secrets_changed) client_bases_.clear();
  secrets_generation_ = secrets.generation;
  auto config = std::make_shared<Config>();
  config->snapshot = snapshot;

  for (const auto& [name, routes] : snapshot->routes) {
    if (current_) {
      const auto before = current_->routes.find(name);
      if (before != current_->routes.end() && &before->second->config() == routes.get()) {
        config->routes.emplace(name, before->second);
        continue;
      }
    }
    config->routes.emplace(name, std::make_shared<const policy::CompiledRoutes>(routes));
  }

  for (const auto& [name, listener] : snapshot->listeners) {
    std::shared_ptr<const CompiledListener> before;
    if (current_) {
      if (const auto it = current_->listeners.find(name); it != current_->listeners.end())
        before = it->second;
    }
    if (before && before->model == listener && !(secrets_changed && uses_secrets(*listener))) {
      config->listeners.emplace(name, std::move(before));
      continue;
    }
    auto compiled = compile_listener(listener, secrets);
    if (compiled) {
      config->listeners.emplace(name, std::move(*compiled));
    } else {
      problems_.push_back({concat("listener ", name), compiled.error().text});
      if (before) config->listeners.emplace(name, std::move(before));
    }
  }

  for (const auto& [name, cluster] : snapshot->clusters) {
    std::shared_ptr<const model::EndpointSet> endpoints;
    if (cluster->discovery == model::Discovery::eds) {
      const std::string& eds = cluster->eds_service_name.empty() ? cluster->name : cluster->eds_service_name;
      if (const auto it = snapshot->endpoints.find(eds); it != snapshot->endpoints.end())
        endpoints = it->second;
    }
    std::shared_ptr<const CompiledCluster> before;
    if (current_) {
      if (const auto it = current_->clusters.find(name); it != current_->clusters.end()) before = it->second;
    }
    const bool has_tls = cluster->tls || cluster->mesh_tls;
    if (before && before->model == cluster && before->endpoints == endpoints &&
        !(has_tls && secrets_changed)) {
      config->clusters.emplace(name, std::move(before));
      continue;
    }
    auto compiled = compile_cluster(cluster, std::move(endpoints), secrets, before.get());
    if (compiled) {
      config->clusters.emplace(name, std::move(*compiled));
    } else {
      problems_.push_back({concat("cluster ", name), compiled.error().text});
      if (before) config->clusters.emplace(name, std::move(before));
    }
  }
  current_ = config;
  return config;
}

}  // namespace weft::proxy
