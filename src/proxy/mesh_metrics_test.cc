// The istio_* series of real listeners, label by label, as Istio's dashboards and Kiali read them.
#include "http/grpc.h"
#include "net/client_connection.h"
#include "proxy/mesh_headers.h"
#include "proxy/test_support.h"
#include "tls/test_support.h"

namespace weft::proxy {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Labels = std::map<std::string, std::string>;

constexpr std::string_view kMetrics = "metadata: {filter_metadata: {weft: {istio_stats: true}}}";

std::string grpc_message(std::string_view content) {
  Buffer out;
  http::append_grpc_prefix(out, static_cast<uint32_t>(content.size()));
  out.append(content);
  return std::string(out.text());
}

struct MeshMetrics : ProxyTest {
  // One series: its labels, and its value under "".
  static Labels labels_of(std::string_view line) {
    Labels labels;
    size_t at = line.find('{') + 1;
    while (line[at] != '}') {
      const size_t equals = line.find("=\"", at);
      const size_t end = line.find('"', equals + 2);
      labels[std::string(line.substr(at, equals - at))] = line.substr(equals + 2, end - equals - 2);
      at = line[end + 1] == ',' ? end + 2 : end + 1;
    }
    labels[""] = line.substr(at + 2);
    return labels;
  }
  std::vector<Labels> all(std::string_view name) {
    std::vector<Labels> found;
    for (const std::string& line : series(name)) found.push_back(labels_of(line));
    return found;
  }
  // The series that there is, and it is the only one.
  Labels only(std::string_view name) {
    const auto found = all(name);
    EXPECT_EQ(found.size(), 1u) << name;
    return found.empty() ? Labels() : found.front();
  }

  static std::string node() {
    return R"(node:
  id: sidecar~10.0.0.7~web-0.shop~shop.svc.cluster.local
  cluster: web.shop
  metadata: {NAME: web-0, NAMESPACE: shop, WORKLOAD_NAME: web, SERVICE_ACCOUNT: front, CLUSTER_ID: east,
             LABELS: {app: web, version: v3, service.istio.io/canonical-name: web-canon}}
)";
  }
  static std::string cluster_yaml(std::string_view protocol = "") {
    return concat(R"(
  clusters:
  - name: outbound|80|v1|reviews.books.svc.cluster.local
    connect_timeout: 1s
    metadata: {filter_metadata: {istio: {services: [
      {host: reviews.books.svc.cluster.local, name: reviews, namespace: books}]}}}
)",
                  protocol, R"(
    load_assignment:
      cluster_name: app
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: 80}}}
          metadata: {filter_metadata: {
            istio: {workload: "reviews-v1;books;reviews;v1;west"},
            weft: {app: reviews-app, version: v1, principal: "spiffe://cluster.local/ns/books/sa/reviews"}}}
)");
  }
  static std::string route() {
    return "- {match: {prefix: /}, route: {cluster: outbound|80|v1|reviews.books.svc.cluster.local}}";
  }
  static std::string http2() {
    return R"(
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
)";
  }
  void start_http(Setup setup, const std::string& clusters) {
    setup.routes = route();
    start_yaml(concat(node(), "static_resources:\n  listeners:\n  -\n", indented(listener_yaml(setup), 4),
                      clusters));
  }
  // Of the proxy itself, as it stands on one side.
  static void expect_web(const Labels& labels, const std::string& side) {
    EXPECT_EQ(labels.at(side + "_workload"), "web");
    EXPECT_EQ(labels.at(side + "_workload_namespace"), "shop");
    EXPECT_EQ(labels.at(side + "_app"), "web");
    EXPECT_EQ(labels.at(side + "_version"), "v3");
    EXPECT_EQ(labels.at(side + "_canonical_service"), "web-canon");
    EXPECT_EQ(labels.at(side + "_canonical_revision"), "v3");
    EXPECT_EQ(labels.at(side + "_cluster"), "east");
  }
  static void expect_unknown(const Labels& labels, const std::string& side) {
    for (const char* name : {"_workload", "_workload_namespace", "_app", "_version", "_canonical_service",
                             "_cluster", "_principal"}) {
      EXPECT_EQ(labels.at(side + name), "unknown") << side << name;
    }
    EXPECT_EQ(labels.at(side + "_canonical_revision"), "latest");
  }
  static void expect_reviews(const Labels& labels) {
    EXPECT_EQ(labels.at("destination_workload"), "reviews-v1");
    EXPECT_EQ(labels.at("destination_workload_namespace"), "books");
    EXPECT_EQ(labels.at("destination_app"), "reviews-app");
    EXPECT_EQ(labels.at("destination_version"), "v1");
    EXPECT_EQ(labels.at("destination_canonical_service"), "reviews");
    EXPECT_EQ(labels.at("destination_canonical_revision"), "v1");
    EXPECT_EQ(labels.at("destination_cluster"), "west");
    EXPECT_EQ(labels.at("destination_service"), "reviews.books.svc.cluster.local");
    EXPECT_EQ(labels.at("destination_service_name"), "reviews");
    EXPECT_EQ(labels.at("destination_service_namespace"), "books");
  }
};

TEST_F(MeshMetrics, an_outbound_request_counts_with_the_25_labels_of_the_source) {
  start_http({.chain = std::string(kMetrics), .log_format = "%UPSTREAM_LOCAL_ADDRESS% %UPSTREAM_HOST%"},
             cluster_yaml());
  backend("10.0.0.1:80",
          [](net::ServerExchange& exchange) { return reply_with(exchange, 404, std::string(2000, 'x')); });
  EXPECT_EQ(post("/a", std::string(300, 'y')).status, 404);
  const Labels labels = only("istio_requests_total");
  EXPECT_EQ(labels.size(), 25u + 1) << "25 and the value";
  EXPECT_EQ(labels.at(""), "1");
  EXPECT_EQ(labels.at("reporter"), "source");
  expect_web(labels, "source");
  expect_reviews(labels);
  EXPECT_EQ(labels.at("request_protocol"), "http");
  EXPECT_EQ(labels.at("response_code"), "404");
  EXPECT_EQ(labels.at("grpc_response_status"), "");
  EXPECT_EQ(labels.at("response_flags"), "-");
  EXPECT_EQ(labels.at("connection_security_policy"), "unknown") << "the source cannot tell";

  // The same labels, for time and size. Sizes are those of head and body.
  for (const char* name :
       {"istio_request_duration_milliseconds", "istio_request_bytes", "istio_response_bytes"}) {
    Labels count = only(concat(name, "_count"));
    EXPECT_EQ(count.at(""), "1") << name;
    EXPECT_EQ(count, labels) << name;
    EXPECT_EQ(all(concat(name, "_bucket")).size(), 20u) << name;
  }
  const auto sum = [&](std::string_view name) { return std::stod(only(concat(name, "_sum")).at("")); };
  EXPECT_GT(sum("istio_request_bytes"), 300 + 40);
  EXPECT_LT(sum("istio_request_bytes"), 300 + 400);
  EXPECT_GT(sum("istio_response_bytes"), 2000 + 10);
  EXPECT_LT(sum("istio_response_bytes"), 2000 + 400);
  EXPECT_THAT(series("istio_request_messages_total"), IsEmpty()) << "gRPC only";
  EXPECT_THAT(last_log(), testing::Not(HasSubstr("- 10.0.0.1:80"))) << "our end is known";
}

TEST_F(MeshMetrics, a_request_that_reaches_nobody_says_why) {
  start_http({.chain = std::string(kMetrics)}, cluster_yaml());
  EXPECT_EQ(get("/").status, 503);
  const Labels labels = only("istio_requests_total");
  EXPECT_EQ(labels.at("response_code"), "503");
  EXPECT_EQ(labels.at("response_flags"), "UF");
  expect_reviews(labels);
}

TEST_F(MeshMetrics, grpc_counts_its_status_and_its_messages) {
  start_http({.chain = std::string(kMetrics)}, cluster_yaml(http2()));
  backend("10.0.0.1:80", [](net::ServerExchange& exchange) -> io::Task<void> {
    return [](net::ServerExchange& e) -> io::Task<void> {
      (void)co_await net::read_body(e, 1 << 20);
      http::Response head;
      head.content_length = std::nullopt;
      head.headers.add("content-type", "application/grpc");
      e.send_head(head, false);
      for (int i = 0; i < 3; ++i) e.write(as_bytes(grpc_message("answer")));
      http::Headers trailers;
      trailers.add("grpc-status", "5");
      e.finish(&trailers);
    }(exchange);
  });
  const auto client = raw();
  std::string body = grpc_message("one") + grpc_message("") + grpc_message(std::string(70000, 'z'));
  client->send(
      concat("POST /a.B/C HTTP/1.1\r\nHost: reviews\r\nContent-Type: application/grpc\r\nTE: trailers\r\n"
             "Content-Length: ",
             body.size(), "\r\n\r\n"));
  for (std::string_view left = body; !left.empty();) {
    client->send(left.substr(0, 1001));
    left.remove_prefix(std::min<size_t>(1001, left.size()));
  }
  EXPECT_THAT(client->take(), HasSubstr("200"));
  const Labels labels = only("istio_requests_total");
  EXPECT_EQ(labels.at("request_protocol"), "grpc");
  EXPECT_EQ(labels.at("response_code"), "200");
  EXPECT_EQ(labels.at("grpc_response_status"), "5");
  EXPECT_EQ(only("istio_request_messages_total").at(""), "3");
  EXPECT_EQ(only("istio_response_messages_total").at(""), "3");
}

TEST_F(MeshMetrics, an_inbound_request_without_mtls_comes_from_somebody_unknown) {
  start_http({.chain = std::string(kMetrics), .direction = "INBOUND"}, cluster_yaml());
  backend("10.0.0.1:80", [](net::ServerExchange& exchange) { return reply_with(exchange, 200, "ok"); });
  EXPECT_EQ(get("/").status, 200);
  const Labels labels = only("istio_requests_total");
  EXPECT_EQ(labels.size(), 25u + 1);
  EXPECT_EQ(labels.at("reporter"), "destination");
  expect_unknown(labels, "source");
  expect_web(labels, "destination");
  EXPECT_EQ(labels.at("destination_service"), "reviews.books.svc.cluster.local") << "the cluster's";
  EXPECT_EQ(labels.at("connection_security_policy"), "none");
}

TEST_F(MeshMetrics, an_inbound_request_of_the_mesh_names_its_source) {
  const tls::testing::Authority authority(loop.wall_now());
  const tls::Identity own = authority.workload("shop", "front");
  const auto file = [&](const char* name, std::string_view text) {
    const std::string path = concat(directory, "/", name);
    std::ofstream(path) << text;
    return path;
  };
  const std::string transport = concat(
      R"(
transport_socket:
  name: envoy.transport_sockets.tls
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
    require_client_certificate: true
    common_tls_context:
      alpn_protocols: [istio-h2, h2]
      tls_certificates:
      - certificate_chain: {filename: )",
      file("chain.pem", identity::to_pem(own.chain)), R"(}
        private_key: {filename: )",
      file("key.pem", own.key.to_pem()), R"(}
      validation_context: {trusted_ca: {filename: )",
      file("roots.pem", authority.bundle().to_pem()), "}}\n");
  start_http({.chain = concat(kMetrics, transport), .direction = "INBOUND"}, cluster_yaml());
  backend("10.0.0.1:80", [](net::ServerExchange& exchange) { return reply_with(exchange, 200, "ok"); });

  tls::ClientSettings settings{.identity = authority.workload("books", "reader"),
                               .trust = authority.bundle(),
                               .verify = tls::ClientSettings::Verify::none};
  settings.common.alpn = {std::string(kMeshAlpn)};
  auto context = tls::ClientContext::make(std::move(settings));
  ASSERT_TRUE(context) << context.error().text;
  std::unique_ptr<io::Stream> socket;
  tasks.spawn(connect_into(loop, socket));
  loop.run_until_idle();
  ASSERT_TRUE(socket);
  tls::testing::MaybeStream secured = tls::testing::not_yet();
  tasks.spawn(tls::testing::connect_into(std::move(socket), *context, loop.now() + 5s, secured));
  loop.run_until_idle();
  ASSERT_TRUE(secured) << secured.error().text;
  ASSERT_EQ((*secured)->peer().alpn, kMeshAlpn);
  const auto client = net::make_http2_client(std::move(*secured), {});
  loop.run_until_idle();
  http::Request request;
  request.method = "GET";
  request.path = "/";
  request.authority = "web.shop";
  request.headers.add(kPeerField, describe_peer({.workload = "reader-v2",
                                                 .workload_namespace = "books",
                                                 .canonical_service = "reader",
                                                 .canonical_revision = "v2",
                                                 .app = "reader-app",
                                                 .version = "v2",
                                                 .cluster = "west"}));
  const auto exchange = client->start(request, true);
  loop.run_until_idle();
  ASSERT_EQ(exchange->poll(), net::Incoming::head);
  EXPECT_EQ(exchange->response().status, 200);
  const Labels labels = only("istio_requests_total");
  EXPECT_EQ(labels.size(), 25u + 1);
  EXPECT_EQ(labels.at("reporter"), "destination");
  EXPECT_EQ(labels.at("source_workload"), "reader-v2");
  EXPECT_EQ(labels.at("source_workload_namespace"), "books");
  EXPECT_EQ(labels.at("source_canonical_service"), "reader");
  EXPECT_EQ(labels.at("source_canonical_revision"), "v2");
  EXPECT_EQ(labels.at("source_app"), "reader-app");
  EXPECT_EQ(labels.at("source_version"), "v2");
  EXPECT_EQ(labels.at("source_cluster"), "west");
  EXPECT_EQ(labels.at("source_principal"), "spiffe://cluster.local/ns/books/sa/reader");
  EXPECT_EQ(labels.at("destination_principal"), "spiffe://cluster.local/ns/shop/sa/front");
  expect_web(labels, "destination");
  EXPECT_EQ(labels.at("connection_security_policy"), "mutual_tls");
}

struct TcpMetrics : MeshMetrics {
  void start_tcp(std::string_view direction) {
    start_yaml(concat(node(), R"(static_resources:
  listeners:
  - name: tcp
    address: {socket_address: {address: 127.0.0.1, port_value: 10000}}
    traffic_direction: )",
                      direction, R"(
    filter_chains:
    - metadata: {filter_metadata: {weft: {istio_stats: true}}}
      filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: app
          cluster: outbound|80|v1|reviews.books.svc.cluster.local
)",
                      cluster_yaml()));
  }
};

TEST_F(TcpMetrics, a_connection_counts_opened_closed_and_its_bytes) {
  for (const std::string direction : {"OUTBOUND", "INBOUND"}) {
    proxy.reset();
    backends.clear();
    start_tcp(direction);
    backend("10.0.0.1:80", [](net::ServerExchange& exchange) { return reply_with(exchange, 200, "four"); });
    const auto client = raw();
    const std::string request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    client->send(request);
    const std::string answer = client->take();
    EXPECT_THAT(answer, HasSubstr("four"));
    EXPECT_EQ(only("istio_tcp_connections_opened_total").at(""), "1");
    client->finish();
    loop.advance(1s);
    EXPECT_TRUE(client->closed());
    const Labels closed = only("istio_tcp_connections_closed_total");
    EXPECT_EQ(closed.size(), 23u + 1) << "no response code, no gRPC status";
    EXPECT_EQ(closed.at(""), "1");
    EXPECT_FALSE(closed.contains("response_code"));
    EXPECT_FALSE(closed.contains("grpc_response_status"));
    EXPECT_EQ(closed.at("request_protocol"), "tcp");
    EXPECT_EQ(closed.at("response_flags"), "-");
    EXPECT_EQ(closed.at("destination_service"), "reviews.books.svc.cluster.local");
    if (direction == "OUTBOUND") {
      EXPECT_EQ(closed.at("reporter"), "source");
      expect_web(closed, "source");
      expect_reviews(closed);
      EXPECT_EQ(closed.at("connection_security_policy"), "unknown");
    } else {
      EXPECT_EQ(closed.at("reporter"), "destination");
      expect_unknown(closed, "source");
      expect_web(closed, "destination");
      EXPECT_EQ(closed.at("connection_security_policy"), "none");
    }
    EXPECT_EQ(only("istio_tcp_received_bytes_total").at(""), std::to_string(request.size()))
        << "from the client";
    EXPECT_EQ(only("istio_tcp_sent_bytes_total").at(""), std::to_string(answer.size())) << "to the client";
  }
}

TEST_F(TcpMetrics, a_connection_that_reaches_nobody_counts_with_its_flag) {
  start_tcp("OUTBOUND");
  const auto client = raw();
  loop.advance(2s);
  EXPECT_TRUE(client->closed());
  for (const char* name : {"istio_tcp_connections_opened_total", "istio_tcp_connections_closed_total"}) {
    const Labels labels = only(name);
    EXPECT_EQ(labels.at("response_flags"), "UF,URX") << name;
    EXPECT_EQ(labels.at("destination_service_name"), "reviews") << name;
  }
}

}  // namespace
}  // namespace weft::proxy
