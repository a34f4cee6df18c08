// A TCP connection from its listener to its backend, to its end, and the line that tells of it.
#include "proxy/serve_tcp.h"

#include "proxy/test_support.h"

namespace weft::proxy {
namespace {

using namespace std::chrono_literals;

struct ServeTcp : ProxyTest {
  void listen(std::string_view fields, std::string_view cluster = "") {
    start_yaml(concat(R"(
node: {id: "sidecar~10.0.0.7~web-0.default~default.svc.cluster.local", cluster: web.default}
static_resources:
  listeners:
  - name: tcp
    address: {socket_address: {address: 127.0.0.1, port_value: 10000}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: app
          cluster: app
)",
                      indented(fields, 10), R"(
          access_log:
          - name: envoy.access_loggers.file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: )",
                      log_file(), R"(
              log_format: {text_format_source: {inline_string: "%RESPONSE_FLAGS% %CONNECTION_TERMINATION_DETAILS% %BYTES_RECEIVED% %UPSTREAM_HOST%\n"}}
  clusters:
  - name: app
    connect_timeout: 1s
)",
                      indented(cluster, 4), indented(endpoints_yaml("app", {"10.0.0.1:80"}), 4)));
    acceptor = *loop.listen(*SocketAddress::parse("10.0.0.1:80"), {});
    tasks.spawn(accept(*this));
  }
  static io::Task<void> accept(ServeTcp& test) {
    for (;;) {
      auto stream = co_await test.acceptor->accept();
      if (!stream) co_return;
      test.peers.push_back(std::make_unique<net::RawPeer>(test.loop, std::move(*stream)));
    }
  }
  std::unique_ptr<io::Acceptor> acceptor;
  std::vector<std::unique_ptr<net::RawPeer>> peers;
};

TEST_F(ServeTcp, bytes_pass_both_ways_and_each_half_closes_by_itself) {
  listen("");
  const auto client = raw();
  client->send("question");
  ASSERT_EQ(peers.size(), 1u);
  EXPECT_EQ(peers[0]->take(), "question");
  client->finish();
  EXPECT_TRUE(peers[0]->closed());
  peers[0]->send("answer");
  EXPECT_EQ(client->take(), "answer");
  EXPECT_FALSE(client->closed());
  peers[0]->finish();
  EXPECT_TRUE(client->closed());
  EXPECT_EQ(last_log(), "- - 8 10.0.0.1:80");
}

TEST_F(ServeTcp, an_idle_connection_ends_at_its_timeout_and_a_busy_one_does_not) {
  listen("idle_timeout: 10s");
  const auto client = raw();
  for (int i = 0; i < 3; ++i) {
    loop.advance(9s);
    client->send("x");
    EXPECT_FALSE(client->closed());
  }
  loop.advance(10s + 1ms);
  EXPECT_TRUE(client->closed());
  EXPECT_EQ(last_log(), "- idle_timeout 3 10.0.0.1:80");
}

TEST_F(ServeTcp, a_connection_ends_when_it_is_as_old_as_it_may_be) {
  listen("max_downstream_connection_duration: 20s");
  const auto client = raw();
  for (int i = 0; i < 4; ++i) {
    loop.advance(5s);
    client->send("x");
  }
  loop.advance(1s);
  EXPECT_TRUE(client->closed());
  EXPECT_EQ(last_log().substr(0, 26), "DT max_connection_duration");
}

TEST_F(ServeTcp, a_limit_of_connections_is_named) {
  listen("", "circuit_breakers: {thresholds: [{max_connections: 1}]}");
  const auto first = raw();
  const auto second = raw();
  EXPECT_TRUE(second->closed());
  EXPECT_EQ(last_log(), "UO upstream_overflow 0 10.0.0.1:80");
  EXPECT_FALSE(first->closed());
  EXPECT_EQ(peers.size(), 1u);
}

TEST_F(ServeTcp, the_end_of_the_proxy_is_the_end_of_its_connections) {
  listen("");
  const auto client = raw();
  client->send("x");
  proxy.reset();
  EXPECT_TRUE(client->closed());
  EXPECT_TRUE(peers[0]->closed());
}

}  // namespace
}  // namespace weft::proxy
