// weft logs: what a container wrote.
#include <sys/stat.h>
#include <unistd.h>

#include <fcntl.h>
#include <array>
#include <cerrno>
#include <cstdio>
#include <thread>

#include "base/strings.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/mesh_state.h"
#include "io/file_descriptor.h"

namespace weft::cli {
namespace {

struct LogsOptions {
  std::string pod;
  std::string mesh = "default";
  std::string namespace_name;
  std::string container;
  std::optional<int> tail;
  bool follow = false;
};

Result<std::string> log_file(const MeshState& state, const MeshStatus& status, const LogsOptions& options) {
  if (options.pod == "weftd" || options.pod == "istiod") return state.path("logs/weftd.log");
  WEFT_TRY(const PodStatus pod, find_pod(status, options.pod, options.namespace_name));
  const std::string wanted = options.container == "istio-proxy" || options.container == "linkerd-proxy"
                                 ? "weft-proxy"
                                 : options.container;
  if (!wanted.empty()) {
    // An init container that has ended is in no status; its log is there.
    const std::string path =
        state.path(concat("logs/", pod.namespace_name, "_", pod.name, "_", wanted, ".log"));
    if (::access(path.c_str(), F_OK) == 0) return path;
  }
  std::string names;
  for (const auto& container : pod.containers) {
    names += concat(names.empty() ? "" : ", ", container.name);
    if (wanted.empty() && !container.log.empty()) return container.log;
  }
  return fail(Error::Kind::not_found,
              concat("pod ", pod.namespace_name, "/", pod.name, " has no log of container '",
                     options.container, "'; it has ", names.empty() ? "none" : names));
}

// Where the last `lines` lines of a file begin.
off_t tail_start(const std::string& text, int lines) {
  size_t at = text.size();
  if (at > 0 && text.back() == '\n') --at;
  while (lines-- > 0 && at != std::string::npos && at > 0) at = text.rfind('\n', at - 1);
  return at == std::string::npos || at == 0 ? 0 : static_cast<off_t>(at + 1);
}

Result<int> run_logs(const LogsOptions& options) {
  WEFT_TRY(const MeshState state, MeshState::open(options.mesh));
  WEFT_TRY(const MeshStatus status, state.read_status());
  WEFT_TRY(const std::string path, log_file(state, status, options));
  const io::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return fail(system_error(concat("cannot read ", path), errno));
  off_t at = 0;
  if (options.tail) {
    WEFT_TRY(const std::string text, read_file(path));
    at = tail_start(text, *options.tail);
  }
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t count = ::pread(file.get(), buffer.data(), buffer.size(), at);
    if (count < 0) return fail(system_error(concat("cannot read ", path), errno));
    if (count > 0) {
      std::fwrite(buffer.data(), 1, static_cast<size_t>(count), stdout);
      at += count;
      continue;
    }
    std::fflush(stdout);
    if (!options.follow || !is_running(status)) return 0;
    struct stat now{};
    if (::fstat(file.get(), &now) == 0 && now.st_size < at) at = 0;  // it was begun anew
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

}  // namespace

void add_logs(CommandTable& table) {
  auto options = std::make_shared<LogsOptions>();
  table.add("logs", "Print what a container wrote")
      .word("POD", options->pod, "pod, namespace/pod, deployment/name, or weftd")
      .option("-n,--namespace", options->namespace_name, "of the pod (default)")
      .option("-c,--container", options->container, "the container (the first); weft-proxy is the sidecar")
      .option("--tail", options->tail, "only the last so many lines")
      .flag("-f,--follow", options->follow, "go on as more is written")
      .option("--mesh", options->mesh, "name of the mesh (default)")
      .example("weft logs deployment/shop-v1 -c weft-proxy -f")
      .runs([options] { return run_logs(*options); });
}

}  // namespace weft::cli
