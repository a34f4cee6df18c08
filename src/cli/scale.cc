// weft scale: how many replicas a deployment has while the mesh runs.
#include <cstdio>

#include "base/strings.h"
#include "cli/commands.h"
#include "cli/mesh_state.h"
#include "cli/overlay.h"

namespace weft::cli {
namespace {

struct ScaleOptions {
  std::string target;
  std::string mesh = "default";
  std::string namespace_name = "default";
  std::optional<int> replicas;
};

Result<int> run_scale(const ScaleOptions& options) {
  const size_t slash = options.target.find('/');
  const std::string kind = slash == std::string::npos ? "deployment" : options.target.substr(0, slash);
  const std::string name = options.target.substr(slash == std::string::npos ? 0 : slash + 1);
  if (kind != "deployment" && kind != "deployments" && kind != "deploy") {
    return fail(Error::Kind::unsupported, concat("a ", kind, " cannot be scaled; write deployment/NAME"));
  }
  if (!options.replicas || *options.replicas < 0 || *options.replicas > 1000) {
    return fail(Error::Kind::invalid, "give --replicas, from 0 to 1000");
  }
  WEFT_TRY(const MeshState state, MeshState::open(options.mesh));
  WEFT_TRY(const auto known, objects_of_mesh(state));
  if (!known.contains({"Deployment", options.namespace_name, name})) {
    std::string names;
    for (const auto& [key, where] : known) {
      if (key.kind == "Deployment")
        names += concat(names.empty() ? "" : ", ", key.namespace_name, "/", key.name);
    }
    return fail(Error::Kind::not_found,
                concat("there is no deployment '", name, "' in namespace '", options.namespace_name,
                       "'; there are: ", names.empty() ? "none" : names));
  }
  WEFT_TRY(auto scale, state.read_scale());
  scale[concat(options.namespace_name, "/", name)] = *options.replicas;
  WEFT_CHECK_OK(state.write_scale(scale));
  std::printf("deployment/%s scaled\n", name.c_str());
  return 0;
}

}  // namespace

void add_scale(CommandTable& table) {
  auto options = std::make_shared<ScaleOptions>();
  table.add("scale", "Set how many replicas a deployment has")
      .word("TARGET", options->target, "deployment/NAME")
      .option("--replicas", options->replicas, "how many")
      .option("-n,--namespace", options->namespace_name, "of the deployment (default)")
      .option("--mesh", options->mesh, "name of the mesh (default)")
      .example("weft scale deployment/shop-v2 --replicas 3")
      .runs([options] { return run_scale(*options); });
}

}  // namespace weft::cli
