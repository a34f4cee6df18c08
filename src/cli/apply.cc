// weft apply: adds objects to a running mesh, or replaces those it has.
#include <cstdio>
#include <iostream>
#include <iterator>

#include "base/strings.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/mesh_state.h"
#include "cli/overlay.h"

namespace weft::cli {
namespace {

struct ApplyOptions {
  std::vector<std::string> files;
  std::string mesh = "default";
};

Result<int> run_apply(const ApplyOptions& options) {
  WEFT_TRY(const MeshState state, MeshState::open(options.mesh));
  WEFT_TRY(const auto documents, read_documents(options.files));
  WEFT_TRY(const auto before, objects_of_mesh(state));
  for (const Document& document : documents) {
    const std::string path = overlay_file(state, document.key);
    const auto old = read_file(path);
    const bool known = before.contains(document.key);
    if (old && *old == document.text) {
      std::printf("%s unchanged\n", resource_name(document.key).c_str());
      continue;
    }
    WEFT_CHECK_OK(write_file(path, document.text));
    std::printf("%s %s\n", resource_name(document.key).c_str(), known ? "configured" : "created");
  }
  return 0;
}

}  // namespace

void add_apply(CommandTable& table) {
  auto options = std::make_shared<ApplyOptions>();
  table.add("apply", "Add objects to a running mesh, or replace those it has")
      .required_options("-f,--filename", options->files, "a file, a directory, or - for standard input")
      .option("--mesh", options->mesh, "name of the mesh (default)")
      .example("weft apply -f virtual-service.yaml")
      .runs([options] { return run_apply(*options); });
}

}  // namespace weft::cli
