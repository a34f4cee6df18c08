#include <algorithm>

#include "base/json.h"
#include "base/log.h"
#include "base/regex.h"
#include "base/strings.h"
#include "identity/certificate.h"
#include "proxy/ask_workers.h"
#include "proxy/proxy.h"
#include "telemetry/prometheus.h"
#include "telemetry/stats_text.h"
#include "wire/dump.h"
#include "wire/to_wire.h"

namespace weft::proxy {

using net::HttpAnswer;
using net::HttpPage;

namespace {

bool wants_json(const HttpPage& page) { return page.query("format").value_or("") == "json"; }

std::string_view state_name(const Proxy& proxy) {
  if (proxy.draining()) return "DRAINING";
  return proxy.ready() ? "LIVE" : "INITIALIZING";
}

HttpAnswer ready(const Proxy& proxy) {
  return HttpAnswer::text(proxy.ready() ? 200 : 503, concat(state_name(proxy), "\n"));
}

HttpAnswer server_info(const Proxy& proxy) {
  JsonWriter json(1);
  const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(
      const_cast<Proxy&>(proxy).loop().wall_now() - proxy.started());
  json.begin_object()
      .field("version", concat("weft-proxy/", WEFT_VERSION))
      .field("state", state_name(proxy))
      .field("uptime_current_epoch", concat(uptime.count(), "s"));
  json.key("node")
      .begin_object()
      .field("id", proxy.bootstrap().node.id)
      .field("cluster", proxy.bootstrap().node.cluster);
  json.end_object();
  json.key("command_line_options").begin_object().field("concurrency", proxy.workers().size());
  json.field("config_path", proxy.options().bootstrap_file).end_object().end_object();
  return HttpAnswer::json(200, json.take() + "\n");
}

HttpAnswer listeners(const Proxy& proxy, const HttpPage& page) {
  if (wants_json(page)) {
    JsonWriter json(1);
    json.begin_object().key("listener_statuses").begin_array();
    for (const auto& [name, state] : proxy.listeners()) {
      json.begin_object()
          .field("name", name)
          .key("local_address")
          .begin_object()
          .key("socket_address")
          .begin_object();
      json.field("address", state.address.ip.to_string()).field("port_value", int{state.address.port});
      json.end_object().end_object();
      if (!state.error.empty()) json.field("error", state.error);
      json.end_object();
    }
    json.end_array().end_object();
    return HttpAnswer::json(200, json.take() + "\n");
  }
  std::string text;
  for (const auto& [name, state] : proxy.listeners()) {
    text += state.error.empty() ? concat(name, "::", state.address.to_string(), "\n")
                                : concat(name, "::", state.error, "\n");
  }
  return HttpAnswer::text(200, std::move(text));
}

// One host of one worker, as /clusters adds them up.
struct HostFacts {
  std::string address, hostname;
  bool healthy = true, ejected = false;
  uint32_t weight = 1, priority = 0;
  model::Locality locality;
  uint64_t cx_active = 0, cx_total = 0, cx_connect_fail = 0, rq_active = 0, rq_total = 0, rq_error = 0;
};
struct ClusterFacts {
  std::map<std::string, HostFacts> hosts;
  uint64_t requests = 0, errors = 0, timeouts = 0, retries = 0;
};
using WorkerClusters = std::map<std::string, ClusterFacts>;

WorkerClusters look_at_clusters(Worker& worker) {
  WorkerClusters out;
  for (const auto& [name, cluster] : worker.backends().used()) {
    ClusterFacts& facts = out[name];
    facts.requests = cluster->requests_total;
    facts.errors = cluster->requests_error;
    facts.timeouts = cluster->timeouts;
    facts.retries = cluster->retries;
    for (const auto& host : cluster->hosts()) {
      HostFacts& h = facts.hosts[host->address().to_string()];
      h.address = host->address().to_string();
      h.hostname = host->endpoint().hostname;
      h.ejected = host->health().ejected();
      h.healthy = host->endpoint().healthy && !h.ejected;
      h.weight = host->endpoint().weight;
      h.priority = host->endpoint().priority;
      h.locality = host->endpoint().locality;
      h.rq_active = host->active_requests;
      h.rq_total = host->total_requests;
      h.rq_error = host->errors;
      h.cx_active = host->active_connections;
      HostPools& pools = cluster->pools_of(*host);
      h.cx_total = pools.connects;
      h.cx_connect_fail = pools.connect_failures;
      for (auto& pool : pools.pools) {
        if (pool) h.cx_active += pool->counts().open;
      }
    }
  }
  return out;
}

WorkerClusters add_up(const std::vector<WorkerClusters>& all) {
  WorkerClusters sum;
  for (const WorkerClusters& one : all) {
    for (const auto& [name, cluster] : one) {
      ClusterFacts& into = sum[name];
      into.requests += cluster.requests;
      into.errors += cluster.errors;
      into.timeouts += cluster.timeouts;
      into.retries += cluster.retries;
      for (const auto& [address, host] : cluster.hosts) {
        const auto [it, fresh] = into.hosts.emplace(address, host);
        if (fresh) continue;
        it->second.cx_active += host.cx_active;
        it->second.cx_total += host.cx_total;
        it->second.cx_connect_fail += host.cx_connect_fail;
        it->second.rq_active += host.rq_active;
        it->second.rq_total += host.rq_total;
        it->second.rq_error += host.rq_error;
      }
    }
  }
  return sum;
}

// Endpoints of clusters that no request has used yet.
void add_unused(const Config& config, WorkerClusters& clusters) {
  for (const auto& [name, compiled] : config.clusters) {
    const auto [it, fresh] = clusters.try_emplace(name);
    if (!fresh) continue;
    const model::EndpointSet& endpoints =
        compiled->endpoints ? *compiled->endpoints : compiled->model->fixed_endpoints;
    for (const model::Endpoint& endpoint : endpoints.endpoints) {
      HostFacts host;
      host.address = endpoint.address.to_string();
      host.hostname = endpoint.hostname;
      host.healthy = endpoint.healthy;
      host.weight = endpoint.weight;
      host.priority = endpoint.priority;
      host.locality = endpoint.locality;
      it->second.hosts.emplace(host.address, std::move(host));
    }
  }
}

std::string health_flags(const HostFacts& host) {
  if (host.ejected) return "/failed_outlier_check";
  return host.healthy ? "healthy" : "/failed_eds_health";
}

std::string clusters_text(const Config& config, const WorkerClusters& clusters) {
  std::string out;
  for (const auto& [name, facts] : clusters) {
    const auto it = config.clusters.find(name);
    if (it == config.clusters.end()) continue;
    const model::Cluster& model = *it->second->model;
    const auto line = [&](std::string_view key, const auto& value) {
      out += concat(name, "::", key, "::", value, "\n");
    };
    line("observability_name", name);
    line("default_priority::max_connections", model.limits.max_connections);
    line("default_priority::max_pending_requests", model.limits.max_pending_requests);
    line("default_priority::max_requests", model.limits.max_requests);
    line("default_priority::max_retries", model.limits.max_retries);
    line("added_via_api", model.discovery == model::Discovery::eds ? "true" : "false");
    for (const auto& [address, host] : facts.hosts) {
      const auto host_line = [&](std::string_view key, const auto& value) {
        out += concat(name, "::", address, "::", key, "::", value, "\n");
      };
      host_line("cx_active", host.cx_active);
      host_line("cx_connect_fail", host.cx_connect_fail);
      host_line("cx_total", host.cx_total);
      host_line("rq_active", host.rq_active);
      host_line("rq_error", host.rq_error);
      host_line("rq_success", host.rq_total - std::min(host.rq_total, host.rq_error));
      host_line("rq_total", host.rq_total);
      host_line("hostname", host.hostname);
      host_line("health_flags", health_flags(host));
      host_line("weight", host.weight);
      host_line("region", host.locality.region);
      host_line("zone", host.locality.zone);
      host_line("sub_zone", host.locality.sub_zone);
      host_line("canary", "false");
      host_line("priority", host.priority);
      host_line("success_rate", "-1");
    }
  }
  return out;
}

std::string clusters_json(const Config& config, const WorkerClusters& clusters) {
  JsonWriter json(1);
  json.begin_object().key("cluster_statuses").begin_array();
  for (const auto& [name, facts] : clusters) {
    const auto it = config.clusters.find(name);
    if (it == config.clusters.end()) continue;
    json.begin_object()
        .field("name", name)
        .field("added_via_api", it->second->model->discovery == model::Discovery::eds);
    json.key("host_statuses").begin_array();
    for (const auto& [address, host] : facts.hosts) {
      const auto parsed = SocketAddress::parse(address);
      json.begin_object().key("address").begin_object();
      if (parsed && !parsed->is_unix()) {
        json.key("socket_address").begin_object().field("address", parsed->ip.to_string());
        json.field("port_value", int{parsed->port}).end_object();
      } else {
        json.key("pipe").begin_object().field("path", address).end_object();
      }
      json.end_object().key("stats").begin_array();
      const auto stat = [&](std::string_view stat_name, uint64_t value, bool gauge) {
        json.begin_object().field("name", stat_name);
        if (value > 0) json.field("value", std::to_string(value));
        if (gauge) json.field("type", "GAUGE");
        json.end_object();
      };
      stat("cx_connect_fail", host.cx_connect_fail, false);
      stat("cx_total", host.cx_total, false);
      stat("rq_error", host.rq_error, false);
      stat("rq_success", host.rq_total - std::min(host.rq_total, host.rq_error), false);
      stat("rq_total", host.rq_total, false);
      stat("cx_active", host.cx_active, true);
      stat("rq_active", host.rq_active, true);
      json.end_array().key("health_status").begin_object();
      if (host.ejected) json.field("failed_outlier_check", true);
      json.field("eds_health_status", host.healthy || host.ejected ? "HEALTHY" : "UNHEALTHY").end_object();
      json.field("weight", host.weight);
      if (!host.hostname.empty()) json.field("hostname", host.hostname);
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().end_object();
  return json.take() + "\n";
}

io::Task<HttpAnswer> clusters(Proxy& proxy, bool json) {
  const auto answers = co_await ask_workers<WorkerClusters>(proxy, look_at_clusters);
  WorkerClusters all = add_up(answers);
  const auto config = proxy.config();
  add_unused(*config, all);
  co_return json ? HttpAnswer::json(200, clusters_json(*config, all))
                 : HttpAnswer::text(200, clusters_text(*config, all));
}

HttpAnswer certs(const Proxy& proxy) {
  JsonWriter json(1);
  json.begin_object().key("certificates").begin_array();
  const auto put = [&](const std::string& pem, std::string_view path) {
    const auto chain = identity::Certificate::parse_chain_pem(pem);
    if (!chain) return;
    for (const identity::Certificate& certificate : *chain) {
      json.begin_object()
          .field("path", path)
          .field("serial_number", certificate.serial())
          .field("subject", certificate.subject());
      json.key("subject_alt_names").begin_array();
      for (const std::string& uri : certificate.uri_names())
        json.begin_object().field("uri", uri).end_object();
      for (const std::string& dns : certificate.dns_names())
        json.begin_object().field("dns", dns).end_object();
      json.end_array();
      json.field("valid_from", wire::iso_time(certificate.not_before()));
      json.field("expiration_time", wire::iso_time(certificate.not_after()));
      const auto left = certificate.not_after() - const_cast<Proxy&>(proxy).loop().wall_now();
      json.field("days_until_expiration",
                 std::to_string(std::chrono::duration_cast<std::chrono::hours>(left).count() / 24));
      json.end_object();
    }
  };
  const auto entry = [&](const std::string& roots, const std::string& chain, std::string_view name) {
    json.begin_object().key("ca_cert").begin_array();
    put(roots, "<inline>");
    json.end_array().key("cert_chain").begin_array();
    put(chain, name);
    json.end_array().end_object();
  };
  if (const IdentityClient* identity = proxy.identity(); identity != nullptr && identity->current()) {
    entry(identity->current()->roots, identity->current()->certificate_chain, "default");
  }
  for (const auto& [name, secret] : proxy.config()->snapshot->secrets) {
    entry(secret->trusted_ca, secret->certificate_chain, name);
  }
  json.end_array().end_object();
  return HttpAnswer::json(200, json.take() + "\n");
}

template <typename T>
void dump_section(wire::ConfigDump::Section& section, const model::ResourceMap<T>& map,
                  wire::ResourceType type, const Proxy& proxy, const auto& is_static) {
  for (const auto& [name, resource] : map) {
    wire::DumpedResource dumped;
    dumped.name = name;
    dumped.any = wire::wrap_any(type, wire::encode(*resource));
    dumped.last_updated = proxy.config_updated();
    if (is_static(name)) {
      section.fixed.push_back(std::move(dumped));
    } else {
      if (proxy.ads() != nullptr) dumped.version = proxy.ads()->status(type).version;
      section.dynamic.push_back(std::move(dumped));
    }
  }
  if (proxy.ads() != nullptr) section.version = proxy.ads()->status(type).version;
}

HttpAnswer config_dump(const Proxy& proxy) {
  const auto& config = proxy.config();
  const model::Snapshot& snapshot = *config->snapshot;
  const wire::Bootstrap& bootstrap = proxy.bootstrap();
  wire::ConfigDump dump;
  dump.bootstrap = bootstrap.encoded;
  dump.bootstrap_updated = proxy.started();
  const auto in = [](const auto& fixed) {
    return [&fixed](const std::string& name) {
      return std::any_of(fixed.begin(), fixed.end(),
                         [&](const auto& resource) { return resource->name == name; });
    };
  };
  const auto none = [](const std::string&) { return false; };
  dump_section(dump.listeners, snapshot.listeners, wire::ResourceType::listener, proxy,
               in(bootstrap.listeners));
  dump_section(dump.clusters, snapshot.clusters, wire::ResourceType::cluster, proxy, in(bootstrap.clusters));
  dump_section(dump.routes, snapshot.routes, wire::ResourceType::route, proxy, none);
  dump_section(dump.endpoints, snapshot.endpoints, wire::ResourceType::endpoint, proxy, none);
  dump_section(dump.secrets, snapshot.secrets, wire::ResourceType::secret, proxy, in(bootstrap.secrets));
  return HttpAnswer::json(200, wire::config_dump_json(dump));
}

// Counters that nobody keeps in the registry: xDS, identity, logs, outliers.
void add_collected(const Proxy& proxy, std::vector<telemetry::MergedFamily>& families) {
  const auto add = [&](std::string name, std::string help, telemetry::MetricKind kind,
                       std::vector<std::pair<std::string, double>> series) {
    telemetry::MergedFamily family;
    family.name = std::move(name);
    family.help = std::move(help);
    family.kind = kind;
    for (auto& [labels, value] : series)
      family.series.push_back({.labels = labels, .value = value, .buckets = {}, .sum = 0});
    families.push_back(std::move(family));
  };
  using telemetry::MetricKind;
  if (const AdsClient* ads = proxy.ads()) {
    add("envoy_control_plane_connected_state", "1 while the control plane is followed.", MetricKind::gauge,
        {{"", ads->connected() ? 1.0 : 0.0}});
    std::vector<std::pair<std::string, double>> accepted, rejected;
    for (wire::ResourceType type : wire::kResourceTypes) {
      const std::string label = telemetry::label_text({{"type", wire::short_name(type)}});
      accepted.emplace_back(label, static_cast<double>(ads->status(type).accepted));
      rejected.emplace_back(label, static_cast<double>(ads->status(type).rejected));
    }
    add("weft_xds_update_success_total", "xDS responses accepted.", MetricKind::counter, std::move(accepted));
    add("weft_xds_update_rejected_total", "xDS responses refused.", MetricKind::counter, std::move(rejected));
  }
  if (const IdentityClient* identity = proxy.identity()) {
    add("weft_certificate_renewals_total", "Certificates got from the CA.", MetricKind::counter,
        {{"", static_cast<double>(identity->renewals())}});
    add("weft_certificate_failures_total", "Certificate requests that failed.", MetricKind::counter,
        {{"", static_cast<double>(identity->failures())}});
    if (identity->current()) {
      add("weft_certificate_expiry_seconds", "When the workload's certificate ends, in seconds since 1970.",
          MetricKind::gauge,
          {{"", static_cast<double>(std::chrono::duration_cast<std::chrono::seconds>(
                                        identity->current()->not_after.time_since_epoch())
                                        .count())}});
    }
  }
  std::vector<std::pair<std::string, double>> ejected, ejections;
  for (const auto& [name, cluster] : proxy.config()->clusters) {
    if (!cluster->outlier) continue;
    const std::string label = telemetry::label_text({{"cluster_name", name}});
    ejected.emplace_back(label, static_cast<double>(cluster->outlier->ejected_count()));
    ejections.emplace_back(label, static_cast<double>(cluster->outlier->ejections()));
  }
  if (!ejected.empty()) {
    add("envoy_cluster_outlier_detection_ejections_active", "Hosts that are ejected now.", MetricKind::gauge,
        std::move(ejected));
    add("envoy_cluster_outlier_detection_ejections_enforced_total", "Ejections so far.", MetricKind::counter,
        std::move(ejections));
  }
  std::vector<std::pair<std::string, double>> overflow_connections, overflow_pending, overflow_requests;
  for (const auto& [name, cluster] : proxy.config()->clusters) {
    if (!cluster->limits) continue;
    const auto told = [&](std::vector<std::pair<std::string, double>>& series, uint64_t value) {
      if (value > 0)
        series.emplace_back(telemetry::label_text({{"cluster_name", name}}), static_cast<double>(value));
    };
    told(overflow_connections, cluster->limits->connection_overflows.load());
    told(overflow_pending, cluster->limits->pending_overflows.load());
    told(overflow_requests, cluster->limits->request_overflows.load());
  }
  if (!overflow_connections.empty())
    add("envoy_cluster_upstream_cx_overflow", "Connections refused by maxConnections.", MetricKind::counter,
        std::move(overflow_connections));
  if (!overflow_pending.empty())
    add("envoy_cluster_upstream_rq_pending_overflow_total", "Requests refused by http1MaxPendingRequests.",
        MetricKind::counter, std::move(overflow_pending));
  if (!overflow_requests.empty())
    add("envoy_cluster_upstream_rq_overflow_total", "Requests refused by http2MaxRequests.",
        MetricKind::counter, std::move(overflow_requests));
  add("weft_access_log_dropped_total", "Access log lines dropped since the file was too slow.",
      MetricKind::counter, {{"", static_cast<double>(const_cast<Proxy&>(proxy).logs().dropped())}});
}

std::vector<telemetry::MergedFamily> collect(Proxy& proxy) {
  auto families = proxy.registry().collect();
  add_collected(proxy, families);
  std::sort(families.begin(), families.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return families;
}

HttpAnswer stats(Proxy& proxy, const HttpPage& page) {
  if (page.query("format").value_or("") == "prometheus") {
    HttpAnswer answer = HttpAnswer::text(200, telemetry::write_prometheus(collect(proxy)));
    answer.content_type = telemetry::kPrometheusContentType;
    return answer;
  }
  const std::string text = telemetry::write_stats(collect(proxy));
  const auto wanted = page.query("filter");
  if (!wanted) return HttpAnswer::text(200, text);
  const auto filter = Regex::compile(concat(".*(?:", *wanted, ").*"));
  if (!filter) return HttpAnswer::text(400, concat("filter: ", filter.error().text, "\n"));
  std::string found;
  for (const std::string_view line : split(text, '\n')) {
    if (!line.empty() && filter->matches_fully(line.substr(0, line.rfind(": "))))
      found.append(line).push_back('\n');
  }
  return HttpAnswer::text(200, std::move(found));
}

HttpAnswer logging(const HttpPage& page) {
  const auto wanted = page.query("level");
  if (wanted) {
    const auto level = parse_log_level(*wanted);
    if (!level) return HttpAnswer::text(400, level.error().text + "\n");
    set_log_level(*level);
  }
  return HttpAnswer::text(200, concat("active loggers:\n  weft: ", to_string(log_level()), "\n"));
}

}  // namespace

void add_admin_pages(net::HttpServer& server, Proxy& proxy) {
  Proxy* const p = &proxy;
  server.route("GET", "/ready", [p](const HttpPage&) { return ready(*p); });
  server.route("GET", "/server_info", [p](const HttpPage&) { return server_info(*p); });
  server.route("GET", "/listeners", [p](const HttpPage& page) { return listeners(*p, page); });
  server.route_async("GET", "/clusters",
                     [p](const HttpPage& page) { return clusters(*p, wants_json(page)); });
  server.route("GET", "/certs", [p](const HttpPage&) { return certs(*p); });
  server.route("GET", "/config_dump", [p](const HttpPage&) { return config_dump(*p); });
  server.route("GET", "/stats", [p](const HttpPage& page) { return stats(*p, page); });
  server.route("GET", "/stats/prometheus", [p](const HttpPage&) {
    HttpAnswer answer = HttpAnswer::text(200, telemetry::write_prometheus(collect(*p)));
    answer.content_type = telemetry::kPrometheusContentType;
    return answer;
  });
  server.route("POST", "/logging", [](const HttpPage& page) { return logging(page); });
  server.route("POST", "/reopen_logs", [p](const HttpPage&) {
    p->logs().reopen_all();
    return HttpAnswer::text(200, "OK\n");
  });
  server.route("POST", "/drain_listeners", [p](const HttpPage&) {
    p->drain();
    return HttpAnswer::text(200, "OK\n");
  });
  server.route("POST", "/healthcheck/fail", [p](const HttpPage&) {
    p->fail_health_check(true);
    return HttpAnswer::text(200, "OK\n");
  });
  server.route("POST", "/healthcheck/ok", [p](const HttpPage&) {
    p->fail_health_check(false);
    return HttpAnswer::text(200, "OK\n");
  });
  server.route("POST", "/quitquitquit", [p](const HttpPage&) {
    if (p->options().quit) p->options().quit();
    return HttpAnswer::text(200, "OK\n");
  });
  server.route("GET", "/", [&server](const HttpPage&) {
    return HttpAnswer::text(200, join(server.paths(), "\n") + "\n");
  });
}

}  // namespace weft::proxy
