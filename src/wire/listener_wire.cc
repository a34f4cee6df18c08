#include "wire/listener_wire.h"

#include "base/result.h"
#include "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.pb.h"
#include "envoy/extensions/filters/listener/original_dst/v3/original_dst.pb.h"
#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h"
#include "envoy/extensions/filters/network/rbac/v3/rbac.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "wire/access_log_wire.h"
#include "wire/http_manager_wire.h"
#include "wire/parts.h"
#include "wire/rbac_wire.h"
#include "wire/tls_wire.h"

namespace weft::wire {

namespace {

namespace listener_filters = envoy::extensions::filters::listener;
using HttpInspector = listener_filters::http_inspector::v3::HttpInspector;
using OriginalDst = listener_filters::original_dst::v3::OriginalDst;
using ProxyProtocol = listener_filters::proxy_protocol::v3::ProxyProtocol;
using TlsInspector = listener_filters::tls_inspector::v3::TlsInspector;
using NetworkRbac = envoy::extensions::filters::network::rbac::v3::RBAC;
using TcpProxyMessage = envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
using model::FilterChain;
using model::FilterChainMatch;
using model::HttpManager;
using model::TcpProxy;
using wire::read;
using wire::write;

constexpr char kNetworkRbac[] = "envoy.filters.network.rbac";
constexpr char kTcpProxy[] = "envoy.filters.network.tcp_proxy";
constexpr char kHttpManager[] = "envoy.filters.network.http_connection_manager";

// ---- TCP

void write_tcp_proxy(const TcpProxy& from, google::protobuf::Any& to) {
  TcpProxyMessage proxy;
  proxy.set_stat_prefix(from.stat_prefix);
  if (from.clusters.size() == 1 && from.clusters[0].second == 1) {
    proxy.set_cluster(from.clusters[0].first);
  } else {
    for (const auto& [cluster, weight] : from.clusters) {
      // Envoy has no weight of 0 here; leaving it out is the same.
      if (weight == 0) continue;
      auto& part = *proxy.mutable_weighted_clusters()->add_clusters();
      part.set_name(cluster);
      part.set_weight(weight);
    }
  }
  write(from.idle_timeout, *proxy.mutable_idle_timeout());
  if (from.max_connection_duration) {
    write(*from.max_connection_duration, *proxy.mutable_max_downstream_connection_duration());
  }
  write(from.access_logs, *proxy.mutable_access_log());
  pack(proxy, to);
}

Read<std::shared_ptr<const TcpProxy>> read_tcp_proxy(const google::protobuf::Any& from, const Value& weft,
                                                     const Place& at) {
  WEFT_TRY(const auto proxy, unpack<TcpProxyMessage>(from, at));
  auto to = std::make_shared<TcpProxy>();
  to->stat_prefix = proxy.stat_prefix();
  if (!proxy.cluster().empty()) {
    to->clusters.emplace_back(proxy.cluster(), 1);
  } else {
    const Place weighted = at("weighted_clusters");
    uint64_t total = 0;
    for (int i = 0; i < proxy.weighted_clusters().clusters_size(); ++i) {
      const auto& part = proxy.weighted_clusters().clusters(i);
      const Place place = weighted("clusters", static_cast<size_t>(i));
      if (part.name().empty()) return refuse(place("name"), "is empty");
      if (part.weight() == 0) return refuse(place("weight"), "is 0; a weight is 1 or more");
      total += part.weight();
      to->clusters.emplace_back(part.name(), part.weight());
    }
    if (total == 0) return refuse(at, "has neither cluster nor weighted_clusters");
    if (total > 0xffffffffu) return refuse(weighted, "has weights whose sum is above 4294967295");
    to->total_weight = static_cast<uint32_t>(total);
  }
  if (proxy.has_idle_timeout()) {
    WEFT_TRY(to->idle_timeout, read(proxy.idle_timeout(), at("idle_timeout")));
  }
  if (proxy.has_max_downstream_connection_duration()) {
    WEFT_TRY(to->max_connection_duration,
             read(proxy.max_downstream_connection_duration(), at("max_downstream_connection_duration")));
  }
  WEFT_TRY(to->access_logs, read_access_logs(proxy.access_log(), "access_log", at));
  to->origin = weft.text("origin");
  return to;
}

// ---- filter chains

void write(const FilterChainMatch& from, listener_pb::FilterChainMatch& to) {
  if (from.destination_port) to.mutable_destination_port()->set_value(*from.destination_port);
  for (const auto& range : from.destination) write(range, *to.add_prefix_ranges());
  for (const auto& name : from.server_names) to.add_server_names(name);
  to.set_transport_protocol(from.transport_protocol);
  for (const auto& protocol : from.application_protocols) to.add_application_protocols(protocol);
  for (const auto& range : from.source) write(range, *to.add_source_prefix_ranges());
  for (const auto port : from.source_ports) to.add_source_ports(port);
}

Read<FilterChainMatch> read(const listener_pb::FilterChainMatch& from, const Place& at) {
  FilterChainMatch match;
  if (from.has_destination_port()) {
    WEFT_TRY(match.destination_port, read_port(from.destination_port().value(), at("destination_port")));
    if (*match.destination_port == 0) return refuse(at("destination_port"), "is 0");
  }
  for (int i = 0; i < from.prefix_ranges_size(); ++i) {
    WEFT_TRY(Cidr range, read(from.prefix_ranges(i), at("prefix_ranges", static_cast<size_t>(i))));
    match.destination.push_back(range);
  }
  for (int i = 0; i < from.server_names_size(); ++i) {
    const std::string& name = from.server_names(i);
    const Place place = at("server_names", static_cast<size_t>(i));
    const size_t star = name.find('*');
    if (name.empty()) return refuse(place, "is empty");
    if (star != std::string::npos &&
        !(star == 0 && name.starts_with("*.") && name.find('*', 1) == std::string::npos)) {
      return refuse(place, concat("is \"", printable(name), "\"; a wildcard is \"*.\" before a suffix"));
    }
    match.server_names.push_back(to_lower(name));
  }
  match.transport_protocol = from.transport_protocol();
  if (!match.transport_protocol.empty() && match.transport_protocol != "tls" &&
      match.transport_protocol != "raw_buffer") {
    return not_supported(at("transport_protocol"), printable(match.transport_protocol));
  }
  match.application_protocols.assign(from.application_protocols().begin(),
                                     from.application_protocols().end());
  for (int i = 0; i < from.source_prefix_ranges_size(); ++i) {
    WEFT_TRY(Cidr range,
             read(from.source_prefix_ranges(i), at("source_prefix_ranges", static_cast<size_t>(i))));
    match.source.push_back(range);
  }
  for (int i = 0; i < from.source_ports_size(); ++i) {
    WEFT_TRY(uint16_t port, read_port(from.source_ports(i), at("source_ports", static_cast<size_t>(i))));
    match.source_ports.push_back(port);
  }
  return match;
}

void write(const FilterChain& from, listener_pb::FilterChain& to) {
  to.set_name(from.name);
  if (from.match != FilterChainMatch{}) write(from.match, *to.mutable_filter_chain_match());
  if (from.tls) write(*from.tls, *to.mutable_transport_socket());
  for (const auto& rbac : from.network_rbacs) {
    auto& filter = *to.add_filters();
    filter.set_name(kNetworkRbac);
    write_network_rbac(*rbac, *filter.mutable_typed_config());
  }
  if (from.istio_stats) set_metadata(*to.mutable_metadata(), kWeft, "istio_stats", true);
  if (const auto* http = std::get_if<std::shared_ptr<const HttpManager>>(&from.terminal)) {
    if (*http == nullptr) return;
    Value::Array beside;
    auto& filter = *to.add_filters();
    filter.set_name(kHttpManager);
    write_http_manager(**http, *filter.mutable_typed_config(), beside);
    if (!beside.empty()) set_metadata(*to.mutable_metadata(), kWeft, "http_filters", std::move(beside));
    return;
  }
  const auto& tcp = std::get<std::shared_ptr<const TcpProxy>>(from.terminal);
  if (tcp == nullptr) return;
  auto& filter = *to.add_filters();
  filter.set_name(kTcpProxy);
  write_tcp_proxy(*tcp, *filter.mutable_typed_config());
  if (!tcp->origin.empty()) set_metadata(*to.mutable_metadata(), kWeft, "origin", tcp->origin);
}

Read<> read_network_filters(const listener_pb::FilterChain& from, const Value& weft, FilterChain& to,
                            const Place& at) {
  const int count = from.filters_size();
  if (count == 0) return refuse(at("filters"), "is empty");
  for (int i = 0; i < count; ++i) {
    const auto& filter = from.filters(i);
    const Place place = at("filters", static_cast<size_t>(i));
    const Place config = place("typed_config");
    const auto& any = filter.typed_config();
    const bool last = i + 1 == count;
    if (is_http_manager(any) && last) {
      WEFT_TRY(to.terminal, read_http_manager(any, weft.find("http_filters"), config));
    } else if (holds<TcpProxyMessage>(any) && last) {
      WEFT_TRY(to.terminal, read_tcp_proxy(any, weft, config));
    } else if (holds<NetworkRbac>(any) && !last) {
      WEFT_TRY(Rbacs rbacs, read_network_rbac(any, config));
      to.network_rbacs.insert(to.network_rbacs.end(), rbacs.begin(), rbacs.end());
    } else if (last) {
      return refuse(at("filters"), "must end with http_connection_manager or tcp_proxy",
                    Error::Kind::unsupported);
    } else {
      return not_supported(place, concat(printable(filter.name()), " here"));
    }
  }
  return {};
}

Read<FilterChain> read(const listener_pb::FilterChain& from, const Place& at) {
  FilterChain to;
  to.name = from.name();
  WEFT_TRY(to.match, read(from.filter_chain_match(), at("filter_chain_match")));
  if (from.has_transport_socket()) {
    WEFT_TRY(to.tls, read_downstream(from.transport_socket(), at("transport_socket")));
  }
  const Value weft = metadata_of(from.metadata(), kWeft);
  const Value* stats = weft.find("istio_stats");
  to.istio_stats = stats != nullptr && *stats == Value(true);
  WEFT_CHECK_OK(read_network_filters(from, weft, to, at));
  return to;
}

// ---- listener filters

template <typename Message>
void add_listener_filter(listener_pb::Listener& to, const char* name) {
  auto& filter = *to.add_listener_filters();
  filter.set_name(name);
  pack(Message(), *filter.mutable_typed_config());
}

Read<> read_listener_filters(const listener_pb::Listener& from, model::Listener& to, const Place& at) {
  for (int i = 0; i < from.listener_filters_size(); ++i) {
    const auto& filter = from.listener_filters(i);
    const auto& any = filter.typed_config();
    if (holds<OriginalDst>(any)) {
      to.original_dst_filter = true;
    } else if (holds<TlsInspector>(any)) {
      to.tls_inspector = true;
    } else if (holds<HttpInspector>(any)) {
      to.http_inspector = true;
    } else if (holds<ProxyProtocol>(any)) {
      to.proxy_protocol = true;
    } else {
      const Place place = at("listener_filters", static_cast<size_t>(i));
      return not_supported(place, printable(filter.name()));
    }
  }
  return {};
}

Read<> read_chains(const listener_pb::Listener& from, model::Listener& to, const Place& at) {
  for (int i = 0; i < from.filter_chains_size(); ++i) {
    WEFT_TRY(FilterChain chain, read(from.filter_chains(i), at("filter_chains", static_cast<size_t>(i))));
    to.chains.push_back(std::move(chain));
  }
  if (from.has_default_filter_chain()) {
    const Place place = at("default_filter_chain");
    WEFT_TRY(to.default_chain, read(from.default_filter_chain(), place));
    if (to.default_chain->match != FilterChainMatch{}) return not_supported(place("filter_chain_match"));
  }
  for (size_t i = 0; i < to.chains.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (to.chains[i].match != to.chains[j].match) continue;
      const Place chain = at("filter_chains", i);
      return refuse(chain("filter_chain_match"), concat("is the same as that of filter_chains[", j, "]"));
    }
  }
  // An Envoy adds the inspector where a match needs it and nobody asked for it.
  for (const FilterChain& chain : to.chains) {
    const FilterChainMatch& match = chain.match;
    const bool tells_by_tls = !match.server_names.empty() || !match.application_protocols.empty();
    if (match.transport_protocol == "tls" || (match.transport_protocol.empty() && tells_by_tls)) {
      to.tls_inspector = true;
    }
  }
  if (to.chains.empty() && !to.default_chain)
    return refuse(at("filter_chains"), "is empty, and there is no default_filter_chain");
  return {};
}

}  // namespace

listener_pb::Listener to_message(const model::Listener& from) {
  listener_pb::Listener to;
  to.set_name(from.name);
  if (!from.api_routes.empty()) {
    write_grpc_client_manager(from.api_routes, *to.mutable_api_listener()->mutable_api_listener());
    return to;
  }
  write(from.address, *to.mutable_address());
  for (const auto& address : from.additional_addresses)
    write(address, *to.add_additional_addresses()->mutable_address());
  switch (from.direction) {
    case model::Direction::inbound:
      to.set_traffic_direction(core_pb::INBOUND);
      break;
    case model::Direction::outbound:
      to.set_traffic_direction(core_pb::OUTBOUND);
      break;
    case model::Direction::unspecified:
      break;
  }
  if (!from.bind_to_port) to.mutable_bind_to_port()->set_value(false);
  if (from.use_original_dst) to.mutable_use_original_dst()->set_value(true);
  if (from.transparent) to.mutable_transparent()->set_value(true);
  // In the order in which they must see the bytes.
  if (from.proxy_protocol) add_listener_filter<ProxyProtocol>(to, "envoy.filters.listener.proxy_protocol");
  if (from.original_dst_filter) add_listener_filter<OriginalDst>(to, "envoy.filters.listener.original_dst");
  if (from.tls_inspector) add_listener_filter<TlsInspector>(to, "envoy.filters.listener.tls_inspector");
  if (from.http_inspector) add_listener_filter<HttpInspector>(to, "envoy.filters.listener.http_inspector");
  write(from.detection_timeout, *to.mutable_listener_filters_timeout());
  to.set_continue_on_listener_filters_timeout(from.continue_on_detection_timeout);
  for (const auto& chain : from.chains) write(chain, *to.add_filter_chains());
  if (from.default_chain) write(*from.default_chain, *to.mutable_default_filter_chain());
  write(from.access_logs, *to.mutable_access_log());
  return to;
}

Read<std::shared_ptr<const model::Listener>> from_message(const listener_pb::Listener& from,
                                                          const Place& at) {
  auto to = std::make_shared<model::Listener>();
  to->name = from.name();
  WEFT_TRY(to->address, read(from.address(), at("address")));
  for (int i = 0; i < from.additional_addresses_size(); ++i) {
    const Place place = at("additional_addresses", static_cast<size_t>(i));
    WEFT_TRY(SocketAddress address, read(from.additional_addresses(i).address(), place("address")));
    to->additional_addresses.push_back(std::move(address));
  }
  switch (from.traffic_direction()) {
    case core_pb::INBOUND:
      to->direction = model::Direction::inbound;
      break;
    case core_pb::OUTBOUND:
      to->direction = model::Direction::outbound;
      break;
    default:
      break;
  }
  to->bind_to_port = !from.has_bind_to_port() || from.bind_to_port().value();
  to->use_original_dst = from.use_original_dst().value();
  to->transparent = from.transparent().value();
  WEFT_CHECK_OK(read_listener_filters(from, *to, at));
  if (from.has_listener_filters_timeout()) {
    WEFT_TRY(to->detection_timeout, read(from.listener_filters_timeout(), at("listener_filters_timeout")));
  }
  to->continue_on_detection_timeout = from.continue_on_listener_filters_timeout();
  WEFT_CHECK_OK(read_chains(from, *to, at));
  WEFT_TRY(to->access_logs, read_access_logs(from.access_log(), "access_log", at));
  return to;
}

}  // namespace weft::wire
