// A whole proxy between clients and backends that behave, in one thread and without a clock: what the tests
// of this room share.
//
//   struct Retries : ProxyTest {};
//   TEST_F(Retries, ...) {
//     start({.routes = "- {match: {prefix: /}, route: {cluster: app}}"});
//     auto& app = backend("10.0.0.1:80", [](net::ServerExchange& e) { return reply_with(e, 200, "hello"); });
//     EXPECT_EQ(get("/").status, 200);
//     EXPECT_EQ(last_log(), "200 - via_upstream ...");
//   }
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <list>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "base/strings.h"
#include "io/manual_loop.h"
#include "io/task_group.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/test_support.h"
#include "proxy/proxy.h"
#include "telemetry/prometheus.h"
#include "wire/bootstrap.h"

namespace weft::proxy {

inline io::Task<void> reply_with(net::ServerExchange& exchange, int status, std::string body,
                                 http::Headers headers = {}) {
  http::Response head;
  head.status = status;
  head.headers = std::move(headers);
  co_await net::reply_all(exchange, std::move(head), std::move(body));
}

// Indents each line of a YAML text, so that it may stand inside another.
inline std::string indented(std::string_view text, size_t by) {
  std::string out;
  for (const std::string_view line : split(text, '\n')) {
    if (!trim(line).empty()) out += concat(std::string(by, ' '), line, "\n");
  }
  return out;
}

// One server application: what it was asked, and how it answers.
class Backend {
 public:
  using Answer = std::function<io::Task<void>(net::ServerExchange&)>;
  Backend(io::Loop& loop, std::string_view address, Answer answer)
      : answer_(std::move(answer)), tasks_(loop) {
    auto made = loop.listen(*SocketAddress::parse(address), {});
    WEFT_CHECK(made.has_value());
    acceptor_ = std::move(*made);
    tasks_.spawn(accept(*this));
  }

  std::vector<http::Request> requests;
  size_t connections = 0;
  void answer_with(Answer answer) { answer_ = std::move(answer); }

 private:
  static io::Task<void> accept(Backend& backend) {
    for (;;) {
      auto stream = co_await backend.acceptor_->accept();
      if (!stream) co_return;
      ++backend.connections;
      Backend* const of = &backend;
      backend.tasks_.spawn(net::serve_http(std::move(*stream), {}, [of](net::ServerExchange& exchange) {
        of->requests.push_back(exchange.request());
        return of->answer_(exchange);
      }));
    }
  }

  Answer answer_;
  std::unique_ptr<io::Acceptor> acceptor_;
  io::TaskGroup tasks_;
};

class ProxyTest : public testing::Test {
 protected:
  static constexpr std::string_view kFront = "127.0.0.1:10000";

  struct Setup {
    std::string routes = "- {match: {prefix: /}, route: {cluster: app}}";
    std::string virtual_host;  // more fields of the only virtual host
    std::string chain;         // more fields of the only filter chain
    std::string filters;       // HTTP filters before the router
    std::string manager;       // more fields of the connection manager
    std::string cluster;       // more fields of the cluster app
    std::vector<std::string> endpoints = {"10.0.0.1:80"};
    std::string direction = "OUTBOUND";
    std::string clusters;  // more clusters
    std::string log_format =
        "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %REQ(:METHOD)% %UPSTREAM_HOST%";
  };

  ProxyTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "weft-proxy-XXXXXX").string();
    directory = ::mkdtemp(pattern.data());
  }
  ~ProxyTest() override {
    tasks.cancel_all();
    loop.run_until_idle();
    proxy.reset();
    std::filesystem::remove_all(directory);
  }

  std::string log_file() const { return directory + "/access.log"; }

  std::string endpoints_yaml(std::string_view cluster, const std::vector<std::string>& endpoints) {
    if (endpoints.empty()) return concat("load_assignment: {cluster_name: ", cluster, "}\n");
    std::string text =
        concat("load_assignment:\n  cluster_name: ", cluster, "\n  endpoints:\n  - lb_endpoints:\n");
    for (const std::string& endpoint : endpoints) {
      const auto address = *SocketAddress::parse(endpoint);
      text += concat("    - endpoint: {address: {socket_address: {address: ", address.ip.to_string(),
                     ", port_value: ", address.port, "}}}\n");
    }
    return text;
  }

  std::string listener_yaml(const Setup& setup, std::string_view name = "front") {
    return concat(R"(name: )", name, R"(
address: {socket_address: {address: 127.0.0.1, port_value: 10000}}
traffic_direction: )",
                  setup.direction, R"(
filter_chains:
- name: only
)",
                  indented(setup.chain, 2), R"(
  filters:
  - name: envoy.filters.network.http_connection_manager
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
      stat_prefix: front
      access_log:
      - name: envoy.access_loggers.file
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
          path: )",
                  log_file(), R"(
          log_format: {text_format_source: {inline_string: ")",
                  setup.log_format, R"(\n"}}
)",
                  indented(setup.manager, 6), R"(
      http_filters:
)",
                  indented(setup.filters, 6), R"(
      - name: envoy.filters.http.router
        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
      route_config:
        name: front
        virtual_hosts:
        - name: all
          domains: ["*"]
)",
                  indented(setup.virtual_host, 10), "          routes:\n", indented(setup.routes, 10));
  }
  std::string bootstrap_yaml(const Setup& setup) {
    return concat(R"(node:
  id: sidecar~10.0.0.7~web-0.default~default.svc.cluster.local
  cluster: web.default
  metadata: {NAME: web-0, NAMESPACE: default, WORKLOAD_NAME: web, LABELS: {app: web, version: v1}}
static_resources:
  listeners:
)",
                  "  -\n", indented(listener_yaml(setup), 4), "  clusters:\n  - name: app\n",
                  "    connect_timeout: 1s\n", indented(setup.cluster, 4),
                  indented(endpoints_yaml("app", setup.endpoints), 4), indented(setup.clusters, 2));
  }

  void start(const Setup& setup) { start_yaml(bootstrap_yaml(setup)); }
  void start_yaml(const std::string& yaml) {
    auto bootstrap = wire::parse_bootstrap(yaml, "bootstrap.yaml");
    ASSERT_TRUE(bootstrap) << bootstrap.error().text << "\n" << yaml;
    auto made = Proxy::make(loop, {&loop}, std::move(*bootstrap), {.hostname = "host"});
    ASSERT_TRUE(made) << made.error().text << "\n" << yaml;
    proxy = std::move(*made);
    loop.run_until_idle();
  }

  Backend& backend(std::string_view address, Backend::Answer answer) {
    return backends.emplace_back(loop, address, std::move(answer));
  }

  // ---- clients

  struct Call {
    Result<net::HttpReply> reply = fail(Error::Kind::internal, "no answer yet");
    bool done = false;
  };
  static io::Task<void> call_into(io::Loop& loop, net::HttpCall call, Call& out) {
    out.reply = co_await net::http_call(loop, std::move(call));
    out.done = true;
  }
  // Starts a call; what may happen without time passing has happened.
  Call& begin(net::HttpCall call) {
    if (call.address.port == 0) call.address = *SocketAddress::parse(kFront);
    if (call.authority.empty()) call.authority = "app.example";
    call.timeout = std::chrono::minutes(10);
    Call& out = calls.emplace_back();
    tasks.spawn(call_into(loop, std::move(call), out));
    loop.run_until_idle();
    return out;
  }
  // And waits for its end.
  net::HttpReply call(net::HttpCall what) {
    Call& out = begin(std::move(what));
    EXPECT_TRUE(loop.run_until([&] { return out.done; }));
    EXPECT_TRUE(out.reply) << (out.reply ? "" : out.reply.error().text);
    return out.reply ? *out.reply : net::HttpReply{};
  }
  net::HttpReply get(std::string path) { return call({.path = std::move(path)}); }
  net::HttpReply post(std::string path, std::string body) {
    return call({.method = "POST", .path = std::move(path), .body = std::move(body)});
  }

  static io::Task<void> connect_into(io::Loop& loop, std::unique_ptr<io::Stream>& out) {
    auto stream = co_await loop.connect(*SocketAddress::parse(kFront), {});
    if (stream) out = std::move(*stream);
  }
  // A client that writes bytes.
  std::unique_ptr<net::RawPeer> raw() {
    std::unique_ptr<io::Stream> stream;
    tasks.spawn(connect_into(loop, stream));
    loop.run_until_idle();
    EXPECT_TRUE(stream);
    return stream ? std::make_unique<net::RawPeer>(loop, std::move(stream)) : nullptr;
  }

  // ---- what the proxy tells

  // The series of a metric, as Prometheus sees them: "name{labels} value".
  std::vector<std::string> series(std::string_view name) {
    loop.run_until_idle();
    std::vector<std::string> found;
    const std::string page = telemetry::write_prometheus(proxy->registry().collect());
    for (const std::string_view line : split(page, '\n')) {
      if (line.starts_with(concat(name, "{")) || line.starts_with(concat(name, " "))) {
        found.emplace_back(line);
      }
    }
    return found;
  }

  std::vector<std::string> log() {
    loop.run_until_idle();
    if (auto* writer = proxy->logs().open(log_file())) writer->flush();
    std::ifstream file(log_file());
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }
  std::string last_log() {
    const auto lines = log();
    return lines.empty() ? "" : lines.back();
  }

  io::ManualLoop loop{11};
  std::string directory;
  std::list<Backend> backends;
  std::list<Call> calls;
  std::unique_ptr<Proxy> proxy;
  io::TaskGroup tasks{loop};
};

}  // namespace weft::proxy
