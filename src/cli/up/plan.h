// Which pods the objects ask for: the part of Kubernetes' controllers that a directory of YAML needs.
//
//   Plan plan = make_plan(objects, {{"default/reviews-v1", 3}});
//   for (const Workload& workload : plan.workloads) roll_out(workload);
//
// Pure: the same objects make the same plan, names included.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "objects/object.h"
#include "wire/runtime_state.h"

namespace weft::cli {

// A Deployment, or a Pod that stands alone (then `replicas` is 1 and the pod has the workload's own name).
struct Workload {
  std::string namespace_name;
  std::string name;
  bool deployment = false;
  int replicas = 1;
  // Changes with anything that a running pod cannot take over: a new revision is new pods.
  std::string revision;
  std::shared_ptr<const objects::Pod> pod;  // its name is the workload's
  wire::RunningPod::Proxy proxy = wire::RunningPod::Proxy::none;

  std::string key() const { return namespace_name + "/" + name; }
  // "reviews-v1-5f6d8c7b9-0"
  std::string pod_name(int replica) const;
};

struct Plan {
  std::vector<Workload> workloads;  // sorted by namespace and name
  std::vector<std::shared_ptr<const objects::Service>> services;
  std::vector<std::shared_ptr<const objects::ServiceEntry>> entries;
  std::map<std::string, std::shared_ptr<const objects::ConfigMap>> config_maps;  // by "namespace/name"
  std::map<std::string, std::shared_ptr<const objects::Secret>> secrets;
};

// `replicas` overrides what deployments say, by "namespace/name": weft scale.
Plan make_plan(const std::vector<objects::Object>& objects, const std::map<std::string, int>& replicas);

// The objects of the gateways that every mesh has, as YAML, unless the user's objects bring their own:
// a pod with label istio: ingressgateway (egressgateway) in any namespace.
std::string default_gateways(const std::vector<objects::Object>& objects);

// Every name is short enough to become part of an interface's or namespace's name; see network.h.
uint64_t stable_hash(std::string_view text);

}  // namespace weft::cli
