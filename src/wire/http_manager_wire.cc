#include "wire/http_manager_wire.h"

#include <algorithm>

#include "base/result.h"
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "envoy/extensions/filters/http/grpc_stats/v3/config.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "wire/access_log_wire.h"
#include "wire/http_options.h"
#include "wire/parts.h"
#include "wire/rbac_wire.h"
#include "wire/route_wire.h"

namespace weft::wire {

namespace {

namespace hcm_pb = envoy::extensions::filters::network::http_connection_manager::v3;
using envoy::extensions::filters::http::cors::v3::Cors;
using envoy::extensions::filters::http::fault::v3::HTTPFault;
using envoy::extensions::filters::http::router::v3::Router;
using GrpcStats = envoy::extensions::filters::http::grpc_stats::v3::FilterConfig;
using Hcm = hcm_pb::HttpConnectionManager;
using model::ForwardClientCert;
using model::HttpFilter;
using model::HttpManager;
using wire::read;
using wire::write;

constexpr uint32_t kMaxHeadersKb = 8192;
constexpr char kHttpRbac[] = "envoy.filters.http.rbac";

// ---- filters

std::string_view weft_name(HttpFilter::Kind kind) {
  switch (kind) {
    case HttpFilter::Kind::istio_stats:
      return "istio_stats";
    case HttpFilter::Kind::istio_alpn:
      return "istio_alpn";
    case HttpFilter::Kind::metadata_exchange:
      return "metadata_exchange";
    default:
      return {};
  }
}

void write_filter(const HttpFilter& from, hcm_pb::HttpFilter& to) {
  to.set_name(from.name);
  const auto named = [&](const char* name) {
    if (from.name.empty()) to.set_name(name);
  };
  switch (from.kind) {
    case HttpFilter::Kind::rbac:
      named(kHttpRbac);
      write_http_rbac(from.rbac ? *from.rbac : model::Rbac{.enforced = false}, *to.mutable_typed_config());
      break;
    case HttpFilter::Kind::fault:
      named(kFaultFilter);
      pack(HTTPFault(), *to.mutable_typed_config());
      break;
    case HttpFilter::Kind::cors:
      named("envoy.filters.http.cors");
      pack(Cors(), *to.mutable_typed_config());
      break;
    case HttpFilter::Kind::grpc_stats:
      named("envoy.filters.http.grpc_stats");
      pack(GrpcStats(), *to.mutable_typed_config());
      break;
    case HttpFilter::Kind::router:
      named("envoy.filters.http.router");
      pack(Router(), *to.mutable_typed_config());
      break;
    case HttpFilter::Kind::istio_stats:
    case HttpFilter::Kind::istio_alpn:
    case HttpFilter::Kind::metadata_exchange:
      break;  // beside
  }
}

void write_filters(const HttpManager& from, Hcm& to, Value::Array& beside) {
  for (size_t i = 0; i < from.filters.size(); ++i) {
    const HttpFilter& filter = from.filters[i];
    const std::string_view kind = weft_name(filter.kind);
    if (kind.empty()) {
      write_filter(filter, *to.add_http_filters());
    } else {
      beside.push_back(Value::Object{{"at", static_cast<int>(i)}, {"kind", kind}, {"name", filter.name}});
    }
  }
}

Read<> read_filter(const hcm_pb::HttpFilter& from, std::vector<HttpFilter>& to, const Place& at) {
  const Place config = at("typed_config");
  const auto& any = from.typed_config();
  if (!from.has_typed_config())
    return not_supported(at, concat(printable(from.name()), " without typed_config"));
  HttpFilter filter;
  filter.name = from.name();
  if (holds<Router>(any)) {
    filter.kind = HttpFilter::Kind::router;
  } else if (holds<HTTPFault>(any)) {
    filter.kind = HttpFilter::Kind::fault;
    // Here it would hit every route; ours is told by the route.
    WEFT_TRY(const auto fault, unpack<HTTPFault>(any, config));
    if (fault.has_delay())
      return not_supported(config("delay"), "outside typed_per_filter_config of a route");
    if (fault.has_abort())
      return not_supported(config("abort"), "outside typed_per_filter_config of a route");
  } else if (holds<Cors>(any)) {
    filter.kind = HttpFilter::Kind::cors;
  } else if (holds<GrpcStats>(any)) {
    filter.kind = HttpFilter::Kind::grpc_stats;
  } else {
    WEFT_TRY(Rbacs rbacs, read_http_rbac(any, config));
    filter.kind = HttpFilter::Kind::rbac;
    for (auto& rbac : rbacs) {
      filter.rbac = std::move(rbac);
      to.push_back(filter);
    }
    return {};
  }
  to.push_back(std::move(filter));
  return {};
}

Read<> insert_beside(const Value& entry, std::vector<HttpFilter>& to, const Place& at) {
  const Value* where = entry.find("at");
  const double* index = where == nullptr ? nullptr : std::get_if<double>(&where->held);
  HttpFilter filter;
  filter.name = entry.text("name");
  bool known = false;
  for (const auto kind :
       {HttpFilter::Kind::istio_stats, HttpFilter::Kind::istio_alpn, HttpFilter::Kind::metadata_exchange}) {
    if (entry.text("kind") != weft_name(kind)) continue;
    filter.kind = kind;
    known = true;
  }
  if (!known || index == nullptr || !(*index >= 0))
    return refuse(at, "names a filter in metadata that weft-proxy does not know");
  const double end = static_cast<double>(to.size());
  to.insert(to.begin() + static_cast<ptrdiff_t>(std::min(*index, end)), std::move(filter));
  return {};
}

Read<> read_filters(const Hcm& from, const Value* beside, HttpManager& to, const Place& at) {
  for (int i = 0; i < from.http_filters_size(); ++i) {
    WEFT_CHECK_OK(read_filter(from.http_filters(i), to.filters, at("http_filters", static_cast<size_t>(i))));
  }
  const auto is_router = [](const HttpFilter& filter) { return filter.kind == HttpFilter::Kind::router; };
  if (to.filters.empty() || !is_router(to.filters.back()) ||
      std::ranges::count_if(to.filters, is_router) != 1) {
    return refuse(at("http_filters"), "must end with envoy.filters.http.router, and hold it once");
  }
  if (beside == nullptr || beside->array() == nullptr) return {};
  for (const Value& entry : *beside->array())
    WEFT_CHECK_OK(insert_beside(entry, to.filters, at("http_filters")));
  return {};
}

// ---- enums

Hcm::ForwardClientCertDetails to_enum(ForwardClientCert from) {
  switch (from) {
    case ForwardClientCert::sanitize:
      return Hcm::SANITIZE;
    case ForwardClientCert::forward_only:
      return Hcm::FORWARD_ONLY;
    case ForwardClientCert::append_forward:
      return Hcm::APPEND_FORWARD;
    case ForwardClientCert::sanitize_set:
      return Hcm::SANITIZE_SET;
    case ForwardClientCert::always_forward_only:
      return Hcm::ALWAYS_FORWARD_ONLY;
  }
  return Hcm::SANITIZE;
}

Read<> read_client_cert(const Hcm& from, HttpManager& to, const Place& at) {
  switch (from.forward_client_cert_details()) {
    case Hcm::SANITIZE:
      to.forward_client_cert = ForwardClientCert::sanitize;
      break;
    case Hcm::FORWARD_ONLY:
      to.forward_client_cert = ForwardClientCert::forward_only;
      break;
    case Hcm::APPEND_FORWARD:
      to.forward_client_cert = ForwardClientCert::append_forward;
      break;
    case Hcm::SANITIZE_SET:
      to.forward_client_cert = ForwardClientCert::sanitize_set;
      break;
    case Hcm::ALWAYS_FORWARD_ONLY:
      to.forward_client_cert = ForwardClientCert::always_forward_only;
      break;
    default:
      return not_supported(at("forward_client_cert_details"));
  }
  const auto& details = from.set_current_client_cert_details();
  to.set_client_cert_subject = details.subject().value();
  to.set_client_cert_uri = details.uri();
  to.set_client_cert_dns = details.dns();
  return {};
}

Read<> read_enums(const Hcm& from, HttpManager& to, const Place& at) {
  switch (from.codec_type()) {
    case Hcm::AUTO:
      to.codec = HttpManager::Codec::automatic;
      break;
    case Hcm::HTTP1:
      to.codec = HttpManager::Codec::http1;
      break;
    case Hcm::HTTP2:
      to.codec = HttpManager::Codec::http2;
      break;
    default:
      return not_supported(at("codec_type"), "HTTP3");
  }
  switch (from.server_header_transformation()) {
    case Hcm::OVERWRITE:
      to.server_header = HttpManager::ServerHeader::overwrite;
      break;
    case Hcm::APPEND_IF_ABSENT:
      to.server_header = HttpManager::ServerHeader::append_if_absent;
      break;
    case Hcm::PASS_THROUGH:
      to.server_header = HttpManager::ServerHeader::pass_through;
      break;
    default:
      return not_supported(at("server_header_transformation"));
  }
  switch (from.path_with_escaped_slashes_action()) {
    case Hcm::IMPLEMENTATION_SPECIFIC_DEFAULT:
    case Hcm::KEEP_UNCHANGED:
      to.escaped_slashes = HttpManager::EscapedSlashes::keep;
      break;
    case Hcm::REJECT_REQUEST:
      to.escaped_slashes = HttpManager::EscapedSlashes::reject;
      break;
    case Hcm::UNESCAPE_AND_REDIRECT:
      to.escaped_slashes = HttpManager::EscapedSlashes::unescape_redirect;
      break;
    case Hcm::UNESCAPE_AND_FORWARD:
      to.escaped_slashes = HttpManager::EscapedSlashes::unescape_forward;
      break;
    default:
      return not_supported(at("path_with_escaped_slashes_action"));
  }
  return {};
}

void write_enums(const HttpManager& from, Hcm& to) {
  static constexpr Hcm::CodecType kCodecs[] = {Hcm::AUTO, Hcm::HTTP1, Hcm::HTTP2};
  to.set_codec_type(kCodecs[static_cast<size_t>(from.codec)]);
  static constexpr Hcm::ServerHeaderTransformation kServer[] = {Hcm::OVERWRITE, Hcm::APPEND_IF_ABSENT,
                                                                Hcm::PASS_THROUGH};
  to.set_server_header_transformation(kServer[static_cast<size_t>(from.server_header)]);
  static constexpr Hcm::PathWithEscapedSlashesAction kSlashes[] = {
      Hcm::KEEP_UNCHANGED, Hcm::REJECT_REQUEST, Hcm::UNESCAPE_AND_REDIRECT, Hcm::UNESCAPE_AND_FORWARD};
  to.set_path_with_escaped_slashes_action(kSlashes[static_cast<size_t>(from.escaped_slashes)]);
  to.set_forward_client_cert_details(to_enum(from.forward_client_cert));
  if (from.set_client_cert_subject || from.set_client_cert_uri || from.set_client_cert_dns) {
    auto& details = *to.mutable_set_current_client_cert_details();
    if (from.set_client_cert_subject) details.mutable_subject()->set_value(true);
    details.set_uri(from.set_client_cert_uri);
    details.set_dns(from.set_client_cert_dns);
  }
}

// ---- options of the protocols

void write_protocols(const HttpManager& from, Hcm& to) {
  auto& common = *to.mutable_common_http_protocol_options();
  write(from.idle_timeout, *common.mutable_idle_timeout());
  if (from.max_connection_duration)
    write(*from.max_connection_duration, *common.mutable_max_connection_duration());
  common.mutable_max_headers_count()->set_value(from.max_headers_count);
  if (from.max_requests_per_connection != 0) {
    common.mutable_max_requests_per_connection()->set_value(from.max_requests_per_connection);
  }
  if (from.reject_underscore_headers) {
    common.set_headers_with_underscores_action(core_pb::HttpProtocolOptions::REJECT_REQUEST);
  }
  to.mutable_http_protocol_options()->set_accept_http_10(from.accept_http_10);
  if (from.preserve_header_case) write_preserve_case(*to.mutable_http_protocol_options());
  auto& h2 = *to.mutable_http2_protocol_options();
  if (from.http2_max_concurrent_streams != 0) {
    h2.mutable_max_concurrent_streams()->set_value(from.http2_max_concurrent_streams);
  }
  if (from.http2_initial_stream_window != 0) {
    h2.mutable_initial_stream_window_size()->set_value(from.http2_initial_stream_window);
  }
  if (from.http2_initial_connection_window != 0) {
    h2.mutable_initial_connection_window_size()->set_value(from.http2_initial_connection_window);
  }
  h2.set_allow_connect(from.allow_connect);
}

Read<> read_common(const core_pb::HttpProtocolOptions& from, HttpManager& to, const Place& at) {
  if (from.has_idle_timeout()) {
    WEFT_TRY(to.idle_timeout, read(from.idle_timeout(), at("idle_timeout")));
  }
  if (from.has_max_connection_duration()) {
    WEFT_TRY(to.max_connection_duration, read(from.max_connection_duration(), at("max_connection_duration")));
  }
  if (from.has_max_headers_count()) to.max_headers_count = from.max_headers_count().value();
  if (to.max_headers_count == 0) return refuse(at("max_headers_count"), "is 0; it is 1 or more");
  if (from.has_max_requests_per_connection())
    to.max_requests_per_connection = from.max_requests_per_connection().value();
  switch (from.headers_with_underscores_action()) {
    case core_pb::HttpProtocolOptions::ALLOW:
      break;
    case core_pb::HttpProtocolOptions::REJECT_REQUEST:
      to.reject_underscore_headers = true;
      break;
    default:
      return not_supported(at("headers_with_underscores_action"), "DROP_HEADER");
  }
  return {};
}

Read<> read_window(bool present, uint32_t value, uint32_t& to, const Place& at) {
  if (!present) return {};
  // RFC 9113, section 6.9.2; below the default an Envoy refuses, too.
  if (value < 65535 || value > 0x7fffffff) return refuse(at, "is not within 65535 and 2147483647");
  to = value;
  return {};
}

Read<> read_protocols(const Hcm& from, HttpManager& to, const Place& at) {
  WEFT_CHECK_OK(read_common(from.common_http_protocol_options(), to, at("common_http_protocol_options")));
  to.accept_http_10 = from.http_protocol_options().accept_http_10();
  const Place h1 = at("http_protocol_options");
  if (!from.http_protocol_options().default_host_for_http_10().empty())
    return not_supported(h1("default_host_for_http_10"));
  WEFT_TRY(to.preserve_header_case, read_preserve_case(from.http_protocol_options(), h1));
  const auto& options = from.http2_protocol_options();
  const Place h2 = at("http2_protocol_options");
  if (options.has_max_concurrent_streams()) {
    to.http2_max_concurrent_streams = options.max_concurrent_streams().value();
    if (to.http2_max_concurrent_streams == 0)
      return refuse(h2("max_concurrent_streams"), "is 0; it is 1 or more");
  }
  WEFT_CHECK_OK(read_window(options.has_initial_stream_window_size(),
                            options.initial_stream_window_size().value(), to.http2_initial_stream_window,
                            h2("initial_stream_window_size")));
  WEFT_CHECK_OK(read_window(options.has_initial_connection_window_size(),
                            options.initial_connection_window_size().value(),
                            to.http2_initial_connection_window, h2("initial_connection_window_size")));
  to.allow_connect = options.allow_connect();
  return {};
}

Read<> read_times(const Hcm& from, HttpManager& to, const Place& at) {
  const auto take = [&at](bool present, const google::protobuf::Duration& value, std::string_view field,
                          Duration& into) -> Read<> {
    if (!present) return {};
    WEFT_TRY(into, read(value, at(field)));
    return {};
  };
  WEFT_CHECK_OK(take(from.has_stream_idle_timeout(), from.stream_idle_timeout(), "stream_idle_timeout",
                     to.stream_idle_timeout));
  WEFT_CHECK_OK(
      take(from.has_request_timeout(), from.request_timeout(), "request_timeout", to.request_timeout));
  WEFT_CHECK_OK(take(from.has_request_headers_timeout(), from.request_headers_timeout(),
                     "request_headers_timeout", to.request_headers_timeout));
  WEFT_CHECK_OK(take(from.has_drain_timeout(), from.drain_timeout(), "drain_timeout", to.drain_timeout));
  return take(from.has_delayed_close_timeout(), from.delayed_close_timeout(), "delayed_close_timeout",
              to.delayed_close_timeout);
}

Read<> read_routes(const Hcm& from, HttpManager& to, const Place& at) {
  if (from.has_route_config()) {
    WEFT_TRY(to.inline_routes, from_message(from.route_config(), at("route_config")));
    return {};
  }
  if (!from.has_rds()) return refuse(at, "has neither rds nor route_config");
  const Place rds = at("rds");
  if (from.rds().route_config_name().empty()) return refuse(rds("route_config_name"), "is empty");
  to.rds_name = from.rds().route_config_name();
  return check_ads(from.rds().config_source(), rds("config_source"));
}

Read<> read_upgrades(const Hcm& from, HttpManager& to, const Place& at) {
  for (int i = 0; i < from.upgrade_configs_size(); ++i) {
    const auto& config = from.upgrade_configs(i);
    const Place place = at("upgrade_configs", static_cast<size_t>(i));
    if (config.upgrade_type().empty()) return refuse(place("upgrade_type"), "is empty");
    if (!config.has_enabled() || config.enabled().value()) to.upgrades.push_back(config.upgrade_type());
  }
  return {};
}

}  // namespace

bool is_http_manager(const google::protobuf::Any& any) { return holds<Hcm>(any); }

void write_http_manager(const HttpManager& from, google::protobuf::Any& to, Value::Array& beside) {
  Hcm hcm;
  hcm.set_stat_prefix(from.stat_prefix);
  if (from.inline_routes) {
    *hcm.mutable_route_config() = to_message(*from.inline_routes);
  } else {
    hcm.mutable_rds()->set_route_config_name(from.rds_name);
    write_ads(*hcm.mutable_rds()->mutable_config_source());
    hcm.mutable_rds()->mutable_config_source()->mutable_initial_fetch_timeout();  // zero: wait for it
  }
  write_filters(from, hcm, beside);
  write(from.access_logs, *hcm.mutable_access_log());
  for (const auto& upgrade : from.upgrades) hcm.add_upgrade_configs()->set_upgrade_type(upgrade);
  write(from.stream_idle_timeout, *hcm.mutable_stream_idle_timeout());
  if (from.request_timeout > Duration::zero()) write(from.request_timeout, *hcm.mutable_request_timeout());
  if (from.request_headers_timeout > Duration::zero()) {
    write(from.request_headers_timeout, *hcm.mutable_request_headers_timeout());
  }
  write(from.drain_timeout, *hcm.mutable_drain_timeout());
  write(from.delayed_close_timeout, *hcm.mutable_delayed_close_timeout());
  write_protocols(from, hcm);
  hcm.mutable_max_request_headers_kb()->set_value(from.max_request_headers_kb);
  hcm.mutable_use_remote_address()->set_value(from.use_remote_address);
  hcm.set_xff_num_trusted_hops(from.xff_trusted_hops);
  hcm.set_skip_xff_append(from.skip_xff_append);
  write_enums(from, hcm);
  hcm.mutable_normalize_path()->set_value(from.normalize_path);
  hcm.set_merge_slashes(from.merge_slashes);
  hcm.mutable_generate_request_id()->set_value(from.generate_request_id);
  hcm.set_preserve_external_request_id(from.preserve_external_request_id);
  hcm.set_always_set_request_id_in_response(from.always_set_request_id_in_response);
  if (from.strip_port_from_host) hcm.set_strip_any_host_port(true);
  hcm.set_server_name(from.server_name);
  pack(hcm, to);
}

void write_grpc_client_manager(std::string_view rds_name, google::protobuf::Any& to) {
  Hcm hcm;
  hcm.mutable_rds()->set_route_config_name(std::string(rds_name));
  write_ads(*hcm.mutable_rds()->mutable_config_source());
  for (const auto kind : {HttpFilter::Kind::fault, HttpFilter::Kind::router}) {
    write_filter({.kind = kind, .name = {}, .rbac = nullptr}, *hcm.add_http_filters());
  }
  pack(hcm, to);
}

Read<std::shared_ptr<const HttpManager>> read_http_manager(const google::protobuf::Any& from,
                                                           const Value* beside, const Place& at) {
  WEFT_TRY(const auto hcm, unpack<Hcm>(from, at));
  auto to = std::make_shared<HttpManager>();
  to->stat_prefix = hcm.stat_prefix();
  WEFT_CHECK_OK(read_routes(hcm, *to, at));
  WEFT_CHECK_OK(read_filters(hcm, beside, *to, at));
  WEFT_TRY(to->access_logs, read_access_logs(hcm.access_log(), "access_log", at));
  WEFT_CHECK_OK(read_upgrades(hcm, *to, at));
  WEFT_CHECK_OK(read_times(hcm, *to, at));
  WEFT_CHECK_OK(read_protocols(hcm, *to, at));
  if (hcm.has_max_request_headers_kb()) {
    to->max_request_headers_kb = hcm.max_request_headers_kb().value();
    if (to->max_request_headers_kb == 0 || to->max_request_headers_kb > kMaxHeadersKb) {
      return refuse(at("max_request_headers_kb"), concat("is not within 1 and ", kMaxHeadersKb));
    }
  }
  to->use_remote_address = hcm.use_remote_address().value();
  to->xff_trusted_hops = hcm.xff_num_trusted_hops();
  to->skip_xff_append = hcm.skip_xff_append();
  WEFT_CHECK_OK(read_client_cert(hcm, *to, at));
  WEFT_CHECK_OK(read_enums(hcm, *to, at));
  to->normalize_path = hcm.normalize_path().value();
  to->merge_slashes = hcm.merge_slashes();
  to->generate_request_id = !hcm.has_generate_request_id() || hcm.generate_request_id().value();
  to->preserve_external_request_id = hcm.preserve_external_request_id();
  to->always_set_request_id_in_response = hcm.always_set_request_id_in_response();
  to->strip_port_from_host = hcm.strip_any_host_port();
  to->server_name = hcm.server_name().empty() ? "envoy" : hcm.server_name();
  return to;
}

}  // namespace weft::wire
