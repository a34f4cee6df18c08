// The environment variables of a container, as the kubelet would make them.
//
//   auto env = container_environment(container, {.pod = pod, .ip = "10.244.0.7", ...}, plan);
//
// Order of precedence as in Kubernetes: env, then envFrom, then what every container gets.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/up/plan.h"

namespace weft::cli {

struct PodFacts {
  const objects::Pod& pod;
  std::string name;  // of this replica
  std::string ip;
  std::string node_ip;
};

// "NAME=value" each. Fails where a ConfigMap, Secret or key that is not optional is missing, naming it.
Result<std::vector<std::string>> container_environment(const objects::Container& container,
                                                       const PodFacts& facts, const Plan& plan);

// $(NAME) replaced by its value, $$(NAME) left as $(NAME); an unknown name stays as it is.
std::string expand_variables(std::string_view text, const std::map<std::string, std::string>& values);

}  // namespace weft::cli
