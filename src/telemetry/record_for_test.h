// Builders for this room's tests: one finished request with everything set that a log line can show.
#pragma once

#include <string>
#include <vector>

#include "telemetry/record.h"

namespace weft::telemetry {

struct FinishedRequest {
  http::Request request;
  http::Response response;
  http::Headers trailers;
  std::vector<std::string> client_uris{"spiffe://cluster.local/ns/default/sa/client"};
  PeerNames client;
  model::Cluster cluster;
  RequestRecord record;

  FinishedRequest() {
    request.method = "GET";
    request.path = "/api/items?page=2";
    request.authority = "reviews.default:9080";
    request.headers.add("User-Agent", "curl/8.5");
    request.headers.add("x-request-id", "6d1b0f5c-1111-4222-8333-444455556666");
    request.headers.add("x-forwarded-for", "203.0.113.5");
    response.headers.add("x-envoy-upstream-service-time", "11");
    client.uris = client_uris;
    client.subject = "CN=client";
    cluster.name = "outbound|9080||reviews.default.svc.cluster.local";
    cluster.service_host = "reviews.default.svc.cluster.local";
    cluster.config_path = "/apis/networking.istio.io/v1/namespaces/default/destination-rule/reviews";

    record.start =
        WallTime(std::chrono::sys_days(std::chrono::year(2026) / 11 / 24) + 21h + 40min + 12s + 4'567us);
    record.duration = 12'900us;
    record.request_received = 300us;
    record.request_sent_fully = 500us;
    record.response_received = 11'200us;
    record.bytes_received = 0;
    record.bytes_sent = 1234;
    record.response_code = 200;
    record.response_code_details = "via_upstream";
    record.attempts = 1;
    record.request = &request;
    record.response = &response;
    record.response_trailers = &trailers;
    record.route_name = "default";
    record.cluster = &cluster;
    record.cluster_name = cluster.name;
    record.upstream_host = SocketAddress::parse("10.0.0.7:9080").value();
    record.upstream_local = SocketAddress::parse("10.0.0.3:41234").value();
    record.downstream_local = SocketAddress::parse("10.96.0.12:9080").value();
    record.downstream_direct_remote = SocketAddress::parse("10.0.0.3:50123").value();
    record.downstream_remote = SocketAddress::parse("203.0.113.5:0").value();
    record.downstream_peer = &client;
  }
  FinishedRequest(const FinishedRequest&) = delete;
};

}  // namespace weft::telemetry
