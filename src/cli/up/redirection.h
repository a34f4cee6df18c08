// The nftables rules of a pod with a sidecar: what it sends goes to the proxy, what it gets comes from there.
//
//   Redirection redirection = WEFT_TRY(redirection_of(pod.meta));
//   nft(namespace, redirection_rules(redirection));
//
// Istio's rules (istio.md section 4.2): outbound TCP to 15001 except what the proxy itself sends (uid and gid
// 1337) and what stays on loopback; inbound TCP to 15006 except the proxy's own ports. The annotations
// traffic.sidecar.istio.io/* narrow both, and so do config.linkerd.io/skip-*-ports and skip-subnets.
#pragma once

#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "objects/meta.h"

namespace weft::cli {

struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;
};

struct Redirection {
  bool outbound_all = true;                       // includeOutboundIPRanges: "*"
  std::vector<Cidr> outbound_ranges;              // otherwise only these
  std::vector<Cidr> outbound_exclude;             // excludeOutboundIPRanges
  std::vector<PortRange> outbound_ports;          // includeOutboundPorts: in addition to the ranges
  std::vector<PortRange> outbound_exclude_ports;  // excludeOutboundPorts
  bool inbound_all = true;                        // includeInboundPorts: "*"
  std::vector<PortRange> inbound_ports;
  std::vector<PortRange> inbound_exclude_ports;
  bool none = false;  // interceptionMode NONE
};

// Fails on a value that does not parse, naming annotation, value and place.
Result<Redirection> redirection_of(const objects::ObjectMeta& meta, const objects::Labels& annotations);

// A script for `nft -f`. By uid and gid of the proxy, or (without root, where all are one user) by the mark
// that the proxy sets on its sockets.
enum class ProxyKnownBy : uint8_t { user, mark };
std::string redirection_rules(const Redirection& redirection, ProxyKnownBy known_by);

inline constexpr int kProxyUser = 1337;
inline constexpr int kProxyMark = 1337;

}  // namespace weft::cli
