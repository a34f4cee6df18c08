// The names that Istio gives resources, and how host names match. Dashboards, logs and users' filters know
// these names by heart.
#pragma once

#include <string>
#include <string_view>

#include "base/strings.h"

namespace weft::translate {

inline constexpr std::string_view kPassthroughCluster = "PassthroughCluster";
inline constexpr std::string_view kBlackHoleCluster = "BlackHoleCluster";
inline constexpr std::string_view kInboundPassthroughCluster = "InboundPassthroughCluster";
inline constexpr std::string_view kVirtualOutbound = "virtualOutbound";
inline constexpr std::string_view kVirtualInbound = "virtualInbound";
inline constexpr uint16_t kOutboundPort = 15001;
inline constexpr uint16_t kInboundPort = 15006;

inline std::string outbound_cluster(std::string_view host, uint16_t port, std::string_view subset = {}) {
  return concat("outbound|", port, "|", subset, "|", host);
}
inline std::string inbound_cluster(uint16_t port) { return concat("inbound|", port, "||"); }
// The SNI of mesh TLS: outbound_.9080_.v1_.reviews.default.svc.cluster.local
inline std::string mesh_sni(std::string_view host, uint16_t port, std::string_view subset = {}) {
  return concat("outbound_.", port, "_.", subset, "_.", host);
}

inline bool is_wildcard(std::string_view host) { return host.starts_with('*'); }

// Whether two host patterns can mean the same host: "*.example.com" and "a.example.com". Either may be wild.
inline bool hosts_overlap(std::string_view a, std::string_view b) {
  if (is_wildcard(a) && is_wildcard(b)) {
    a.remove_prefix(1);
    b.remove_prefix(1);
    return a.size() < b.size() ? b.ends_with(a) : a.ends_with(b);
  }
  if (is_wildcard(a)) return b.ends_with(a.substr(1));
  if (is_wildcard(b)) return a.ends_with(b.substr(1));
  return a == b;
}

// Whether everything that `part` matches is matched by `whole`.
inline bool host_within(std::string_view part, std::string_view whole) {
  if (!is_wildcard(whole)) return part == whole;
  if (is_wildcard(part)) part.remove_prefix(1);
  return part.ends_with(whole.substr(1));
}

// Istio's path of an object, as it stands in metadata: /apis/networking.istio.io/v1/namespaces/…
inline std::string config_path(std::string_view kind, std::string_view namespace_name,
                               std::string_view name) {
  return concat("/apis/networking.istio.io/v1/namespaces/", namespace_name, "/", kind, "/", name);
}

}  // namespace weft::translate
