#include "proxy/filter_chain_match.h"

#include <algorithm>

namespace weft::proxy {

namespace {

using model::FilterChain;
using model::FilterChainMatch;

// How specifically a chain matches one criterion: -1 not at all, 0 not stated, more is narrower.
constexpr int kNoMatch = -1;
constexpr int kUnstated = 0;

int by_port(const FilterChainMatch& match, const ConnectionTraits& traits) {
  if (!match.destination_port) return kUnstated;
  return *match.destination_port == traits.destination.port ? 1 : kNoMatch;
}

int longest_prefix(const std::vector<Cidr>& ranges, const IpAddress& address) {
  if (ranges.empty()) return kUnstated;
  int best = kNoMatch;
  for (const Cidr& range : ranges) {
    if (range.contains(address)) best = std::max(best, 1 + int{range.bits});
  }
  return best;
}

int by_destination(const FilterChainMatch& match, const ConnectionTraits& traits) {
  return longest_prefix(match.destination, traits.destination.ip);
}

// An exact name beats any wildcard; a longer wildcard beats a shorter one.
int by_server_name(const FilterChainMatch& match, const ConnectionTraits& traits) {
  if (match.server_names.empty()) return kUnstated;
  int best = kNoMatch;
  for (std::string_view name : match.server_names) {
    if (name == traits.server_name && !name.empty()) return 1 << 20;
    if (name == "*") {
      best = std::max(best, 1);
    } else if (name.starts_with("*.") && traits.server_name.ends_with(name.substr(1)) &&
               traits.server_name.size() > name.size() - 1) {
      best = std::max(best, static_cast<int>(name.size()));
    }
  }
  return best;
}

int by_transport(const FilterChainMatch& match, const ConnectionTraits& traits) {
  if (match.transport_protocol.empty()) return kUnstated;
  return (match.transport_protocol == "tls") == traits.tls ? 1 : kNoMatch;
}

int by_application_protocol(const FilterChainMatch& match, const ConnectionTraits& traits) {
  if (match.application_protocols.empty()) return kUnstated;
  for (const std::string& offered : traits.application_protocols) {
    if (std::find(match.application_protocols.begin(), match.application_protocols.end(), offered) !=
        match.application_protocols.end()) {
      return 1;
    }
  }
  return kNoMatch;
}

int by_source(const FilterChainMatch& match, const ConnectionTraits& traits) {
  return longest_prefix(match.source, traits.source.ip);
}

int by_source_port(const FilterChainMatch& match, const ConnectionTraits& traits) {
  if (match.source_ports.empty()) return kUnstated;
  const auto& ports = match.source_ports;
  return std::find(ports.begin(), ports.end(), traits.source.port) != ports.end() ? 1 : kNoMatch;
}

using Criterion = int (*)(const FilterChainMatch&, const ConnectionTraits&);
constexpr Criterion kCriteria[] = {by_port,       by_destination,          by_server_name,
                                   by_transport,  by_application_protocol, by_source,
                                   by_source_port};

}  // namespace

const FilterChain* match_filter_chain(const model::Listener& listener, const ConnectionTraits& traits) {
  std::vector<const FilterChain*> left;
  left.reserve(listener.chains.size());
  for (const FilterChain& chain : listener.chains) left.push_back(&chain);

  for (Criterion criterion : kCriteria) {
    int best = kNoMatch;
    for (const FilterChain* chain : left) best = std::max(best, criterion(chain->match, traits));
    if (best == kNoMatch) {
      left.clear();
      break;
    }
    std::erase_if(left, [&](const FilterChain* chain) { return criterion(chain->match, traits) != best; });
  }
  if (!left.empty()) return left.front();
  return listener.default_chain ? &*listener.default_chain : nullptr;
}

}  // namespace weft::proxy
