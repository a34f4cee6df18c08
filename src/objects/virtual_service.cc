#include "objects/virtual_service.h"

#include <algorithm>
#include <set>

#include "base/regex.h"
#include "base/strings.h"
#include "objects/readers.h"
#include "objects/retry_on.h"
#include "objects/virtual_service_match.h"

namespace weft::objects {

namespace {

// All hosts are compared with all.
constexpr size_t kMaxHosts = 1000;
constexpr Range<double> kPercent{0, 100, "a percentage is a number from 0 to 100"};

std::optional<Problem> check_destination_host(const std::string& text) {
  if (text == "*") return Problem{"'*' is not one host", "name the service"};
  return check_host_or_ip(text);
}

void read_destination(FieldReader& fields, Destination& out) {
  out.line = fields.line();
  fields.text("host", out.host, check_destination_host);
  fields.require("host", "name the service");
  fields.text("subset", out.subset, check_dns_label);
  fields.object("port", out, [](FieldReader& port, Destination& destination) {
    port.port("number", destination.port);
    port.require("number");
  });
}

// ---- headers

bool names_authority(std::string_view name) {
  return equal_ignoring_case(name, ":authority") || equal_ignoring_case(name, "host");
}

std::optional<Problem> check_edited_header(const std::string& name) {
  if (name.starts_with(':') || names_authority(name)) {
    return Problem{concat(quoted(name), " cannot be changed here"),
                   "of these only Host can be set or added, to requests"};
  }
  return check_header_name(name);
}

std::optional<Problem> check_request_header(const std::string& name) {
  return names_authority(name) ? std::nullopt : check_edited_header(name);
}

void read_header_edits(FieldReader& fields, HeaderEdits& out) {
  const auto read = [](FieldReader& operations, HeaderOperations& value, const TextCheck& check_name) {
    operations.text_pairs("set", value.set, check_name, check_header_value);
    operations.text_pairs("add", value.add, check_name, check_header_value);
    operations.texts("remove", value.remove, check_edited_header);
  };
  fields.object("request", out.request, [&](FieldReader& inner, HeaderOperations& value) {
    read(inner, value, check_request_header);
  });
  fields.object("response", out.response, [&](FieldReader& inner, HeaderOperations& value) {
    read(inner, value, check_edited_header);
  });
}

// ---- http: what is done with a request

void read_http_destination(FieldReader& fields, HttpDestination& out) {
  fields.object("destination", out.destination, read_destination);
  fields.require("destination", "say where the requests go");
  fields.integer("weight", out.weight, {0, INT32_MAX, "a weight is 0 or more"});
  fields.object("headers", out.headers, read_header_edits);
}

template <typename Weighted>
void check_weights(FieldReader& fields, const std::vector<Weighted>& route) {
  if (route.size() < 2) return;
  const bool any =
      std::any_of(route.begin(), route.end(), [](const Weighted& one) { return one.weight > 0; });
  // A weight that is wrong has had its complaint.
  if (!any && fields.clean()) {
    fields.error("route", concat("none of the ", route.size(), " destinations has a weight above 0"),
                 "weights are shares of their sum: give at least one a share");
  }
}

void read_redirect(FieldReader& fields, HttpRedirect& out) {
  fields.text("uri", out.uri);
  fields.text("prefixRewrite", out.prefix_rewrite);
  fields.text("authority", out.authority);
  fields.text("scheme", out.scheme, [](const std::string& text) -> std::optional<Problem> {
    if (text == "http" || text == "https") return std::nullopt;
    return not_among(text, {"http", "https"});
  });
  fields.port("port", out.port);
  fields.choice("derivePort", out.derive_port,
                {{"FROM_PROTOCOL_DEFAULT", HttpRedirect::DerivePort::from_protocol_default},
                 {"FROM_REQUEST_PORT", HttpRedirect::DerivePort::from_request_port}});
  fields.integer("redirectCode", out.code, {300, 399, "a redirect code is a number from 300 to 399"});
  fields.at_most_one_of({"uri", "prefixRewrite"});
  fields.at_most_one_of({"port", "derivePort"});
  const bool says_something = fields.has("uri") || fields.has("prefixRewrite") || fields.has("authority") ||
                              fields.has("scheme") || fields.has("port") || fields.has("derivePort");
  if (!says_something)
    fields.error("", "changes nothing", "write uri, prefixRewrite, authority, scheme or port");
}

constexpr size_t kBiggestBody = 1 << 20;

void read_direct_response(FieldReader& fields, DirectResponse& out) {
  fields.integer("status", out.status, {200, 599, "a status is a number from 200 to 599"});
  fields.require("status");
  out.has_body = fields.has("body");
  fields.object("body", out.body, [](FieldReader& inner, std::string& body) {
    inner.text("string", body);
    std::string encoded;
    if (inner.text("bytes", encoded)) {
      if (auto bytes = base64_decode(encoded)) {
        body = std::move(*bytes);
      } else {
        inner.error("bytes", "is not base64", "encode it, or use string");
      }
    }
    inner.at_most_one_of({"string", "bytes"});
    if (body.size() > kBiggestBody)
      inner.error("", concat("is bigger than ", kBiggestBody, " bytes"), "shorten it");
  });
}

void read_delegate(FieldReader& fields, Delegate& out) {
  fields.text("name", out.name, check_dns_subdomain);
  fields.text("namespace", out.namespace_name, check_dns_label);
}

void read_regex_rewrite(FieldReader& fields, HttpRewrite::Regex& out) {
  fields.text("match", out.match, check_regex);
  fields.require("match");
  fields.text("rewrite", out.rewrite, check_not_empty);
  fields.require("rewrite");
  const auto regex = Regex::compile(out.match);
  if (!regex) return;
  for (size_t i = 0; i + 1 < out.rewrite.size(); ++i) {
    if (out.rewrite[i] != '\\') continue;
    const char group = out.rewrite[++i];
    if (group == '\\' || (group >= '0' && group - '0' <= regex->groups() && group <= '9')) continue;
    fields.error(
        "rewrite",
        concat("refers to \\", printable({&group, 1}), ", and the pattern has ", regex->groups(), " groups"),
        "refer to groups by \\1 to \\9; \\0 is the whole match");
    return;
  }
}

void read_rewrite(FieldReader& fields, HttpRewrite& out) {
  fields.text("uri", out.uri);
  fields.text("authority", out.authority);
  fields.object("uriRegexRewrite", out.uri_regex, read_regex_rewrite);
  fields.at_most_one_of({"uri", "uriRegexRewrite"});
  if (!fields.has("uri") && !fields.has("authority") && !fields.has("uriRegexRewrite")) {
    fields.error("", "changes nothing", "write uri, uriRegexRewrite or authority");
  }
}

void read_retries(FieldReader& fields, HttpRetry& out) {
  fields.integer("attempts", out.attempts, {0, INT32_MAX, "write a number of retries, 0 for none"});
  fields.duration("perTryTimeout", out.per_try_timeout);
  if (fields.text("retryOn", out.retry_on, check_retry_on)) std::erase(out.retry_on, ' ');
  fields.boolean("retryRemoteLocalities", out.retry_remote_localities);
  fields.boolean("retryIgnorePreviousHosts", out.retry_ignore_previous_hosts);
  fields.duration("backoff", out.backoff);
  if (out.attempts != 0 || !fields.clean()) return;
  for (const std::string_view name : {"perTryTimeout", "retryOn", "retryRemoteLocalities"}) {
    if (!fields.has(name)) continue;
    fields.error(name, "has no effect: attempts is 0, which turns retries off",
                 "set attempts, or remove this");
    return;
  }
}

void read_percentage(FieldReader& fields, std::string_view name, double& out) {
  fields.object(name, out, [](FieldReader& inner, double& value) {
    value = 0;  // a Percent without a value is 0
    inner.number("value", value, kPercent);
  });
}

void read_delay(FieldReader& fields, HttpFault::Delay& out) {
  fields.duration("fixedDelay", out.fixed);
  fields.accept("exponentialDelay");
  double old_percent = 0;
  if (fields.number("percent", old_percent, kPercent)) {
    out.percent = old_percent;
    fields.warning("percent", "is deprecated", "write percentage: {value: ...}");
  }
  read_percentage(fields, "percentage", out.percent);
  fields.at_most_one_of({"fixedDelay", "exponentialDelay"});
  if (!fields.has("fixedDelay") && !fields.has("exponentialDelay")) {
    fields.warning("", "delays nothing: it does not say how long", "write fixedDelay");
    out.percent = 0;
  }
}

std::optional<Problem> check_grpc_status(const std::string& text) {
  static const std::vector<std::string_view> kStatuses = {"OK",
                                                          "CANCELLED",
                                                          "UNKNOWN",
                                                          "INVALID_ARGUMENT",
                                                          "DEADLINE_EXCEEDED",
                                                          "NOT_FOUND",
                                                          "ABORTED",
                                                          "ALREADY_EXISTS",
                                                          "OUT_OF_RANGE",
                                                          "RESOURCE_EXHAUSTED",
                                                          "PERMISSION_DENIED",
                                                          "UNIMPLEMENTED",
                                                          "INTERNAL",
                                                          "FAILED_PRECONDITION",
                                                          "UNAVAILABLE",
                                                          "DATA_LOSS",
                                                          "UNAUTHENTICATED"};
  if (std::find(kStatuses.begin(), kStatuses.end(), text) != kStatuses.end()) return std::nullopt;
  const auto number = parse_unsigned(text);
  if (number && *number <= 16) return std::nullopt;
  return Problem{concat(quoted(text), " is not a gRPC status"), did_you_mean(text, kStatuses)};
}

void read_abort(FieldReader& fields, HttpFault::Abort& out) {
  fields.integer("httpStatus", out.http_status, {200, 599, "a status is a number from 200 to 599"});
  fields.text("grpcStatus", out.grpc_status, check_grpc_status);
  fields.accept("http2Error");
  read_percentage(fields, "percentage", out.percent);
  fields.at_most_one_of({"httpStatus", "grpcStatus", "http2Error"});
  if (!fields.has("httpStatus") && !fields.has("grpcStatus") && !fields.has("http2Error")) {
    fields.warning("", "aborts nothing: it says no status", "write httpStatus or grpcStatus");
    out.percent = 0;
  }
}

void read_fault(FieldReader& fields, HttpFault& out) {
  fields.object("delay", out.delay, read_delay);
  fields.object("abort", out.abort, read_abort);
  if (!fields.has("delay") && !fields.has("abort")) fields.error("", "does nothing", "write delay or abort");
  const auto warn_if_never = [&](std::string_view name, const auto& fault) {
    // Istio's API: without a percentage no request is touched.
    if (fault && fault->percent == 0 && fields.clean()) {
      fields.warning(name, "touches no request: its percentage is 0",
                     "write percentage: {value: 100} for every request");
    }
  };
  warn_if_never("delay", out.delay);
  warn_if_never("abort", out.abort);
}

void read_mirrors(FieldReader& fields, std::vector<HttpMirror>& out) {
  fields.list("mirrors", out, [](FieldReader& inner, HttpMirror& mirror) {
    inner.object("destination", mirror.destination, read_destination);
    inner.require("destination");
    read_percentage(inner, "percentage", mirror.percent);
  });
  HttpMirror single;
  const bool has_single = fields.object("mirror", single.destination, read_destination);
  for (const std::string_view old_name : {"mirrorPercent", "mirror_percent"}) {
    if (fields.number(old_name, single.percent, kPercent)) {
      fields.warning(old_name, "is deprecated", "write mirrorPercentage: {value: ...}");
    }
  }
  read_percentage(fields, "mirrorPercentage", single.percent);
  if (has_single) {
    single.single = true;
    out.push_back(std::move(single));
  }
  fields.at_most_one_of({"mirror", "mirrors"});
  for (const std::string_view share : {"mirrorPercentage", "mirrorPercent", "mirror_percent"}) {
    if (fields.has(share) && !has_single)
      fields.warning(share, "has no effect without mirror",
                     fields.has("mirrors") ? "write percentage in each item of mirrors" : "write mirror");
  }
  for (const std::string_view name : {"mirror", "mirrors"}) {
    if (fields.has(name) && !fields.has("route"))
      fields.warning(name, "copies nothing: only requests of a route are copied",
                     "write route, or remove it");
  }
}

void read_cors(FieldReader& fields, CorsPolicy& out) {
  fields.list("allowOrigins", out.allow_origins, [](FieldReader& inner, StringMatch& origin) {
    read_string_match(inner, origin);
    if (origin.text.empty()) inner.error("", "names no origin", "write exact, prefix or regex");
  });
  std::vector<std::string> old_origins;
  if (fields.texts("allowOrigin", old_origins)) {
    fields.warning("allowOrigin", "is deprecated", "write allowOrigins");
    for (std::string& origin : old_origins) {
      out.allow_origins.push_back({StringMatch::Kind::exact, std::move(origin)});
    }
  }
  const auto check_name = [](const std::string& name) {
    return name == "*" ? std::nullopt : check_header_name(name);
  };
  fields.texts("allowMethods", out.allow_methods, check_name);
  fields.texts("allowHeaders", out.allow_headers, check_name);
  fields.texts("exposeHeaders", out.expose_headers, check_name);
  fields.duration("maxAge", out.max_age);
  if (out.max_age && *out.max_age % 1s != 0s) fields.error("maxAge", "is not whole seconds", "round it");
  fields.boolean("allowCredentials", out.allow_credentials);
  fields.choice("unmatchedPreflights", out.unmatched_preflights,
                {{"UNSPECIFIED", CorsPolicy::Preflight::forward},
                 {"FORWARD", CorsPolicy::Preflight::forward},
                 {"IGNORE", CorsPolicy::Preflight::ignore}});
}

// Istio: the authority may be rewritten in one place only.
void check_one_authority(FieldReader& fields, const HttpRoute& route) {
  int places = route.rewrite && !route.rewrite->authority.empty() ? 1 : 0;
  for (const auto* edits : {&route.headers.request.set, &route.headers.request.add}) {
    for (const auto& edit : *edits) places += names_authority(edit.first) ? 1 : 0;
  }
  if (places > 1) fields.error("headers", "sets the authority a second time", "set it in one place");
}

void check_action(FieldReader& fields) {
  fields.at_most_one_of({"route", "redirect", "directResponse", "delegate"});
  const bool has_action =
      fields.has("route") || fields.has("redirect") || fields.has("directResponse") || fields.has("delegate");
  if (!has_action)
    fields.error("", "says nothing to do with a request", "write route, redirect or directResponse");
  fields.at_most_one_of({"redirect", "rewrite"});
  fields.at_most_one_of({"redirect", "fault"});
  fields.at_most_one_of({"directResponse", "rewrite"});
}

void read_http_route(FieldReader& fields, HttpRoute& out) {
  out.line = fields.line();
  fields.text("name", out.name);
  fields.list("match", out.match, read_http_match);
  fields.list("route", out.route, read_http_destination);
  check_weights(fields, out.route);
  fields.object("redirect", out.redirect, read_redirect);
  fields.object("directResponse", out.direct_response, read_direct_response);
  fields.object("delegate", out.delegate, read_delegate);
  check_action(fields);
  if (fields.has("route") && out.route.empty())
    fields.error("route", "is empty", "list where the requests go");
  fields.object("rewrite", out.rewrite, read_rewrite);
  fields.duration("timeout", out.timeout);
  fields.object("retries", out.retries, read_retries);
  fields.object("fault", out.fault, read_fault);
  read_mirrors(fields, out.mirrors);
  fields.object("corsPolicy", out.cors, read_cors);
  fields.object("headers", out.headers, read_header_edits);
  check_one_authority(fields, out);
}

// ---- tls and tcp

void read_l4_destination(FieldReader& fields, L4Destination& out) {
  fields.object("destination", out.destination, read_destination);
  fields.require("destination", "say where the connections go");
  fields.integer("weight", out.weight, {0, INT32_MAX, "a weight is 0 or more"});
}

template <typename Match>
void read_l4_match(FieldReader& fields, Match& out) {
  out.line = fields.line();
  fields.texts("destinationSubnets", out.destination_subnets, check_cidr);
  fields.port("port", out.port);
  fields.texts("gateways", out.gateways, check_gateway_ref);
  fields.labels("sourceLabels", out.source_labels);
  fields.text("sourceNamespace", out.source_namespace, check_dns_label);
}

void read_tls_match(FieldReader& fields, TlsMatch& out, const std::vector<std::string>& hosts) {
  read_l4_match(fields, out);
  fields.texts("sniHosts", out.sni_hosts, check_wildcard_host);
  if (out.sni_hosts.empty() && fields.clean()) fields.error("sniHosts", "is required", "name a host");
  if (!fields.at_most("sniHosts", kMaxHosts) || hosts.size() > kMaxHosts) return;
  for (const std::string& sni : out.sni_hosts) {
    const bool covered = std::any_of(hosts.begin(), hosts.end(),
                                     [&](const std::string& host) { return host_covers(host, sni); });
    if (!covered) {
      fields.error("sniHosts", concat(quoted(sni), " is not among the hosts of this VirtualService"),
                   "add it to spec.hosts");
    }
  }
}

template <typename Route>
void read_l4_route_tail(FieldReader& fields, Route& out) {
  out.line = fields.line();
  fields.list("route", out.route, read_l4_destination);
  if (out.route.empty() && fields.clean())
    fields.error("route", "is required", "list where the connections go");
  check_weights(fields, out.route);
}

void read_tcp_match(FieldReader& fields, TcpMatch& out) {
  read_l4_match(fields, out);
  fields.text("sourceSubnet", out.source_subnet, check_cidr);
}

// ---- the whole

void check_hosts(FieldReader& fields, const VirtualService& out) {
  const auto& gateways = out.gateways;
  const bool in_mesh =
      gateways.empty() || std::find(gateways.begin(), gateways.end(), "mesh") != gateways.end();
  for (const std::string& host : out.hosts) {
    if (host == "*" && in_mesh) {
      fields.error("hosts", "'*' is not possible for sidecars, and this holds for them",
                   "name the hosts, or name gateways without 'mesh'");
    }
  }
  for (size_t i = 0; i < out.hosts.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (!host_covers(out.hosts[i], out.hosts[j]) && !host_covers(out.hosts[j], out.hosts[i])) continue;
      fields.error("hosts", concat(quoted(out.hosts[i]), " and ", quoted(out.hosts[j]), " overlap"),
                   "remove one");
    }
  }
}

// A rule without conditions takes every request, so what follows it gets none.
void warn_about_unreachable(FieldReader& fields, const std::vector<HttpRoute>& http) {
  const auto last =
      std::find_if(http.begin(), http.end(), [](const HttpRoute& route) { return route.match.empty(); });
  if (last == http.end() || std::next(last) == http.end()) return;
  fields.warning(
      "http",
      concat("the rules after the one on line ", last->line, " are never reached, for it has no match"),
      "move it to the end", "IST0130");
}

void read_spec(FieldReader& fields, VirtualService& out) {
  fields.texts("hosts", out.hosts, check_host_or_ip);
  if (!fields.has("hosts")) {
    fields.error(
        "hosts", "is required",
        "name the hosts; a VirtualService without hosts, to be delegated to, is not supported yet by Weft");
  }
  fields.texts("gateways", out.gateways, check_gateway_ref);
  if (fields.at_most("hosts", kMaxHosts)) check_hosts(fields, out);
  fields.list("http", out.http, read_http_route);
  warn_about_unreachable(fields, out.http);
  fields.list("tls", out.tls, [&](FieldReader& route, TlsRoute& value) {
    route.list("match", value.match,
               [&](FieldReader& match, TlsMatch& condition) { read_tls_match(match, condition, out.hosts); });
    route.require("match", "name the sniHosts");
    read_l4_route_tail(route, value);
  });
  fields.list("tcp", out.tcp, [](FieldReader& route, TcpRoute& value) {
    route.list("match", value.match, read_tcp_match);
    read_l4_route_tail(route, value);
  });
  if (!fields.has("http") && !fields.has("tls") && !fields.has("tcp")) {
    fields.error("", "has no routes", "write http, tls or tcp");
  }
  read_export_to(fields, out.export_to);
}

}  // namespace

void read_object(FieldReader& fields, VirtualService& out) {
  fields.object("spec", out, read_spec);
  fields.require("spec");
  fields.accept("status");
}

}  // namespace weft::objects
