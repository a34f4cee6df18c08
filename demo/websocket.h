// RFC 6455, as much as an echo needs on either side.
#pragma once

#include <string>

#include "demo/http1.h"

namespace weft::demo {

// Accepts the upgrade and sends every message back until the client closes.
void serve_websocket(Socket& socket, MessageReader& reader, const Message& request);

// Sends `text` `count` times and waits for each to come back. The exit status; what goes wrong is printed.
int websocket_client(const Url& url, const HeaderList& headers, const std::string& text, int count,
                     double timeout);

}  // namespace weft::demo
