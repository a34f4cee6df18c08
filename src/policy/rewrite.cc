#include "policy/rewrite.h"

#include <charconv>

#include "base/strings.h"
#include "http/uri.h"

namespace weft::policy {

namespace {

// How much of the path the route matched: what a prefix rewrite replaces.
size_t matched_length(const model::RouteMatch& match, std::string_view path_alone) {
  using Path = model::RouteMatch::Path;
  switch (match.path_kind) {
    case Path::prefix:
      return std::min(match.path.size(), path_alone.size());
    case Path::path_separated_prefix: {
      const size_t size = match.path.ends_with('/') ? match.path.size() - 1 : match.path.size();
      return std::min(size, path_alone.size());
    }
    case Path::exact:
    case Path::regex:
    case Path::connect:
      return path_alone.size();
  }
  return 0;
}

std::string replace_prefix(const model::RouteMatch& match, std::string_view path_alone,
                           std::string_view with) {
  std::string_view rest = path_alone.substr(matched_length(match, path_alone));
  // Segment prefixes (Gateway API) join at one slash; plain ones are text and keep what they are given.
  if (match.path_kind == model::RouteMatch::Path::path_separated_prefix && with.ends_with('/') &&
      rest.starts_with('/')) {
    rest.remove_prefix(1);
  }
  std::string path = concat(with, rest);
  if (!path.starts_with('/')) path.insert(0, 1, '/');
  return path;
}

std::optional<std::string> rewritten(const std::optional<std::string>& prefix,
                                     const std::optional<Regex>& regex, std::string_view substitution,
                                     const model::RouteMatch& match, std::string_view path) {
  const size_t end = path.find_first_of("?#");
  const std::string_view alone = path.substr(0, end);
  const std::string_view rest = end == path.npos ? std::string_view() : path.substr(end);
  if (prefix) return replace_prefix(match, alone, *prefix).append(rest);
  if (regex) return regex->replace_all(alone, substitution).append(rest);
  return std::nullopt;
}

uint32_t default_port(std::string_view scheme) { return scheme == "https" ? 443 : 80; }

bool is_default_port(std::string_view scheme, std::string_view port) {
  return parse_unsigned(port) == default_port(scheme);
}

// Host and port for a redirect. What is said of the port, by the route or by the request, stands, unless the
// new scheme implies it or the old one did.
std::string redirect_authority(const model::RedirectAction& action, const RequestView& request,
                               std::string_view scheme) {
  const std::string_view old_host = http::host_of(request.authority);
  std::string_view port = request.authority.substr(old_host.size());
  if (port.starts_with(':')) port.remove_prefix(1);

  std::string authority(action.host.empty() ? old_host : std::string_view(action.host));
  if (action.port != 0) {
    if (action.port != default_port(scheme)) authority.append(concat(":", action.port));
    return authority;
  }
  const bool keep = action.host.empty() && !port.empty() && !is_default_port(scheme, port) &&
                    (scheme == request.scheme || !is_default_port(request.scheme, port));
  if (keep) authority.append(":").append(port);
  return authority;
}

bool is_authority(std::string_view name) {
  return equal_ignoring_case(name, ":authority") || equal_ignoring_case(name, "host");
}

std::string value_of(const model::HeaderEdit& edit, const ValueFormatter& format) {
  if (edit.value.find('%') == edit.value.npos) return edit.value;
  std::string value;
  format(edit.value, value);
  return value;
}

void apply(http::Headers& headers, const model::HeaderEdit& edit, const ValueFormatter& format) {
  using Kind = model::HeaderEdit::Kind;
  switch (edit.kind) {
    case Kind::append_or_add:
      headers.add(edit.name, value_of(edit, format));
      break;
    case Kind::overwrite_or_add:
      headers.set(edit.name, value_of(edit, format));
      break;
    case Kind::add_if_absent:
      if (!headers.has(edit.name)) headers.add(edit.name, value_of(edit, format));
      break;
    case Kind::overwrite_if_exists:
      if (headers.has(edit.name)) headers.set(edit.name, value_of(edit, format));
      break;
  }
}

void apply_request_level(http::Request& request, const model::HeaderEdits& edits,
                         const ValueFormatter& format) {
  for (const auto& name : edits.request_remove) {
    if (!is_authority(name)) request.headers.remove(name);
  }
  for (const auto& edit : edits.request_add) {
    if (!is_authority(edit.name)) {
      if (!edit.name.starts_with(':')) apply(request.headers, edit, format);
      continue;
    }
    const bool there = !request.authority.empty();
    if (there && edit.kind == model::HeaderEdit::Kind::add_if_absent) continue;
    if (!there && edit.kind == model::HeaderEdit::Kind::overwrite_if_exists) continue;
    request.authority = value_of(edit, format);
  }
}

}  // namespace

// ---- path, host, redirects

std::optional<std::string> rewrite_path(const model::ForwardAction& action, const model::RouteMatch& match,
                                        std::string_view path) {
  return rewritten(action.prefix_rewrite, action.regex_rewrite, action.regex_substitution, match, path);
}

std::string_view rewrite_host(const model::ForwardAction& action, const model::WeightedCluster* weighted,
                              std::string_view endpoint_hostname) {
  if (weighted && !weighted->host_rewrite.empty()) return weighted->host_rewrite;
  if (!action.host_rewrite.empty()) return action.host_rewrite;
  return action.auto_host_rewrite ? endpoint_hostname : std::string_view();
}

std::string redirect_location(const model::RedirectAction& action, const model::RouteMatch& match,
                              const RequestView& request) {
  std::string_view scheme = request.scheme;
  if (action.https) scheme = "https";
  if (!action.scheme.empty()) scheme = action.scheme;

  std::string path(request.path);
  if (action.path) {
    path = *action.path;
    // A path that brings its own query replaces the request's.
    if (path.find('?') == path.npos && !request.query().empty()) path.append("?").append(request.query());
  } else if (auto changed = rewritten(action.prefix_rewrite, action.regex_rewrite, action.regex_substitution,
                                      match, request.path)) {
    path = std::move(*changed);
  }
  if (action.strip_query) path.resize(std::min(path.size(), path.find('?')));
  return concat(scheme, "://", redirect_authority(action, request, scheme), path);
}

std::string https_location(const RequestView& request) {
  return redirect_location({.https = true}, {}, request);
}

// ---- headers

void apply_edits(http::Headers& headers, const std::vector<std::string>& remove,
                 const std::vector<model::HeaderEdit>& add, const ValueFormatter& format) {
  for (const auto& name : remove) headers.remove(name);
  for (const auto& edit : add) apply(headers, edit, format);
}

void apply_request_edits(http::Request& request, const model::RouteConfig& config,
                         const RouteDecision& decision, const model::WeightedCluster* weighted,
                         const ValueFormatter& format) {
  if (weighted) apply_request_level(request, weighted->edits, format);
  if (decision.route) apply_request_level(request, decision.route->edits, format);
  if (decision.virtual_host) apply_request_level(request, decision.virtual_host->edits, format);
  apply_request_level(request, config.edits, format);
}

void apply_response_edits(http::Headers& headers, const model::RouteConfig& config,
                          const RouteDecision& decision, const model::WeightedCluster* weighted,
                          const ValueFormatter& format) {
  const auto level = [&](const model::HeaderEdits& edits) {
    apply_edits(headers, edits.response_remove, edits.response_add, format);
  };
  if (weighted) level(weighted->edits);
  if (decision.route) level(decision.route->edits);
  if (decision.virtual_host) level(decision.virtual_host->edits);
  level(config.edits);
}

// ---- faults, mirrors, hashing

FaultDecision decide_fault(const model::Route& route, uint64_t random_delay, uint64_t random_abort) {
  FaultDecision decision;
  if (route.fault_delay && random_delay % 1'000'000 < route.fault_delay->per_million) {
    decision.delay = route.fault_delay->delay;
  }
  if (route.fault_abort && random_abort % 1'000'000 < route.fault_abort->per_million) {
    decision.abort_http_status = route.fault_abort->http_status;
    decision.abort_grpc_status = route.fault_abort->grpc_status;
  }
  return decision;
}

bool decide_mirror(const model::Mirror& mirror, uint64_t random) {
  return random % 1'000'000 < mirror.per_million;
}

namespace {

// The value of one cookie among the Cookie fields (RFC 6265 section 4.2.1), without quotes.
std::optional<std::string_view> cookie(const http::Headers& headers, std::string_view name) {
  for (const auto& field : headers) {
    if (!equal_ignoring_case(field.name, "cookie")) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const size_t end = rest.find(';');
      const std::string_view pair = trim(rest.substr(0, end));
      rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
      const size_t equals = pair.find('=');
      if (equals == pair.npos || trim(pair.substr(0, equals)) != name) continue;
      std::string_view value = trim(pair.substr(equals + 1));
      if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"')) {
        value = value.substr(1, value.size() - 2);
      }
      return value;
    }
  }
  return std::nullopt;
}

}  // namespace

HashInput hash_input(const model::HashPolicy& policy, const RequestView& request, std::string_view peer_ip) {
  using Kind = model::HashPolicy::Kind;
  switch (policy.kind) {
    case Kind::header:
      if (!request.headers) return {};
      return {.value = request.headers->get(policy.name)};
    case Kind::cookie: {
      HashInput input;
      if (request.headers) input.value = cookie(*request.headers, policy.name);
      input.make_cookie = !input.value && policy.cookie_ttl.has_value();
      return input;
    }
    case Kind::source_ip:
      return {.value = peer_ip};
    case Kind::query_parameter:
      return {.value = http::query_parameter(request.query(), policy.name)};
  }
  return {};
}

}  // namespace weft::policy
