// The objects that `weft apply` adds to a mesh: one file each in the directory objects/ of its state.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/mesh_state.h"
#include "objects/object.h"

namespace weft::cli {

struct Document {
  objects::ObjectKey key;
  std::string text;  // of this object alone
};

// The objects of files, directories and standard input ("-"), each with its own text. Fails where anything is
// wrong with them, after printing all of it.
Result<std::vector<Document>> read_documents(const std::vector<std::string>& paths);

// Which objects a running mesh has, and where they are written.
struct KnownObject {
  std::string file;
  bool directory_has_it = false;  // a directory given to `weft up` has it, whether or not the overlay has too
};
Result<std::map<objects::ObjectKey, KnownObject>> objects_of_mesh(const MeshState& state);

std::string overlay_file(const MeshState& state, const objects::ObjectKey& key);
// "virtualservice.networking.istio.io/reviews", shorter: "virtualservice/reviews".
std::string resource_name(const objects::ObjectKey& key);

}  // namespace weft::cli
