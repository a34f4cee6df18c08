#include "translate/traffic_policy.h"

namespace weft::translate {

namespace {

template <typename T>
const T* pointer(const std::optional<T>& value) {
  return value ? &*value : nullptr;
}

template <typename Policy>
ClientPolicy blocks_of(const Policy& policy) {
  return {.load_balancer = pointer(policy.load_balancer),
          .connection_pool = pointer(policy.connection_pool),
          .outlier = pointer(policy.outlier_detection),
          .tls = pointer(policy.tls)};
}

const objects::PortPolicy* port_level(const objects::TrafficPolicy& policy, uint16_t port) {
  for (const auto& entry : policy.port_level) {
    if (entry.port == port) return &entry;
  }
  return nullptr;
}

}  // namespace

const objects::TrafficPolicy* RuleSet::top() const {
  for (const auto& rule : rules) {
    if (rule->traffic_policy) return &*rule->traffic_policy;
  }
  return nullptr;
}

std::vector<const objects::Subset*> RuleSet::subsets() const {
  std::vector<const objects::Subset*> out;
  for (const auto& rule : rules) {
    for (const auto& subset : rule->subsets) {
      if (find_subset(subset.name) == &subset) out.push_back(&subset);
    }
  }
  return out;
}

const objects::Subset* RuleSet::find_subset(std::string_view name) const {
  for (const auto& rule : rules) {
    for (const auto& subset : rule->subsets) {
      if (subset.name == name) return &subset;
    }
  }
  return nullptr;
}

ClientPolicy RuleSet::policy(uint16_t port, const objects::Subset* subset) const {
  ClientPolicy out;
  if (const auto* policy = top()) {
    const auto* level = port_level(*policy, port);
    out = level ? blocks_of(*level) : blocks_of(*policy);
  }
  if (!subset || !subset->traffic_policy) return out;
  if (const auto* level = port_level(*subset->traffic_policy, port)) return blocks_of(*level);
  const ClientPolicy own = blocks_of(*subset->traffic_policy);
  if (own.load_balancer) out.load_balancer = own.load_balancer;
  if (own.connection_pool) out.connection_pool = own.connection_pool;
  if (own.outlier) out.outlier = own.outlier;
  if (own.tls) out.tls = own.tls;
  return out;
}

RuleSet rules_for(const World& world, const ServiceInfo& service, const Client& client) {
  return {world.destination_rules_for(service.host, service.namespace_name, client.namespace_name,
                                      client.labels)};
}

}  // namespace weft::translate
