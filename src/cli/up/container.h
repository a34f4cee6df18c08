// One container of a pod: a local program that is started, watched, probed and started again.
//
//   waiting ──▶ running ──exit──▶ (restart policy) ──▶ waiting, after a pause that doubles
//      ▲            │                                └─▶ completed | failed
//      └────────────┘ stop(): SIGTERM, then SIGKILL at the deadline
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cli/up/surroundings.h"
#include "io/child_process.h"
#include "io/task_group.h"

namespace weft::cli {

class RunningContainer {
 public:
  enum class State : uint8_t { waiting, running, backing_off, completed, failed };

  struct Start {
    io::ChildOptions child;  // program, environment, namespace, user
    objects::PodSpec::RestartPolicy restart = objects::PodSpec::RestartPolicy::always;
    std::optional<objects::Probe> readiness;
    std::optional<objects::Probe> liveness;
    std::optional<objects::Probe> startup;
    uint16_t readiness_port = 0;
    uint16_t liveness_port = 0;
    uint16_t startup_port = 0;
    std::string address;  // the pod's
    const io::FileDescriptor* name_space = nullptr;
  };

  RunningContainer(const Surroundings& mesh, std::string name, Start start);

  // Starts it and keeps it running. A mistake in what is to be run is failure().
  void run();
  // Resumes when it has ended for good, or once it runs and is ready (an init container that stays, a proxy).
  io::Task<void> ended_or_ready();
  io::Task<void> ended();
  // Asks it to end; no restart from here on. kill() does not ask.
  void stop();
  void kill();

  bool finished() const { return finished_; }
  bool succeeded() const { return state_ == State::completed; }
  bool ready() const { return ready_; }
  State state() const { return state_; }
  ContainerStatus status() const;
  const std::string& name() const { return name_; }

 private:
  io::Task<void> life();
  io::Task<void> probe_all();
  io::Task<void> probe_liveness();
  io::Task<bool> probe_once(objects::Probe probe, uint16_t port);
  void set(State state, std::string reason = {});
  void became_ready(bool ready);

  const Surroundings& mesh_;
  std::string name_;
  Start start_;
  std::unique_ptr<io::ChildProcess> child_;
  State state_ = State::waiting;
  std::string reason_;
  bool ready_ = false;
  bool stopping_ = false;
  bool finished_ = false;
  int restarts_ = 0;
  io::Event changed_;
  io::TaskGroup probes_;
  io::TaskGroup tasks_;
};

// One try of an http or tcp probe, from inside the pod (so that its proxy does not stand between).
io::Task<bool> probe_network(io::EpollLoop& loop, const io::FileDescriptor& name_space, objects::Probe probe,
                             SocketAddress target);

}  // namespace weft::cli
