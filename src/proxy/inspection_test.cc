// A server that speaks first, behind a listener that looks at first bytes: it waits only where the port's
// chains tell protocols apart.
#include "proxy/test_support.h"

namespace weft::proxy {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// Greets whoever connects, then listens.
class Greeter {
 public:
  Greeter(io::Loop& loop, std::string_view address) : tasks_(loop) {
    acceptor_ = *loop.listen(*SocketAddress::parse(address), {});
    tasks_.spawn(accept(*this));
  }

 private:
  static io::Task<void> accept(Greeter& greeter) {
    for (;;) {
      auto stream = co_await greeter.acceptor_->accept();
      if (!stream) co_return;
      (void)(*stream)->try_write(as_bytes("220 welcome\r\n"));
      greeter.streams_.push_back(std::move(*stream));
    }
  }
  std::unique_ptr<io::Acceptor> acceptor_;
  std::vector<std::unique_ptr<io::Stream>> streams_;
  io::TaskGroup tasks_;
};

struct Inspected : ProxyTest {
  static std::string tcp_chain(std::string_view name, std::string_view match) {
    return concat("- name: ", name, "\n  filter_chain_match: {", match, R"(}
  filters:
  - name: envoy.filters.network.tcp_proxy
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
      stat_prefix: app
      cluster: app
)");
  }
  static std::string http_chain(std::string_view match) {
    return concat("- name: http\n  filter_chain_match: {", match, R"(}
  filters:
  - name: envoy.filters.network.http_connection_manager
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
      stat_prefix: front
      http_filters:
      - name: envoy.filters.http.router
        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
      route_config:
        name: front
        virtual_hosts:
        - name: all
          domains: ["*"]
          routes: [{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: hi}}}]
)");
  }
  // As virtualInbound is: both inspectors, whatever the port.
  void listen(std::string_view chains) {
    start_yaml(concat(R"(
node: {id: "sidecar~10.0.0.7~web-0.default~default.svc.cluster.local", cluster: web.default}
static_resources:
  listeners:
  - name: virtualInbound
    address: {socket_address: {address: 127.0.0.1, port_value: 10000}}
    traffic_direction: INBOUND
    listener_filters_timeout: 1s
    access_log:
    - name: envoy.access_loggers.file
      filter: {response_flag_filter: {flags: [NR]}}
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
        path: )",
                      log_file(), R"(
        log_format: {text_format_source: {inline_string: "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n"}}
    continue_on_listener_filters_timeout: true
    listener_filters:
    - name: envoy.filters.listener.tls_inspector
      typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}
    - name: envoy.filters.listener.http_inspector
      typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector}
    filter_chains:
)",
                      indented(chains, 4), R"(
  clusters:
  - name: app
    connect_timeout: 1s
)",
                      indented(endpoints_yaml("app", {"10.0.0.1:80"}), 4)));
  }
};

const std::string kCatchAll =
    Inspected::http_chain("transport_protocol: raw_buffer, application_protocols: [http/1.1, h2c]") +
    Inspected::tcp_chain("catch-all", "transport_protocol: raw_buffer");

TEST_F(Inspected, a_tcp_port_without_mesh_tls_waits_for_nothing) {
  Greeter greeter(loop, "10.0.0.1:80");
  listen(kCatchAll + tcp_chain("plain", "destination_port: 10000, transport_protocol: raw_buffer") +
         tcp_chain("own-tls", "destination_port: 10000, transport_protocol: tls"));
  const auto client = raw();
  EXPECT_EQ(client->take(), "220 welcome\r\n") << "no time has passed";
}

TEST_F(Inspected, a_port_that_may_be_tls_waits_for_the_first_byte_and_a_second_at_most) {
  Greeter greeter(loop, "10.0.0.1:80");
  listen(
      kCatchAll + tcp_chain("plain", "destination_port: 10000, transport_protocol: raw_buffer") +
      tcp_chain("mesh", "destination_port: 10000, transport_protocol: tls, application_protocols: [istio]"));
  const auto silent = raw();
  EXPECT_EQ(silent->take(), "");
  loop.advance(1s);
  EXPECT_EQ(silent->take(), "220 welcome\r\n");
  const auto talker = raw();
  talker->send("E");
  EXPECT_EQ(talker->take(), "220 welcome\r\n") << "one byte is no TLS, and nothing else is of interest";
}

TEST_F(Inspected, a_port_whose_protocol_is_unknown_is_detected) {
  Greeter greeter(loop, "10.0.0.1:80");
  listen(kCatchAll);
  const auto silent = raw();
  EXPECT_EQ(silent->take(), "");
  loop.advance(1s);
  EXPECT_EQ(silent->take(), "220 welcome\r\n");
  for (const std::string_view first : {"HELO a\r\n", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"}) {
    const auto other = raw();
    other->send(first);
    EXPECT_EQ(other->take(), "220 welcome\r\n") << "what is not HTTP is TCP";
  }
  const auto http = raw();
  http->send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(http->take(), HasSubstr("hi"));
}

TEST_F(Inspected, a_connection_that_meets_no_chain_is_in_the_listeners_log) {
  listen(tcp_chain("mesh", "transport_protocol: tls"));  // plain text under STRICT
  const auto client = raw();
  client->send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(client->closed());
  EXPECT_EQ(client->take(), "");
  EXPECT_THAT(log(), testing::ElementsAre("0 NR filter_chain_not_found"));
  const auto gone = raw();
  gone->finish();
  EXPECT_EQ(log().size(), 1u) << "who only looks in is none";
}

TEST_F(Inspected, an_http_port_answers_in_http_whatever_comes) {
  listen(kCatchAll + http_chain("destination_port: 10000, transport_protocol: raw_buffer"));
  for (const std::string_view first : {"HELO a\r\n", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"}) {
    const auto client = raw();
    client->send(first);
    EXPECT_THAT(client->take(), HasSubstr("HTTP/1.1 400"));
    EXPECT_TRUE(client->closed());
    EXPECT_FALSE(client->was_reset());
  }
  const auto lenient = raw();
  lenient->send("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(lenient->take(), HasSubstr("hi")) << "one empty line is let pass (RFC 9112 section 2.2)";
}

}  // namespace
}  // namespace weft::proxy
