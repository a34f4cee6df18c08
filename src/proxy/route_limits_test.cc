// How long and how often: a gRPC client's own deadline beside the route's, planned faults beside both, and
// connections that serve so many requests and no more.
#include "proxy/test_support.h"

namespace weft::proxy {
namespace {

using namespace std::chrono_literals;

struct RouteLimits : ProxyTest {
  static io::Task<void> hello(net::ServerExchange& exchange) { return reply_with(exchange, 200, "hello"); }
  // Never answers; ends when the client does.
  static io::Task<void> wait(net::ServerExchange& exchange) {
    while (exchange.poll() != net::Incoming::failed) {
      if (exchange.poll() == net::Incoming::data) exchange.consume(exchange.data().size());
      co_await exchange.incoming();
    }
  }

  // Whether the proxy gives the call up after so long, and not before.
  bool ends_after(Duration expected, std::string path, std::string_view asked,
                  std::string_view content_type = "application/grpc") {
    http::Headers headers;
    headers.add("content-type", content_type);
    if (!asked.empty()) headers.add("grpc-timeout", asked);
    Call& call = begin({.method = "POST", .path = std::move(path), .headers = std::move(headers)});
    loop.advance(expected - 1ms);
    if (call.done) return false;
    loop.advance(2ms);
    return call.done;
  }
};

TEST_F(RouteLimits, a_grpc_deadline_is_obeyed_as_far_as_the_route_allows) {
  start({.routes = R"(
- {match: {prefix: /capped}, route: {cluster: app, timeout: 2s, max_grpc_timeout: 2s}}
- {match: {prefix: /free}, route: {cluster: app, timeout: 0s, max_grpc_timeout: 0s}}
- {match: {prefix: /}, route: {cluster: app, timeout: 3s}}
)"});
  backend("10.0.0.1:80", wait);
  EXPECT_TRUE(ends_after(500ms, "/capped", "500m"));
  EXPECT_TRUE(ends_after(2s, "/capped", "10S")) << "the route's timeout holds for gRPC too";
  EXPECT_TRUE(ends_after(2s, "/capped", ""));
  EXPECT_TRUE(ends_after(10s, "/free", "10S")) << "without a timeout of the route the client's own holds";
  EXPECT_TRUE(ends_after(3s, "/plain", "500m")) << "not where the route does not ask for it";
  EXPECT_TRUE(ends_after(2s, "/capped", "500m", "text/plain")) << "only gRPC has it";
}

// Faults happen before the request is routed: no timeout runs yet, and there is nothing to try again.
TEST_F(RouteLimits, a_planned_fault_is_neither_timed_nor_retried) {
  const auto fault = [](std::string_view what) {
    return concat(R"(
  typed_per_filter_config:
    envoy.filters.http.fault:
      "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
)",
                  "      ", what, "\n");
  };
  start({.routes = concat(R"(
- match: {path: /delay}
  route: {cluster: app, timeout: 2s})",
                          fault("delay: {fixed_delay: 5s, percentage: {numerator: 100}}"), R"(
- match: {path: /abort}
  route: {cluster: app, retry_policy: {retry_on: 5xx, num_retries: 3}})",
                          fault("abort: {http_status: 503, percentage: {numerator: 100}}")),
         .filters = R"(
- name: envoy.filters.http.fault
  typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault}
)"});
  Backend& app = backend("10.0.0.1:80", hello);
  Call& slow = begin({.path = "/delay"});
  loop.advance(4999ms);
  EXPECT_FALSE(slow.done);
  loop.advance(2ms);
  ASSERT_TRUE(slow.done);
  EXPECT_EQ(slow.reply->status, 200);
  EXPECT_EQ(app.requests.size(), 1u);
  EXPECT_EQ(get("/abort").status, 503);
  EXPECT_EQ(app.requests.size(), 1u) << "an abort reaches nobody";
  EXPECT_EQ(log().size(), 2u);
}

TEST_F(RouteLimits, a_connection_serves_as_many_requests_as_the_cluster_allows) {
  start({.cluster = R"(
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    common_http_protocol_options: {max_requests_per_connection: 2}
    explicit_http_config: {http_protocol_options: {}}
)"});
  Backend& app = backend("10.0.0.1:80", hello);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(get("/").status, 200);
  EXPECT_EQ(app.requests.size(), 6u);
  EXPECT_EQ(app.connections, 3u);
}

}  // namespace
}  // namespace weft::proxy
