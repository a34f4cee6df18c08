#include "wire/cluster_wire.h"

#include <algorithm>
#include <cmath>

#include "base/result.h"
#include "envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"
#include "wire/http_options.h"
#include "wire/parts.h"
#include "wire/tls_wire.h"

namespace weft::wire {

namespace {

namespace upstream_pb = envoy::extensions::upstreams::http::v3;
using model::Cluster;
using model::Discovery;
using model::LbPolicy;
using model::OutlierDetection;
using model::PoolLimits;
using wire::read;
using wire::write;

constexpr char kHttpOptions[] = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
constexpr char kMeshTls[] = "tlsMode-istio";
constexpr char kPlain[] = "tlsMode-disabled";
constexpr char kOriginalDstHeader[] = "x-envoy-original-dst-host";
constexpr uint32_t kDefaultStreams = 0x7fffffff;
// What xDS means by a threshold that is not said.
constexpr PoolLimits kXdsLimits = {1024, 1024, 1024, 3};
constexpr uint64_t kMaxRing = 8 * 1024 * 1024;
constexpr uint64_t kMaxMaglevTable = 5'000'011;

// ---- what kind of cluster it is

void write_discovery(const Cluster& from, cluster_pb::Cluster& to) {
  switch (from.discovery) {
    case Discovery::fixed:
      to.set_type(cluster_pb::Cluster::STATIC);
      break;
    case Discovery::eds:
      to.set_type(cluster_pb::Cluster::EDS);
      write_ads(*to.mutable_eds_cluster_config()->mutable_eds_config());
      to.mutable_eds_cluster_config()->set_service_name(from.eds_service_name);
      return;
    case Discovery::strict_dns:
      to.set_type(cluster_pb::Cluster::STRICT_DNS);
      write(from.dns_refresh, *to.mutable_dns_refresh_rate());
      break;
    case Discovery::logical_dns:
      to.set_type(cluster_pb::Cluster::LOGICAL_DNS);
      write(from.dns_refresh, *to.mutable_dns_refresh_rate());
      break;
    case Discovery::original_dst: {
      to.set_type(cluster_pb::Cluster::ORIGINAL_DST);
      if (!from.original_dst_use_header && !from.original_dst_port_override) return;
      auto& config = *to.mutable_original_dst_lb_config();
      config.set_use_http_header(from.original_dst_use_header);
      if (from.original_dst_port_override) {
        config.mutable_upstream_port_override()->set_value(*from.original_dst_port_override);
      }
      return;
    }
  }
  *to.mutable_load_assignment() = to_message(from.fixed_endpoints);
  // Envoy wants a name; the cluster's own where the set has none.
  if (from.fixed_endpoints.cluster.empty()) to.mutable_load_assignment()->set_cluster_name(from.name);
}

Read<> read_fixed(const cluster_pb::Cluster& from, Cluster& to, const Place& at) {
  const Place place = at("load_assignment");
  WEFT_TRY(to.fixed_endpoints, read_endpoints(from.load_assignment(), place));
  if (to.fixed_endpoints.cluster.empty()) to.fixed_endpoints.cluster = to.name;
  const bool by_name = to.discovery != Discovery::fixed;
  for (const auto& endpoint : to.fixed_endpoints.endpoints) {
    const bool is_name =
        !endpoint.hostname.empty() && endpoint.address.ip.is_unspecified() && !endpoint.address.is_unix();
    if (is_name && !by_name) {
      return refuse(place, concat("holds \"", printable(endpoint.hostname),
                                  "\", which is no IP address; a cluster of type STRICT_DNS resolves names"));
    }
  }
  if (to.discovery == Discovery::logical_dns && to.fixed_endpoints.endpoints.size() != 1) {
    return refuse(place, "must hold one endpoint in a cluster of type LOGICAL_DNS");
  }
  return {};
}

Read<> read_original_dst(const cluster_pb::Cluster& from, Cluster& to, const Place& at) {
  const Place place = at("original_dst_lb_config");
  const auto& config = from.original_dst_lb_config();
  to.original_dst_use_header = config.use_http_header();
  if (!config.http_header_name().empty() && to_lower(config.http_header_name()) != kOriginalDstHeader) {
    return not_supported(place("http_header_name"), printable(config.http_header_name()));
  }
  if (config.has_upstream_port_override()) {
    WEFT_TRY(to.original_dst_port_override,
             read_port(config.upstream_port_override().value(), place("upstream_port_override")));
  }
  return {};
}

Read<> read_discovery(const cluster_pb::Cluster& from, Cluster& to, const Place& at) {
  const bool discovers =
      from.type() == cluster_pb::Cluster::EDS || from.type() == cluster_pb::Cluster::ORIGINAL_DST;
  if (discovers && from.has_load_assignment()) {
    return refuse(at("load_assignment"), "does not go with a type of EDS or ORIGINAL_DST");
  }
  if (from.type() != cluster_pb::Cluster::EDS && from.has_eds_cluster_config()) {
    return refuse(at("eds_cluster_config"), "goes only with a type of EDS");
  }
  switch (from.type()) {
    case cluster_pb::Cluster::STATIC:
      to.discovery = Discovery::fixed;
      break;
    case cluster_pb::Cluster::STRICT_DNS:
      to.discovery = Discovery::strict_dns;
      break;
    case cluster_pb::Cluster::LOGICAL_DNS:
      to.discovery = Discovery::logical_dns;
      break;
    case cluster_pb::Cluster::EDS: {
      to.discovery = Discovery::eds;
      const Place place = at("eds_cluster_config");
      to.eds_service_name = from.eds_cluster_config().service_name();
      return check_ads(from.eds_cluster_config().eds_config(), place("eds_config"));
    }
    case cluster_pb::Cluster::ORIGINAL_DST:
      to.discovery = Discovery::original_dst;
      return read_original_dst(from, to, at);
    default:
      return not_supported(at("type"), std::to_string(from.type()));
  }
  if (from.has_dns_refresh_rate()) {
    WEFT_TRY(to.dns_refresh, read(from.dns_refresh_rate(), at("dns_refresh_rate")));
    if (to.dns_refresh < std::chrono::milliseconds(1)) return refuse(at("dns_refresh_rate"), "is below 1 ms");
  }
  return read_fixed(from, to, at);
}

// ---- balancing

void write_balancing(const Cluster& from, cluster_pb::Cluster& to) {
  switch (from.lb) {
    case LbPolicy::round_robin:
      to.set_lb_policy(cluster_pb::Cluster::ROUND_ROBIN);
      break;
    case LbPolicy::least_request:
      to.set_lb_policy(cluster_pb::Cluster::LEAST_REQUEST);
      if (from.least_request_choices != 2) {
        to.mutable_least_request_lb_config()->mutable_choice_count()->set_value(from.least_request_choices);
      }
      break;
    case LbPolicy::random:
      to.set_lb_policy(cluster_pb::Cluster::RANDOM);
      break;
    case LbPolicy::ring_hash: {
      to.set_lb_policy(cluster_pb::Cluster::RING_HASH);
      auto& config = *to.mutable_ring_hash_lb_config();
      config.mutable_minimum_ring_size()->set_value(from.ring_size_min);
      config.mutable_maximum_ring_size()->set_value(from.ring_size_max);
      break;
    }
    case LbPolicy::maglev:
      to.set_lb_policy(cluster_pb::Cluster::MAGLEV);
      to.mutable_maglev_lb_config()->mutable_table_size()->set_value(from.maglev_table);
      break;
    case LbPolicy::cluster_provided:
      to.set_lb_policy(cluster_pb::Cluster::CLUSTER_PROVIDED);
      break;
  }
  to.mutable_common_lb_config()->mutable_healthy_panic_threshold()->set_value(from.panic_threshold_percent);
}

Read<> read_ring(const cluster_pb::Cluster::RingHashLbConfig& from, Cluster& to, const Place& at) {
  if (from.hash_function() != cluster_pb::Cluster::RingHashLbConfig::XX_HASH) {
    return not_supported(at("hash_function"), "MURMUR_HASH_2");
  }
  if (from.has_minimum_ring_size()) to.ring_size_min = from.minimum_ring_size().value();
  if (from.has_maximum_ring_size()) to.ring_size_max = from.maximum_ring_size().value();
  if (to.ring_size_min > kMaxRing) return refuse(at("minimum_ring_size"), concat("is above ", kMaxRing));
  if (to.ring_size_max > kMaxRing) return refuse(at("maximum_ring_size"), concat("is above ", kMaxRing));
  if (to.ring_size_min > to.ring_size_max) return refuse(at, "has minimum_ring_size above maximum_ring_size");
  return {};
}

bool is_prime(uint64_t number) {
  for (uint64_t divisor = 2; divisor * divisor <= number; ++divisor) {
    if (number % divisor == 0) return false;
  }
  return number > 1;
}

Read<> read_balancing(const cluster_pb::Cluster& from, Cluster& to, const Place& at) {
  switch (from.lb_policy()) {
    case cluster_pb::Cluster::ROUND_ROBIN:
      to.lb = LbPolicy::round_robin;
      break;
    case cluster_pb::Cluster::LEAST_REQUEST:
      to.lb = LbPolicy::least_request;
      break;
    case cluster_pb::Cluster::RANDOM:
      to.lb = LbPolicy::random;
      break;
    case cluster_pb::Cluster::RING_HASH:
      to.lb = LbPolicy::ring_hash;
      break;
    case cluster_pb::Cluster::MAGLEV:
      to.lb = LbPolicy::maglev;
      break;
    case cluster_pb::Cluster::CLUSTER_PROVIDED:
      to.lb = LbPolicy::cluster_provided;
      break;
    default:
      return not_supported(at("lb_policy"), std::to_string(from.lb_policy()));
  }
  const bool provided = to.lb == LbPolicy::cluster_provided;
  if (provided != (to.discovery == Discovery::original_dst)) {
    return refuse(at("lb_policy"), "is CLUSTER_PROVIDED exactly where type is ORIGINAL_DST");
  }
  if (from.has_least_request_lb_config() && from.least_request_lb_config().has_choice_count()) {
    to.least_request_choices = from.least_request_lb_config().choice_count().value();
    const Place place = at("least_request_lb_config");
    if (to.least_request_choices < 2) return refuse(place("choice_count"), "is below 2");
  }
  if (from.has_ring_hash_lb_config()) {
    WEFT_CHECK_OK(read_ring(from.ring_hash_lb_config(), to, at("ring_hash_lb_config")));
  }
  if (from.maglev_lb_config().has_table_size()) {
    const Place place = at("maglev_lb_config");
    to.maglev_table = from.maglev_lb_config().table_size().value();
    if (to.maglev_table > kMaxMaglevTable || !is_prime(to.maglev_table)) {
      return refuse(place("table_size"),
                    concat("is ", to.maglev_table, "; it is a prime up to ", kMaxMaglevTable));
    }
  }
  if (from.common_lb_config().has_healthy_panic_threshold()) {
    const double percent = from.common_lb_config().healthy_panic_threshold().value();
    const Place place = at("common_lb_config");
    if (!(percent >= 0 && percent <= 100))
      return refuse(place("healthy_panic_threshold"), "is not a percentage");
    to.panic_threshold_percent = static_cast<uint32_t>(std::lround(percent));
  }
  return {};
}

// ---- limits and outliers

void write_limits(const PoolLimits& from, cluster_pb::CircuitBreakers& to) {
  auto& thresholds = *to.add_thresholds();
  thresholds.mutable_max_connections()->set_value(from.max_connections);
  thresholds.mutable_max_pending_requests()->set_value(from.max_pending_requests);
  thresholds.mutable_max_requests()->set_value(from.max_requests);
  thresholds.mutable_max_retries()->set_value(from.max_retries);
}

PoolLimits read_limits(const cluster_pb::CircuitBreakers& from) {
  PoolLimits limits = kXdsLimits;
  for (const auto& thresholds : from.thresholds()) {
    // Thresholds of the HIGH priority bind no request: routes of that priority are refused.
    if (thresholds.priority() != core_pb::DEFAULT) continue;
    if (thresholds.has_max_connections()) limits.max_connections = thresholds.max_connections().value();
    if (thresholds.has_max_pending_requests())
      limits.max_pending_requests = thresholds.max_pending_requests().value();
    if (thresholds.has_max_requests()) limits.max_requests = thresholds.max_requests().value();
    if (thresholds.has_max_retries()) limits.max_retries = thresholds.max_retries().value();
    break;
  }
  return limits;
}

void write(const OutlierDetection& from, cluster_pb::OutlierDetection& to) {
  to.mutable_consecutive_5xx()->set_value(from.consecutive_5xx);
  to.mutable_enforcing_consecutive_5xx()->set_value(from.enforcing_consecutive_5xx);
  to.mutable_consecutive_gateway_failure()->set_value(from.consecutive_gateway_failure);
  to.mutable_enforcing_consecutive_gateway_failure()->set_value(from.enforcing_consecutive_gateway_failure);
  to.mutable_consecutive_local_origin_failure()->set_value(from.consecutive_local_origin_failure);
  to.mutable_enforcing_consecutive_local_origin_failure()->set_value(
      from.enforcing_consecutive_local_origin_failure);
  to.set_split_external_local_origin_errors(from.split_external_local_origin_errors);
  write(from.interval, *to.mutable_interval());
  write(from.base_ejection_time, *to.mutable_base_ejection_time());
  write(std::max(from.max_ejection_time, from.base_ejection_time), *to.mutable_max_ejection_time());
  to.mutable_max_ejection_percent()->set_value(from.max_ejection_percent);
  // On unless they are told off.
  to.mutable_enforcing_success_rate()->set_value(0);
  to.mutable_enforcing_local_origin_success_rate()->set_value(0);
}

// Detectors that do not exist here must not be asked for.
Read<> check_absent(bool present, uint32_t value, const Place& at) {
  if (present && value != 0) return not_supported(at, "above 0");
  return {};
}

Read<OutlierDetection> read(const cluster_pb::OutlierDetection& from, const Place& at) {
  OutlierDetection to;
  const auto take = [](const google::protobuf::UInt32Value& value, bool present, uint32_t& into) {
    if (present) into = value.value();
  };
  take(from.consecutive_5xx(), from.has_consecutive_5xx(), to.consecutive_5xx);
  take(from.enforcing_consecutive_5xx(), from.has_enforcing_consecutive_5xx(), to.enforcing_consecutive_5xx);
  take(from.consecutive_gateway_failure(), from.has_consecutive_gateway_failure(),
       to.consecutive_gateway_failure);
  take(from.enforcing_consecutive_gateway_failure(), from.has_enforcing_consecutive_gateway_failure(),
       to.enforcing_consecutive_gateway_failure);
  take(from.consecutive_local_origin_failure(), from.has_consecutive_local_origin_failure(),
       to.consecutive_local_origin_failure);
  take(from.enforcing_consecutive_local_origin_failure(),
       from.has_enforcing_consecutive_local_origin_failure(), to.enforcing_consecutive_local_origin_failure);
  take(from.max_ejection_percent(), from.has_max_ejection_percent(), to.max_ejection_percent);
  to.split_external_local_origin_errors = from.split_external_local_origin_errors();
  if (from.has_interval()) {
    WEFT_TRY(to.interval, read(from.interval(), at("interval")));
    if (to.interval <= Duration::zero()) return refuse(at("interval"), "must be above 0");
  }
  if (from.has_base_ejection_time()) {
    WEFT_TRY(to.base_ejection_time, read(from.base_ejection_time(), at("base_ejection_time")));
  }
  to.max_ejection_time = std::max<Duration>(to.max_ejection_time, to.base_ejection_time);
  if (from.has_max_ejection_time()) {
    WEFT_TRY(to.max_ejection_time, read(from.max_ejection_time(), at("max_ejection_time")));
    if (to.max_ejection_time < to.base_ejection_time)
      return refuse(at("max_ejection_time"), "is below base_ejection_time");
  }
  WEFT_CHECK_OK(check_absent(from.has_enforcing_success_rate(), from.enforcing_success_rate().value(),
                             at("enforcing_success_rate")));
  WEFT_CHECK_OK(check_absent(from.has_enforcing_local_origin_success_rate(),
                             from.enforcing_local_origin_success_rate().value(),
                             at("enforcing_local_origin_success_rate")));
  WEFT_CHECK_OK(check_absent(from.has_enforcing_failure_percentage(),
                             from.enforcing_failure_percentage().value(),
                             at("enforcing_failure_percentage")));
  WEFT_CHECK_OK(check_absent(from.has_enforcing_failure_percentage_local_origin(),
                             from.enforcing_failure_percentage_local_origin().value(),
                             at("enforcing_failure_percentage_local_origin")));
  return to;
}

// ---- protocol

const model::UpstreamTls* main_tls(const Cluster& cluster) {
  return cluster.tls ? &*cluster.tls : cluster.mesh_tls ? &*cluster.mesh_tls : nullptr;
}

void write_h2(const Cluster& from, core_pb::Http2ProtocolOptions& to) {
  if (from.max_concurrent_streams != kDefaultStreams) {
    to.mutable_max_concurrent_streams()->set_value(from.max_concurrent_streams);
  }
}

// An Envoy refuses to choose by ALPN where the socket of every endpoint does not offer it. There it is told
// HTTP/1.1, which is what it would end up with, and metadata says what was meant.
bool can_choose(const Cluster& cluster) {
  return !cluster.mesh_tls && cluster.tls && !cluster.tls->common.alpn.empty();
}

void write_protocol(const Cluster& from, cluster_pb::Cluster& to) {
  upstream_pb::HttpProtocolOptions options;
  Cluster::Protocol protocol = from.protocol;
  if (protocol == Cluster::Protocol::automatic && !can_choose(from)) {
    protocol = Cluster::Protocol::http1;
    set_metadata(*to.mutable_metadata(), kWeft, "protocol", "automatic");
    if (from.max_concurrent_streams != kDefaultStreams) {
      set_metadata(*to.mutable_metadata(), kWeft, "max_concurrent_streams",
                   static_cast<double>(from.max_concurrent_streams));
    }
  }
  switch (protocol) {
    case Cluster::Protocol::http1:
      write_preserve_case(*options.mutable_explicit_http_config()->mutable_http_protocol_options());
      break;
    case Cluster::Protocol::http2:
      write_h2(from, *options.mutable_explicit_http_config()->mutable_http2_protocol_options());
      break;
    case Cluster::Protocol::automatic:
      write_preserve_case(*options.mutable_auto_config()->mutable_http_protocol_options());
      write_h2(from, *options.mutable_auto_config()->mutable_http2_protocol_options());
      break;
    case Cluster::Protocol::as_client:
      write_preserve_case(*options.mutable_use_downstream_protocol_config()->mutable_http_protocol_options());
      write_h2(from, *options.mutable_use_downstream_protocol_config()->mutable_http2_protocol_options());
      break;
  }
  auto& common = *options.mutable_common_http_protocol_options();
  if (from.max_requests_per_connection != 0) {
    common.mutable_max_requests_per_connection()->set_value(from.max_requests_per_connection);
  }
  if (from.idle_timeout) write(*from.idle_timeout, *common.mutable_idle_timeout());
  if (from.max_connection_duration)
    write(*from.max_connection_duration, *common.mutable_max_connection_duration());
  if (const auto* tls = main_tls(from); tls != nullptr && tls->auto_host_sni) {
    options.mutable_upstream_http_protocol_options()->set_auto_sni(true);
    options.mutable_upstream_http_protocol_options()->set_auto_san_validation(tls->auto_san_validation);
  }
  pack(options, (*to.mutable_typed_extension_protocol_options())[kHttpOptions]);
}

Read<> read_h2(const core_pb::Http2ProtocolOptions& from, Cluster& to, const Place& at) {
  if (from.allow_connect()) return not_supported(at("allow_connect"));
  if (from.has_initial_stream_window_size()) return not_supported(at("initial_stream_window_size"));
  if (from.has_initial_connection_window_size()) return not_supported(at("initial_connection_window_size"));
  if (!from.has_max_concurrent_streams()) return {};
  to.max_concurrent_streams = from.max_concurrent_streams().value();
  if (to.max_concurrent_streams == 0 || to.max_concurrent_streams > kDefaultStreams) {
    return refuse(at("max_concurrent_streams"), "is not within 1 and 2147483647");
  }
  return {};
}

// HTTP/1 options of a cluster: header case is always kept, so that asking for it is granted already.
Read<> check_h1(const core_pb::Http1ProtocolOptions& from, const Place& at) {
  if (from.accept_http_10()) return not_supported(at("accept_http_10"));
  WEFT_TRY(bool kept, read_preserve_case(from, at));
  (void)kept;
  return {};
}

Read<> read_common(const core_pb::HttpProtocolOptions& from, Cluster& to, const Place& at) {
  if (from.has_idle_timeout()) {
    WEFT_TRY(to.idle_timeout, read(from.idle_timeout(), at("idle_timeout")));
  }
  if (from.has_max_connection_duration()) {
    WEFT_TRY(to.max_connection_duration, read(from.max_connection_duration(), at("max_connection_duration")));
  }
  if (from.has_max_requests_per_connection())
    to.max_requests_per_connection = from.max_requests_per_connection().value();
  if (from.has_max_headers_count()) return not_supported(at("max_headers_count"));
  if (from.headers_with_underscores_action() != core_pb::HttpProtocolOptions::ALLOW) {
    return not_supported(at("headers_with_underscores_action"));
  }
  return {};
}

Read<> read_options(const upstream_pb::HttpProtocolOptions& from, Cluster& to, const Place& at) {
  WEFT_CHECK_OK(read_common(from.common_http_protocol_options(), to, at("common_http_protocol_options")));
  const auto read_both = [&to](const auto& config, const Place& place) -> Read<> {
    WEFT_CHECK_OK(check_h1(config.http_protocol_options(), place("http_protocol_options")));
    return read_h2(config.http2_protocol_options(), to, place("http2_protocol_options"));
  };
  switch (from.upstream_protocol_options_case()) {
    case upstream_pb::HttpProtocolOptions::kExplicitHttpConfig: {
      const auto& config = from.explicit_http_config();
      to.protocol = config.has_http2_protocol_options() ? Cluster::Protocol::http2 : Cluster::Protocol::http1;
      WEFT_CHECK_OK(read_both(config, at("explicit_http_config")));
      break;
    }
    case upstream_pb::HttpProtocolOptions::kUseDownstreamProtocolConfig:
      to.protocol = Cluster::Protocol::as_client;
      WEFT_CHECK_OK(read_both(from.use_downstream_protocol_config(), at("use_downstream_protocol_config")));
      break;
    case upstream_pb::HttpProtocolOptions::kAutoConfig:
      to.protocol = Cluster::Protocol::automatic;
      WEFT_CHECK_OK(read_both(from.auto_config(), at("auto_config")));
      break;
    case upstream_pb::HttpProtocolOptions::UPSTREAM_PROTOCOL_OPTIONS_NOT_SET:
      return refuse(at, "has none of explicit_http_config, use_downstream_protocol_config and auto_config");
  }
  return {};
}

Read<> read_protocol(const cluster_pb::Cluster& from, Cluster& to, const Place& at) {
  if (from.has_http2_protocol_options()) {
    to.protocol = Cluster::Protocol::http2;
    WEFT_CHECK_OK(read_h2(from.http2_protocol_options(), to, at("http2_protocol_options")));
  }
  if (from.has_max_requests_per_connection())
    to.max_requests_per_connection = from.max_requests_per_connection().value();
  for (const auto& [name, any] : from.typed_extension_protocol_options()) {
    const Place place = at("typed_extension_protocol_options", name);
    if (name != kHttpOptions || !holds<upstream_pb::HttpProtocolOptions>(any)) return not_supported(place);
    WEFT_TRY(const auto options, unpack<upstream_pb::HttpProtocolOptions>(any, place));
    WEFT_CHECK_OK(read_options(options, to, place));
    const auto& upstream = options.upstream_http_protocol_options();
    if (!upstream.auto_sni() && !upstream.auto_san_validation()) continue;
    const Place upstream_place = place("upstream_http_protocol_options");
    model::UpstreamTls* tls = to.tls ? &*to.tls : to.mesh_tls ? &*to.mesh_tls : nullptr;
    // Without TLS there is no SNI to set, and nothing to verify it by.
    if (tls == nullptr) continue;
    if (upstream.auto_san_validation() && !upstream.auto_sni()) {
      return not_supported(upstream_place("auto_san_validation"), "without auto_sni");
    }
    tls->auto_host_sni = upstream.auto_sni();
    tls->auto_san_validation = tls->auto_san_validation || upstream.auto_san_validation();
  }
  const Value weft = metadata_of(from.metadata(), kWeft);
  if (weft.text("protocol") != "automatic") return {};
  to.protocol = Cluster::Protocol::automatic;
  const Value* streams = weft.find("max_concurrent_streams");
  const double* count = streams == nullptr ? nullptr : std::get_if<double>(&streams->held);
  if (count != nullptr && *count >= 1 && *count <= kDefaultStreams) {
    to.max_concurrent_streams = static_cast<uint32_t>(*count);
  }
  return {};
}

// ---- transport

void write_transport(const Cluster& from, cluster_pb::Cluster& to) {
  if (!from.mesh_tls) {
    if (from.tls) write(*from.tls, *to.mutable_transport_socket());
    return;
  }
  auto& mesh = *to.add_transport_socket_matches();
  mesh.set_name(kMeshTls);
  (*mesh.mutable_match()->mutable_fields())["tlsMode"].set_string_value("istio");
  write(*from.mesh_tls, *mesh.mutable_transport_socket());
  auto& rest = *to.add_transport_socket_matches();
  rest.set_name(kPlain);
  rest.mutable_match();  // empty: whatever did not match before
  if (from.tls) {
    write(*from.tls, *rest.mutable_transport_socket());
  } else {
    write_raw_buffer(*rest.mutable_transport_socket());
  }
}

// The shape of write_transport() and no other: which endpoint gets which socket is who gets in.
Read<> read_transport(const cluster_pb::Cluster& from, Cluster& to, const Place& at) {
  if (from.has_transport_socket()) {
    WEFT_TRY(to.tls, read_upstream(from.transport_socket(), at("transport_socket")));
  }
  bool caught = false;
  for (int i = 0; i < from.transport_socket_matches_size(); ++i) {
    const auto& entry = from.transport_socket_matches(i);
    const Place place = at("transport_socket_matches", static_cast<size_t>(i));
    const Value match = read(entry.match());
    if (caught) return refuse(place, "is never reached: an entry before it matches every endpoint");
    if (match == Value(Value::Object{{"tlsMode", "istio"}}) && !to.mesh_tls) {
      WEFT_TRY(to.mesh_tls, read_upstream(entry.transport_socket(), place("transport_socket")));
      if (!to.mesh_tls) return not_supported(place("transport_socket"), "raw_buffer for tlsMode istio");
    } else if (match.object() != nullptr && match.object()->empty()) {
      WEFT_TRY(to.tls, read_upstream(entry.transport_socket(), place("transport_socket")));
      caught = true;
    } else {
      return not_supported(place("match"), "other than {tlsMode: istio} or {}");
    }
  }
  return {};
}

// ---- what the metrics call it

void write_names(const Cluster& from, cluster_pb::Cluster& to) {
  if (!from.service_host.empty() || !from.service_name.empty() || !from.service_namespace.empty()) {
    Value::Object service{
        {"host", from.service_host}, {"name", from.service_name}, {"namespace", from.service_namespace}};
    set_metadata(*to.mutable_metadata(), kIstio, "services", Value::Array{std::move(service)});
  }
  if (!from.subset.empty()) set_metadata(*to.mutable_metadata(), kIstio, "subset", from.subset);
  if (!from.config_path.empty()) set_metadata(*to.mutable_metadata(), kIstio, "config", from.config_path);
}

void read_names(const cluster_pb::Cluster& from, Cluster& to) {
  const Value istio = metadata_of(from.metadata(), kIstio);
  to.subset = istio.text("subset");
  to.config_path = istio.text("config");
  const Value* services = istio.find("services");
  if (services == nullptr || services->array() == nullptr || services->array()->empty()) return;
  const Value& first = services->array()->front();
  to.service_host = first.text("host");
  to.service_name = first.text("name");
  to.service_namespace = first.text("namespace");
}

Read<> read_connection(const cluster_pb::Cluster& from, Cluster& to, const Place& at) {
  if (from.has_connect_timeout()) {
    WEFT_TRY(to.connect_timeout, read(from.connect_timeout(), at("connect_timeout")));
    if (to.connect_timeout <= Duration::zero()) return refuse(at("connect_timeout"), "must be above 0");
  }
  if (from.upstream_connection_options().has_tcp_keepalive()) {
    const auto& keepalive = from.upstream_connection_options().tcp_keepalive();
    to.keepalive = Cluster::TcpKeepalive{.probes = keepalive.keepalive_probes().value(),
                                         .time_s = keepalive.keepalive_time().value(),
                                         .interval_s = keepalive.keepalive_interval().value()};
  }
  if (from.upstream_bind_config().has_source_address()) {
    const Place bind = at("upstream_bind_config");
    const Place source = bind("source_address");
    const auto& address = from.upstream_bind_config().source_address();
    auto ip = IpAddress::parse(address.address());
    if (!ip)
      return refuse(source("address"),
                    concat("is \"", printable(address.address()), "\", which is no IP address"));
    if (address.port_value() != 0) return not_supported(source("port_value"), "other than 0");
    to.bind_source = *ip;
  }
  // The resolver asks for both families and connects to what it is given; without IPv4 is what it cannot do.
  if (from.dns_lookup_family() == cluster_pb::Cluster::V6_ONLY) {
    return not_supported(at("dns_lookup_family"), "V6_ONLY");
  }
  return {};
}

}  // namespace

cluster_pb::Cluster to_message(const Cluster& from) {
  cluster_pb::Cluster to;
  to.set_name(from.name);
  write_discovery(from, to);
  write_balancing(from, to);
  write(from.connect_timeout, *to.mutable_connect_timeout());
  write_limits(from.limits, *to.mutable_circuit_breakers());
  if (from.outlier) write(*from.outlier, *to.mutable_outlier_detection());
  write_protocol(from, to);
  if (from.keepalive) {
    auto& keepalive = *to.mutable_upstream_connection_options()->mutable_tcp_keepalive();
    if (from.keepalive->probes != 0) keepalive.mutable_keepalive_probes()->set_value(from.keepalive->probes);
    if (from.keepalive->time_s != 0) keepalive.mutable_keepalive_time()->set_value(from.keepalive->time_s);
    if (from.keepalive->interval_s != 0)
      keepalive.mutable_keepalive_interval()->set_value(from.keepalive->interval_s);
  }
  if (from.bind_source) {
    auto& source = *to.mutable_upstream_bind_config()->mutable_source_address();
    source.set_address(from.bind_source->to_string());
    source.set_port_value(0);
  }
  write_transport(from, to);
  write_names(from, to);
  return to;
}

Read<std::shared_ptr<const Cluster>> from_message(const cluster_pb::Cluster& from, const Place& at) {
  auto to = std::make_shared<Cluster>();
  if (from.name().empty()) return refuse(at("name"), "is empty");
  to->name = from.name();
  WEFT_CHECK_OK(read_discovery(from, *to, at));
  WEFT_CHECK_OK(read_balancing(from, *to, at));
  to->limits = read_limits(from.circuit_breakers());
  if (from.has_outlier_detection()) {
    WEFT_TRY(to->outlier, read(from.outlier_detection(), at("outlier_detection")));
  }
  WEFT_CHECK_OK(read_connection(from, *to, at));
  WEFT_CHECK_OK(read_transport(from, *to, at));
  WEFT_CHECK_OK(read_protocol(from, *to, at));
  read_names(from, *to);
  return to;
}

}  // namespace weft::wire
