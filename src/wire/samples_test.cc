#include "wire/samples.h"

#include <gtest/gtest.h>

namespace weft::wire::samples {

namespace {

using namespace std::chrono_literals;
using model::Condition;
using model::StringMatch;

IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }
SocketAddress address(std::string_view text) { return SocketAddress::parse(text).value(); }
Cidr cidr(std::string_view text) { return Cidr::parse(text).value(); }
Regex regex(std::string_view text) { return Regex::compile(text).value(); }
StringMatch regex_match(std::string_view text) { return StringMatch::regex_match(text).value(); }

model::SecretRef workload(std::string name) {
  return {.source = model::SecretRef::Source::workload, .name = std::move(name)};
}

model::UpstreamTls mesh_tls() {
  model::UpstreamTls tls;
  tls.common.alpn = {"istio-h2", "istio"};
  tls.common.min_version = model::TlsVersion::tls13;
  tls.common.certificate = workload("default");
  tls.common.roots = workload("ROOTCA");
  tls.common.subject_alt_names = {StringMatch::exact("spiffe://cluster.local/ns/default/sa/web"),
                                  StringMatch::prefix("spiffe://other/"),
                                  StringMatch::exact("web.example.com"), StringMatch::suffix(".example.com"),
                                  regex_match("spiffe://.*/sa/db")};
  tls.sni = "outbound_.80_.v1_.web.default.svc.cluster.local";
  return tls;
}

Condition leaf(Condition::Kind kind) {
  Condition condition;
  condition.kind = kind;
  return condition;
}
Condition group(Condition::Kind kind, std::vector<Condition> children) {
  Condition condition = leaf(kind);
  condition.children = std::move(children);
  return condition;
}
Condition with_value(Condition::Kind kind, StringMatch value) {
  Condition condition = leaf(kind);
  condition.value = std::move(value);
  return condition;
}
Condition with_ranges(Condition::Kind kind, std::vector<Cidr> ranges) {
  Condition condition = leaf(kind);
  condition.ranges = std::move(ranges);
  return condition;
}
Condition port(uint16_t number) {
  Condition condition = leaf(Condition::Kind::destination_port);
  condition.port = number;
  return condition;
}
Condition header(std::string name, StringMatch value) {
  Condition condition = leaf(Condition::Kind::header);
  condition.header.name = std::move(name);
  condition.header.value = std::move(value);
  return condition;
}

model::Rbac http_rbac() {
  using Kind = Condition::Kind;
  model::Rbac rbac;
  rbac.action = model::Rbac::Action::deny;
  rbac.stat_prefix = "deny.";
  Condition any_name = leaf(Kind::authenticated);
  any_name.any_authenticated = true;
  Condition ports = leaf(Kind::destination_port_range);
  ports.port = 8000;
  ports.port_end = 9000;
  model::RbacPolicy policy;
  policy.name = "ns[default]-policy[web]-rule[0]";
  policy.permissions = {
      group(Kind::all_of,
            {header(":method", StringMatch::exact("GET")),
             group(Kind::any_of, {with_value(Kind::url_path, StringMatch::prefix("/api")),
                                  with_value(Kind::path_template, StringMatch::exact("/v1/{*}/x.y/{**}"))}),
             group(Kind::none_of, {port(8080)})}),
      with_ranges(Kind::destination_ip, {cidr("10.0.0.0/8"), cidr("fd00::/8")}),
      ports,
      with_value(Kind::requested_server_name, StringMatch::suffix(".example.com")),
      leaf(Kind::metadata),
      leaf(Kind::any),
  };
  policy.principals = {
      group(Kind::all_of,
            {with_value(Kind::authenticated, StringMatch::exact("spiffe://cluster.local/ns/a/sa/b")),
             with_ranges(Kind::source_ip, {cidr("10.1.0.0/16")})}),
      any_name,
      with_ranges(Kind::remote_ip, {cidr("192.168.0.0/16"), cidr("1.2.3.4/32")}),
      with_ranges(Kind::direct_remote_ip, {cidr("10.2.0.0/16")}),
      group(Kind::none_of, {header("x-token", regex_match("a+"))}),
  };
  model::RbacPolicy everyone;
  everyone.name = "ns[default]-policy[zz]-rule[0]";
  everyone.permissions = {leaf(Kind::any)};
  everyone.principals = {leaf(Kind::any)};
  rbac.policies = {policy, everyone};
  return rbac;
}

model::Rbac network_rbac() {
  model::Rbac rbac;
  rbac.stat_prefix = "tcp.";
  model::RbacPolicy policy;
  policy.name = "p";
  policy.permissions = {port(9000)};
  policy.principals = {leaf(Condition::Kind::any)};
  rbac.policies = {policy};
  return rbac;
}

std::vector<model::AccessLog> access_logs() {
  return {{.path = "/dev/stdout", .text_format = "[%START_TIME%] %RESPONSE_CODE%\n"},
          {.path = "/tmp/x.log",
           .json_fields = {{"code", "%RESPONSE_CODE%"}, {"time", "%START_TIME%"}},
           .filter = model::AccessLog::Filter::status_5xx},
          {.path = "/dev/stderr", .filter = model::AccessLog::Filter::no_route_only},
          {.path = "/dev/null", .filter = model::AccessLog::Filter::not_health_check}};
}

std::shared_ptr<const model::HttpManager> http_manager(bool inline_routes) {
  using Kind = model::HttpFilter::Kind;
  auto http = std::make_shared<model::HttpManager>();
  http->stat_prefix = "inbound_0.0.0.0_80";
  http->codec = model::HttpManager::Codec::http1;
  if (inline_routes) {
    http->inline_routes = std::make_shared<const model::RouteConfig>(routes()[0]);
  } else {
    http->rds_name = "80";
  }
  model::Rbac shadow = http_rbac();
  shadow.shadow = true;
  shadow.stat_prefix = "istio_dry_run_deny_";
  model::Rbac open;
  open.enforced = false;
  const auto filter = [](Kind kind, std::string name) {
    model::HttpFilter out;
    out.kind = kind;
    out.name = std::move(name);
    return out;
  };
  const auto rbac = [&](model::Rbac rules) {
    model::HttpFilter out = filter(Kind::rbac, "envoy.filters.http.rbac");
    out.rbac = std::make_shared<const model::Rbac>(std::move(rules));
    return out;
  };
  http->filters = {filter(Kind::metadata_exchange, "istio.metadata_exchange"),
                   rbac(http_rbac()),
                   rbac(shadow),
                   rbac(open),
                   filter(Kind::grpc_stats, "envoy.filters.http.grpc_stats"),
                   filter(Kind::istio_alpn, "istio.alpn"),
                   filter(Kind::fault, "envoy.filters.http.fault"),
                   filter(Kind::cors, "envoy.filters.http.cors"),
                   filter(Kind::istio_stats, "istio.stats"),
                   filter(Kind::router, "envoy.filters.http.router")};
  http->access_logs = access_logs();
  http->upgrades = {"websocket"};
  http->stream_idle_timeout = 0s;
  http->request_timeout = 7s;
  http->request_headers_timeout = 8s;
  http->idle_timeout = 9s;
  http->max_connection_duration = 11s;
  http->drain_timeout = 12s;
  http->delayed_close_timeout = 1500ms;
  http->max_request_headers_kb = 96;
  http->max_headers_count = 50;
  http->max_requests_per_connection = 1000;
  http->use_remote_address = true;
  http->xff_trusted_hops = 2;
  http->skip_xff_append = true;
  http->forward_client_cert = model::ForwardClientCert::append_forward;
  http->set_client_cert_uri = http->set_client_cert_dns = http->set_client_cert_subject = true;
  http->normalize_path = true;
  http->merge_slashes = true;
  http->escaped_slashes = model::HttpManager::EscapedSlashes::unescape_forward;
  http->generate_request_id = false;
  http->preserve_external_request_id = true;
  http->always_set_request_id_in_response = true;
  http->accept_http_10 = false;
  http->preserve_header_case = false;
  http->strip_port_from_host = true;
  http->reject_underscore_headers = true;
  http->server_name = "weft";
  http->server_header = model::HttpManager::ServerHeader::pass_through;
  http->http2_max_concurrent_streams = 100;
  http->http2_initial_stream_window = 1 << 20;
  http->http2_initial_connection_window = 1 << 21;
  http->allow_connect = true;
  return http;
}

std::shared_ptr<const model::HttpManager> plain_http_manager() {
  auto http = std::make_shared<model::HttpManager>();
  http->stat_prefix = "ingress";
  http->rds_name = "http.8080";
  http->filters.resize(1);
  http->filters[0].name = "envoy.filters.http.router";
  return http;
}

std::shared_ptr<const model::TcpProxy> tcp_proxy() {
  auto tcp = std::make_shared<model::TcpProxy>();
  tcp->stat_prefix = "tcp";
  tcp->clusters = {{"a", 90}, {"b", 10}};
  tcp->total_weight = 100;
  tcp->idle_timeout = 0s;
  tcp->max_connection_duration = 5min;
  tcp->access_logs = access_logs();
  tcp->origin = "VirtualService default/db tcp[0] mesh.yaml:9";
  return tcp;
}

}  // namespace

std::vector<model::Listener> listeners() {
  model::Listener inbound;
  inbound.name = "virtualInbound";
  inbound.address = address("0.0.0.0:15006");
  inbound.additional_addresses = {address("[::]:15006")};
  inbound.direction = model::Direction::inbound;
  inbound.original_dst_filter = true;
  inbound.tls_inspector = true;
  inbound.http_inspector = true;
  inbound.proxy_protocol = true;
  inbound.transparent = true;
  inbound.detection_timeout = 0s;
  inbound.continue_on_detection_timeout = true;
  inbound.access_logs = access_logs();

  model::FilterChain mtls;
  mtls.name = "mtls";
  mtls.match.destination_port = 80;
  mtls.match.destination = {cidr("10.0.0.0/8"), cidr("fd00::/64")};
  mtls.match.transport_protocol = "tls";
  mtls.match.application_protocols = {"istio", "istio-http/1.1"};
  mtls.match.source = {cidr("10.9.0.0/16")};
  mtls.match.source_ports = {1, 65535};
  mtls.tls.emplace();
  mtls.tls->common.alpn = {"h2", "http/1.1"};
  mtls.tls->common.cipher_suites = {"ECDHE-ECDSA-AES128-GCM-SHA256"};
  mtls.tls->common.certificate = workload("default");
  mtls.tls->common.roots = workload("ROOTCA");
  mtls.tls->require_client_certificate = true;
  mtls.istio_stats = true;
  mtls.network_rbacs = {std::make_shared<const model::Rbac>(network_rbac())};
  mtls.terminal = http_manager(false);

  model::FilterChain tcp;
  tcp.name = "tcp";
  tcp.match.destination_port = 81;
  tcp.match.server_names = {"*.example.com", "a.example.org"};
  tcp.tls.emplace();
  tcp.tls->common.certificate = {.source = model::SecretRef::Source::ads, .name = "kubernetes://web-tls"};
  tcp.terminal = tcp_proxy();

  inbound.chains = {mtls, tcp};
  inbound.default_chain.emplace();
  inbound.default_chain->name = "passthrough";
  inbound.default_chain->terminal = tcp_proxy();

  model::Listener outbound;
  outbound.name = "0.0.0.0_80";
  outbound.address = address("0.0.0.0:80");
  outbound.direction = model::Direction::outbound;
  outbound.bind_to_port = false;
  model::FilterChain http;
  http.terminal = http_manager(true);
  outbound.chains = {http};

  model::Listener redirect;
  redirect.name = "virtualOutbound";
  redirect.address = address("0.0.0.0:15001");
  redirect.direction = model::Direction::outbound;
  redirect.use_original_dst = true;
  model::FilterChain passthrough;
  passthrough.terminal = [] {
    auto only = std::make_shared<model::TcpProxy>();
    only->stat_prefix = "PassthroughCluster";
    only->clusters = {{"PassthroughCluster", 1}};
    return std::shared_ptr<const model::TcpProxy>(only);
  }();
  redirect.chains = {passthrough};

  model::Listener gateway;
  gateway.name = "gateway";
  gateway.address = address("127.0.0.1:8443");
  model::FilterChain files;
  files.tls.emplace();
  files.tls->common.certificate = {
      .source = model::SecretRef::Source::files, .certificate = "/tls/cert.pem", .key = "/tls/key.pem"};
  files.tls->common.roots = {.source = model::SecretRef::Source::files, .ca = "/tls/ca.pem"};
  files.terminal = plain_http_manager();
  gateway.chains = {files};
  return {inbound, outbound, redirect, gateway};
}

std::vector<model::RouteConfig> routes() {
  model::HeaderEdits edits;
  edits.request_add = {{"X-A", "1", model::HeaderEdit::Kind::append_or_add},
                       {"X-B", "2", model::HeaderEdit::Kind::overwrite_or_add},
                       {"X-C", "", model::HeaderEdit::Kind::add_if_absent}};
  edits.request_remove = {"x-gone"};
  edits.response_add = {{"X-D", "%RESPONSE_CODE%", model::HeaderEdit::Kind::overwrite_if_exists}};
  edits.response_remove = {"server"};

  model::RetryPolicy retry;
  retry.on = 0xffffu;
  retry.attempts = 3;
  retry.per_try_timeout = 2s;
  retry.per_try_idle_timeout = 1s;
  retry.status_codes = {503, 429};
  retry.back_off_base = 30ms;
  retry.back_off_max = 900ms;
  retry.avoid_previous_hosts = true;
  retry.host_selection_attempts = 5;

  model::Route weighted;
  weighted.name = "weighted";
  weighted.match.path_kind = model::RouteMatch::Path::path_separated_prefix;
  weighted.match.path = "/api";
  weighted.match.ignore_case = true;
  weighted.match.headers = {
      {.name = "x-user", .value = StringMatch::exact("anna", true)},
      {.name = "cookie", .value = regex_match(".*v=2.*"), .invert = true},
      {.name = "x-here", .present_only = true},
      {.name = "x-not-here", .present_only = true, .invert = true},
      {.name = "x-e", .value = StringMatch::suffix("z"), .treat_missing_as_empty = true}};
  weighted.match.query = {{.name = "q", .value = StringMatch::prefix("a")},
                          {.name = "p", .present_only = true}};
  weighted.match.grpc_only = true;
  weighted.match.runtime_per_million = 123'456;
  weighted.edits = edits;
  weighted.fault_delay = model::FaultDelay{.delay = 250ms, .per_million = 100'000};
  weighted.fault_abort = model::FaultAbort{.http_status = 418, .per_million = 1'234};
  weighted.origin = "VirtualService default/reviews http[0] mesh.yaml:14";
  weighted.config_path = "/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews";
  model::ForwardAction forward;
  forward.clusters = {{.cluster = "v1", .weight = 90, .edits = edits, .host_rewrite = "v1.example.com"},
                      {.cluster = "v2", .weight = 10}};
  forward.total_weight = 100;
  forward.prefix_rewrite = "/v2";
  forward.timeout = 10s;
  forward.idle_timeout = 0s;
  forward.max_grpc_timeout = 0s;
  forward.retry = retry;
  forward.mirrors = {{.cluster = "shadow", .per_million = 55'500}};
  forward.hash_policies = {
      {.kind = model::HashPolicy::Kind::header, .name = "x-user", .terminal = true},
      {.kind = model::HashPolicy::Kind::cookie, .name = "c", .cookie_ttl = 60s, .cookie_path = "/"},
      {.kind = model::HashPolicy::Kind::source_ip},
      {.kind = model::HashPolicy::Kind::query_parameter, .name = "q"}};
  forward.upgrades = {"websocket"};
  forward.cluster_not_found_status = 500;
  weighted.action = forward;

  model::Route rewrite;
  rewrite.match.path_kind = model::RouteMatch::Path::regex;
  rewrite.match.path = "/x/([a-z]+)";
  rewrite.match.regex = regex("/x/([a-z]+)");
  model::ForwardAction one;
  one.clusters = {{.cluster = "one"}};
  one.regex_rewrite = regex("^/x/([a-z]+)");
  one.regex_substitution = "/\\1";
  one.auto_host_rewrite = true;
  one.retry =
      model::RetryPolicy{.on = model::RetryPolicy::connect_failure, .attempts = 2, .is_default = true};
  rewrite.action = one;
  rewrite.fault_abort = model::FaultAbort{.grpc_status = 14, .per_million = 1'000'000};

  model::Route by_header;
  by_header.match.path_kind = model::RouteMatch::Path::exact;
  by_header.match.path = "/exact";
  by_header.action = model::ForwardAction{.cluster_header = "x-cluster", .host_rewrite = "h.example.com"};

  model::Route connect;
  connect.match.path_kind = model::RouteMatch::Path::connect;
  connect.action = model::ForwardAction{.clusters = {{.cluster = "tunnel"}}, .upgrades = {"CONNECT"}};

  model::Route redirect;
  redirect.match.path = "/old";
  redirect.action = model::RedirectAction{.https = true,
                                          .host = "new.example.com",
                                          .port = 8443,
                                          .prefix_rewrite = "/new",
                                          .status = 308,
                                          .strip_query = true};
  model::Route redirect_scheme;
  redirect_scheme.action = model::RedirectAction{.scheme = "ftp", .path = "/p", .status = 302};
  model::Route redirect_regex;
  redirect_regex.action =
      model::RedirectAction{.regex_rewrite = regex("a(b)"), .regex_substitution = "\\1", .status = 307};

  model::Route direct;
  direct.action = model::DirectResponse{.status = 503, .body = std::string(5000, 'x')};
  model::Route nowhere;
  nowhere.action = model::NonForwarding();

  model::VirtualHost host;
  host.name = "reviews";
  host.domains = {"reviews", "reviews.default:80", "*.example.com"};
  host.routes = {weighted, rewrite, by_header, connect, redirect, redirect_scheme, redirect_regex, direct};
  host.edits = edits;
  host.include_attempt_count = true;
  host.retry = retry;
  host.retry->is_default = true;
  model::VirtualHost secure;
  secure.name = "secure";
  secure.domains = {"secure.example.com"};
  secure.require_tls = true;

  model::RouteConfig config;
  config.name = "80";
  config.virtual_hosts = {host, secure};
  config.edits = edits;
  config.ignore_port_in_host = true;

  model::RouteConfig inner;  // what only weftd and gRPC clients see
  inner.name = "inner";
  inner.virtual_hosts.resize(1);
  inner.virtual_hosts[0].name = "n";
  inner.virtual_hosts[0].domains = {"*"};
  inner.virtual_hosts[0].routes = {nowhere};
  return {config, inner};
}

std::vector<model::EndpointSet> endpoints() {
  model::WorkloadInfo info{.workload = "reviews-v1",
                           .workload_namespace = "default",
                           .canonical_service = "reviews",
                           .canonical_revision = "v1",
                           .app = "reviews",
                           .version = "v1",
                           .cluster = "Kubernetes",
                           .principal = "spiffe://cluster.local/ns/default/sa/reviews"};
  const auto workload_info = std::make_shared<const model::WorkloadInfo>(info);
  model::EndpointSet set;
  set.cluster = "outbound|80||reviews.default.svc.cluster.local";
  set.endpoints = {{.address = address("10.0.0.1:8080"),
                    .weight = 3,
                    .locality = {"eu", "eu-1", "a"},
                    .mesh_tls = true,
                    .workload = workload_info},
                   {.address = address("10.0.0.2:8080"), .healthy = false, .locality = {"eu", "eu-1", "a"}},
                   {.address = address("[fd00::1]:8080"),
                    .hostname = "db.example.com",
                    .priority = 1,
                    .locality = {"us", "", ""}},
                   {.address = address("unix:/run/app.sock"), .priority = 1}};
  return {set, {.cluster = "empty"}};
}

std::vector<model::Cluster> clusters() {
  model::Cluster mesh;
  mesh.name = "outbound|80|v1|reviews.default.svc.cluster.local";
  mesh.discovery = model::Discovery::eds;
  mesh.eds_service_name = "reviews";
  mesh.lb = model::LbPolicy::least_request;
  mesh.least_request_choices = 4;
  mesh.connect_timeout = 1500ms;
  mesh.limits = {100, 101, 102, 103};
  mesh.outlier = model::OutlierDetection{.consecutive_5xx = 7,
                                         .enforcing_consecutive_5xx = 90,
                                         .consecutive_gateway_failure = 8,
                                         .enforcing_consecutive_gateway_failure = 100,
                                         .consecutive_local_origin_failure = 9,
                                         .enforcing_consecutive_local_origin_failure = 80,
                                         .split_external_local_origin_errors = true,
                                         .interval = 30s,
                                         .base_ejection_time = 31s,
                                         .max_ejection_time = 400s,
                                         .max_ejection_percent = 50};
  mesh.panic_threshold_percent = 0;
  mesh.max_requests_per_connection = 2;
  mesh.idle_timeout = 30s;
  mesh.max_connection_duration = 90s;
  mesh.max_concurrent_streams = 64;
  mesh.protocol = model::Cluster::Protocol::http2;
  mesh.keepalive = model::Cluster::TcpKeepalive{.probes = 3, .time_s = 4, .interval_s = 5};
  mesh.mesh_tls = mesh_tls();
  mesh.service_host = "reviews.default.svc.cluster.local";
  mesh.service_name = "reviews";
  mesh.service_namespace = "default";
  mesh.subset = "v1";
  mesh.config_path = "/apis/networking.istio.io/v1/namespaces/default/destination-rule/reviews";

  model::Cluster external;
  external.name = "external";
  external.discovery = model::Discovery::strict_dns;
  external.dns_refresh = 7s;
  external.fixed_endpoints = {.cluster = "external",
                              .endpoints = {{.hostname = "db.example.com", .weight = 2}}};
  external.fixed_endpoints.endpoints[0].address.port = 443;
  external.protocol = model::Cluster::Protocol::automatic;
  external.tls.emplace();
  external.tls->common.alpn = {"h2", "http/1.1"};
  external.tls->common.max_version = model::TlsVersion::tls12;
  external.tls->common.roots = {.source = model::SecretRef::Source::inline_,
                                .ca = "-----BEGIN CERTIFICATE-----\n"};
  external.tls->auto_host_sni = true;
  external.tls->auto_san_validation = true;

  model::Cluster passthrough;
  passthrough.name = "InboundPassthroughCluster";
  passthrough.discovery = model::Discovery::original_dst;
  passthrough.lb = model::LbPolicy::cluster_provided;
  passthrough.protocol = model::Cluster::Protocol::as_client;
  passthrough.bind_source = ip("127.0.0.6");
  passthrough.original_dst_use_header = true;
  passthrough.original_dst_port_override = 8080;

  model::Cluster ring;
  ring.name = "ring";
  ring.fixed_endpoints = {.cluster = "ring", .endpoints = {{.address = address("127.0.0.1:80")}}};
  ring.lb = model::LbPolicy::ring_hash;
  ring.ring_size_min = 2048;
  ring.ring_size_max = 4096;
  ring.tls = mesh_tls();
  ring.mesh_tls = mesh_tls();
  ring.tls->auto_san_validation = true;

  model::Cluster maglev;
  maglev.name = "maglev";
  maglev.discovery = model::Discovery::logical_dns;
  maglev.fixed_endpoints = {.cluster = "maglev", .endpoints = {{.hostname = "m.example.com"}}};
  maglev.fixed_endpoints.endpoints[0].address.port = 80;
  maglev.lb = model::LbPolicy::maglev;
  maglev.maglev_table = 65539;

  model::Cluster plain;
  plain.name = "plain";
  plain.lb = model::LbPolicy::random;
  plain.fixed_endpoints.cluster = "plain";

  model::Cluster detected = mesh;
  detected.name = "detected";
  detected.protocol = model::Cluster::Protocol::automatic;
  return {mesh, external, passthrough, ring, maglev, plain, detected};
}

std::vector<model::Secret> secrets() {
  return {{.name = "default",
           .certificate_chain = "-----BEGIN CERTIFICATE-----\n",
           .private_key = "-----BEGIN PRIVATE KEY-----\n"},
          {.name = "ROOTCA", .trusted_ca = "-----BEGIN CERTIFICATE-----\n"}};
}

}  // namespace weft::wire::samples
