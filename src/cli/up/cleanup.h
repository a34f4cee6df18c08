// Removes what a mesh left on this machine, whether it ended well or was killed.
#pragma once

#include "cli/mesh_state.h"

namespace weft::cli {

// Ends every process that lives in one of the mesh's namespaces, removes the namespaces (their links, rules
// and mounts go with them) and the state directory. Says what it did where there was something to do.
Result<void> clean_up(const MeshState& state);

// Where a mesh's namespaces have their names.
std::string pins_directory(const MeshState& state, bool rootless);

}  // namespace weft::cli
