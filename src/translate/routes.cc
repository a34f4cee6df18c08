#include "translate/routes.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "translate/names.h"

namespace weft::translate {

namespace {

uint32_t per_million(double percent) {
  return static_cast<uint32_t>(std::lround(std::clamp(percent, 0.0, 100.0) * 10000));
}

// ---- Match ----

model::StringMatch string_match(const objects::StringMatch& from) {
  using Kind = objects::StringMatch::Kind;
  switch (from.kind) {
    case Kind::exact:
      return model::StringMatch::exact(from.text);
    case Kind::prefix:
      return model::StringMatch::prefix(from.text);
    case Kind::regex:
      // It compiled when the object was read; were it not to now, it would match nothing.
      if (auto regex = model::StringMatch::regex_match(from.text)) return *regex;
      return model::StringMatch::exact("\n");
    case Kind::present:
      break;
  }
  return model::StringMatch::prefix("");
}

bool asks_presence(const objects::StringMatch& match) {
  using Kind = objects::StringMatch::Kind;
  // "*" is no regular expression; Istio takes it for "is there".
  return match.kind == Kind::present || (match.kind == Kind::regex && match.text == "*");
}

model::HeaderMatch header_match(std::string_view name, const objects::StringMatch& match) {
  model::HeaderMatch out;
  out.name = to_lower(name);
  out.present_only = asks_presence(match);
  if (!out.present_only) out.value = string_match(match);
  return out;
}

// These keys have fields of their own; as headers Istio passes them over.
bool is_ignored_header(std::string_view name) {
  return name == "uri" || name == "scheme" || name == "method" || name == "authority";
}

void match_path(const objects::HttpMatch& from, model::RouteMatch& out) {
  using Kind = objects::StringMatch::Kind;
  out.ignore_case = from.ignore_uri_case;
  if (!from.uri) return;
  switch (from.uri->kind) {
    case Kind::exact:
      out.path_kind = model::RouteMatch::Path::exact;
      break;
    // A plain prefix of the text, not of path segments: /api matches /apis.
    case Kind::prefix:
      out.path_kind = model::RouteMatch::Path::prefix;
      break;
    case Kind::regex:
      out.path_kind = model::RouteMatch::Path::regex;
      if (auto regex = Regex::compile(from.uri->text)) out.regex = *regex;
      break;
    case Kind::present:
      return;
  }
  out.path = from.uri->text;
}

model::RouteMatch route_match(const objects::HttpMatch* from) {
  model::RouteMatch out;
  if (!from) return out;
  match_path(*from, out);
  for (const auto& [name, match] : from->headers) {
    if (!is_ignored_header(name)) out.headers.push_back(header_match(name, match));
  }
  for (const auto& [name, match] : from->without_headers) {
    if (is_ignored_header(name)) continue;
    model::HeaderMatch header = header_match(name, match);
    header.invert = true;
    header.treat_missing_as_empty = !header.present_only;
    out.headers.push_back(std::move(header));
  }
  std::sort(out.headers.begin(), out.headers.end(), [](const auto& a, const auto& b) {
    return std::tie(a.name, a.invert, a.value.value) < std::tie(b.name, b.invert, b.value.value);
  });
  if (from->method) out.headers.push_back(header_match(":method", *from->method));
  if (from->authority) out.headers.push_back(header_match(":authority", *from->authority));
  if (from->scheme) out.headers.push_back(header_match(":scheme", *from->scheme));
  for (const auto& [name, match] : from->query_params) {
    model::QueryMatch query;
    query.name = name;
    query.present_only = asks_presence(match);
    if (!query.present_only) query.value = string_match(match);
    out.query.push_back(std::move(query));
  }
  std::sort(out.query.begin(), out.query.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

// ---- Header edits ----

bool is_authority(std::string_view name) {
  return equal_ignoring_case(name, ":authority") || equal_ignoring_case(name, "host");
}
// Pseudo headers are the message's own parts; only the authority can be set, and that as a rewrite.
bool is_internal(std::string_view name) { return name.starts_with(':') || is_authority(name); }

void add_edits(const objects::HeaderOperations& from, std::vector<model::HeaderEdit>& add,
               std::vector<std::string>& remove, std::string* authority) {
  using Kind = model::HeaderEdit::Kind;
  const auto take = [&](std::vector<std::pair<std::string, std::string>> list, Kind kind) {
    std::sort(list.begin(), list.end());
    for (auto& [name, value] : list) {
      if (!is_internal(name)) add.push_back({.name = name, .value = value, .kind = kind});
    }
  };
  if (authority) {
    for (const auto& [name, value] : from.add) {
      if (is_authority(name)) *authority = value;
    }
    for (const auto& [name, value] : from.set) {
      if (is_authority(name)) *authority = value;
    }
  }
  take(from.set, Kind::overwrite_or_add);
  take(from.add, Kind::append_or_add);
  for (const auto& name : from.remove) {
    if (!is_internal(name)) remove.push_back(name);
  }
}

// Returns the authority that the edits set, or nothing.
std::string append_edits(const objects::HeaderEdits& from, model::HeaderEdits& out) {
  std::string authority;
  add_edits(from.request, out.request_add, out.request_remove, &authority);
  add_edits(from.response, out.response_add, out.response_remove, nullptr);
  return authority;
}

// ---- Actions ----

model::HashPolicy hash_policy(const objects::LoadBalancer::ConsistentHash& from) {
  using Key = objects::LoadBalancer::ConsistentHash::Key;
  model::HashPolicy out;
  switch (from.key) {
    case Key::header:
      out.kind = model::HashPolicy::Kind::header;
      out.name = from.name;
      break;
    case Key::cookie:
      out.kind = model::HashPolicy::Kind::cookie;
      out.name = from.cookie.name;
      out.cookie_ttl = from.cookie.ttl;
      out.cookie_path = from.cookie.path;
      break;
    case Key::source_ip:
      out.kind = model::HashPolicy::Kind::source_ip;
      break;
    case Key::query_parameter:
      out.kind = model::HashPolicy::Kind::query_parameter;
      out.name = from.name;
      break;
  }
  return out;
}

const objects::LoadBalancer::ConsistentHash* consistent_hash(const RuleSet& rules, uint16_t port,
                                                             std::string_view subset) {
  const ClientPolicy policy = rules.policy(port, subset.empty() ? nullptr : rules.find_subset(subset));
  if (!policy.load_balancer || !policy.load_balancer->consistent_hash) return nullptr;
  return &*policy.load_balancer->consistent_hash;
}

// The service a destination names, following an ExternalName to what it stands for.
ServiceRef service_for(const std::string& host, const RouteContext& context) {
  ServiceRef service = context.world.find_service(host, context.client.namespace_name);
  if (service && service->resolution == Resolution::external_name) {
    if (auto target = context.world.find_service(service->external_name, context.client.namespace_name))
      return target;
  }
  return service;
}

// Adds the destination's hash policy; true where it has one.
bool add_hash(const objects::Destination& destination, std::string_view rule_namespace,
              const RouteContext& context, model::ForwardAction& action) {
  const auto service = service_for(context.world.resolve_host(destination.host, rule_namespace), context);
  if (!service) return false;
  uint16_t port = destination.port;
  if (port == 0) port = service->ports.size() == 1 ? service->ports.front().number : context.port;
  const RuleSet rules = rules_for(context.world, *service, context.client);
  const auto* hash = consistent_hash(rules, port, destination.subset);
  if (!hash) return false;
  action.hash_policies.push_back(hash_policy(*hash));
  return true;
}

void rewrite(const objects::HttpRewrite& from, model::ForwardAction& action) {
  if (from.uri_regex) {
    if (auto regex = Regex::compile(from.uri_regex->match)) action.regex_rewrite = *regex;
    action.regex_substitution = from.uri_regex->rewrite;
  } else if (!from.uri.empty()) {
    action.prefix_rewrite = from.uri;
  }
}

model::ForwardAction forward(const objects::HttpRoute& from, const std::string& authority,
                             std::string_view rule_namespace, const RouteContext& context,
                             model::HeaderEdits& route_edits) {
  model::ForwardAction action;
  action.timeout = from.timeout.value_or(Duration::zero());
  // With a timeout, grpc-timeout is capped by it; without one it is obeyed as it stands.
  action.max_grpc_timeout = action.timeout;
  action.host_rewrite = authority;
  if (from.rewrite) {
    rewrite(*from.rewrite, action);
    if (!from.rewrite->authority.empty()) action.host_rewrite = from.rewrite->authority;
  }
  for (const auto& mirror : from.mirrors) {
    const uint32_t share = per_million(mirror.percent);
    if (share == 0) continue;
    action.mirrors.push_back({cluster_for(mirror.destination, rule_namespace, context), share});
  }
  bool hashed = false;
  if (from.route.size() == 1) {
    const auto& only = from.route.front();
    action.clusters.push_back({.cluster = cluster_for(only.destination, rule_namespace, context)});
    const std::string own_authority = append_edits(only.headers, route_edits);
    if (action.host_rewrite.empty()) action.host_rewrite = own_authority;
    hashed = add_hash(only.destination, rule_namespace, context, action);
  } else {
    action.total_weight = 0;
    for (const auto& part : from.route) {
      if (part.weight <= 0) continue;
      model::WeightedCluster cluster;
      cluster.cluster = cluster_for(part.destination, rule_namespace, context);
      cluster.weight = static_cast<uint32_t>(part.weight);
      cluster.host_rewrite = append_edits(part.headers, cluster.edits);
      action.total_weight += cluster.weight;
      action.clusters.push_back(std::move(cluster));
      hashed |= add_hash(part.destination, rule_namespace, context, action);
    }
  }
  action.retry = retry_policy(from.retries, hashed, context.world.options());
  return action;
}

model::RedirectAction redirect(const objects::HttpRedirect& from, const RouteContext& context) {
  using Derive = objects::HttpRedirect::DerivePort;
  model::RedirectAction out;
  out.host = from.authority;
  out.scheme = from.scheme;
  if (!from.prefix_rewrite.empty()) {
    out.prefix_rewrite = from.prefix_rewrite;
  } else if (!from.uri.empty()) {
    out.path = from.uri;
  }
  out.port = from.derive_port == Derive::from_request_port ? context.port : from.port;
  const std::string_view scheme = !from.scheme.empty() ? std::string_view(from.scheme)
                                  : context.tls        ? "https"
                                                       : "http";
  if ((out.port == 80 && scheme == "http") || (out.port == 443 && scheme == "https")) out.port = 0;
  out.status = from.code;
  return out;
}

constexpr std::array<std::string_view, 17> kGrpcStatuses{
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

int grpc_status(std::string_view text) {
  if (const auto number = parse_unsigned(text)) return static_cast<int>(*number);
  const auto it = std::find(kGrpcStatuses.begin(), kGrpcStatuses.end(), text);
  return it == kGrpcStatuses.end() ? 2 : static_cast<int>(it - kGrpcStatuses.begin());
}

void add_fault(const objects::HttpFault& from, model::Route& out) {
  if (from.delay) {
    out.fault_delay =
        model::FaultDelay{.delay = from.delay->fixed, .per_million = per_million(from.delay->percent)};
  }
  if (from.abort) {
    model::FaultAbort abort{.per_million = per_million(from.abort->percent)};
    if (from.abort->http_status) {
      abort.http_status = from.abort->http_status;
    } else {
      abort.grpc_status = grpc_status(from.abort->grpc_status);
    }
    out.fault_abort = abort;
  }
}

model::Route one_route(const objects::VirtualService& vs, size_t index, const objects::HttpMatch* match,
                       const RouteContext& context) {
  const objects::HttpRoute& from = vs.http[index];
  const std::string& ns = vs.meta.namespace_name;
  model::Route out;
  out.name = from.name;
  if (match && !match->name.empty()) out.name += "." + match->name;
  out.match = route_match(match);
  out.config_path = config_path("virtual-service", ns, vs.meta.name);
  out.origin = concat("VirtualService ", ns, "/", vs.meta.name, " http[", index, "]");
  if (!vs.meta.file.empty()) append_to(out.origin, concat(" ", vs.meta.file, ":", from.line));

  const std::string authority = append_edits(from.headers, out.edits);
  if (from.redirect) {
    out.action = redirect(*from.redirect, context);
  } else if (from.direct_response) {
    out.action =
        model::DirectResponse{.status = from.direct_response->status, .body = from.direct_response->body};
  } else {
    out.action = forward(from, authority, ns, context, out.edits);
  }
  if (from.fault) add_fault(*from.fault, out);
  return out;
}

}  // namespace

std::vector<std::string> gateways_of(const objects::VirtualService& vs) {
  if (vs.gateways.empty()) return {"mesh"};
  std::vector<std::string> out;
  for (const auto& name : vs.gateways) {
    const bool whole = name == "mesh" || name.find('/') != std::string::npos;
    out.push_back(whole ? name : concat(vs.meta.namespace_name, "/", name));
  }
  return out;
}

bool bound_to(const objects::VirtualService& vs, std::string_view gateway) {
  const auto gateways = gateways_of(vs);
  return std::find(gateways.begin(), gateways.end(), gateway) != gateways.end();
}

bool meant_for(const std::vector<std::string>& gateways, const objects::Labels& source_labels,
               std::string_view source_namespace, std::string_view rule_namespace,
               const RouteContext& context) {
  if (!gateways.empty()) {
    return std::any_of(gateways.begin(), gateways.end(), [&](const std::string& name) {
      if (name == context.gateway) return true;
      return name != "mesh" && name.find('/') == std::string::npos &&
             concat(rule_namespace, "/", name) == context.gateway;
    });
  }
  return objects::selects(source_labels, context.client.labels) &&
         (source_namespace.empty() || source_namespace == context.client.namespace_name);
}

std::string cluster_for(const objects::Destination& destination, std::string_view rule_namespace,
                        const RouteContext& context) {
  const std::string host = context.world.resolve_host(destination.host, rule_namespace);
  const auto service = service_for(host, context);
  uint16_t port = destination.port;
  if (port == 0) {
    port = service && service->ports.size() == 1 ? service->ports.front().number : context.port;
  }
  return outbound_cluster(service ? service->host : host, port, destination.subset);
}

bool is_catch_all(const model::Route& route) {
  using Path = model::RouteMatch::Path;
  const auto& match = route.match;
  const bool any_path = (match.path_kind == Path::prefix && match.path == "/") ||
                        (match.path_kind == Path::regex && match.path == ".*");
  return any_path && match.headers.empty() && match.query.empty();
}

std::vector<model::Route> routes_of(const objects::VirtualService& vs, const RouteContext& context) {
  std::vector<model::Route> out;
  for (size_t i = 0; i < vs.http.size(); ++i) {
    const auto& rule = vs.http[i];
    if (rule.match.empty()) {
      out.push_back(one_route(vs, i, nullptr, context));
      return out;  // nothing after it could ever be reached
    }
    for (const auto& match : rule.match) {
      if (match.port != 0 && match.port != context.port) continue;
      if (!meant_for(match.gateways, match.source_labels, match.source_namespace, vs.meta.namespace_name,
                     context)) {
        continue;
      }
      out.push_back(one_route(vs, i, &match, context));
      if (is_catch_all(out.back())) return out;
    }
  }
  return out;
}

model::Route default_route(const World& world, const ServiceInfo& service, const ServicePort& port,
                           const Client& client) {
  model::Route out;
  out.name = "default";
  model::ForwardAction action;
  action.clusters.push_back({.cluster = outbound_cluster(service.host, port.number)});
  action.max_grpc_timeout = Duration::zero();
  const RuleSet rules = rules_for(world, service, client);
  const auto* hash = consistent_hash(rules, port.number, "");
  if (hash) action.hash_policies.push_back(hash_policy(*hash));
  action.retry = retry_policy(std::nullopt, hash != nullptr, world.options());
  out.action = std::move(action);
  out.origin =
      concat(service.kubernetes ? "Service " : "ServiceEntry ", service.namespace_name, "/", service.name);
  return out;
}

}  // namespace weft::translate
