// Serves one HTTP request, from its head to the last byte of the answer. This is the function to read.
#pragma once

#include "io/task.h"
#include "net/exchange.h"
#include "proxy/connection.h"

namespace weft::proxy {

// `client` and `connection` outlive the task.
io::Task<void> serve_request(net::ServerExchange& client, Connection& connection);

}  // namespace weft::proxy
