// The next steps of a workload on its way to its wanted replicas and revision.
//
//   for (const Step& step : next_steps(workload, states)) do(step);
//
// Pure. A Deployment is replaced by surge: a new pod is made and becomes ready before an old one is drained,
// so that there are never fewer ready pods than wanted. A Pod that stands alone keeps its name, so the old
// one must be gone first.
#pragma once

#include <string>
#include <vector>

#include "cli/up/plan.h"

namespace weft::cli {

struct PodState {
  std::string name;
  std::string revision;
  bool ready = false;
  bool terminating = false;
  bool failed = false;
};

struct Step {
  enum class Kind : uint8_t { create, drain };
  Kind kind = Kind::create;
  std::string pod;
  bool operator==(const Step&) const = default;
};

std::vector<Step> next_steps(const Workload& workload, const std::vector<PodState>& pods);

}  // namespace weft::cli
