// weft exec: runs a program in a pod, as `kubectl exec` does: with the pod's network, names and environment.
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/strings.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/mesh_state.h"

namespace weft::cli {
namespace {

struct ExecOptions {
  std::string pod;
  std::string mesh = "default";
  std::string namespace_name;
  std::string container;
  std::vector<std::string> command;
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

Result<int> run_exec(const ExecOptions& options) {
  if (options.command.empty()) {
    return fail(Error::Kind::invalid, concat("no command; write 'weft exec ", options.pod, " -- COMMAND'"));
  }
  WEFT_TRY(const MeshState state, MeshState::open(options.mesh));
  WEFT_TRY(const MeshStatus status, state.read_status());
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
  // The container's own process shows the way into its network and mounts; nsenter(1) goes it.
  std::vector<std::string> words{"nsenter", "-t", concat(pid), "-n", "-m"};
  if (status.rootless) words.insert(words.end(), {"-U", "--preserve-credentials"});
  words.push_back("--");
  words.insert(words.end(), options.command.begin(), options.command.end());
  std::vector<std::string> environment = environment_of(pid);
  for (const char* name : {"TERM", "COLUMNS", "LINES"}) {
    if (const char* value = std::getenv(name); value != nullptr)
      environment.push_back(concat(name, "=", value));
  }
  // weft-demo and its kin are found beside us, whatever the container's PATH.
  std::error_code error;
  const std::string beside = std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
  bool has_path = false;
  for (std::string& each : environment) {
    if (!each.starts_with("PATH=")) continue;
    each += ":" + beside;
    has_path = true;
  }
  if (!has_path)
    environment.push_back(
        concat("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:", beside));

  std::vector<char*> arguments;
  std::vector<char*> variables;
  for (std::string& word : words) arguments.push_back(word.data());
  for (std::string& each : environment) variables.push_back(each.data());
  arguments.push_back(nullptr);
  variables.push_back(nullptr);
  ::execvpe("nsenter", arguments.data(), variables.data());
  return fail(system_error("cannot run nsenter; install the package util-linux", errno));
}

}  // namespace

void add_exec(CommandTable& table) {
  auto options = std::make_shared<ExecOptions>();
  table.add("exec", "Run a program in a pod")
      .word("POD", options->pod, "pod, namespace/pod or deployment/name")
      .option("-n,--namespace", options->namespace_name, "of the pod (default)")
      .option("-c,--container", options->container, "whose environment and files (the first)")
      .option("--mesh", options->mesh, "name of the mesh (default)")
      .rest(options->command)
      .example("weft exec deployment/client -- weft-demo get http://reviews:8080/")
      .runs([options] { return run_exec(*options); });
}

}  // namespace weft::cli
