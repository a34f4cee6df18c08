#include <algorithm>
#include <limits>
#include <map>
#include <tuple>

#include "base/result.h"
#include "wire/cluster_wire.h"
#include "wire/parts.h"

namespace weft::wire {

namespace {

using model::Endpoint;
using model::WorkloadInfo;
using wire::read;
using wire::write;

constexpr char kTransportSocketMatch[] = "envoy.transport_socket_match";

// Istio's own form of the label, which its telemetry reads from any proxy's endpoints.
std::string workload_text(const WorkloadInfo& info) {
  return concat(info.workload, ";", info.workload_namespace, ";", info.canonical_service, ";",
                info.canonical_revision, ";", info.cluster);
}

void write_metadata(const Endpoint& from, endpoint_pb::LbEndpoint& to) {
  if (from.mesh_tls) set_metadata(*to.mutable_metadata(), kTransportSocketMatch, "tlsMode", "istio");
  if (!from.workload) return;
  core_pb::Metadata& metadata = *to.mutable_metadata();
  set_metadata(metadata, kIstio, "workload", workload_text(*from.workload));
  set_metadata(metadata, kWeft, "app", from.workload->app);
  set_metadata(metadata, kWeft, "version", from.workload->version);
  if (!from.workload->principal.empty()) set_metadata(metadata, kWeft, "principal", from.workload->principal);
}

// Replicas say the same of themselves: one copy serves all endpoints of a set that do.
class Workloads {
 public:
  std::shared_ptr<const WorkloadInfo> read(const core_pb::Metadata& metadata) {
    const std::string_view text = metadata_text(metadata, kIstio, "workload");
    if (text.empty()) return nullptr;
    const std::string_view app = metadata_text(metadata, kWeft, "app");
    const std::string_view version = metadata_text(metadata, kWeft, "version");
    const std::string_view principal = metadata_text(metadata, kWeft, "principal");
    auto& known = known_[{text, app, version, principal}];
    if (known) return known;
    auto info = std::make_shared<WorkloadInfo>();
    std::string* const fields[] = {&info->workload, &info->workload_namespace, &info->canonical_service,
                                   &info->canonical_revision, &info->cluster};
    const auto parts = split(text, ';');
    for (size_t i = 0; i < std::min(parts.size(), std::size(fields)); ++i) {
      if (!parts[i].empty()) *fields[i] = parts[i];
    }
    if (!app.empty()) info->app = app;
    if (!version.empty()) info->version = version;
    info->principal = principal;
    known = std::move(info);
    return known;
  }

 private:
  // Views into the message that is being read, which outlives this.
  using Key = std::tuple<std::string_view, std::string_view, std::string_view, std::string_view>;
  std::map<Key, std::shared_ptr<const WorkloadInfo>> known_;
};

void write_address(const Endpoint& from, endpoint_pb::Endpoint& to) {
  write(from.address, *to.mutable_address());
  if (from.hostname.empty()) return;
  if (!from.address.is_unix() && from.address.ip.is_unspecified()) {
    to.mutable_address()->mutable_socket_address()->set_address(from.hostname);
  } else {
    to.set_hostname(from.hostname);
  }
}

// A name instead of an address is to be resolved; only clusters of a DNS type may hold one.
Read<> read_address(const endpoint_pb::Endpoint& from, Endpoint& to, const Place& at) {
  const Place place = at("address");
  const auto& address = from.address();
  if (!address.has_socket_address() || IpAddress::parse(address.socket_address().address())) {
    WEFT_TRY(to.address, read(address, place));
    to.hostname = from.hostname();
    return {};
  }
  const Place socket = place("socket_address");
  if (address.socket_address().protocol() != core_pb::SocketAddress::TCP) {
    return not_supported(socket("protocol"), "UDP");
  }
  if (address.socket_address().address().empty()) return refuse(socket("address"), "is empty");
  to.hostname = address.socket_address().address();
  WEFT_TRY(to.address.port, read_port(address.socket_address().port_value(), socket("port_value")));
  return {};
}

Read<Endpoint> read_endpoint(const endpoint_pb::LbEndpoint& from, Workloads& workloads, const Place& at) {
  Endpoint endpoint;
  if (!from.has_endpoint()) return refuse(at("endpoint"), "is missing");
  WEFT_CHECK_OK(read_address(from.endpoint(), endpoint, at("endpoint")));
  if (from.has_load_balancing_weight()) {
    endpoint.weight = from.load_balancing_weight().value();
    if (endpoint.weight == 0) return refuse(at("load_balancing_weight"), "is 0; a weight is 1 or more");
  }
  switch (from.health_status()) {
    case core_pb::UNKNOWN:
    case core_pb::HEALTHY:
    case core_pb::DEGRADED:
      break;
    default:
      endpoint.healthy = false;
      break;
  }
  if (from.has_metadata()) {
    endpoint.mesh_tls = metadata_text(from.metadata(), kTransportSocketMatch, "tlsMode") == "istio";
    endpoint.workload = workloads.read(from.metadata());
  }
  return endpoint;
}

}  // namespace

endpoint_pb::ClusterLoadAssignment to_message(const model::EndpointSet& from) {
  endpoint_pb::ClusterLoadAssignment to;
  to.set_cluster_name(from.cluster);
  // One group a priority and locality, in the order in which they appear.
  std::vector<std::pair<uint32_t, model::Locality>> groups;
  for (const Endpoint& endpoint : from.endpoints) {
    // A weight of 0 is no part of the load, and xDS has no such thing.
    if (endpoint.weight == 0) continue;
    const std::pair key(endpoint.priority, endpoint.locality);
    const auto found = std::ranges::find(groups, key);
    const auto index = static_cast<int>(found - groups.begin());
    if (found == groups.end()) {
      groups.push_back(key);
      auto& group = *to.add_endpoints();
      group.set_priority(endpoint.priority);
      // A gRPC client drops endpoints of no locality, and of one without a weight (gRPC proposal A27).
      group.mutable_locality()->set_region(endpoint.locality.region);
      group.mutable_locality()->set_zone(endpoint.locality.zone);
      group.mutable_locality()->set_sub_zone(endpoint.locality.sub_zone);
    }
    auto& group = *to.mutable_endpoints(index);
    auto& total = *group.mutable_load_balancing_weight();
    total.set_value(static_cast<uint32_t>(
        std::min<uint64_t>(uint64_t{total.value()} + endpoint.weight, std::numeric_limits<uint32_t>::max())));
    auto& lb_endpoint = *group.add_lb_endpoints();
    write_address(endpoint, *lb_endpoint.mutable_endpoint());
    if (endpoint.weight != 1) lb_endpoint.mutable_load_balancing_weight()->set_value(endpoint.weight);
    lb_endpoint.set_health_status(endpoint.healthy ? core_pb::HEALTHY : core_pb::UNHEALTHY);
    write_metadata(endpoint, lb_endpoint);
  }
  return to;
}

Read<model::EndpointSet> read_endpoints(const endpoint_pb::ClusterLoadAssignment& from, const Place& at) {
  model::EndpointSet set;
  set.cluster = from.cluster_name();
  Workloads workloads;
  for (int i = 0; i < from.endpoints_size(); ++i) {
    const auto& group = from.endpoints(i);
    const Place place = at("endpoints", static_cast<size_t>(i));
    if (group.priority() > 128) return refuse(place("priority"), "is above 128");
    const model::Locality locality{group.locality().region(), group.locality().zone(),
                                   group.locality().sub_zone()};
    for (int j = 0; j < group.lb_endpoints_size(); ++j) {
      WEFT_TRY(Endpoint endpoint, read_endpoint(group.lb_endpoints(j), workloads,
                                                place("lb_endpoints", static_cast<size_t>(j))));
      endpoint.priority = group.priority();
      endpoint.locality = locality;
      set.endpoints.push_back(std::move(endpoint));
    }
  }
  return set;
}

}  // namespace weft::wire
