#include "cli/up/roll_out.h"

#include <algorithm>

namespace weft::cli {
namespace {

bool has_name(const std::vector<PodState>& pods, const std::string& name) {
  return std::ranges::any_of(pods, [&](const PodState& pod) { return pod.name == name; });
}

std::vector<Step> steps_of_pod(const Workload& workload, const std::vector<PodState>& pods) {
  std::vector<Step> steps;
  for (const PodState& pod : pods) {
    if (pod.revision != workload.revision && !pod.terminating) steps.push_back({Step::Kind::drain, pod.name});
  }
  if (pods.empty() && workload.replicas > 0) steps.push_back({Step::Kind::create, workload.pod_name(0)});
  return steps;
}

}  // namespace

std::vector<Step> next_steps(const Workload& workload, const std::vector<PodState>& pods) {
  if (!workload.deployment) return steps_of_pod(workload, pods);

  const int wanted = workload.replicas;
  std::vector<const PodState*> fresh;  // of the wanted revision
  std::vector<const PodState*> old;
  int ready = 0;
  for (const PodState& pod : pods) {
    if (pod.terminating) continue;
    (pod.revision == workload.revision ? fresh : old).push_back(&pod);
    if (pod.ready) ++ready;
  }

  std::vector<Step> steps;
  // Kubernetes' default maxSurge: a quarter, rounded up.
  const int limit = old.empty() ? wanted : wanted + std::max(1, (wanted + 3) / 4);
  int present = static_cast<int>(fresh.size() + old.size());
  int made = static_cast<int>(fresh.size());
  for (int replica = 0; made < wanted && present < limit; ++replica) {
    const std::string name = workload.pod_name(replica);
    if (has_name(pods, name)) continue;
    steps.push_back({Step::Kind::create, name});
    ++made;
    ++present;
  }

  // Old pods that serve nobody go at once, the others as far as enough ready ones remain.
  for (const PodState* pod : old) {
    if (pod->ready && ready - 1 < wanted) continue;
    if (pod->ready) --ready;
    steps.push_back({Step::Kind::drain, pod->name});
  }
  // Too many of the wanted revision: those that are not ready first, then the highest numbers.
  std::ranges::sort(fresh, [](const PodState* a, const PodState* b) {
    return std::tuple(a->ready, b->name.size(), b->name) < std::tuple(b->ready, a->name.size(), a->name);
  });
  for (int extra = static_cast<int>(fresh.size()) - wanted, i = 0; i < extra; ++i) {
    steps.push_back({Step::Kind::drain, fresh[static_cast<size_t>(i)]->name});
  }
  return steps;
}

}  // namespace weft::cli
