// weft up: runs a directory of YAML as a mesh on this machine.
#include "cli/up/mesh.h"

#include <unistd.h>

#include <cstdio>
#include <random>

#include "base/strings.h"
#include "cli/commands.h"

namespace weft::cli {
namespace {

Result<int> run_up(UpOptions options) {
  for (const auto& port : {options.http_port, options.https_port}) {
    if (port && (*port < 0 || *port > 65535))
      return fail(Error::Kind::invalid, concat(*port, " is no port; give a number from 0 to 65535"));
  }
  options.rootless = options.rootless || ::geteuid() != 0;
  WEFT_TRY(auto loop, io::EpollLoop::make(std::random_device{}()));
  WEFT_TRY(auto mesh, Mesh::make(*loop, std::move(options)));
  WEFT_CHECK_OK(mesh->start());
  loop->run();
  return 0;
}

}  // namespace

void add_up(CommandTable& table) {
  auto options = std::make_shared<UpOptions>();
  auto no_gateways = std::make_shared<bool>(false);
  table.add("up", "Run directories of YAML as a mesh on this machine, until Ctrl-C")
      .words("DIR", options->directories, "directories with Kubernetes and Istio objects")
      .option("--mesh", options->mesh, "name of the mesh (default)")
      .option("--http-port", options->http_port,
              "port of this host for the ingress gateway's port 80; 0 takes any (8080)")
      .option("--https-port", options->https_port, "the same for port 443 (8443)")
      .flag("--no-gateways", *no_gateways, "start no ingress and egress gateway but those in DIR")
      .choice("--data-plane", options->data_plane, {"weft", "envoy"},
              "which proxy: weft (weft-proxy) or envoy")
      .flag("--rootless", options->rootless, "use a user namespace although this is root")
      .options("--weftd-option", options->control_plane_options, "handed through to weftd")
      .example("weft up examples/canary")
      .runs([options, no_gateways] {
        options->gateways = !*no_gateways;
        return run_up(*options);
      });
}

}  // namespace weft::cli
