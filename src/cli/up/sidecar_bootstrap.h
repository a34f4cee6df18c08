// The file a proxy starts with: an Envoy bootstrap in JSON, so that Envoy and weft-proxy start alike.
//
//   write_file(path, sidecar_bootstrap({.pod = running, .control_plane = "10.244.0.1", ...}));
#pragma once

#include <string>

#include "wire/runtime_state.h"

namespace weft::cli {

struct ProxyStart {
  wire::RunningPod pod;
  std::string control_plane;  // address of weftd, port 15012 by TLS
  std::string root_file;      // PEM of the mesh's roots
  std::string token;
  std::string agent_socket;  // of the SDS agent that a real Envoy needs; empty: none
};

std::string sidecar_bootstrap(const ProxyStart& start);

// "sidecar~10.244.0.7~web-1.default~default.svc.cluster.local"
std::string node_id(const wire::RunningPod& pod);

}  // namespace weft::cli
