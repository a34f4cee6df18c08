// Serves one TCP connection: bytes both ways, to one endpoint, with half-close and backpressure.
#pragma once

#include <memory>

#include "io/stream.h"
#include "io/task.h"
#include "policy/authorize.h"
#include "proxy/connection.h"

namespace weft::proxy {

io::Task<void> serve_tcp(std::unique_ptr<io::Stream> client, Connection& connection, policy::Permit permit);

}  // namespace weft::proxy
