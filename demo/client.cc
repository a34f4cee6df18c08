#include "demo/client.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "demo/arguments.h"
#include "demo/grpc_client.h"
#include "demo/websocket.h"

namespace weft::demo {
namespace {

Url url_or_die(const Arguments& arguments, const std::string& mode) {
  const std::string text = arguments.rest().empty() ? arguments.text("url", "") : arguments.rest().front();
  if (text.empty()) usage_error(mode + " needs a URL");
  auto url = parse_url(text);
  if (!url) usage_error("'" + text + "' is not an http:// URL");
  if (const std::string to = arguments.text("connect", ""); !to.empty()) {
    const auto [host, port] = split_host_port(to);
    url->host = host;
    if (!port.empty()) url->port = port;
  }
  return *url;
}

int failed(const std::string& why) {
  std::fprintf(stderr, "weft-demo: %s\n", why.c_str());
  return 1;
}

}  // namespace

HeaderList parse_headers(const std::vector<std::string>& words) {
  HeaderList headers;
  for (const std::string& word : words) {
    const size_t colon = word.find(':');
    if (colon == std::string::npos || colon == 0) usage_error("--header " + word + " has no 'name: value'");
    const size_t value = word.find_first_not_of(' ', colon + 1);
    headers.emplace_back(word.substr(0, colon), value == std::string::npos ? "" : word.substr(value));
  }
  return headers;
}

Fetched fetch(Socket& socket, MessageReader& reader, const std::string& method, const Url& url,
              const HeaderList& headers, const std::string& body, bool keep_alive) {
  std::string request = method + " " + url.path + " HTTP/1.1\r\n";
  if (header(headers, "host").empty()) request += "Host: " + url.authority + "\r\n";
  if (header(headers, "user-agent").empty()) request += "User-Agent: weft-demo\r\n";
  for (const auto& [name, value] : headers) request += name + ": " + value + "\r\n";
  if (!body.empty()) request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  if (!keep_alive) request += "Connection: close\r\n";
  Fetched fetched;
  if (!socket.write_all(request + "\r\n" + body)) {
    fetched.error = "the connection broke while sending";
    return fetched;
  }
  do {
    errno = 0;
    if (reader.read_head(fetched.message) != MessageReader::Outcome::message) {
      fetched.error = errno == EAGAIN ? "timeout" : "the connection ended before the answer";
      return fetched;
    }
    const size_t space = fetched.message.first_line.find(' ');
    fetched.status = space == std::string::npos ? 0 : std::atoi(fetched.message.first_line.c_str() + space);
  } while (fetched.status >= 100 && fetched.status < 200);
  const bool none = method == "HEAD" || fetched.status == 204 || fetched.status == 304;
  const auto kind = none ? MessageReader::Body::none : MessageReader::Body::of_response;
  if (!reader.read_body(fetched.message, kind, 1u << 30)) fetched.error = "the answer was cut short";
  return fetched;
}

int run_get(const std::vector<std::string>& words) {
  const Arguments arguments(words, {"include", "fail"},
                            {"url", "method", "header", "body", "timeout", "connect", "count"});
  const Url url = url_or_die(arguments, "get");
  const double timeout = arguments.number("timeout", 10);
  const std::string body = arguments.text("body", "");
  int worst = 0;
  for (int i = 0; i < static_cast<int>(arguments.number("count", 1)); ++i) {
    auto socket = Socket::connect(url.host, url.port, timeout);
    if (!socket) return failed(socket.error());
    socket->set_timeout(timeout);
    MessageReader reader(*socket);
    const Fetched fetched = fetch(*socket, reader, arguments.text("method", body.empty() ? "GET" : "POST"),
                                  url, parse_headers(arguments.all("header")), body, false);
    if (!fetched.error.empty()) return failed(fetched.error);
    if (arguments.flag("include")) {
      std::printf("%s\n", fetched.message.first_line.c_str());
      for (const auto& [name, value] : fetched.message.headers)
        std::printf("%s: %s\n", name.c_str(), value.c_str());
      std::printf("\n");
    }
    std::fwrite(fetched.message.body.data(), 1, fetched.message.body.size(), stdout);
    if (arguments.flag("fail") && fetched.status >= 400) {
      worst = 1;
      failed(fetched.message.first_line);
    }
  }
  return worst;
}

int run_tcp(const std::vector<std::string>& words) {
  const Arguments arguments(words, {"listen-first", "keep-open"}, {"send", "timeout"});
  if (arguments.rest().empty()) usage_error("tcp needs HOST:PORT");
  const auto [host, port] = split_host_port(arguments.rest().front());
  const double timeout = arguments.number("timeout", 10);
  auto socket = Socket::connect(host, port, timeout);
  if (!socket) return failed(socket.error());
  socket->set_timeout(timeout);
  char bytes[16384];
  if (arguments.flag("listen-first")) {
    const long count = socket->read(bytes, sizeof bytes);
    if (count <= 0)
      return failed(count == 0 ? "the server closed without a word" : "the server said nothing in time");
    std::fwrite(bytes, 1, static_cast<size_t>(count), stdout);
  }
  const std::string text = arguments.text("send", "hello") + "\n";
  if (!socket->write_all(text)) return failed("the connection broke while sending");
  // Most clients say nothing about the end of what they send; others close their half at once.
  const bool keep_open = arguments.flag("keep-open");
  if (!keep_open) socket->shut_write();
  size_t total = 0;
  for (long count; !keep_open || total < text.size(); total += static_cast<size_t>(count)) {
    count = socket->read(bytes, sizeof bytes);
    if (count == 0) break;
    if (count < 0) return failed(errno == EAGAIN ? "nothing came back in time" : "the connection was reset");
    std::fwrite(bytes, 1, static_cast<size_t>(count), stdout);
  }
  return total == text.size() ? 0 : failed("not all came back");
}

int run_websocket(const std::vector<std::string>& words) {
  const Arguments arguments(words, {}, {"url", "header", "send", "count", "timeout", "connect"});
  return websocket_client(url_or_die(arguments, "ws"), parse_headers(arguments.all("header")),
                          arguments.text("send", "hello"), static_cast<int>(arguments.number("count", 1)),
                          arguments.number("timeout", 10));
}

int run_grpc(const std::vector<std::string>& words) {
  const Arguments arguments(
      words, {}, {"method", "header", "send", "count", "delay", "code", "messages", "timeout", "authority"});
  if (arguments.rest().empty()) usage_error("grpc needs HOST:PORT");
  const auto [host, port] = split_host_port(arguments.rest().front());
  GrpcCall call;
  call.host = host;
  call.port = port;
  call.authority = arguments.text("authority", arguments.rest().front());
  call.method = arguments.text("method", "Unary");
  call.metadata = parse_headers(arguments.all("header"));
  call.request = {.text = arguments.text("send", "hello"),
                  .count = static_cast<int>(arguments.number("count", 1)),
                  .delay_ms = static_cast<int>(arguments.number("delay", 0)),
                  .code = static_cast<int>(arguments.number("code", 0))};
  call.messages = static_cast<int>(arguments.number("messages", 1));
  call.timeout = arguments.number("timeout", 10);
  const GrpcOutcome outcome = call_grpc(call);
  for (const EchoReply& reply : outcome.replies) {
    std::printf("{\"text\":%s,\"service\":%s,\"version\":%s,\"pod\":%s}\n", json_text(reply.text).c_str(),
                json_text(reply.service).c_str(), json_text(reply.version).c_str(),
                json_text(reply.pod).c_str());
  }
  if (outcome.status == 0) return 0;
  return failed("grpc status " + std::to_string(outcome.status) + ": " + outcome.message);
}

}  // namespace weft::demo
