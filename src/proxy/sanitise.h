// The door: what a request must be before anything looks at it, and what is written on it before it is
// sent on. A path is normalised here, once, so that policy, routing and backend read the same one.
#pragma once

#include <optional>

#include "http/message.h"
#include "proxy/connection.h"
#include "proxy/outcome.h"

namespace weft::proxy {

// Normalises and cleans the request in place. An Outcome: refuse it with that.
// `remote` becomes the client's address as far as X-Forwarded-For is trusted.
std::optional<Outcome> sanitise(http::Request& request, Connection& connection,
                                const model::HttpManager& http, SocketAddress& remote);

// Adds what proxies add: x-request-id, x-forwarded-proto, x-forwarded-for, x-forwarded-client-cert.
void add_proxy_headers(http::Request& request, const Connection& connection, const model::HttpManager& http);
// Server and the like on the answer.
void add_response_headers(http::Response& response, const model::HttpManager& http,
                          const http::Request& request);

}  // namespace weft::proxy
