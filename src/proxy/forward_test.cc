// How a request reaches a backend, what becomes of it when that fails, and what is never done twice.
#include "proxy/forward.h"

#include "proxy/test_support.h"

namespace weft::proxy {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

struct ForwardTest : ProxyTest {
  static io::Task<void> hello(net::ServerExchange& exchange) { return reply_with(exchange, 200, "hello"); }
  static io::Task<void> unavailable(net::ServerExchange& exchange) {
    return reply_with(exchange, 503, "come back later");
  }
  // Takes the request and breaks the connection.
  static io::Task<void> break_off(net::ServerExchange& exchange) {
    exchange.reset(Error::Kind::reset);
    co_return;
  }
  // Never answers; ends when the client does.
  static io::Task<void> wait(net::ServerExchange& exchange) {
    while (exchange.poll() != net::Incoming::failed) {
      if (exchange.poll() == net::Incoming::data) exchange.consume(exchange.data().size());
      co_await exchange.incoming();
    }
  }
  static constexpr std::string_view kRetry = R"(
- match: {prefix: /}
  route:
    cluster: app
    retry_policy:
      retry_on: connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes,reset
      retriable_status_codes: [503]
      num_retries: 2
      retry_host_predicate:
      - name: envoy.retry_host_predicates.previous_hosts
        typed_config: {"@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate}
)";
  // What weftd gives every route without retries of its own: it may send again only what is safe to.
  static std::string default_retry() {
    return concat(kRetry, "  metadata: {filter_metadata: {weft: {default_retry: true}}}\n");
  }
};

TEST_F(ForwardTest, says_UH_where_a_cluster_has_no_endpoint) {
  start({.endpoints = {}, .clusters = ""});
  EXPECT_EQ(get("/").status, 503);
  EXPECT_EQ(last_log(), "503 UH no_healthy_upstream GET -");
}

TEST_F(ForwardTest, says_UF_where_nobody_listens) {
  start({});
  const net::HttpReply reply = get("/");
  EXPECT_EQ(reply.status, 503);
  EXPECT_THAT(reply.body, HasSubstr("connection failure"));
  EXPECT_EQ(last_log(), "503 UF upstream_reset_before_response_started{connection_failure} GET 10.0.0.1:80");
}

TEST_F(ForwardTest, says_UC_where_the_backend_breaks_off) {
  start({});
  Backend& app = backend("10.0.0.1:80", break_off);
  EXPECT_EQ(get("/").status, 503);
  EXPECT_EQ(app.requests.size(), 1u);
  EXPECT_THAT(last_log(), HasSubstr("upstream_reset_before_response_started{"));
}

TEST_F(ForwardTest, answers_504_UT_when_the_time_is_up_and_resets_the_backend) {
  start({.routes = "- {match: {prefix: /}, route: {cluster: app, timeout: 3s}}"});
  Backend& app = backend("10.0.0.1:80", wait);
  Call& slow = begin({});
  loop.advance(2999ms);
  EXPECT_FALSE(slow.done);
  loop.advance(2ms);
  ASSERT_TRUE(slow.done);
  EXPECT_EQ(slow.reply->status, 504);
  EXPECT_EQ(app.requests.size(), 1u);
  EXPECT_EQ(last_log(), "504 UT response_timeout GET 10.0.0.1:80");
}

TEST_F(ForwardTest, tries_another_endpoint_where_one_refuses) {
  start({.routes = std::string(kRetry), .endpoints = {"10.0.0.1:80", "10.0.0.2:80"}});
  Backend& alive = backend("10.0.0.2:80", hello);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(get("/").status, 200);
  EXPECT_EQ(alive.requests.size(), 20u);
}

TEST_F(ForwardTest, tries_as_often_as_the_policy_says_and_no_more) {
  start({.routes = std::string(kRetry)});
  Backend& app = backend("10.0.0.1:80", unavailable);
  const net::HttpReply reply = get("/");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.body, "come back later");
  EXPECT_EQ(app.requests.size(), 3u);
  EXPECT_EQ(last_log(), "503 URX via_upstream GET 10.0.0.1:80");
}

TEST_F(ForwardTest, a_POST_is_sent_again_where_the_policy_is_the_users) {
  start({.routes = std::string(kRetry)});
  Backend& app = backend("10.0.0.1:80", unavailable);
  EXPECT_EQ(post("/", "pay").status, 503);
  EXPECT_EQ(app.requests.size(), 3u);
}

TEST_F(ForwardTest, a_POST_is_not_sent_twice_by_default_and_its_answer_arrives_whole) {
  start({.routes = default_retry()});
  Backend& app = backend("10.0.0.1:80", unavailable);
  const net::HttpReply reply = post("/", "pay");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.body, "come back later");
  EXPECT_EQ(app.requests.size(), 1u);
}

TEST_F(ForwardTest, a_POST_whose_connection_broke_is_not_sent_twice_by_default) {
  start({.routes = default_retry()});
  Backend& app = backend("10.0.0.1:80", break_off);
  EXPECT_EQ(post("/", "pay").status, 503);
  EXPECT_EQ(app.requests.size(), 1u);
}

TEST_F(ForwardTest, a_GET_whose_connection_broke_is_sent_again) {
  start({.routes = default_retry()});
  int times = 0;
  Backend& app = backend("10.0.0.1:80", [&times](net::ServerExchange& exchange) {
    return ++times == 1 ? break_off(exchange) : hello(exchange);
  });
  EXPECT_EQ(get("/").status, 200);
  EXPECT_EQ(app.requests.size(), 2u);
}

TEST_F(ForwardTest, a_body_is_sent_again_from_its_start) {
  start({.routes = std::string(kRetry)});
  int times = 0;
  Backend& app = backend("10.0.0.1:80", [&times](net::ServerExchange& exchange) {
    return ++times == 1 ? unavailable(exchange) : net::echo(exchange);
  });
  EXPECT_EQ(post("/up", "whole body").body, "POST /up [whole body]");
  EXPECT_EQ(app.requests.size(), 2u);
}

TEST_F(ForwardTest, nothing_is_sent_after_the_time_is_up) {
  start({.routes = R"(
- match: {prefix: /}
  route:
    cluster: app
    timeout: 1s
    retry_policy: {retry_on: 5xx, num_retries: 5, retry_back_off: {base_interval: 100s, max_interval: 100s}}
)"});
  Backend& app = backend("10.0.0.1:80", unavailable);
  EXPECT_GE(get("/").status, 503);
  loop.advance(500s);
  EXPECT_EQ(app.requests.size(), 1u);
}

TEST_F(ForwardTest, a_full_pool_answers_at_once_and_names_the_limit) {
  start({.cluster = "circuit_breakers: {thresholds: [{max_connections: 1, max_pending_requests: 1}]}",
         .log_format = "%RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_TRANSPORT_FAILURE_REASON%"});
  Backend& app = backend("10.0.0.1:80", wait);
  begin({});
  begin({});
  Call& third = begin({});
  ASSERT_TRUE(third.done);
  EXPECT_EQ(third.reply->status, 503);
  EXPECT_EQ(third.reply->headers.get("x-envoy-overloaded"), "true");
  EXPECT_EQ(app.requests.size(), 1u);
  EXPECT_THAT(last_log(), HasSubstr("503 UO"));
}

TEST_F(ForwardTest, a_client_that_leaves_takes_its_request_along) {
  start({});
  Backend& app = backend("10.0.0.1:80", wait);
  const auto client = raw();
  client->send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_EQ(app.requests.size(), 1u);
  client->abort();
  loop.advance(1ms);
  EXPECT_THAT(last_log(), HasSubstr("DC downstream_remote_disconnect GET 10.0.0.1:80"));
}

TEST_F(ForwardTest, a_client_that_leaves_after_its_body_takes_its_request_along) {
  start({});
  Backend& app = backend("10.0.0.1:80", wait);
  const auto client = raw();
  client->send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
  ASSERT_EQ(app.requests.size(), 1u);
  client->abort();
  loop.advance(1ms);
  EXPECT_THAT(last_log(), HasSubstr("DC downstream_remote_disconnect POST 10.0.0.1:80"));
}

TEST_F(ForwardTest, a_large_body_waits_for_a_backend_that_does_not_read) {
  start({});
  backend("10.0.0.1:80", [](net::ServerExchange& exchange) -> io::Task<void> {
    return [](net::ServerExchange& e) -> io::Task<void> {
      while (e.poll() != net::Incoming::failed) co_await e.incoming();
    }(exchange);
  });
  const auto client = raw();
  client->send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
  const std::string piece(64 * 1024, 'x');
  size_t sent = 0;
  for (int i = 0; i < 400; ++i) {
    const auto result = client->stream().try_write(as_bytes(piece));
    if (result.status == io::IoStatus::ok) sent += result.count;
    loop.run_until_idle();
  }
  EXPECT_LT(sent, 2u << 20);
}

TEST_F(ForwardTest, a_large_body_arrives_whole) {
  start({});
  backend("10.0.0.1:80", net::echo);
  const std::string body(3 << 20, 'b');
  EXPECT_EQ(post("/", body).body, concat("POST / [", body, "]"));
}

TEST_F(ForwardTest, a_mirrored_request_goes_to_both_and_only_one_is_heard) {
  start({.routes = R"(
- match: {prefix: /}
  route: {cluster: app, request_mirror_policies: [{cluster: shadow}]}
)",
         .clusters = concat("- name: shadow\n  connect_timeout: 1s\n",
                            indented(endpoints_yaml("shadow", {"10.0.0.9:80"}), 2))});
  Backend& app = backend("10.0.0.1:80", net::echo);
  std::string copied;
  Backend& shadow = backend("10.0.0.9:80", [&copied](net::ServerExchange& exchange) {
    return [](net::ServerExchange& e, std::string& out) -> io::Task<void> {
      auto body = co_await net::read_body(e, 1 << 20);
      if (body) out += *body;
      co_await reply_with(e, 500, "not heard");
    }(exchange, copied);
  });
  EXPECT_EQ(post("/up", "both").body, "POST /up [both]");
  EXPECT_EQ(get("/").status, 200);
  loop.advance(1s);
  EXPECT_EQ(app.requests.size(), 2u);
  ASSERT_EQ(shadow.requests.size(), 2u);
  EXPECT_EQ(shadow.requests[0].authority, "app.example-shadow");
  EXPECT_EQ(shadow.requests[0].path, "/up");
  EXPECT_EQ(shadow.requests[1].path, "/");
  EXPECT_EQ(copied, "both");
  EXPECT_EQ(log().size(), 2u);
}

TEST_F(ForwardTest, a_mirror_that_is_down_harms_nobody) {
  start({.routes = R"(
- match: {prefix: /}
  route: {cluster: app, request_mirror_policies: [{cluster: shadow}, {cluster: missing}]}
)",
         .clusters = concat("- name: shadow\n  connect_timeout: 1s\n",
                            indented(endpoints_yaml("shadow", {"10.0.0.9:80"}), 2))});
  backend("10.0.0.1:80", hello);
  EXPECT_EQ(get("/").status, 200);
  loop.advance(20s);
  EXPECT_EQ(get("/").status, 200);
}

TEST_F(ForwardTest, a_connection_is_used_again) {
  start({});
  Backend& app = backend("10.0.0.1:80", hello);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(get("/").status, 200);
  EXPECT_EQ(app.requests.size(), 5u);
  EXPECT_EQ(app.connections, 1u);
}

}  // namespace
}  // namespace weft::proxy
