// For tests, fuzzers and benchmarks: a World from YAML, with every pod running. Pods get 10.1.0.1 and on in
// the order of their names; Deployments become their pods; services get their allocated addresses.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "objects/load.h"
#include "translate/injection.h"
#include "translate/translate.h"
#include "translate/world.h"

namespace weft::translate {

inline WorldInput input_from(std::vector<objects::Object> objects, const MeshOptions& options = {}) {
  WorldInput input;
  input.options = options;
  std::map<std::string, std::string> owners;
  std::vector<objects::Object> pods;
  for (const auto& object : objects) {
    const auto* deployment = objects::get_if<objects::Deployment>(object);
    if (!deployment) continue;
    for (int i = 0; i < std::min(deployment->replicas, 20); ++i) {
      auto pod = pod_of(*deployment, i);
      owners[concat(pod->meta.namespace_name, "/", pod->meta.name)] = deployment->meta.name;
      pods.emplace_back(std::move(pod));
    }
  }
  objects.insert(objects.end(), pods.begin(), pods.end());
  std::map<std::string, WorkloadStatus> statuses;
  for (const auto& object : objects) {
    const auto* pod = objects::get_if<objects::Pod>(object);
    if (!pod) continue;
    const std::string name = concat(pod->meta.namespace_name, "/", pod->meta.name);
    WorkloadStatus status;
    // `test/ready: "false"` and `test/ip: none` plan what is not yet so.
    const auto ready = pod->meta.annotations.find("test/ready");
    status.ready = ready == pod->meta.annotations.end() || ready->second != "false";
    if (const auto it = owners.find(name); it != owners.end()) status.workload_name = it->second;
    statuses.emplace(name, status);
  }
  uint32_t next = 0x0a010001;
  for (auto& [name, status] : statuses) {
    status.ip = IpAddress::v4(next++).to_string();
    input.workloads.emplace(name, status);
  }
  input.service_addresses = allocate_vips(objects, {}, options);
  input.objects = std::move(objects);
  return input;
}

inline std::shared_ptr<const World> world_from(std::string_view yaml, const MeshOptions& options = {}) {
  return World::make(input_from(objects::load_text(yaml, "in.yaml").objects, options));
}

}  // namespace weft::translate
