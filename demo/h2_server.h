// One HTTP/2 connection of a server: the application's pages, and the gRPC service of echo.proto.
#pragma once

#include <functional>
#include <string>

#include "demo/application.h"
#include "demo/socket.h"

namespace weft::demo {

// `start` is what was read already. Returns when the connection has ended; once `draining` says so, it sends
// GOAWAY and finishes what is in flight.
void serve_http2(Application& application, Socket& socket, const std::string& start,
                 const std::function<bool()>& draining);

}  // namespace weft::demo
