// The servers: HTTP/1.1, HTTP/2 and gRPC on one kind of port (told apart by the first bytes), WebSocket echo
// by upgrade, TCP echo, and a TCP server that speaks first. A thread a connection.
#pragma once

#include <string>
#include <vector>

#include "demo/application.h"

namespace weft::demo {

struct Ports {
  std::vector<int> http;  // HTTP/1.1, h2c and gRPC
  std::vector<int> tcp;
  std::vector<int> server_first;
};

// Serves until SIGTERM or SIGINT, then finishes what is in flight for at most `grace` seconds. The exit
// status.
int serve(Application& application, const Ports& ports, double grace);

}  // namespace weft::demo
