// Where a running mesh keeps what the other commands need: one directory a mesh.
//
//   WEFT_TRY(const MeshState state, MeshState::open(name));     // a mesh that runs
//   WEFT_TRY(const MeshStatus status, state.read_status());
//
// `weft up` writes, everybody else reads; there is no protocol to break. After a crash of `weft up` the
// directory is what `weft down` cleans up by.
//
//   status.json      pods, services, addresses: what `weft get` prints
//   workloads.json   for weftd (wire/runtime_state.h), with tokens.json
//   objects/         what `weft apply` added; watched like the directories given to `weft up`
//   builtin/         the gateways that every mesh has
//   objects/.scale   what `weft scale` set
//   ready            there once every pod has been ready
//   pods/NS_POD/     bootstrap, resolv.conf, hosts
//   logs/            one file a container
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace weft::cli {

struct ContainerStatus {
  std::string name;
  std::string state;  // Running, Waiting, CrashLoopBackOff, Completed, Error
  pid_t pid = 0;
  bool ready = false;
  int restarts = 0;
  std::string log;
  std::string reason;  // of an error
};

struct PodStatus {
  std::string namespace_name;
  std::string name;
  std::string ip;
  std::string owner;
  std::string status;   // as kubectl's STATUS column
  std::string proxy;    // none, sidecar, router
  std::string netns;    // path
  int64_t started = 0;  // seconds since 1970
  std::vector<ContainerStatus> containers;
};

struct ServiceStatus {
  std::string namespace_name;
  std::string name;
  std::string type;
  std::string cluster_ip;
  std::string external;
  std::string ports;
  std::string selector;
  int64_t created = 0;
};

struct MeshStatus {
  std::string name;
  pid_t pid = 0;
  uint64_t pid_started = 0;  // so that another process with that pid is not taken for it
  bool rootless = false;
  std::vector<std::string> directories;
  std::string hub;                              // path of the hub's namespace
  std::map<std::string, std::string> gateways;  // "ingress:80" to "127.0.0.1:8080"
  std::vector<PodStatus> pods;
  std::vector<ServiceStatus> services;
};

class MeshState {
 public:
  // The directory of a mesh, whether or not it runs: $WEFT_STATE_DIR, /run/weft, or $XDG_RUNTIME_DIR/weft.
  static MeshState of(const std::string& mesh);
  // Fails where no such mesh was started, and says how to start one.
  static Result<MeshState> open(const std::string& mesh);

  const std::string& mesh() const { return mesh_; }
  const std::string& directory() const { return directory_; }
  std::string path(std::string_view name) const { return directory_ + "/" + std::string(name); }

  Result<MeshStatus> read_status() const;
  // The same, and an error that says what to do where the `weft up` that wrote it has died: nobody watches
  // the pods then, whatever was last said of them.
  Result<MeshStatus> read_running() const;
  Result<void> write_status(const MeshStatus& status) const;
  // By "namespace/name".
  Result<std::map<std::string, int>> read_scale() const;
  Result<void> write_scale(const std::map<std::string, int>& scale) const;

 private:
  std::string mesh_;
  std::string directory_;
};

// Whether the process that wrote this still runs.
bool is_running(const MeshStatus& status);
// When a process began, in the kernel's ticks; 0 where there is none.
uint64_t process_start(pid_t pid);

// The pod a user means by NAME, NAMESPACE/NAME or deployment/NAME; an error names the ones there are.
Result<PodStatus> find_pod(const MeshStatus& status, const std::string& name,
                           const std::string& namespace_name);

// A mesh's name becomes part of interfaces' and namespaces' names.
Result<void> check_mesh_name(const std::string& name);

}  // namespace weft::cli
