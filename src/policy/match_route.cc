#include "policy/match_route.h"

#include <algorithm>

#include "base/strings.h"
#include "http/uri.h"

namespace weft::policy {

namespace {

bool starts_with(std::string_view text, std::string_view prefix, bool ignore_case) {
  return ignore_case ? starts_with_ignoring_case(text, prefix) : text.starts_with(prefix);
}

// "/a" is a prefix of "/a" and "/a/b", not of "/ab".
bool is_segment_prefix(std::string_view path, std::string_view prefix, bool ignore_case) {
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  return starts_with(path, prefix, ignore_case) &&
         (path.size() == prefix.size() || path[prefix.size()] == '/');
}

bool path_matches(const model::RouteMatch& match, const RequestView& request) {
  using Path = model::RouteMatch::Path;
  if (match.path_kind == Path::connect) return request.is_plain_connect();
  // A plain CONNECT has an authority and no path: only a route that asks for CONNECT may take it.
  if (request.is_plain_connect()) return false;
  const std::string_view path = request.path_alone();
  switch (match.path_kind) {
    case Path::prefix:
      return starts_with(path, match.path, match.ignore_case);
    case Path::exact:
      return match.ignore_case ? equal_ignoring_case(path, match.path) : path == match.path;
    case Path::regex:
      return match.regex && match.regex->matches_fully(path);
    case Path::path_separated_prefix:
      return is_segment_prefix(path, match.path, match.ignore_case);
    case Path::connect:
      break;
  }
  return false;
}

bool query_matches(const model::QueryMatch& match, std::string_view query) {
  const auto value = http::query_parameter(query, match.name);
  return value && (match.present_only || match.value.matches(*value));
}

// Strips a port; an IPv6 literal keeps its brackets.
std::string_view without_port(std::string_view authority) { return http::host_of(authority); }

std::string_view without_dot(std::string_view host) {
  return host.size() > 1 && host.ends_with('.') ? host.substr(0, host.size() - 1) : host;
}

}  // namespace

bool matches(const model::RouteMatch& match, const RequestView& request, uint64_t random) {
  if (!path_matches(match, request)) return false;
  if (match.grpc_only && !(request.headers && http::is_grpc(*request.headers))) return false;
  for (const auto& header : match.headers) {
    if (!matches(header, request)) return false;
  }
  if (!match.query.empty()) {
    const std::string_view query = request.query();
    for (const auto& parameter : match.query) {
      if (!query_matches(parameter, query)) return false;
    }
  }
  return !match.runtime_per_million || random % 1'000'000 < *match.runtime_per_million;
}

// ---- virtual hosts

CompiledRoutes::CompiledRoutes(std::shared_ptr<const model::RouteConfig> config)
    : config_(std::move(config)) {
  hosts_.reserve(config_->virtual_hosts.size());  // places are kept
  // Where two virtual hosts claim a domain, the first has it.
  for (const auto& given : config_->virtual_hosts) {
    const Host& host = hosts_.emplace_back(&given, RouteIndex(given.routes));
    for (const auto& domain : given.domains) {
      auto lower = to_lower(domain);
      if (lower == "*") {
        if (!any_) any_ = &host;
      } else if (lower.starts_with('*')) {
        suffixes_[lower.size() - 1].emplace(lower.substr(1), &host);
      } else if (lower.ends_with('*')) {
        prefixes_[lower.size() - 1].emplace(lower.substr(0, lower.size() - 1), &host);
      } else {
        exact_.emplace(std::move(lower), &host);
      }
    }
  }
}

// A wildcard stands for at least one character.
const CompiledRoutes::Host* CompiledRoutes::look_up(std::string_view host) const {
  if (const auto it = exact_.find(host); it != exact_.end()) return it->second;
  for (const auto& [length, hosts] : suffixes_) {
    if (length >= host.size()) continue;
    if (const auto it = hosts.find(host.substr(host.size() - length)); it != hosts.end()) return it->second;
  }
  for (const auto& [length, hosts] : prefixes_) {
    if (length >= host.size()) continue;
    if (const auto it = hosts.find(host.substr(0, length)); it != hosts.end()) return it->second;
  }
  return nullptr;
}

const CompiledRoutes::Host* CompiledRoutes::host_of(std::string_view authority) const {
  if (config_->ignore_port_in_host) authority = without_port(authority);
  std::string lower;  // a host in lower case, as nearly all are, is not copied
  if (std::ranges::any_of(authority, [](char c) { return c >= 'A' && c <= 'Z'; })) {
    lower = to_lower(authority);
    authority = lower;
  }
  if (const auto* found = look_up(authority)) return found;
  if (const auto stripped = without_dot(authority); stripped.size() != authority.size()) {
    if (const auto* found = look_up(stripped)) return found;
  }
  return any_;
}

const model::VirtualHost* CompiledRoutes::virtual_host_of(std::string_view authority) const {
  const Host* host = host_of(authority);
  return host ? host->given : nullptr;
}

// ---- routes

RouteDecision CompiledRoutes::match(const RequestView& request, uint64_t random) const {
  RouteDecision decision;
  const Host* host = host_of(request.authority);
  if (!host) return decision;
  decision.virtual_host = host->given;
  if (decision.virtual_host->require_tls && request.scheme != "https") {
    decision.why = RouteDecision::Why::tls_required;
    return decision;
  }
  decision.why = RouteDecision::Why::no_route;
  host->routes.first(request.path_alone(), [&](uint32_t place) {
    const model::Route& route = host->given->routes[place];
    if (!matches(route.match, request, random)) return false;
    decision.route = &route;
    decision.why = RouteDecision::Why::matched;
    return true;
  });
  return decision;
}

std::string RouteDecision::why_not(const model::RouteConfig& config, std::string_view authority) const {
  switch (why) {
    case Why::matched:
      return concat("route '", route->name, "' matches");
    case Why::no_virtual_host:
      return concat("no virtual host of route configuration '", config.name, "' serves the host '",
                    printable(authority), "'");
    case Why::no_route:
      return concat("virtual host '", virtual_host->name, "' of route configuration '", config.name,
                    "' has no route for this request among its ", virtual_host->routes.size());
    case Why::tls_required:
      return concat("virtual host '", virtual_host->name, "' answers https only");
  }
  return {};
}

ClusterPick pick_cluster(const model::ForwardAction& action, const RequestView& request, uint64_t random) {
  if (!action.cluster_header.empty()) {
    const auto named = request.headers ? request.headers->get(action.cluster_header) : std::nullopt;
    return {.cluster = named.value_or(std::string_view())};
  }
  if (action.clusters.empty()) return {};
  if (action.clusters.size() > 1) {
    uint64_t total = 0;
    for (const auto& cluster : action.clusters) total += cluster.weight;
    uint64_t at = total > 0 ? random % total : 0;
    for (const auto& cluster : action.clusters) {
      if (at < cluster.weight) return {.cluster = cluster.cluster, .weighted = &cluster};
      at -= cluster.weight;
    }
  }
  // One destination gets everything, whatever its weight.
  return {.cluster = action.clusters.front().cluster, .weighted = &action.clusters.front()};
}

}  // namespace weft::policy
