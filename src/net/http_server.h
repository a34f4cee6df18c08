// A small server of pages: admin endpoints, metrics, health, webhooks, the dashboard's API.
//
//   HttpServer server(loop);
//   server.route("GET", "/stats", [&](const HttpPage& page) { return HttpAnswer::text(200, stats()); });
//   server.route("GET", "/assets/", ...);             // a path that ends in '/' serves all below it
//   WEFT_CHECK_OK(server.listen(*SocketAddress::parse("127.0.0.1:15000")));
//
// Speaks HTTP/1 and HTTP/2 with prior knowledge. Request bodies are read whole, up to max_body.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "http/message.h"
#include "http/uri.h"
#include "io/loop.h"
#include "io/task.h"
#include "io/task_group.h"
#include "net/server_connection.h"

namespace weft::net {

struct HttpPage {
  const http::Request& request;
  std::string body;
  const ConnectionInfo& connection;
  // The value of a query parameter, percent-decoded; nullopt if it is absent.
  std::optional<std::string> query(std::string_view name) const;
};

struct HttpAnswer {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  http::Headers headers;

  static HttpAnswer text(int status, std::string body);
  static HttpAnswer json(int status, std::string body);
};

class HttpServer {
 public:
  using Page = std::function<HttpAnswer(const HttpPage&)>;
  using AsyncPage =
      std::function<io::Task<HttpAnswer>(const HttpPage&)>;  // a coroutine function behind a plain lambda
  using RawPage = std::function<io::Task<void>(ServerExchange&)>;  // streams, gRPC: the exchange itself

  explicit HttpServer(io::Loop& loop, ServerOptions options = {});
  ~HttpServer();

  // `method` "*" takes every method. The longest path that fits wins. HEAD is answered by GET's page.
  void route(std::string method, std::string path, Page page);
  void route_async(std::string method, std::string path, AsyncPage page);
  void route_raw(std::string method, std::string path, RawPage page);
  // What no route takes; otherwise 404 with the list of paths.
  void route_rest(RawPage page);

  // Listens and serves until the server is destroyed. Port 0 takes a free one: see address().
  Result<SocketAddress> listen(const SocketAddress& address);
  // Serves a connection that somebody else accepted (TLS).
  void adopt(std::unique_ptr<io::Stream> stream);
  // For callers that have an exchange already: the handler of all routes.
  io::Task<void> serve(ServerExchange& exchange);

  Drain& drain() { return drain_; }
  std::vector<std::string> paths() const;
  size_t max_body = 16 * 1024 * 1024;

 private:
  struct Route;
  io::Task<void> accept_loop(io::Acceptor& acceptor);
  const Route* find(std::string_view method, std::string_view path, bool& path_known) const;

  io::Loop& loop_;
  ServerOptions options_;
  std::vector<Route> routes_;
  RawPage rest_;
  Drain drain_;
  std::vector<std::unique_ptr<io::Acceptor>> acceptors_;
  io::TaskGroup tasks_;
};

}  // namespace weft::net
