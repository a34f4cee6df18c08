#include "telemetry/access_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "telemetry/record_for_test.h"

namespace weft::telemetry {
namespace {

using testing::HasSubstr;

std::string line(const AccessLogFormat& format, const RequestRecord& record) {
  std::string out;
  format.append(record, out);
  return out;
}
std::string line(std::string_view format, const RequestRecord& record,
                 AccessLogFormat::Use use = AccessLogFormat::Use::log) {
  return line(AccessLogFormat::compile(format, {.hostname = "pod-1"}, use).value(), record);
}
std::string json(const std::vector<std::pair<std::string, std::string>>& fields,
                 const RequestRecord& record) {
  return line(AccessLogFormat::compile_json(fields, {.hostname = "pod-1"}).value(), record);
}

// ---- golden lines

TEST(AccessLog, writes_istios_line) {
  const FinishedRequest finished;
  EXPECT_EQ(
      line(kIstioTextFormat, finished.record),
      "[2026-11-24T21:40:12.004Z] \"GET /api/items?page=2 HTTP/1.1\" 200 - via_upstream - \"-\" 0 1234 12 11 "
      "\"203.0.113.5\" \"curl/8.5\" \"6d1b0f5c-1111-4222-8333-444455556666\" \"reviews.default:9080\" "
      "\"10.0.0.7:9080\" outbound|9080||reviews.default.svc.cluster.local 10.0.0.3:41234 10.96.0.12:9080 "
      "203.0.113.5:0 - default\n");
}

TEST(AccessLog, writes_envoys_line_by_default) {
  const FinishedRequest finished;
  EXPECT_EQ(
      line("", finished.record),
      "[2026-11-24T21:40:12.004Z] \"GET /api/items?page=2 HTTP/1.1\" 200 - 0 1234 12 11 \"203.0.113.5\" "
      "\"curl/8.5\" \"6d1b0f5c-1111-4222-8333-444455556666\" \"reviews.default:9080\" \"10.0.0.7:9080\"\n");
}

TEST(AccessLog, writes_a_refused_request) {
  FinishedRequest finished;
  auto& record = finished.record;
  record.response_code = 403;
  record.response_code_details = "rbac_access_denied_matched_policy[ns[default]-policy[deny admin]-rule[0]]";
  record.denial_policy = "default/deny-admin";
  record.upstream_host.reset();
  record.upstream_local.reset();
  record.response = nullptr;
  EXPECT_EQ(
      line("%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %DENIAL_POLICY% %UPSTREAM_HOST% "
           "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
           record),
      "403 rbac_access_denied_matched_policy[ns[default]-policy[deny_admin]-rule[0]] default/deny-admin - -");
}

TEST(AccessLog, writes_a_tcp_connection) {
  RequestRecord record;
  record.kind = RequestRecord::Kind::tcp;
  record.start = WallTime(0s);
  record.bytes_received = 10;
  record.bytes_sent = 20;
  record.duration = 1500ms;
  record.cluster_name = "PassthroughCluster";
  record.flags.set(Flag::upstream_connection_failure);
  record.flags.set(Flag::upstream_retry_limit_exceeded);
  EXPECT_EQ(
      line(kIstioTextFormat, record),
      "[1970-01-01T00:00:00.000Z] \"- - -\" 0 UF,URX - - \"-\" 10 20 1500 - \"-\" \"-\" \"-\" \"-\" \"-\" "
      "PassthroughCluster - 0.0.0.0:0 0.0.0.0:0 - -\n");
}

TEST(AccessLog, writes_istios_json) {
  const FinishedRequest finished;
  EXPECT_EQ(
      json(istio_json_fields(), finished.record),
      "{\"start_time\":\"2026-11-24T21:40:12.004Z\",\"method\":\"GET\",\"path\":\"/api/items?page=2\","
      "\"protocol\":\"HTTP/1.1\",\"response_code\":200,\"response_flags\":null,"
      "\"response_code_details\":\"via_upstream\",\"connection_termination_details\":null,"
      "\"upstream_transport_failure_reason\":null,\"bytes_received\":0,\"bytes_sent\":1234,\"duration\":12,"
      "\"upstream_service_time\":\"11\",\"x_forwarded_for\":\"203.0.113.5\",\"user_agent\":\"curl/8.5\","
      "\"request_id\":\"6d1b0f5c-1111-4222-8333-444455556666\",\"authority\":\"reviews.default:9080\","
      "\"upstream_host\":\"10.0.0.7:9080\","
      "\"upstream_cluster\":\"outbound|9080||reviews.default.svc.cluster.local\","
      "\"upstream_local_address\":\"10.0.0.3:41234\",\"downstream_local_address\":\"10.96.0.12:9080\","
      "\"downstream_remote_address\":\"203.0.113.5:0\",\"requested_server_name\":null,"
      "\"route_name\":\"default\"}\n");
}

TEST(AccessLog, json_text_of_several_pieces_is_a_string) {
  const FinishedRequest finished;
  EXPECT_EQ(json({{"a\"b", "%REQ(:METHOD)% took %DURATION%ms, %GRPC_STATUS%"}, {"c", "fixed"}, {"d", ""}},
                 finished.record),
            "{\"a\\\"b\":\"GET took 12ms, -\",\"c\":\"fixed\",\"d\":\"\"}\n");
}

// ---- operators

TEST(AccessLog, reads_every_kind_of_value) {
  FinishedRequest finished;
  auto& record = finished.record;
  finished.trailers.add("grpc-message", "none");
  record.grpc_status = 14;
  record.flags.set(Flag::no_healthy_upstream);
  record.connection_id = 77;
  record.virtual_host = "reviews:9080";
  const std::pair<const char*, const char*> cases[] = {
      {"%REQ(X-NONE?USER-AGENT)%", "curl/8.5"},
      {"%REQ(USER-AGENT):4%", "curl"},
      {"%REQ_WITHOUT_QUERY(:PATH)%", "/api/items"},
      {"%TRAILER(GRPC-MESSAGE)%", "none"},
      {"%RESP(:STATUS)%", "200"},
      {"%GRPC_STATUS%", "Unavailable"},
      {"%GRPC_STATUS_NUMBER%", "14"},
      {"%RESPONSE_FLAGS%", "UH"},
      {"%RESPONSE_FLAGS_LONG%", "NoHealthyUpstream"},
      {"%START_TIME(%Y/%m/%d %H:%M:%S)%", "2026/11/24 21:40:12"},
      {"%START_TIME(%s.%3f)%", "1795556412.004"},
      {"%START_TIME(%3s)%", "1795556412004"},
      {"%START_TIME(%f)%", "004567000"},
      {"%REQUEST_DURATION%", "0"},
      {"%RESPONSE_DURATION%", "11"},
      {"%RESPONSE_TX_DURATION%", "1"},
      {"%HOSTNAME%", "pod-1"},
      {"%CONNECTION_ID%", "77"},
      {"%VIRTUAL_HOST_NAME%", "reviews:9080"},
      {"%VIRTUAL_CLUSTER_NAME%", "-"},
      {"%DOWNSTREAM_PEER_URI_SAN%", "spiffe://cluster.local/ns/default/sa/client"},
      {"%DOWNSTREAM_PEER_SUBJECT%", "CN=client"},
      {"%DOWNSTREAM_LOCAL_PORT%", "9080"},
      {"%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%", "10.0.0.3"},
      {"%UPSTREAM_REMOTE_PORT%", "9080"},
      {"%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "1"},
      {"%CLUSTER_METADATA(istio:config)%",
       "/apis/networking.istio.io/v1/namespaces/default/destination-rule/reviews"},
      {"%DYNAMIC_METADATA(istio.authn:sub)%", "-"},
      {"100%%", "100%"},
  };
  for (const auto& [format, expected] : cases) EXPECT_EQ(line(format, record), expected) << format;
}

TEST(AccessLog, refuses_what_it_does_not_know_by_name) {
  const std::pair<const char*, const char*> cases[] = {
      {"%FILTER_STATE(wasm)%", "%FILTER_STATE% is not an operator known here"},
      {"x %RESPONSE_CODES%",
       "character 3: %RESPONSE_CODES% is not an operator known here; did you mean "
       "%RESPONSE_CODE%?"},
      {"50% off", "begins no operator"},
      {"%DURATION", "no closing '%'"},
      {"%REQ(X%", "no closing parenthesis"},
      {"%REQ()%", "needs a header's name"},
      {"%REQ(A):x%", "not a length"},
      {"%REQ(A):0%", "not a length"},
      {"%DURATION(x)%", "takes no argument"},
      {"%START_TIME(%Q)%", "unknown letter"},
      {"%START_TIME(%)%", "unknown letter"},
      {"%UPSTREAM_TLS_VERSION%", "UPSTREAM_TLS_VERSION"},
      {"%DOWNSTREAM_WIRE_BYTES_SENT%", "DOWNSTREAM_WIRE_BYTES_SENT"},
      {"%CLUSTER_METADATA(x)%", "needs namespace and key"},
  };
  for (const auto& [format, complaint] : cases) {
    const auto compiled = AccessLogFormat::compile(format);
    ASSERT_FALSE(compiled) << format;
    EXPECT_THAT(compiled.error().text, HasSubstr(complaint)) << format;
  }
  EXPECT_THAT(AccessLogFormat::compile_json({{"who", "%WHO%"}}).error().text, HasSubstr("field 'who'"));
}

// ---- what a client may send

constexpr std::string_view kHostile = "a\r\n[fake] \"b\" \\ \x01\x7f\xff";

TEST(AccessLog, nobody_can_end_a_line_or_a_quote) {
  FinishedRequest finished;
  finished.request.path = kHostile;
  finished.record.server_name = kHostile;
  EXPECT_EQ(line("\"%REQ(:PATH)%\" %REQUESTED_SERVER_NAME%", finished.record),
            "\"a\\x0d\\x0a[fake] \\x22b\\x22 \\x5c \\x01\\x7f\xff\" "
            "a\\x0d\\x0a[fake] \\x22b\\x22 \\x5c \\x01\\x7f\xff");
}

TEST(AccessLog, json_stays_json_whatever_comes) {
  FinishedRequest finished;
  finished.request.path = kHostile;
  EXPECT_EQ(json({{"path", "%REQ(:PATH)%"}, {"text", "<%REQ(:PATH):3%>"}}, finished.record),
            "{\"path\":\"a\\u000d\\u000a[fake] \\\"b\\\" \\\\ \\u0001\\u007f\\u00ff\","
            "\"text\":\"<a\\u000d\\u000a>\"}\n");
}

TEST(AccessLog, header_values_lose_control_characters) {
  FinishedRequest finished;
  finished.request.path = kHostile;
  EXPECT_EQ(line("%REQ(:PATH)%|%REQ(X-NONE)%", finished.record, AccessLogFormat::Use::header),
            "a[fake] \"b\" \\ \xff|");
}

// ---- filters

TEST(AccessLog, filters_by_what_happened) {
  using Filter = model::AccessLog::Filter;
  FinishedRequest finished;
  auto& record = finished.record;
  const auto is_wanted = [&](Filter filter) {
    model::AccessLog log;
    log.filter = filter;
    return wants(log, record);
  };
  EXPECT_TRUE(is_wanted(Filter::none));
  EXPECT_FALSE(is_wanted(Filter::no_route_only));
  EXPECT_FALSE(is_wanted(Filter::status_5xx));
  EXPECT_TRUE(is_wanted(Filter::not_health_check));
  record.flags.set(Flag::no_route_found);
  record.response_code = 503;
  finished.request.headers.set("user-agent", "kube-probe/1.31");
  EXPECT_TRUE(is_wanted(Filter::no_route_only));
  EXPECT_TRUE(is_wanted(Filter::status_5xx));
  EXPECT_FALSE(is_wanted(Filter::not_health_check));
}

TEST(Flags, every_flag_has_both_names) {
  for (size_t i = 0; i < kFlagCount; ++i) {
    Flags flags;
    flags.set(static_cast<Flag>(i));
    std::string scratch;
    EXPECT_EQ(flags.to_string(scratch), short_name(static_cast<Flag>(i)));
    EXPECT_EQ(flags.to_long_string(), long_name(static_cast<Flag>(i)));
    EXPECT_FALSE(short_name(static_cast<Flag>(i)).empty());
  }
}

}  // namespace
}  // namespace weft::telemetry
