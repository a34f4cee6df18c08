// One request, one answer, no pool: for the command, admin calls, probes, JWKS fetches and tests.
//
//   auto reply = co_await http_call(loop, {.address = *SocketAddress::parse("127.0.0.1:15000"), .path =
//   "/stats"}); if (reply && reply->status == 200) use(reply->body);
#pragma once

#include <functional>
#include <string>

#include "base/address.h"
#include "base/clock.h"
#include "base/result.h"
#include "http/message.h"
#include "io/loop.h"
#include "io/task.h"
#include "net/pool.h"

namespace weft::net {

struct HttpCall {
  SocketAddress address;      // used unless `connector` is set
  Pool::Connector connector;  // TLS, say
  std::string method = "GET";
  std::string authority;  // empty: the address
  std::string path = "/";
  std::string scheme = "http";
  http::Headers headers;
  std::string body;
  Duration timeout = std::chrono::seconds(10);  // of everything
  size_t max_body = 64 * 1024 * 1024;
  bool http2 = false;  // with prior knowledge; a connector that agrees on "h2" also makes it so
};

struct HttpReply {
  int status = 0;
  http::Headers headers;
  http::Headers trailers;
  std::string body;
};

// Fails where no complete answer came; a 4xx or 5xx is an answer.
io::Task<Result<HttpReply>> http_call(io::Loop& loop, HttpCall call);

// "http://127.0.0.1:15000/stats?x=1" -> address, authority and path. The host must be an IP address.
Result<HttpCall> parse_http_url(std::string_view url);

}  // namespace weft::net
