// weft exec: runs a program in a pod, as `kubectl exec` does: with the pod's network, names and environment.
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/strings.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/mesh_state.h"
#include "io/file_descriptor.h"

extern "C" char** environ;

namespace weft::cli {
namespace {

struct ExecOptions {
  std::string pod;
  std::string mesh = "default";
  std::string namespace_name;
  std::string container;
  std::vector<std::string> command;
  bool stdin_wanted = false;  // kubectl's habits: our terminal is the program's anyhow
  bool tty_wanted = false;
};

// The environment of a running process.
std::vector<std::string> environment_of(pid_t pid) {
  std::vector<std::string> out;
  const auto text = read_file(concat("/proc/", pid, "/environ"));
  if (!text) return out;
  for (const auto each : split(*text, '\0')) {
    if (!each.empty()) out.emplace_back(each);
  }
  return out;
}

// What of a process makes the pod: its network and its view of files; without root the user namespace first.
Result<void> enter(pid_t pid, bool rootless) {
  struct Space {
    const char* name;
    int type;
    io::FileDescriptor fd;
  };
  std::vector<Space> spaces;
  if (rootless) spaces.push_back({"user", CLONE_NEWUSER, {}});
  spaces.push_back({"net", CLONE_NEWNET, {}});
  spaces.push_back({"mnt", CLONE_NEWNS, {}});
  // All of them first: within another user or mount namespace this /proc is out of reach.
  for (Space& space : spaces) {
    const std::string path = concat("/proc/", pid, "/ns/", space.name);
    space.fd = io::FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!space.fd) return fail(system_error(concat("cannot enter the pod: ", path), errno));
  }
  for (const Space& space : spaces) {
    if (::setns(space.fd.get(), space.type) != 0) {
      return fail(system_error("cannot enter the pod; run this as the user who started the mesh", errno));
    }
  }
  return {};
}

// The container's variables and the terminal's; weft-demo and its kin are found beside us, whatever the
// container's PATH.
std::vector<std::string> environment_for(pid_t pid) {
  std::vector<std::string> environment = environment_of(pid);
  for (const char* name : {"TERM", "COLUMNS", "LINES"}) {
    if (const char* value = std::getenv(name); value != nullptr)
      environment.push_back(concat(name, "=", value));
  }
  std::error_code error;
  const std::string beside = std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
  for (std::string& each : environment) {
    if (!each.starts_with("PATH=")) continue;
    each += ":" + beside;
    return environment;
  }
  environment.push_back(concat("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:", beside));
  return environment;
}

// Becomes the program; returns only if it cannot. The statuses are a shell's.
int become(const std::vector<std::string>& command, std::vector<std::string> environment,
           const PodStatus& pod) {
  std::vector<std::string> words = command;
  std::vector<char*> arguments;
  std::vector<char*> variables;
  for (std::string& word : words) arguments.push_back(word.data());
  for (std::string& each : environment) variables.push_back(each.data());
  arguments.push_back(nullptr);
  variables.push_back(nullptr);
  environ = variables.data();  // its PATH is the one to be searched
  ::execvp(arguments.front(), arguments.data());
  if (errno == ENOENT) {
    std::fprintf(stderr, "weft: %s: not found in pod %s/%s\n", command.front().c_str(),
                 pod.namespace_name.c_str(), pod.name.c_str());
    return 127;
  }
  std::fprintf(
      stderr, "weft: %s\n",
      system_error(concat(command.front(), ": cannot be run in pod ", pod.namespace_name, "/", pod.name),
                   errno)
          .text.c_str());
  return 126;
}

Result<int> run_exec(const ExecOptions& options) {
  if (options.command.empty()) {
    return fail(Error::Kind::invalid, concat("no command; write 'weft exec ", options.pod, " -- COMMAND'"));
  }
  WEFT_TRY(const MeshState state, MeshState::open(options.mesh));
  WEFT_TRY(const MeshStatus status, state.read_running());
  WEFT_TRY(const PodStatus pod, find_pod(status, options.pod, options.namespace_name));
  pid_t pid = 0;
  std::string names;
  for (const auto& container : pod.containers) {
    names += concat(names.empty() ? "" : ", ", container.name);
    const bool wanted = options.container.empty() ? pid == 0 : container.name == options.container;
    if (wanted && container.pid > 0) pid = container.pid;
  }
  if (pid == 0) {
    return fail(Error::Kind::unavailable,
                concat("pod ", pod.namespace_name, "/", pod.name, " has no running container",
                       options.container.empty() ? "" : concat(" '", options.container, "'"), " (it has ",
                       names.empty() ? "none" : names, "); see 'weft get pods -A'"));
  }
  // Read before entering: the pod may see another /proc.
  std::vector<std::string> environment = environment_for(pid);
  WEFT_CHECK_OK(enter(pid, status.rootless));
  return become(options.command, std::move(environment), pod);
}

}  // namespace

void add_exec(CommandTable& table) {
  auto options = std::make_shared<ExecOptions>();
  table.add("exec", "Run a program in a pod: weft exec POD -- PROGRAM [WORD...]")
      .word("POD", options->pod, "pod, namespace/pod or deployment/name")
      .option("-n,--namespace", options->namespace_name, "of the pod (default)")
      .option("-c,--container", options->container, "whose environment and files (the first)")
      .option("--mesh", options->mesh, "name of the mesh (default)")
      .flag("-i,--stdin", options->stdin_wanted, "as kubectl has it: always on here")
      .flag("-t,--tty", options->tty_wanted, "as kubectl has it: the terminal is always handed on")
      .rest(options->command)
      .example("weft exec deployment/client -- weft-demo get http://shop:8080/")
      .runs([options] { return run_exec(*options); });
}

}  // namespace weft::cli
