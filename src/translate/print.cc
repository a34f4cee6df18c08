#include "translate/print.h"

#include <string_view>

#include "base/strings.h"

namespace weft::translate {

namespace {

// Lines, each indented below the one it belongs to.
class Lines {
 public:
  template <typename... Parts>
  void add(const Parts&... parts) {
    text_.append(static_cast<size_t>(depth_) * 2, ' ');
    (append_to(text_, parts), ...);
    text_.push_back('\n');
  }
  class Below {
   public:
    explicit Below(Lines& lines) : lines_(lines) { ++lines_.depth_; }
    ~Below() { --lines_.depth_; }
    Below(const Below&) = delete;
    Below& operator=(const Below&) = delete;

   private:
    Lines& lines_;
  };
  Below below() { return Below(*this); }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
  int depth_ = 0;
};

std::string duration(Duration d) {
  const int64_t ns = d.count();
  if (ns % 1'000'000'000 == 0) return concat(ns / 1'000'000'000, "s");
  if (ns % 1'000'000 == 0) return concat(ns / 1'000'000, "ms");
  return concat(ns, "ns");
}

std::string quoted(std::string_view text) { return concat("\"", printable(text, 4000), "\""); }

template <typename List, typename Text>
std::string listed(const List& list, const Text& text) {
  std::string out;
  for (const auto& item : list) {
    if (!out.empty()) out += ", ";
    out += text(item);
  }
  return out;
}
std::string names(const std::vector<std::string>& list) {
  return listed(list, [](const std::string& item) { return item; });
}
std::string ranges(const std::vector<Cidr>& list) {
  return listed(list, [](const Cidr& item) { return item.to_string(); });
}

std::string match_text(const model::StringMatch& match) {
  using Kind = model::StringMatch::Kind;
  std::string_view kind;
  switch (match.kind) {
    case Kind::exact:
      kind = "=";
      break;
    case Kind::prefix:
      kind = "prefix ";
      break;
    case Kind::suffix:
      kind = "suffix ";
      break;
    case Kind::contains:
      kind = "contains ";
      break;
    case Kind::regex:
      kind = "regex ";
      break;
  }
  return concat(kind, match.kind == Kind::exact ? " " : "", quoted(match.value),
                match.ignore_case ? " (any case)" : "");
}

std::string header_text(const model::HeaderMatch& header) {
  std::string out = header.invert ? "not " : "";
  append_to(out, concat("header ", header.name, " "));
  out += header.present_only ? "present" : match_text(header.value);
  if (header.treat_missing_as_empty) out += " (missing is empty)";
  return out;
}

std::string percent(uint32_t per_million) {
  std::string out = concat(per_million / 10000);
  if (per_million % 10000) {
    std::string digits = concat(10000 + per_million % 10000).substr(1);
    while (digits.ends_with('0')) digits.pop_back();
    append_to(out, concat(".", digits));
  }
  return out + "%";
}

// ---- Policy ----

void print_condition(const model::Condition& condition, Lines& out) {
  using Kind = model::Condition::Kind;
  const auto children = [&](std::string_view name) {
    // One child needs no group of its own to be read.
    if (condition.children.size() == 1 && condition.kind != Kind::none_of) {
      print_condition(condition.children.front(), out);
      return;
    }
    out.add(name);
    const auto below = out.below();
    for (const auto& child : condition.children) print_condition(child, out);
  };
  switch (condition.kind) {
    case Kind::any:
      out.add("any");
      break;
    case Kind::all_of:
      children("all of");
      break;
    case Kind::any_of:
      children("any of");
      break;
    case Kind::none_of:
      children("not");
      break;
    case Kind::header:
      out.add(header_text(condition.header));
      break;
    case Kind::url_path:
      out.add("path ", match_text(condition.value));
      break;
    case Kind::destination_ip:
      out.add("destination ip ", ranges(condition.ranges));
      break;
    case Kind::destination_port:
      out.add("destination port ", condition.port);
      break;
    case Kind::destination_port_range:
      out.add("destination port ", condition.port, " to ", condition.port_end - 1);
      break;
    case Kind::requested_server_name:
      out.add("server name ", match_text(condition.value));
      break;
    case Kind::source_ip:
      out.add("source ip ", ranges(condition.ranges));
      break;
    case Kind::direct_remote_ip:
      out.add("peer ip ", ranges(condition.ranges));
      break;
    case Kind::remote_ip:
      out.add("remote ip ", ranges(condition.ranges));
      break;
    case Kind::authenticated:
      out.add("identity ", condition.any_authenticated ? "any" : match_text(condition.value));
      break;
    case Kind::metadata:
      out.add("metadata (never)");
      break;
    case Kind::path_template:
      out.add("path template ", quoted(condition.value.value));
      break;
  }
}

void print_rbac(const model::Rbac& rbac, std::string_view where, Lines& out) {
  using Action = model::Rbac::Action;
  const std::string_view action = rbac.action == Action::allow  ? "ALLOW"
                                  : rbac.action == Action::deny ? "DENY"
                                                                : "LOG";
  out.add(where, " rbac ", action, rbac.shadow ? " (dry run)" : "", rbac.enforced ? "" : " (not enforced)");
  const auto below = out.below();
  for (const auto& policy : rbac.policies) {
    out.add(policy.name);
    const auto in_policy = out.below();
    for (const auto* side : {&policy.principals, &policy.permissions}) {
      out.add(side == &policy.principals ? "who" : "what");
      const auto in_side = out.below();
      for (const auto& condition : *side) print_condition(condition, out);
    }
  }
}

// ---- TLS ----

std::string secret_text(const model::SecretRef& ref) {
  using Source = model::SecretRef::Source;
  switch (ref.source) {
    case Source::none:
      return "none";
    case Source::workload:
      return concat("workload ", ref.name);
    case Source::ads:
      return concat("ads ", ref.name);
    case Source::files:
      return concat("files", ref.certificate.empty() ? "" : " ", ref.certificate, ref.key.empty() ? "" : " ",
                    ref.key, ref.ca.empty() ? "" : " ", ref.ca);
    case Source::inline_:
      return "inline";
    case Source::provider:
      return concat("provider ", ref.name);
  }
  return "";
}

void print_common_tls(const model::TlsCommon& tls, Lines& out) {
  if (!tls.alpn.empty()) out.add("alpn ", names(tls.alpn));
  out.add("certificate ", secret_text(tls.certificate), ", roots ", secret_text(tls.roots));
  if (tls.min_version != model::TlsVersion::tls12 || tls.max_version != model::TlsVersion::tls13) {
    const auto version = [](model::TlsVersion v) {
      return v == model::TlsVersion::tls12 ? "1.2" : v == model::TlsVersion::tls13 ? "1.3" : "auto";
    };
    out.add("version ", version(tls.min_version), " to ", version(tls.max_version));
  }
  if (!tls.cipher_suites.empty()) out.add("ciphers ", names(tls.cipher_suites));
  for (const auto& name : tls.subject_alt_names) out.add("peer name ", match_text(name));
}

void print_tls(const model::UpstreamTls& tls, std::string_view title, Lines& out) {
  out.add(title, tls.sni.empty() ? "" : " sni ", tls.sni, tls.auto_host_sni ? " sni from host" : "",
          tls.auto_san_validation ? ", verified" : "");
  const auto below = out.below();
  print_common_tls(tls.common, out);
}

// ---- Routes ----

void print_edits(const model::HeaderEdits& edits, Lines& out) {
  using Kind = model::HeaderEdit::Kind;
  const auto list = [&](std::string_view side, const std::vector<model::HeaderEdit>& add,
                        const std::vector<std::string>& remove) {
    for (const auto& edit : add) {
      const std::string_view how = edit.kind == Kind::append_or_add      ? "add"
                                   : edit.kind == Kind::add_if_absent    ? "add if absent"
                                   : edit.kind == Kind::overwrite_or_add ? "set"
                                                                         : "set if there";
      out.add(side, " ", how, " ", edit.name, ": ", quoted(edit.value));
    }
    for (const auto& name : remove) out.add(side, " remove ", name);
  };
  list("request", edits.request_add, edits.request_remove);
  list("response", edits.response_add, edits.response_remove);
}

std::string route_match_text(const model::RouteMatch& match) {
  using Path = model::RouteMatch::Path;
  std::string out;
  switch (match.path_kind) {
    case Path::prefix:
      out = "prefix ";
      break;
    case Path::exact:
      out = "path ";
      break;
    case Path::regex:
      out = "regex ";
      break;
    case Path::path_separated_prefix:
      out = "segments ";
      break;
    case Path::connect:
      out = "connect ";
      break;
  }
  out += match.path;
  if (match.ignore_case) out += " (any case)";
  for (const auto& header : match.headers) append_to(out, concat(", ", header_text(header)));
  for (const auto& query : match.query) {
    append_to(out,
              concat(", query ", query.name, " ", query.present_only ? "present" : match_text(query.value)));
  }
  return out;
}

void print_retry(const model::RetryPolicy& retry, Lines& out) {
  static constexpr std::string_view kNames[] = {"5xx",
                                                "gateway-error",
                                                "connect-failure",
                                                "refused-stream",
                                                "retriable-4xx",
                                                "reset",
                                                "reset-before-request",
                                                "retriable-status-codes",
                                                "retriable-headers",
                                                "envoy-ratelimited",
                                                "cancelled",
                                                "deadline-exceeded",
                                                "internal",
                                                "resource-exhausted",
                                                "unavailable",
                                                "http3-post-connect-failure"};
  std::string on;
  for (uint32_t bit = 0; bit < std::size(kNames); ++bit) {
    if (!(retry.on & (1u << bit))) continue;
    if (!on.empty()) on += ",";
    on += kNames[bit];
  }
  std::string line = concat("retry ", retry.attempts, " on ", on);
  for (const auto code : retry.status_codes) append_to(line, concat(" ", code));
  if (retry.per_try_timeout.count()) line += concat(", each ", duration(retry.per_try_timeout));
  if (retry.back_off_base != 25ms) line += concat(", back-off ", duration(retry.back_off_base));
  if (retry.avoid_previous_hosts) line += concat(", other hosts (", retry.host_selection_attempts, ")");
  if (retry.is_default) line += ", default";
  out.add(line);
}

void print_forward(const model::ForwardAction& action, Lines& out) {
  for (const auto& cluster : action.clusters) {
    out.add("to ", cluster.cluster,
            action.clusters.size() > 1 ? concat(" weight ", cluster.weight, "/", action.total_weight)
                                       : std::string());
    const auto below = out.below();
    if (!cluster.host_rewrite.empty()) out.add("host ", cluster.host_rewrite);
    print_edits(cluster.edits, out);
  }
  if (action.prefix_rewrite) out.add("rewrite prefix to ", *action.prefix_rewrite);
  if (action.regex_rewrite)
    out.add("rewrite regex ", action.regex_rewrite->pattern(), " to ", action.regex_substitution);
  if (!action.host_rewrite.empty()) out.add("host ", action.host_rewrite);
  if (action.timeout.count()) out.add("timeout ", duration(action.timeout));
  if (action.max_stream_duration) {
    out.add("stream lasts at most ", duration(*action.max_stream_duration));
  } else if (action.max_grpc_timeout != action.timeout) {
    out.add("grpc timeout ",
            action.max_grpc_timeout ? duration(*action.max_grpc_timeout) : std::string("ignored"));
  }
  if (action.retry) {
    print_retry(*action.retry, out);
  } else {
    out.add("no retries");
  }
  for (const auto& mirror : action.mirrors)
    out.add("mirror ", percent(mirror.per_million), " to ", mirror.cluster);
  for (const auto& hash : action.hash_policies) {
    using Kind = model::HashPolicy::Kind;
    const std::string_view kind = hash.kind == Kind::header      ? "header"
                                  : hash.kind == Kind::cookie    ? "cookie"
                                  : hash.kind == Kind::source_ip ? "source ip"
                                                                 : "query";
    out.add("hash ", kind, hash.name.empty() ? "" : " ", hash.name,
            hash.cookie_ttl ? concat(" ttl ", duration(*hash.cookie_ttl)) : std::string(),
            hash.cookie_path.empty() ? "" : " path ", hash.cookie_path);
  }
}

void print_route(const model::Route& route, Lines& out) {
  out.add(route_match_text(route.match), route.name.empty() ? "" : "  # ", route.name);
  const auto below = out.below();
  if (const auto* forward = std::get_if<model::ForwardAction>(&route.action)) {
    print_forward(*forward, out);
  } else if (const auto* redirect = std::get_if<model::RedirectAction>(&route.action)) {
    out.add("redirect ", redirect->status, redirect->scheme.empty() ? "" : " scheme ", redirect->scheme,
            redirect->host.empty() ? "" : " host ", redirect->host,
            redirect->port ? concat(" port ", redirect->port) : std::string(),
            redirect->path ? concat(" path ", *redirect->path) : std::string(),
            redirect->prefix_rewrite ? concat(" prefix ", *redirect->prefix_rewrite) : std::string());
  } else if (const auto* direct = std::get_if<model::DirectResponse>(&route.action)) {
    out.add("answer ", direct->status,
            direct->body.empty() ? std::string() : concat(" ", quoted(direct->body)));
  }
  print_edits(route.edits, out);
  if (route.fault_delay) {
    out.add("fault delay ", duration(route.fault_delay->delay), " for ",
            percent(route.fault_delay->per_million));
  }
  if (route.fault_abort) {
    out.add("fault abort ",
            route.fault_abort->grpc_status >= 0 ? concat("grpc ", route.fault_abort->grpc_status)
                                                : concat(route.fault_abort->http_status),
            " for ", percent(route.fault_abort->per_million));
  }
  if (!route.origin.empty()) out.add("because of ", route.origin);
}

void print_routes(const model::RouteConfig& config, Lines& out) {
  out.add("routes ", config.name, config.ignore_port_in_host ? "" : " (port in host matters)");
  const auto below = out.below();
  for (const auto& host : config.virtual_hosts) {
    out.add("host ", host.name, host.require_tls ? " (redirects to https)" : "");
    const auto in_host = out.below();
    out.add("domains ", names(host.domains));
    for (const auto& route : host.routes) print_route(route, out);
  }
}

// ---- Listeners ----

std::string_view filter_name(model::HttpFilter::Kind kind) {
  using Kind = model::HttpFilter::Kind;
  switch (kind) {
    case Kind::rbac:
      return "rbac";
    case Kind::fault:
      return "fault";
    case Kind::cors:
      return "cors";
    case Kind::grpc_stats:
      return "grpc_stats";
    case Kind::istio_stats:
      return "istio_stats";
    case Kind::istio_alpn:
      return "istio_alpn";
    case Kind::metadata_exchange:
      return "metadata_exchange";
    case Kind::router:
      return "router";
  }
  return "";
}

void print_logs(const std::vector<model::AccessLog>& logs, Lines& out) {
  for (const auto& log : logs) {
    out.add("access log ", log.path, log.json_fields.empty() ? " text" : " json",
            log.filter == model::AccessLog::Filter::no_route_only ? ", where nothing matched" : "");
  }
}

void print_manager(const model::HttpManager& manager, Lines& out) {
  out.add("http ", manager.rds_name.empty() ? std::string("inline") : concat("routes ", manager.rds_name),
          " stats ", manager.stat_prefix);
  const auto below = out.below();
  out.add("filters ",
          listed(manager.filters, [](const auto& filter) { return std::string(filter_name(filter.kind)); }));
  for (const auto& filter : manager.filters) {
    if (filter.rbac) print_rbac(*filter.rbac, "http", out);
  }
  print_logs(manager.access_logs, out);
  if (manager.use_remote_address) out.add("remote address is the peer's");
  if (manager.inline_routes) print_routes(*manager.inline_routes, out);
}

void print_chain(const model::FilterChain& chain, std::string_view title, Lines& out) {
  std::string match;
  const auto add = [&match](std::string_view name, const std::string& value) {
    if (!value.empty()) append_to(match, concat(match.empty() ? "" : ", ", name, " ", value));
  };
  add("port", chain.match.destination_port ? std::to_string(*chain.match.destination_port) : std::string());
  add("to", ranges(chain.match.destination));
  add("sni", names(chain.match.server_names));
  add("transport", chain.match.transport_protocol);
  add("alpn", names(chain.match.application_protocols));
  add("from", ranges(chain.match.source));
  out.add(title, chain.name.empty() ? "" : " ", chain.name, ": ", match.empty() ? "everything" : match);
  const auto below = out.below();
  if (chain.tls) {
    out.add("tls", chain.tls->require_client_certificate ? ", client certificate required" : "");
    const auto in_tls = out.below();
    print_common_tls(chain.tls->common, out);
  }
  for (const auto& rbac : chain.network_rbacs) print_rbac(*rbac, "tcp", out);
  if (const auto* manager = std::get_if<std::shared_ptr<const model::HttpManager>>(&chain.terminal)) {
    if (*manager) print_manager(**manager, out);
  } else if (const auto& proxy = std::get<std::shared_ptr<const model::TcpProxy>>(chain.terminal); proxy) {
    for (const auto& [cluster, weight] : proxy->clusters) {
      out.add(
          "tcp to ", cluster,
          proxy->clusters.size() > 1 ? concat(" weight ", weight, "/", proxy->total_weight) : std::string());
    }
    if (proxy->idle_timeout != std::chrono::hours(1)) out.add("idle timeout ", duration(proxy->idle_timeout));
    if (!proxy->origin.empty()) out.add("because of ", proxy->origin);
    print_logs(proxy->access_logs, out);
  }
}

void print_listener(const model::Listener& listener, Lines& out) {
  if (!listener.api_routes.empty()) {
    out.add("listener ", listener.name, " of a gRPC client, routes ", listener.api_routes);
    return;
  }
  std::string traits;
  const auto trait = [&traits](bool is, std::string_view name) {
    if (is) append_to(traits, concat(", ", name));
  };
  trait(listener.direction == model::Direction::inbound, "inbound");
  trait(listener.direction == model::Direction::outbound, "outbound");
  trait(!listener.bind_to_port, "not bound");
  trait(listener.use_original_dst, "hands over by original destination");
  trait(listener.original_dst_filter, "original_dst");
  trait(listener.tls_inspector, "tls_inspector");
  trait(listener.http_inspector, "http_inspector");
  out.add("listener ", listener.name, " on ", listener.address.to_string(), traits);
  const auto below = out.below();
  if (listener.detection_timeout != std::chrono::seconds(15)) {
    out.add("detection ",
            listener.detection_timeout.count() ? duration(listener.detection_timeout)
                                               : std::string("without end"),
            listener.continue_on_detection_timeout ? ", then goes on" : "");
  }
  for (const auto& chain : listener.chains) print_chain(chain, "chain", out);
  if (listener.default_chain) print_chain(*listener.default_chain, "otherwise", out);
  print_logs(listener.access_logs, out);
}

// ---- Clusters ----

std::string endpoint_text(const model::Endpoint& endpoint) {
  std::string out = endpoint.hostname.empty() ? endpoint.address.to_string()
                                              : concat(endpoint.hostname, ":", endpoint.address.port);
  if (endpoint.weight != 1) append_to(out, concat(" weight ", endpoint.weight));
  if (endpoint.priority) append_to(out, concat(" priority ", endpoint.priority));
  if (!endpoint.locality.region.empty()) {
    append_to(out, concat(" in ", endpoint.locality.region, "/", endpoint.locality.zone, "/",
                          endpoint.locality.sub_zone));
  }
  if (endpoint.mesh_tls) out += " mesh-tls";
  if (!endpoint.healthy) out += " unhealthy";
  if (endpoint.workload) {
    append_to(out, concat(" ", endpoint.workload->workload_namespace, "/", endpoint.workload->workload, " ",
                          endpoint.workload->canonical_service, "/", endpoint.workload->canonical_revision));
  }
  return out;
}

void print_limits(const model::Cluster& cluster, Lines& out) {
  const auto limit = [&](std::string_view name, uint32_t value, uint32_t unset) {
    if (value != unset) out.add(name, " ", value);
  };
  using Limits = model::PoolLimits;
  limit("max connections", cluster.limits.max_connections, Limits::kUnlimited);
  limit("max pending requests", cluster.limits.max_pending_requests, Limits::kUnlimited);
  limit("max requests", cluster.limits.max_requests, Limits::kUnlimited);
  limit("max retries", cluster.limits.max_retries, Limits::kUnlimited);
  limit("max requests per connection", cluster.max_requests_per_connection, 0);
  limit("max concurrent streams", cluster.max_concurrent_streams, 0x7fffffff);
  if (cluster.idle_timeout) out.add("idle timeout ", duration(*cluster.idle_timeout));
  if (cluster.max_connection_duration)
    out.add("connection duration ", duration(*cluster.max_connection_duration));
  if (cluster.keepalive) {
    out.add("keepalive probes ", cluster.keepalive->probes, " time ", cluster.keepalive->time_s,
            "s interval ", cluster.keepalive->interval_s, "s");
  }
}

void print_cluster(const model::Cluster& cluster, Lines& out) {
  static constexpr std::string_view kDiscovery[] = {"fixed", "eds", "strict_dns", "logical_dns",
                                                    "original_dst"};
  static constexpr std::string_view kBalance[] = {"round_robin", "least_request", "random",
                                                  "ring_hash",   "maglev",        "cluster_provided"};
  static constexpr std::string_view kProtocol[] = {"http1", "http2", "automatic", "as_client"};
  out.add("cluster ", cluster.name);
  const auto below = out.below();
  out.add(kDiscovery[static_cast<size_t>(cluster.discovery)], ", ", kBalance[static_cast<size_t>(cluster.lb)],
          ", ", kProtocol[static_cast<size_t>(cluster.protocol)], ", connect ",
          duration(cluster.connect_timeout));
  for (const auto& endpoint : cluster.fixed_endpoints.endpoints) out.add(endpoint_text(endpoint));
  if (cluster.lb == model::LbPolicy::ring_hash && cluster.ring_size_min != 1024)
    out.add("ring ", cluster.ring_size_min);
  if (cluster.lb == model::LbPolicy::maglev && cluster.maglev_table != 65537)
    out.add("table ", cluster.maglev_table);
  print_limits(cluster, out);
  if (cluster.outlier) {
    const auto& o = *cluster.outlier;
    out.add("outlier 5xx ", o.consecutive_5xx, " (", o.enforcing_consecutive_5xx, "%), gateway ",
            o.consecutive_gateway_failure, " (", o.enforcing_consecutive_gateway_failure, "%), interval ",
            duration(o.interval), ", base ", duration(o.base_ejection_time), ", at most ",
            o.max_ejection_percent, "%",
            o.split_external_local_origin_errors
                ? concat(", local origin ", o.consecutive_local_origin_failure, " (",
                         o.enforcing_consecutive_local_origin_failure, "%)")
                : std::string());
    out.add("panic below ", cluster.panic_threshold_percent, "%");
  }
  if (cluster.tls) print_tls(*cluster.tls, "tls", out);
  if (cluster.mesh_tls) print_tls(*cluster.mesh_tls, "mesh-tls", out);
  if (cluster.bind_source) out.add("from ", cluster.bind_source->to_string());
  if (!cluster.service_host.empty()) {
    out.add("service ", cluster.service_host, " (", cluster.service_namespace, "/", cluster.service_name,
            ")");
  }
  if (!cluster.config_path.empty()) out.add("rule ", cluster.config_path);
}

void print_endpoints(const model::EndpointSet& endpoints, Lines& out) {
  out.add("endpoints ", endpoints.cluster);
  const auto below = out.below();
  for (const auto& endpoint : endpoints.endpoints) out.add(endpoint_text(endpoint));
}

template <typename T, typename Print>
std::string printed(const T& resource, const Print& print_one) {
  Lines out;
  print_one(resource, out);
  return out.take();
}

}  // namespace

std::string print(const model::Listener& listener) { return printed(listener, print_listener); }
std::string print(const model::RouteConfig& routes) { return printed(routes, print_routes); }
std::string print(const model::Cluster& cluster) { return printed(cluster, print_cluster); }
std::string print(const model::EndpointSet& endpoints) { return printed(endpoints, print_endpoints); }

std::string print(const model::Snapshot& snapshot) {
  Lines out;
  for (const auto& [name, listener] : snapshot.listeners) print_listener(*listener, out);
  for (const auto& [name, routes] : snapshot.routes) print_routes(*routes, out);
  for (const auto& [name, cluster] : snapshot.clusters) print_cluster(*cluster, out);
  for (const auto& [name, endpoints] : snapshot.endpoints) {
    if (endpoints) print_endpoints(*endpoints, out);
  }
  for (const auto& [name, secret] : snapshot.secrets) {
    out.add("secret ", name, secret->certificate_chain.empty() ? "" : " certificate",
            secret->trusted_ca.empty() ? "" : " roots");
  }
  return out.take();
}

}  // namespace weft::translate
