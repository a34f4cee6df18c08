#include "cli/up/cleanup.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <thread>

#include "base/log.h"
#include "base/strings.h"
#include "cli/up/network.h"
#include "io/netns.h"

namespace weft::cli {

namespace fs = std::filesystem;

namespace {

using Inode = std::pair<dev_t, ino_t>;

std::optional<Inode> inode_of(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) return std::nullopt;
  return Inode{found.st_dev, found.st_ino};
}

std::vector<pid_t> processes_in(const std::set<Inode>& namespaces) {
  std::vector<pid_t> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const auto pid = parse_unsigned(entry.path().filename().string());
    if (!pid || static_cast<pid_t>(*pid) == ::getpid()) continue;
    const auto inode = inode_of(concat("/proc/", *pid, "/ns/net"));
    if (inode && namespaces.contains(*inode)) out.push_back(static_cast<pid_t>(*pid));
  }
  return out;
}

// Ends them all; what they start meanwhile too.
void end_processes(const std::set<Inode>& namespaces) {
  for (int round = 0; round < 100; ++round) {
    const auto pids = processes_in(namespaces);
    if (pids.empty()) return;
    if (round == 0) log_info("down", "ending ", pids.size(), " processes that were left behind");
    for (const pid_t pid : pids) ::kill(pid, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace

std::string pins_directory(const MeshState& state, bool rootless) {
  return rootless ? state.path("netns") : std::string("/run/netns");
}

Result<void> clean_up(const MeshState& state) {
  const bool root = ::geteuid() == 0;
  const auto paths = leftover_namespaces(state.mesh(), pins_directory(state, !root));
  std::set<Inode> namespaces;
  for (const std::string& path : paths) {
    // A name whose namespace is gone is a plain file: its inode means nothing.
    struct stat found{};
    if (const auto inode = inode_of(path);
        inode && ::stat("/proc/self/ns/net", &found) == 0 && inode->first == found.st_dev) {
      namespaces.insert(*inode);
    }
  }
  // Never our own: a name may have been left pointing there.
  if (const auto own = inode_of("/proc/self/ns/net")) namespaces.erase(*own);
  end_processes(namespaces);
  for (const std::string& path : paths) WEFT_CHECK_OK(io::unpin_namespace(path));
  std::error_code error;
  fs::remove_all(state.directory(), error);
  if (error) return fail(system_error(concat("cannot remove ", state.directory()), error.value()));
  fs::remove(fs::path(state.directory()).parent_path(), error);  // if it was the last mesh
  return {};
}

}  // namespace weft::cli
