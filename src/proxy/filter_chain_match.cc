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

constexpr size_t kByAddress = 2;  // of kCriteria, those that need no byte of the client

using Chains = std::vector<const FilterChain*>;

Chains all_of(const model::Listener& listener) {
  Chains chains;
  chains.reserve(listener.chains.size());
  for (const FilterChain& chain : listener.chains) chains.push_back(&chain);
  return chains;
}

void keep_best(Chains& left, Criterion criterion, const ConnectionTraits& traits) {
  int best = kNoMatch;
  for (const FilterChain* chain : left) best = std::max(best, criterion(chain->match, traits));
  std::erase_if(left, [&](const FilterChain* chain) {
    const int match = criterion(chain->match, traits);
    return match == kNoMatch || match != best;
  });
}

bool asks_for_server_name(const model::Condition& condition) {
  return condition.kind == model::Condition::Kind::requested_server_name ||
         std::any_of(condition.children.begin(), condition.children.end(), asks_for_server_name);
}

bool asks_for_server_name(const FilterChain& chain) {
  const auto any = [](const std::vector<model::Condition>& conditions) {
    return std::any_of(conditions.begin(), conditions.end(),
                       [](const model::Condition& condition) { return asks_for_server_name(condition); });
  };
  for (const auto& rbac : chain.network_rbacs) {
    for (const model::RbacPolicy& policy : rbac->policies) {
      if (any(policy.permissions) || any(policy.principals)) return true;
    }
  }
  return false;
}

// Two chains for a port, one for TLS and one for what is none, that do the same with either: a TCP port under
// DISABLE passes both on as they are.
bool same_for_tls_and_plain(const Chains& chains) {
  if (chains.size() != 2) return false;
  const FilterChain& a = *chains[0];
  const FilterChain& b = *chains[1];
  const std::string& one = a.match.transport_protocol;
  const std::string& other = b.match.transport_protocol;
  if (!((one == "tls" && other == "raw_buffer") || (one == "raw_buffer" && other == "tls"))) return false;
  FilterChain twin = b;
  twin.name = a.name;
  twin.match.transport_protocol = one;
  return twin == a && !a.tls && !asks_for_server_name(a);
}

}  // namespace

const FilterChain* match_filter_chain(const model::Listener& listener, const ConnectionTraits& traits) {
  Chains left = all_of(listener);
  for (Criterion criterion : kCriteria) keep_best(left, criterion, traits);
  if (!left.empty()) return left.front();
  return listener.default_chain ? &*listener.default_chain : nullptr;
}

Inspection needed_inspection(const model::Listener& listener, const ConnectionTraits& traits) {
  Chains left = all_of(listener);
  for (size_t i = 0; i < kByAddress; ++i) keep_best(left, kCriteria[i], traits);
  Inspection needed;
  const bool either_way = same_for_tls_and_plain(left);
  for (const FilterChain* chain : left) {
    const FilterChainMatch& match = chain->match;
    const bool tls = match.transport_protocol == "tls";
    if (!match.transport_protocol.empty() && !either_way) needed.tls = true;
    if (!match.server_names.empty() || asks_for_server_name(*chain)) needed.tls = true;
    if (match.application_protocols.empty()) continue;
    if (tls || match.transport_protocol.empty()) needed.tls = true;
    if (!tls) needed.http = true;
  }
  needed.tls = needed.tls && listener.tls_inspector;
  needed.http = needed.http && listener.http_inspector;
  return needed;
}

}  // namespace weft::proxy
