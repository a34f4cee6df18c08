#include "net/http_server.h"

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"

namespace weft::net {

struct HttpServer::Route {
  std::string method;
  std::string path;
  Page page;
  AsyncPage async_page;
  RawPage raw_page;

  bool takes_path(std::string_view wanted) const {
    return path.ends_with('/') && path.size() > 1 ? wanted.starts_with(path) : wanted == path;
  }
  bool takes_method(std::string_view wanted) const {
    return method == "*" || method == wanted || (method == "GET" && wanted == "HEAD");
  }
};

std::optional<std::string> HttpPage::query(std::string_view name) const {
  const auto value = http::query_parameter(request.query(), name);
  if (!value) return std::nullopt;
  return http::query_decode(*value);
}

HttpAnswer HttpAnswer::text(int status, std::string body) {
  HttpAnswer answer;
  answer.status = status;
  answer.body = std::move(body);
  return answer;
}

HttpAnswer HttpAnswer::json(int status, std::string body) {
  HttpAnswer answer = text(status, std::move(body));
  answer.content_type = "application/json";
  return answer;
}

HttpServer::HttpServer(io::Loop& loop, ServerOptions options)
    : loop_(loop), options_(std::move(options)), tasks_(loop) {
  options_.drain = &drain_;
  options_.allow_connect = false;
}

HttpServer::~HttpServer() = default;

void HttpServer::route(std::string method, std::string path, Page page) {
  routes_.push_back({std::move(method), std::move(path), std::move(page), {}, {}});
}
void HttpServer::route_async(std::string method, std::string path, AsyncPage page) {
  routes_.push_back({std::move(method), std::move(path), {}, std::move(page), {}});
}
void HttpServer::route_raw(std::string method, std::string path, RawPage page) {
  routes_.push_back({std::move(method), std::move(path), {}, {}, std::move(page)});
}
void HttpServer::route_rest(RawPage page) { rest_ = std::move(page); }

std::vector<std::string> HttpServer::paths() const {
  std::vector<std::string> paths;
  for (const Route& route : routes_) paths.push_back(concat(route.method, " ", route.path));
  std::sort(paths.begin(), paths.end());
  return paths;
}

const HttpServer::Route* HttpServer::find(std::string_view method, std::string_view path,
                                          bool& path_known) const {
  const Route* best = nullptr;
  for (const Route& route : routes_) {
    if (!route.takes_path(path)) continue;
    path_known = true;
    if (!route.takes_method(method)) continue;
    if (best == nullptr || route.path.size() > best->path.size()) best = &route;
  }
  return best;
}

Result<SocketAddress> HttpServer::listen(const SocketAddress& address) {
  auto acceptor = loop_.listen(address, {});
  if (!acceptor) return fail(std::move(acceptor).error().within(address.to_string()));
  const SocketAddress bound = (*acceptor)->address();
  acceptors_.push_back(std::move(*acceptor));
  tasks_.spawn(accept_loop(*acceptors_.back()));
  return bound;
}

io::Task<void> HttpServer::accept_loop(io::Acceptor& acceptor) {
  for (;;) {
    auto stream = co_await acceptor.accept();
    if (!stream) {
      if (stream.error().kind == Error::Kind::closed) co_return;
      log_warning("http", "accept: ", stream.error().to_string());
      // No file descriptors, most often: let connections end before asking again.
      co_await io::sleep_for(loop_, std::chrono::milliseconds(100));
      continue;
    }
    adopt(std::move(*stream));
  }
}

void HttpServer::adopt(std::unique_ptr<io::Stream> stream) {
  tasks_.spawn(
      serve_http(std::move(stream), options_, [this](ServerExchange& exchange) { return serve(exchange); }));
}

io::Task<void> HttpServer::serve(ServerExchange& exchange) {
  const http::Request& request = exchange.request();
  bool path_known = false;
  const Route* route = find(request.method, request.path_without_query(), path_known);
  if (route == nullptr) {
    if (rest_) co_return co_await rest_(exchange);
    if (path_known) {
      reply(exchange, 405, "text/plain", concat("Method ", printable(request.method, 32), " not allowed\n"));
      co_return;
    }
    std::string known = concat("Not found. There is:\n");
    for (const std::string& path : paths()) known += concat("  ", path, "\n");
    co_await reply_all(exchange, {.status = 404}, std::move(known));
    co_return;
  }
  if (route->raw_page) co_return co_await route->raw_page(exchange);

  auto body = co_await read_body(exchange, max_body);
  if (!body) {
    if (body.error().kind == Error::Kind::overflow)
      reply(exchange, 413, "text/plain", "The body is too large\n");
    co_return;
  }
  const HttpPage page{request, std::move(*body), exchange.connection()};
  HttpAnswer answer = route->page ? route->page(page) : co_await route->async_page(page);
  http::Response head;
  head.status = answer.status;
  head.headers = std::move(answer.headers);
  if (!answer.content_type.empty()) head.headers.set("content-type", answer.content_type);
  head.content_length = answer.body.size();
  co_await reply_all(exchange, std::move(head), std::move(answer.body));
}

}  // namespace weft::net
