// weft down: ends a mesh, or cleans up after one that was killed.
#include <signal.h>

#include <cstdio>
#include <thread>

#include "base/strings.h"
#include "cli/commands.h"
#include "cli/mesh_state.h"
#include "cli/up/cleanup.h"

namespace weft::cli {
namespace {

constexpr auto kPatience = std::chrono::seconds(20);

bool wait_for_end(const MeshStatus& status) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (is_running(status)) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

Result<int> run_down(const std::string& mesh) {
  WEFT_CHECK_OK(check_mesh_name(mesh));
  const MeshState state = MeshState::of(mesh);
  const auto status = state.read_status();
  if (status && is_running(*status)) {
    if (::kill(status->pid, SIGTERM) != 0) {
      return fail(system_error(concat("cannot stop process ", status->pid, " of mesh '", mesh,
                                      "'; run this as the user who started it"),
                               errno));
    }
    if (!wait_for_end(*status)) {
      std::fprintf(stderr, "weft: process %d did not end in time; ending it by force\n", status->pid);
      ::kill(status->pid, SIGKILL);
      wait_for_end(*status);
    }
  }
  WEFT_CHECK_OK(clean_up(state));
  std::printf("mesh '%s' is down\n", mesh.c_str());
  return 0;
}

}  // namespace

void add_down(CommandTable& table) {
  auto mesh = std::make_shared<std::string>("default");
  table.add("down", "End a mesh and remove everything of it, also after a crash")
      .option("--mesh", *mesh, "name of the mesh (default)")
      .runs([mesh] { return run_down(*mesh); });
}

}  // namespace weft::cli
