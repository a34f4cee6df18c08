// One pod: a network namespace, the proxy in it if it has one, and its containers, from birth to burial.
//
//   starting ─▶ network ─▶ proxy ready ─▶ init containers, one by one ─▶ containers ─▶ running
//   drain(): terminating ─▶ (no new requests come) ─▶ SIGTERM to containers, then to the proxy ─▶ gone
//
// The proxy comes first and goes last, so that the containers never see the network without it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/up/container.h"
#include "cli/up/sds_agent.h"
#include "cli/up/surroundings.h"
#include "io/task_group.h"
#include "wire/runtime_state.h"

namespace weft::cli {

// Without root a user namespace has one user alone; interception then tells the proxy's own traffic by a
// mark, which weft-proxy sets and Envoy does not.
inline constexpr std::string_view kNoEnvoyWithoutRoot =
    "it asks for a sidecar, and Envoy as a sidecar needs root: run 'weft up' as root, or leave --data-plane "
    "out";

class RunningPod {
 public:
  enum class Phase : uint8_t { starting, running, succeeded, failed, terminating, gone };

  RunningPod(const Surroundings& mesh, const Workload& workload, std::string name, IpAddress address);
  ~RunningPod();

  void start();
  // Ends it: after `settle`, in which the mesh learns to send it nothing more, its programs get SIGTERM, and
  // what is left at the end of its grace period (or of `patience`, if that is sooner) gets SIGKILL.
  void drain(Duration settle, Duration patience);

  const std::string& name() const { return name_; }
  const std::string& workload_key() const { return key_; }
  const std::string& revision() const { return revision_; }
  const IpAddress& address() const { return address_; }
  Phase phase() const { return phase_; }
  bool terminating() const { return draining_; }
  bool ready() const;
  // As weftd is told of it; absent until it has a network.
  std::optional<wire::RunningPod> running() const;
  PodStatus status() const;

 private:
  io::Task<void> life();
  io::Task<void> end(Duration settle, Duration patience);
  io::Task<Result<void>> bring_up();
  Result<void> make_network();
  Result<void> write_files();
  io::Task<Result<void>> start_proxy();
  io::Task<Result<void>> run_init_containers();
  Result<std::unique_ptr<RunningContainer>> make_container(const objects::Container& container,
                                                           objects::PodSpec::RestartPolicy restart);
  Result<std::vector<std::string>> command_of(const objects::Container& container,
                                              const std::vector<std::string>& environment) const;
  io::ChildOptions child_options(const std::string& log_name) const;
  wire::RunningPod describe() const;
  void set(Phase phase, std::string reason = {});
  void bury();

  const Surroundings& mesh_;
  std::shared_ptr<const objects::Pod> object_;
  std::string key_;
  std::string owner_;
  std::string revision_;
  wire::RunningPod::Proxy proxy_kind_;
  std::string name_;
  IpAddress address_;
  std::string directory_;
  std::optional<PodLink> link_;
  Phase phase_ = Phase::starting;
  std::string reason_;
  bool draining_ = false;
  int64_t started_ = 0;
  std::unique_ptr<SdsAgent> agent_;  // of a real Envoy
  std::unique_ptr<RunningContainer> proxy_;
  std::vector<std::unique_ptr<RunningContainer>> init_containers_;
  std::vector<std::unique_ptr<RunningContainer>> containers_;
  io::TaskGroup tasks_;
  io::TaskGroup ending_;
};

}  // namespace weft::cli
