#include "policy/header_match.h"

#include <optional>
#include <string>
#include <string_view>

#include "base/strings.h"
#include "http/uri.h"

namespace weft::policy {

namespace {

// `lower` is in lower case already: configuration is.
bool same_name(std::string_view name, std::string_view lower) {
  if (name.size() != lower.size()) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    if (to_lower(name[i]) != lower[i]) return false;
  }
  return true;
}

bool is_authority(std::string_view name) { return name == ":authority" || name == "host"; }

// The request's own parts, which come once. nullopt: `name` is an ordinary field.
std::optional<std::string_view> own_part(const RequestView& request, std::string_view name) {
  if (is_authority(name)) return request.authority;
  if (name.empty() || name.front() != ':') return std::nullopt;
  if (name == ":method") return request.method;
  if (name == ":path") return request.path;
  if (name == ":scheme") return request.scheme;
  return std::nullopt;
}

bool value_passes(const model::HeaderMatch& match, std::string_view value) {
  return (match.present_only || match.value.matches(value)) != match.invert;
}

bool missing_passes(const model::HeaderMatch& match) {
  if (match.present_only) return match.invert;
  return match.treat_missing_as_empty && value_passes(match, {});
}

// A name that ends in the root's dot is the same host; nobody may get round a policy by writing it.
bool authority_passes(const model::HeaderMatch& match, std::string_view authority) {
  const std::string_view host = http::host_of(authority);
  if (!host.ends_with('.')) return value_passes(match, authority);
  if (host.size() == authority.size()) return value_passes(match, host.substr(0, host.size() - 1));
  return value_passes(match, concat(host.substr(0, host.size() - 1), authority.substr(host.size())));
}

struct Values {
  std::string_view first;
  size_t count = 0;
};

Values values_of(const RequestView& request, std::string_view name) {
  Values found;
  if (!request.headers) return found;
  for (const auto& field : *request.headers) {
    if (same_name(field.name, name) && found.count++ == 0) found.first = field.value;
  }
  return found;
}

bool all_readings(const model::HeaderMatch& match, const RequestView& request, Reading reading) {
  const bool wanted = reading == Reading::any;
  std::string joined;
  for (const auto& field : *request.headers) {
    if (!same_name(field.name, match.name)) continue;
    if (value_passes(match, field.value) == wanted) return wanted;
    if (!joined.empty()) joined.push_back(',');
    joined.append(field.value);
  }
  return value_passes(match, joined);
}

bool single_valued(const model::HeaderMatch& match, const Values& values) {
  return values.count == 0 ? missing_passes(match) : value_passes(match, values.first);
}

std::optional<bool> own_part_passes(const model::HeaderMatch& match, const RequestView& request) {
  const auto part = own_part(request, match.name);
  if (!part) return std::nullopt;
  if (part->empty()) return missing_passes(match);
  return is_authority(match.name) ? authority_passes(match, *part) : value_passes(match, *part);
}

}  // namespace

bool matches(const model::HeaderMatch& match, const RequestView& request) {
  if (const auto own = own_part_passes(match, request)) return *own;
  const Values values = values_of(request, match.name);
  if (values.count < 2) return single_valued(match, values);
  return value_passes(match, *request.headers->joined(match.name));
}

bool matches(const model::HeaderMatch& match, const RequestView& request, Reading reading) {
  if (const auto own = own_part_passes(match, request)) return *own;
  const Values values = values_of(request, match.name);
  if (values.count < 2) return single_valued(match, values);
  return all_readings(match, request, reading);
}

}  // namespace weft::policy
