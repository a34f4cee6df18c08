// ChildProcess: another program, run by us, in a network namespace, directory and user of our choice.
//
//   auto child = ChildProcess::spawn(loop, {.arguments = {"nginx", "-g", "daemon off;"}, .output_file =
//   log}); const ExitStatus status = co_await (*child)->exited();
//
//   auto ran = run_command({.arguments = {"nft", "-f", "-"}, .input = rules});   // waits; for set-up code
//
// A failure before the program runs (no such program, no privilege, namespace gone) is spawn's error.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/epoll_loop.h"

namespace weft::io {

struct BindMount {
  std::string source, target;
};

struct ChildOptions {
  std::vector<std::string> arguments;                   // [0] is looked up in PATH unless it has a slash
  std::optional<std::vector<std::string>> environment;  // "NAME=value"; ours if absent
  std::string directory;                                // ours if empty
  std::string output_file;                              // stdout is appended to it; ours if empty
  std::string error_file;         // stderr; where stdout goes if empty and output_file is not
  std::string input;              // stdin (run_command only); otherwise /dev/null
  int network_namespace = -1;     // a descriptor of it
  std::vector<BindMount> mounts;  // seen by the child alone: a resolv.conf of its own
  std::optional<uint32_t> user, group;
  bool keep_capability_net_admin = false;  // for a user that must still set SO_MARK, IP_TRANSPARENT
  bool new_session = true;                 // a process group of its own: signal_group() reaches all
  bool dies_with_parent = true;            // killed if our thread ends without killing it
};

struct ExitStatus {
  int code = 0;    // exit status; meaningful if signal is 0
  int signal = 0;  // what ended it
  bool success() const { return code == 0 && signal == 0; }
  std::string to_string() const;  // "exit status 1", "killed by SIGKILL"
};

class ChildProcess final : private FdOwner {
 public:
  static Result<std::unique_ptr<ChildProcess>> spawn(EpollLoop& loop, const ChildOptions& options);
  // Kills and reaps it if it still runs.
  ~ChildProcess() override;

  pid_t pid() const { return pid_; }
  bool running() const { return !status_; }
  // Resumes when it has ended. May be awaited again; by one at a time.
  Task<ExitStatus> exited();
  void signal(int number);
  // All processes of its session's group.
  void signal_group(int number);

 private:
  ChildProcess(EpollLoop& loop, pid_t pid, FileDescriptor handle);
  void on_ready(uint32_t events) override;

  EpollLoop& loop_;
  pid_t pid_;
  FileDescriptor handle_;  // pidfd
  std::optional<ExitStatus> status_;
  Event ended_;
};

struct CommandOutput {
  ExitStatus status;
  std::string output;  // stdout
  std::string errors;  // stderr
};

// Runs a program to its end, blocking this thread, and gives what it wrote (at most 16 MiB).
Result<CommandOutput> run_command(const ChildOptions& options);
// The same, but a program that fails is an error that quotes what it said.
Result<std::string> run_checked(const ChildOptions& options);

}  // namespace weft::io
