// What a client gets, and what is written down, when the proxy answers itself or passes a request on.
#include "proxy/serve_request.h"

#include "proxy/test_support.h"

namespace weft::proxy {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

struct ServeRequest : ProxyTest {
  static io::Task<void> hello(net::ServerExchange& exchange) { return reply_with(exchange, 200, "hello"); }
};

TEST_F(ServeRequest, passes_a_request_to_the_backend_of_its_route_and_writes_one_line) {
  start({.routes = "- {match: {prefix: /app}, route: {cluster: app}}"});
  Backend& app = backend("10.0.0.1:80", hello);
  const net::HttpReply reply = get("/app/x?y=1");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "hello");
  ASSERT_EQ(app.requests.size(), 1u);
  EXPECT_EQ(app.requests[0].path, "/app/x?y=1");
  EXPECT_EQ(app.requests[0].authority, "app.example");
  EXPECT_TRUE(app.requests[0].headers.has("x-request-id"));
  EXPECT_THAT(log(), ElementsAre("200 - via_upstream GET 10.0.0.1:80"));
}

TEST_F(ServeRequest, answers_404_where_no_route_matches) {
  start({.routes = "- {match: {prefix: /app}, route: {cluster: app}}"});
  EXPECT_EQ(get("/other").status, 404);
  EXPECT_EQ(last_log(), "404 NR route_not_found GET -");
}

TEST_F(ServeRequest, answers_503_where_a_route_names_a_cluster_that_is_not_there) {
  start({.routes = "- {match: {prefix: /}, route: {cluster: nowhere}}"});
  EXPECT_EQ(get("/").status, 503);
  EXPECT_EQ(last_log(), "503 NC cluster_not_found GET -");
}

TEST_F(ServeRequest, redirects_and_direct_responses_need_no_backend) {
  start({.routes = R"(
- match: {path: /old}
  redirect: {host_redirect: new.example, path_redirect: /new, response_code: FOUND}
- match: {path: /teapot}
  direct_response: {status: 418, body: {inline_string: short and stout}}
)"});
  const net::HttpReply moved = get("/old");
  EXPECT_EQ(moved.status, 302);
  EXPECT_EQ(moved.headers.get("location"), "http://new.example/new");
  const net::HttpReply teapot = get("/teapot");
  EXPECT_EQ(teapot.status, 418);
  EXPECT_EQ(teapot.body, "short and stout");
  EXPECT_EQ(last_log(), "418 - direct_response GET -");
  const net::HttpReply head = call({.method = "HEAD", .path = "/teapot"});
  EXPECT_EQ(head.status, 418);
  EXPECT_EQ(head.body, "");
}

TEST_F(ServeRequest, denies_by_the_named_rule_and_tells_the_client_nothing_of_it) {
  start({.filters = R"(
- name: envoy.filters.http.rbac
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
    rules:
      action: DENY
      policies:
        ns[default]-policy[no-admin]-rule[0]:
          permissions: [{url_path: {path: {prefix: /admin}}}]
          principals: [{any: true}]
)",
         .manager = "normalize_path: true"});
  Backend& app = backend("10.0.0.1:80", hello);
  for (const char* path : {"/admin", "/admin/x", "/x/../admin", "/%61dmin", "/./admin"}) {
    const net::HttpReply reply = get(path);
    EXPECT_EQ(reply.status, 403) << path;
    EXPECT_EQ(reply.body, "RBAC: access denied");
  }
  EXPECT_TRUE(app.requests.empty());
  EXPECT_EQ(last_log(),
            "403 - rbac_access_denied_matched_policy[ns[default]-policy[no-admin]-rule[0]] GET -");
  EXPECT_EQ(get("/public").status, 200);
}

TEST_F(ServeRequest, what_is_not_enforced_is_counted) {
  start({.filters = R"(
- name: envoy.filters.http.rbac
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
    shadow_rules_stat_prefix: istio_dry_run_deny_
    shadow_rules:
      action: DENY
      policies:
        ns[default]-policy[try]-rule[0]:
          permissions: [{url_path: {path: {prefix: /admin}}}]
          principals: [{any: true}]
- name: envoy.filters.http.rbac
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
    rules:
      action: LOG
      policies:
        ns[default]-policy[watch]-rule[0]:
          permissions: [{url_path: {path: {prefix: /pay}}}]
          principals: [{any: true}]
)"});
  backend("10.0.0.1:80", hello);
  for (const char* path : {"/admin", "/pay", "/"}) EXPECT_EQ(get(path).status, 200) << path;
  const auto& counts = proxy->workers()[0]->counts;
  EXPECT_EQ(counts.shadow_denied->value(), 1u);
  EXPECT_EQ(counts.shadow_allowed->value(), 2u);
  EXPECT_EQ(counts.audited->value(), 1u);
  EXPECT_EQ(counts.rbac_denied->value(), 0u);
}

TEST_F(ServeRequest, edits_headers_as_the_route_says_on_both_ways) {
  start({.routes = R"(
- match: {prefix: /}
  route: {cluster: app, prefix_rewrite: /v2/, host_rewrite_literal: inner.example}
  request_headers_to_add: [{header: {key: x-added, value: one}}]
  request_headers_to_remove: [x-secret]
  response_headers_to_add: [{header: {key: x-seen, value: two}}]
  response_headers_to_remove: [x-internal]
)"});
  Backend& app = backend("10.0.0.1:80", [](net::ServerExchange& exchange) {
    http::Headers headers;
    headers.add("x-internal", "1");
    return reply_with(exchange, 200, "ok", std::move(headers));
  });
  http::Headers headers;
  headers.add("x-secret", "s");
  const net::HttpReply reply = call({.path = "/things", .headers = headers});
  ASSERT_EQ(app.requests.size(), 1u);
  const http::Request& seen = app.requests[0];
  EXPECT_EQ(seen.path, "/v2/things");
  EXPECT_EQ(seen.authority, "inner.example");
  EXPECT_EQ(seen.headers.get("x-added"), "one");
  EXPECT_FALSE(seen.headers.has("x-secret"));
  EXPECT_EQ(reply.headers.get("x-seen"), "two");
  EXPECT_FALSE(reply.headers.has("x-internal"));
}

TEST_F(ServeRequest, injects_planned_delays_and_aborts) {
  start({.routes = R"(
- match: {path: /abort}
  route: {cluster: app}
  typed_per_filter_config:
    envoy.filters.http.fault:
      "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
      abort: {http_status: 418, percentage: {numerator: 100}}
- match: {path: /delay}
  route: {cluster: app}
  typed_per_filter_config:
    envoy.filters.http.fault:
      "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
      delay: {fixed_delay: 5s, percentage: {numerator: 100}}
)",
         .filters = R"(
- name: envoy.filters.http.fault
  typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault}
)"});
  Backend& app = backend("10.0.0.1:80", hello);
  EXPECT_EQ(get("/abort").status, 418);
  EXPECT_EQ(last_log(), "418 FI fault_filter_abort GET -");
  EXPECT_TRUE(app.requests.empty());
  Call& slow = begin({.path = "/delay"});
  loop.advance(4999ms);
  EXPECT_FALSE(slow.done);
  loop.advance(2ms);
  EXPECT_TRUE(slow.done);
  EXPECT_EQ(last_log(), "200 DI via_upstream GET 10.0.0.1:80");
}

TEST_F(ServeRequest, an_edge_takes_away_fields_that_steer_proxies) {
  start({.manager = "use_remote_address: true"});
  Backend& app = backend("10.0.0.1:80", hello);
  http::Headers headers;
  for (const char* name : {"x-envoy-original-path", "x-envoy-retry-on", "x-envoy-upstream-rq-timeout-ms",
                           "weft-peer", "weft-http", "x-forwarded-client-cert", "x-envoy-internal"}) {
    headers.add(name, "forged");
  }
  headers.add("x-forwarded-for", "1.1.1.1");
  headers.add("x-kept", "yes");
  EXPECT_EQ(call({.headers = headers}).status, 200);
  ASSERT_EQ(app.requests.size(), 1u);
  const http::Headers& seen = app.requests[0].headers;
  for (const auto& field : seen) EXPECT_NE(field.value, "forged") << field.name;
  EXPECT_EQ(seen.get("x-kept"), "yes");
  EXPECT_EQ(seen.get("x-forwarded-for"), "1.1.1.1,127.0.0.1");
}

TEST_F(ServeRequest, a_mesh_note_from_a_plain_client_is_not_believed_inside_the_mesh_either) {
  start({});
  Backend& app = backend("10.0.0.1:80", hello);
  http::Headers headers;
  headers.add("weft-peer", "evil;default;evil;v1;evil;v1;Kubernetes");
  headers.add("weft-http", "1.1;t");
  EXPECT_EQ(call({.headers = headers}).status, 200);
  ASSERT_EQ(app.requests.size(), 1u);
  EXPECT_FALSE(app.requests[0].headers.has("weft-peer"));
  EXPECT_FALSE(app.requests[0].headers.has("weft-http"));
}

TEST_F(ServeRequest, hop_by_hop_fields_end_here) {
  start({});
  Backend& app = backend("10.0.0.1:80", hello);
  const auto client = raw();
  client->send(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x-mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\n"
      "Proxy-Connection: x\r\nTE: gzip\r\n\r\n");
  EXPECT_THAT(client->take(), HasSubstr("HTTP/1.1 200"));
  ASSERT_EQ(app.requests.size(), 1u);
  for (const char* name : {"connection", "x-mine", "keep-alive", "proxy-connection", "te"}) {
    EXPECT_FALSE(app.requests[0].headers.has(name)) << name;
  }
}

TEST_F(ServeRequest, whoever_expects_100_continue_gets_it_before_the_body) {
  start({});
  Backend& app = backend("10.0.0.1:80", net::echo);
  const auto client = raw();
  client->send("POST /up HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_THAT(client->take(), HasSubstr("HTTP/1.1 100"));
  client->send("body");
  EXPECT_THAT(client->take(), HasSubstr("POST /up [body]"));
  EXPECT_EQ(app.requests.size(), 1u);
}

TEST_F(ServeRequest, trailers_pass_both_ways) {
  start({});
  Backend& app = backend("10.0.0.1:80", [](net::ServerExchange& exchange) -> io::Task<void> {
    return [](net::ServerExchange& e) -> io::Task<void> {
      std::string seen;
      for (;;) {
        const auto state = e.poll();
        if (state == net::Incoming::blocked) {
          co_await e.incoming();
        } else if (state == net::Incoming::data) {
          e.consume(e.data().size());
        } else {
          if (state == net::Incoming::trailers) seen = e.trailers().get("x-sum").value_or("");
          break;
        }
      }
      http::Response head;
      head.content_length = std::nullopt;
      head.headers.add("trailer", "x-back");
      e.send_head(head, false);
      e.write(as_bytes("ok"));
      http::Headers trailers;
      trailers.add("x-back", concat("saw ", seen));
      e.finish(&trailers);
    }(exchange);
  });
  const auto client = raw();
  client->send(
      "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n"
      "2\r\nhi\r\n0\r\nx-sum: 42\r\n\r\n");
  const std::string answer = client->take();
  EXPECT_THAT(answer, HasSubstr("x-back: saw 42"));
  EXPECT_EQ(app.requests.size(), 1u);
}

TEST_F(ServeRequest, what_a_log_format_may_name_is_known) {
  start({.log_format =
             "%STREAM_ID% %TRACE_ID% %UPSTREAM_PROTOCOL% %TRAILER(X-BACK)% %RESPONSE_TRAILERS_BYTES% "
             "%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %REQUEST_DURATION% %REQUEST_TX_DURATION%"});
  backend("10.0.0.1:80", [](net::ServerExchange& exchange) -> io::Task<void> {
    return [](net::ServerExchange& e) -> io::Task<void> {
      (void)co_await net::read_body(e, 1000);
      http::Response head;
      head.content_length = std::nullopt;
      e.send_head(head, false);
      e.write(as_bytes("ok"));
      http::Headers trailers;
      trailers.add("x-back", "done");
      e.finish(&trailers);
    }(exchange);
  });
  const auto client = raw();
  client->send(
      "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nContent-Length: 4\r\nX-Request-Id: id-7\r\n"
      "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\nbo");
  loop.advance(20ms);
  client->send("dy");
  EXPECT_THAT(client->take(), HasSubstr("ok"));
  const std::string line = last_log();
  EXPECT_THAT(line, testing::StartsWith("id-7 0af7651916cd43dd8448eb211c80319c HTTP/1.1 done 10 "));
  EXPECT_THAT(line, testing::EndsWith(" 20 20"));
  EXPECT_THAT(line, Not(HasSubstr(" - ")));
}

TEST_F(ServeRequest, a_websocket_is_a_tunnel_where_upgrades_are_allowed) {
  start({.manager = "upgrade_configs: [{upgrade_type: websocket}]"});
  Backend& app = backend("10.0.0.1:80", [](net::ServerExchange& exchange) -> io::Task<void> {
    return [](net::ServerExchange& e) -> io::Task<void> {
      http::Response head;
      head.status = 101;
      head.content_length = std::nullopt;
      e.send_head(head, false);
      for (;;) {
        const auto state = e.poll();
        if (state == net::Incoming::data) {
          e.consume(e.write(e.data()));
        } else if (state == net::Incoming::blocked) {
          co_await e.incoming();
        } else {
          break;
        }
      }
      e.finish(nullptr);
    }(exchange);
  });
  const auto client = raw();
  client->send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  EXPECT_THAT(client->take(), HasSubstr("HTTP/1.1 101"));
  client->send("ping");
  EXPECT_EQ(client->take(), "ping");
  client->finish();
  EXPECT_TRUE(client->closed());
  EXPECT_EQ(app.requests.size(), 1u);
  EXPECT_EQ(last_log(), "101 - via_upstream GET 10.0.0.1:80");
}

TEST_F(ServeRequest, an_upgrade_that_no_route_allows_is_refused) {
  start({});
  Backend& app = backend("10.0.0.1:80", hello);
  const auto client = raw();
  client->send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  EXPECT_THAT(client->take(), HasSubstr("HTTP/1.1 403"));
  EXPECT_TRUE(app.requests.empty());
}

TEST_F(ServeRequest, counts_each_request_once) {
  start({});
  backend("10.0.0.1:80", hello);
  EXPECT_EQ(get("/").status, 200);
  const HttpCounts& counts = proxy->workers()[0]->http_counts("front");
  EXPECT_EQ(counts.requests_total->value(), 1u);
  EXPECT_EQ(counts.requests_active->value(), 0);
  EXPECT_EQ(counts.responses[1]->value(), 1u);
}

constexpr std::string_view kMetrics = "metadata: {filter_metadata: {weft: {istio_stats: true}}}";

TEST_F(ServeRequest, what_is_no_request_is_written_down_and_counted) {
  start({.chain = std::string(kMetrics),
         .manager = "request_headers_timeout: 2s\nhttp_protocol_options: {}",
         .log_format = "%REQ(:METHOD)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% "
                       "%CONNECTION_TERMINATION_DETAILS% %UPSTREAM_HOST%"});
  struct Row {
    std::string_view request, status, line;
  };
  const Row rows[] = {
      {"garbage\r\n\r\n", "400",
       "- HTTP/1.1 400 DPE http1.codec_error no_method_begins_the_request_line_'garbage' -"},
      {"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400",
       "- HTTP/1.1 400 DPE http1.codec_error no_method_begins_the_request_line_'' -"},
      {"\x16\x03\x01\x02", "400",
       "- HTTP/1.1 400 DPE http1.codec_error a_request_cannot_begin_with_the_byte_'\\x5cx16' -"},
      {"GET / HTTP/1.1\r\n\r\n", "400", "GET HTTP/1.1 400 - missing_host_header there_is_no_Host_field -"},
      {"GET / HTTP/1.0\r\n\r\n", "426", "GET HTTP/1.0 426 DPE low_version HTTP/1.0_is_not_served_here -"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400",
       "POST HTTP/1.1 400 DPE http1.content_length_and_chunked_not_allowed "
       "both_Content-Length_and_Transfer-Encoding_are_given -"},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501",
       "POST HTTP/1.1 501 DPE http1.invalid_transfer_encoding "
       "Transfer-Encoding_'gzip,_chunked'_is_not_'chunked' -"},
  };
  for (const Row& row : rows) {
    const auto client = raw();
    client->send(row.request);
    EXPECT_THAT(client->take(), HasSubstr(concat("HTTP/1.1 ", row.status))) << row.line;
    EXPECT_EQ(last_log(), row.line);
    EXPECT_FALSE(client->was_reset()) << row.line;
  }
  const auto large = raw();
  large->send("GET / HTTP/1.1\r\nHost: a\r\n");
  for (int i = 0; i < 101; ++i) large->send("X: y\r\n");
  EXPECT_THAT(large->take(), HasSubstr("HTTP/1.1 431"));
  EXPECT_THAT(last_log(), HasSubstr("GET HTTP/1.1 431 DPE http1.too_many_headers"));

  const auto slow = raw();
  slow->send("GET / HTTP/1.1\r\nHost: a\r\n");
  loop.advance(2s + 1ms);
  EXPECT_THAT(slow->take(), HasSubstr("HTTP/1.1 408"));
  EXPECT_EQ(last_log(), "GET HTTP/1.1 408 - request_header_timeout no_complete_head_within_2000_ms -");

  const auto gone = raw();
  gone->send("GET / HT");
  gone->finish();
  EXPECT_THAT(last_log(), HasSubstr("- HTTP/1.1 400 DC downstream_remote_disconnect"));

  const HttpCounts& counts = proxy->workers()[0]->http_counts("front");
  EXPECT_EQ(counts.protocol_errors->value(), 7u) << "all but the missing Host, the slow and the gone";
  EXPECT_EQ(counts.header_timeouts->value(), 1u);
  EXPECT_EQ(counts.requests_total->value(), 10u);
  EXPECT_EQ(counts.responses[3]->value(), 9u);
  EXPECT_EQ(counts.responses[4]->value(), 1u);
  EXPECT_EQ(log().size(), 10u) << "one line each";
  const auto counted = series("istio_requests_total");
  EXPECT_THAT(counted, testing::Contains(testing::AllOf(
                           HasSubstr("response_code=\"400\""), HasSubstr("response_flags=\"DPE\""),
                           HasSubstr("destination_service=\"unknown\""), HasSubstr("source_workload=\"web\""),
                           testing::EndsWith(" 4"))));
  EXPECT_THAT(counted, testing::Contains(testing::AllOf(HasSubstr("response_code=\"408\""),
                                                        HasSubstr("response_flags=\"-\""))));
}

TEST_F(ServeRequest, a_malformed_body_is_written_down_once_with_what_was_answered) {
  start({.log_format = "%REQ(:METHOD)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% "
                       "%CONNECTION_TERMINATION_DETAILS%"});
  backend("10.0.0.1:80", net::echo);
  const auto client = raw();
  client->send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
  EXPECT_THAT(client->take(), HasSubstr("HTTP/1.1 400"));
  ASSERT_EQ(log().size(), 1u);
  EXPECT_THAT(last_log(), testing::StartsWith("POST 400 DPE http1.codec_error "));
  const HttpCounts& counts = proxy->workers()[0]->http_counts("front");
  EXPECT_EQ(counts.protocol_errors->value(), 1u);
  EXPECT_EQ(counts.responses[3]->value(), 1u);
  EXPECT_EQ(counts.requests_total->value(), 1u);
}

std::string frame(uint8_t type, uint8_t flags, uint8_t stream, std::string_view payload) {
  std::string out{
      '\0', '\0', static_cast<char>(payload.size()), static_cast<char>(type), static_cast<char>(flags), '\0',
      '\0', '\0', static_cast<char>(stream)};
  return out.append(payload);
}
const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, "");
// :method POST, :scheme http, :path /, :authority a
constexpr std::string_view kPost = "\x83\x86\x84\x41\x01\x61";

TEST_F(ServeRequest, http2_that_breaks_the_protocol_is_written_down_and_counted) {
  start({.log_format = "%REQ(:METHOD)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% "
                       "%CONNECTION_TERMINATION_DETAILS%"});
  backend("10.0.0.1:80", net::echo);
  const HttpCounts& counts = proxy->workers()[0]->http_counts("front");

  // A field that HTTP/2 forbids: the stream is reset.
  const auto bad_head = raw();
  bad_head->send(kPreface + frame(1, 5, 1, concat(kPost, std::string_view("\x40\x01\x41\x01\x62", 5))));
  EXPECT_EQ(last_log(),
            "- HTTP/2 0 DPE http2.violation.of.messaging.rule "
            "frame_type_1_on_stream_1:_Invalid_HTTP_header_field_was_received");
  EXPECT_EQ(counts.protocol_errors->value(), 1u);

  // A body that is longer than its Content-Length says.
  const auto bad_body = raw();
  bad_body->send(kPreface + frame(1, 4, 1, concat(kPost, std::string_view("\x0f\x0d\x01\x31", 4))) +
                 frame(0, 1, 1, "four"));
  EXPECT_THAT(last_log(), testing::StartsWith("POST HTTP/2 0 DPE http2.violation.of.messaging.rule "));
  EXPECT_EQ(counts.requests_active->value(), 0);

  // A connection that is none, with nothing on it.
  const auto bad_connection = raw();
  bad_connection->send(kPreface + frame(8, 0, 0, std::string(4, '\0')));
  EXPECT_TRUE(bad_connection->take().size() > 0);
  loop.advance(1s);
  EXPECT_THAT(last_log(), testing::StartsWith("- HTTP/2 0 DPE codec_error:"));
  EXPECT_EQ(log().size(), 3u);
}

TEST_F(ServeRequest, a_client_that_resets_its_stream_breaks_nothing) {
  start({.log_format = "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%"});
  backend("10.0.0.1:80", net::echo);
  const auto client = raw();
  client->send(kPreface + frame(1, 4, 1, kPost) + frame(0, 0, 1, "part"));
  client->send(frame(3, 0, 1, std::string("\0\0\0\1", 4)));  // PROTOCOL_ERROR, says the client
  EXPECT_EQ(last_log(), "0 DC downstream_remote_disconnect");
  EXPECT_EQ(proxy->workers()[0]->http_counts("front").protocol_errors->value(), 0u);
}

TEST_F(ServeRequest, a_request_without_a_host_asks_for_its_service) {
  for (const bool http2 : {false, true}) {
    proxy.reset();
    backends.clear();
    start({.manager = "http_protocol_options: {accept_http_10: true}",
           .cluster = concat(
               http2 ? R"(
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    explicit_http_config: {http2_protocol_options: {}}
)"
                     : "",
               "\nmetadata: {filter_metadata: {istio: {services: [{host: app.default.svc.cluster.local, "
               "name: app, namespace: default}]}}}\n")});
    Backend& app = backend("10.0.0.1:80", hello);
    const auto client = raw();
    client->send("GET /x HTTP/1.0\r\n\r\n");
    EXPECT_THAT(client->take(), HasSubstr("hello"));
    ASSERT_EQ(app.requests.size(), 1u);
    EXPECT_EQ(app.requests[0].authority, "app.default.svc.cluster.local");
    EXPECT_EQ(app.requests[0].version, http2 ? http::Version::http2 : http::Version::http11);
    const auto other = raw();
    other->send("GET /x HTTP/1.1\r\n\r\n");
    EXPECT_THAT(other->take(), HasSubstr("HTTP/1.1 400"));
    EXPECT_EQ(app.requests.size(), 1u);
  }
}

TEST_F(ServeRequest, a_drain_lets_requests_finish_and_closes_what_idles) {
  start({});
  backend("10.0.0.1:80", [this](net::ServerExchange& exchange) {
    return [](io::Loop& at, net::ServerExchange& e) -> io::Task<void> {
      co_await io::sleep_for(at, 3s);
      co_await reply_with(e, 200, "late");
    }(loop, exchange);
  });
  const auto idle = raw();
  idle->send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  loop.advance(4s);
  EXPECT_THAT(idle->take(), HasSubstr("200"));
  const auto busy = raw();
  busy->send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  proxy->drain();
  loop.advance(10ms);
  EXPECT_TRUE(idle->closed());
  EXPECT_FALSE(busy->closed());
  loop.advance(4s);
  const std::string answer = busy->take();
  EXPECT_THAT(answer, HasSubstr("late"));
  EXPECT_THAT(answer, HasSubstr("onnection: close"));
  EXPECT_TRUE(busy->closed());
  loop.advance(1s);
  EXPECT_EQ(proxy->open_connections(), 0);
}

}  // namespace
}  // namespace weft::proxy
