// weft delete: takes away what `weft apply` added.
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/strings.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/mesh_state.h"
#include "cli/overlay.h"

namespace weft::cli {
namespace {

struct DeleteOptions {
  std::vector<std::string> files;
  std::string mesh = "default";
};

Result<int> run_delete(const DeleteOptions& options) {
  WEFT_TRY(const MeshState state, MeshState::open(options.mesh));
  WEFT_TRY(const auto documents, read_documents(options.files));
  WEFT_TRY(const auto known, objects_of_mesh(state));
  int status = 0;
  for (const Document& document : documents) {
    const std::string path = overlay_file(state, document.key);
    if (::unlink(path.c_str()) == 0) {
      const auto it = known.find(document.key);
      const bool remains = it != known.end() && it->second.directory_has_it;
      std::printf("%s deleted%s\n", resource_name(document.key).c_str(),
                  remains ? concat(" (what ", it->second.file, " says is in force again)").c_str() : "");
      continue;
    }
    if (errno != ENOENT) return fail(system_error(concat("cannot remove ", path), errno));
    const auto it = known.find(document.key);
    std::fprintf(
        stderr, "weft: %s %s\n", resource_name(document.key).c_str(),
        it == known.end()
            ? "is not in the mesh"
            : concat("is defined in ", it->second.file, "; remove it there, the mesh will follow").c_str());
    status = 1;
  }
  return status;
}

}  // namespace

void add_delete(CommandTable& table) {
  auto options = std::make_shared<DeleteOptions>();
  table.add("delete", "Take away objects that 'weft apply' added")
      .required_options("-f,--filename", options->files, "a file, a directory, or - for standard input")
      .option("--mesh", options->mesh, "name of the mesh (default)")
      .runs([options] { return run_delete(*options); });
}

}  // namespace weft::cli
