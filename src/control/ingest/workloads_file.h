// The pods that run, as `weft up` tells them: workloads.json and tokens.json in the runtime directory.
//
// The format, its parser and its writer are in wire/runtime_state.h, where the command can reach them too.
// Here the running pods become objects, as if the Kubernetes API had told of them:
//
//   RuntimeSource runtime(loop, "/run/weft/default", [&] { publisher.publish(); });
//   runtime.scan();                              // at the start; poke() whenever the directory changes
//   input.objects = runtime.with_pods(store.merged().objects);
//   input.workloads = runtime.statuses();
//
// A file that cannot be read, or is gone, leaves the last good one in force.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control/ingest/coalesce.h"
#include "control/ingest/files.h"
#include "io/loop.h"
#include "objects/object.h"
#include "translate/world.h"
#include "wire/runtime_state.h"
#include "yaml/complaint.h"

namespace weft::control {

// Running pods as objects. A pod that did not change keeps its object, so that what is made from it is kept.
class PodTable {
 public:
  // True where anything changed.
  bool update(const std::vector<wire::RunningPod>& pods);
  const std::map<std::string, translate::WorkloadStatus, std::less<>>& statuses() const { return statuses_; }
  std::vector<objects::Object> objects() const;

 private:
  struct Row {
    wire::RunningPod running;
    std::shared_ptr<const objects::Pod> pod;
  };
  std::map<std::string, Row> rows_;  // by "namespace/pod"
  std::map<std::string, translate::WorkloadStatus, std::less<>> statuses_;
};

class RuntimeSource {
 public:
  // `changed` is called after a scan that changed pods, addresses, tokens or complaints.
  RuntimeSource(io::Loop& loop, std::string directory, std::move_only_function<void()> changed);

  // Something changed in the directory.
  void poke() { scans_.poke(); }
  void scan() { scans_.run_now(); }

  // False until a workloads.json was read: then pods are what users wrote.
  bool known() const { return known_; }
  const PodTable& pods() const { return pods_; }
  // Pods that users wrote are replaced by those that run.
  std::vector<objects::Object> with_pods(std::vector<objects::Object> objects) const;
  // Virtual addresses of services.
  const std::vector<wire::ServiceAddress>& services() const { return services_; }
  const std::vector<wire::LocalToken>& tokens() const { return tokens_; }
  std::vector<yaml::Complaint> complaints() const;

 private:
  struct Tracked {
    std::string path;
    std::optional<FileStamp> stamp;
    bool readable = false;
    std::string error;
  };
  void scan_all();
  // The text, if it is another than last time.
  std::optional<std::string> changed_text(Tracked& file);
  bool take_workloads(std::string_view text);
  bool take_tokens(std::string_view text);

  io::Loop& loop_;
  std::move_only_function<void()> changed_;
  Coalesce scans_;
  Tracked workloads_file_;
  Tracked tokens_file_;
  bool known_ = false;
  PodTable pods_;
  std::vector<wire::ServiceAddress> services_;
  std::vector<wire::LocalToken> tokens_;
};

}  // namespace weft::control
