// What a pod needs of the mesh it is in.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cli/mesh_state.h"
#include "cli/up/network.h"
#include "cli/up/plan.h"
#include "io/epoll_loop.h"

namespace weft::cli {

// The programs that belong together: they stand in one directory.
struct Programs {
  std::string directory;
  std::string demo;
  std::string proxy;
  std::string control_plane;
};

struct Surroundings {
  io::EpollLoop& loop;
  Network& network;
  const MeshState& state;
  const Programs& programs;
  bool rootless = false;
  bool envoy = false;            // programs.proxy is one: it needs an agent
  std::string root_certificate;  // PEM file of the mesh's roots
  std::function<std::string(const std::string& namespace_name, const std::string& account)> token;
  std::function<std::shared_ptr<const Plan>()> plan;
  std::function<void()> changed;  // some pod's state did
};

}  // namespace weft::cli
