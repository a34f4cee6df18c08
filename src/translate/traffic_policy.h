// What DestinationRules say about one destination, merged the way Istio merges them.
//
//   const RuleSet rules = rules_for(world, service, client);
//   const ClientPolicy policy = rules.policy(port, rules.find_subset("v1"));
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "objects/destination_rule.h"
#include "translate/world.h"

namespace weft::translate {

// Who asks: one namespace's proxies, as far as rules tell them apart.
struct Client {
  std::string namespace_name;
  objects::Labels labels;
  bool gateway = false;
};

struct ClientPolicy {
  const objects::LoadBalancer* load_balancer = nullptr;
  const objects::ConnectionPool* connection_pool = nullptr;
  const objects::OutlierDetection* outlier = nullptr;
  const objects::ClientTls* tls = nullptr;
};

struct RuleSet {
  // Of one host, one namespace, one exportTo; the oldest first. Subsets are united, the first trafficPolicy
  // wins.
  std::vector<std::shared_ptr<const objects::DestinationRule>> rules;

  bool empty() const { return rules.empty(); }
  const objects::TrafficPolicy* top() const;
  // Of each name the first.
  std::vector<const objects::Subset*> subsets() const;
  const objects::Subset* find_subset(std::string_view name) const;
  // portLevelSettings replace the whole policy for their port; a subset's policy goes over it block by block,
  // but its portLevelSettings replace again.
  ClientPolicy policy(uint16_t port, const objects::Subset* subset) const;
};

RuleSet rules_for(const World& world, const ServiceInfo& service, const Client& client);

}  // namespace weft::translate
