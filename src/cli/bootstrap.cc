// weft bootstrap: the file that a pod's proxy started with.
#include <cstdio>

#include "base/strings.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/mesh_state.h"

namespace weft::cli {
namespace {

struct BootstrapOptions {
  std::string proxy;
  std::string pod;
  std::string mesh = "default";
  std::string namespace_name;
};

Result<int> run_bootstrap(const BootstrapOptions& options) {
  if (options.proxy != "envoy" && options.proxy != "weft-proxy") {
    return fail(Error::Kind::invalid, concat("'", options.proxy,
                                             "' is not a proxy that can be driven here; there are envoy and "
                                             "weft-proxy, and they take the same file"));
  }
  WEFT_TRY(const MeshState state, MeshState::open(options.mesh));
  WEFT_TRY(const MeshStatus status, state.read_status());
  WEFT_TRY(const PodStatus pod, find_pod(status, options.pod, options.namespace_name));
  if (pod.proxy == "none") {
    return fail(Error::Kind::not_found,
                concat("pod ", pod.namespace_name, "/", pod.name,
                       " has no proxy; label its namespace istio-injection: enabled"));
  }
  WEFT_TRY(const std::string text,
           read_file(state.path(concat("pods/", pod.namespace_name, "_", pod.name, "/bootstrap.json"))));
  std::fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace

void add_bootstrap(CommandTable& table) {
  auto options = std::make_shared<BootstrapOptions>();
  table.add("bootstrap", "Print the bootstrap file of a pod's proxy (it holds the pod's token)")
      .word("PROXY", options->proxy, "envoy or weft-proxy")
      .word("POD", options->pod, "pod, namespace/pod or deployment/name")
      .option("-n,--namespace", options->namespace_name, "of the pod (default)")
      .option("--mesh", options->mesh, "name of the mesh (default)")
      .runs([options] { return run_bootstrap(*options); });
}

}  // namespace weft::cli
