// Istio DestinationRule (networking.istio.io): policy for traffic to a host, and its named subsets.
#pragma once

#include "objects/traffic_policy.h"

namespace weft::objects {

struct Subset {
  std::string name;
  Labels labels;
  std::optional<TrafficPolicy> traffic_policy;
  int line = 0;
};

struct DestinationRule {
  ObjectMeta meta;
  std::string host;  // as written
  std::optional<TrafficPolicy> traffic_policy;
  std::vector<Subset> subsets;  // names are distinct
  std::vector<std::string> export_to;
  std::optional<WorkloadSelector> workload_selector;
};

}  // namespace weft::objects
