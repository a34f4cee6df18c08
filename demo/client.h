// The client modes that do one thing: get, tcp, ws, grpc.
#pragma once

#include <string>
#include <vector>

#include "demo/http1.h"

namespace weft::demo {

// "name: value" or "name:value"
HeaderList parse_headers(const std::vector<std::string>& words);

struct Fetched {
  std::string error;  // not empty: no answer came
  int status = 0;
  Message message;
};
// One request on a connection that stays with the caller; `reader` belongs to it.
Fetched fetch(Socket& socket, MessageReader& reader, const std::string& method, const Url& url,
              const HeaderList& headers, const std::string& body, bool keep_alive);

int run_get(const std::vector<std::string>& words);
int run_tcp(const std::vector<std::string>& words);
int run_websocket(const std::vector<std::string>& words);
int run_grpc(const std::vector<std::string>& words);

}  // namespace weft::demo
