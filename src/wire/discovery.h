// The messages of xDS (envoy.service.discovery.v3) as plain values, for both ends: ADS and SDS, state of the
// world and delta.
//
//   WEFT_TRY(DiscoveryRequest request, decode_request(message));
//   ...
//   response.resources.push_back({.name = "web", .version = "7", .any = encoded_once});
//   stream.send(encode(response));
//
// A resource travels as the bytes of a google.protobuf.Any. Whoever encodes one keeps the bytes by
// shared_ptr; encoding a response copies them between the envelope's own few bytes and never encodes the
// resource again.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "model/cluster.h"
#include "wire/value.h"

namespace weft::wire {

enum class ResourceType : uint8_t { listener, route, cluster, endpoint, secret };
inline constexpr ResourceType kResourceTypes[] = {ResourceType::listener, ResourceType::route,
                                                  ResourceType::cluster, ResourceType::endpoint,
                                                  ResourceType::secret};

inline constexpr std::string_view kListenerUrl = "type.googleapis.com/envoy.config.listener.v3.Listener";
inline constexpr std::string_view kRouteUrl = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
inline constexpr std::string_view kClusterUrl = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
inline constexpr std::string_view kEndpointUrl =
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
inline constexpr std::string_view kSecretUrl =
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

std::string_view type_url(ResourceType type);
std::optional<ResourceType> resource_type(std::string_view type_url);
// "LDS", "RDS", "CDS", "EDS", "SDS"
std::string_view short_name(ResourceType type);

// The gRPC methods.
inline constexpr std::string_view kAdsStreamPath =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
inline constexpr std::string_view kAdsDeltaPath =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
inline constexpr std::string_view kSdsStreamPath =
    "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets";
inline constexpr std::string_view kSdsDeltaPath =
    "/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets";
inline constexpr std::string_view kSdsFetchPath =
    "/envoy.service.secret.v3.SecretDiscoveryService/FetchSecrets";

// config.core.v3.Node.
struct Node {
  std::string id;       // Istio's "sidecar~10.0.0.7~web-1.default~default.svc.cluster.local"
  std::string cluster;  // "web.default"
  Value metadata;       // an object, or null
  model::Locality locality;
  std::string user_agent_name;
  std::string user_agent_version;
  bool operator==(const Node&) const = default;
};

// google.rpc.Status: why a response was refused.
struct Refusal {
  int code = 13;
  std::string message;
  bool operator==(const Refusal&) const = default;
};

struct Resource {
  std::string name;                        // state of the world: empty until the resource itself is read
  std::string version;                     // delta only
  std::shared_ptr<const std::string> any;  // the bytes of a google.protobuf.Any; never null
};

struct DiscoveryRequest {
  std::string version;             // last accepted
  std::optional<Node> node;        // the first request of a stream
  std::vector<std::string> names;  // empty: all of them (listeners and clusters)
  std::string type_url;
  std::string nonce;             // of the response this answers
  std::optional<Refusal> error;  // set: that response was refused
};

struct DiscoveryResponse {
  std::string version;
  std::vector<Resource> resources;
  std::string type_url;
  std::string nonce;
  std::string control_plane;  // identifier
};

struct DeltaDiscoveryRequest {
  std::optional<Node> node;
  std::string type_url;
  std::vector<std::string> subscribe;
  std::vector<std::string> unsubscribe;
  std::map<std::string, std::string> initial_versions;  // name to version: what survived a reconnect
  std::string nonce;
  std::optional<Refusal> error;
};

struct DeltaDiscoveryResponse {
  std::string system_version;
  std::vector<Resource> resources;
  std::string type_url;
  std::vector<std::string> removed;
  std::string nonce;
  std::string control_plane;
};

std::string encode(const DiscoveryRequest& request);
std::string encode(const DiscoveryResponse& response);
std::string encode(const DeltaDiscoveryRequest& request);
std::string encode(const DeltaDiscoveryResponse& response);

Result<DiscoveryRequest> decode_request(Bytes message);
Result<DiscoveryResponse> decode_response(Bytes message);
Result<DeltaDiscoveryRequest> decode_delta_request(Bytes message);
Result<DeltaDiscoveryResponse> decode_delta_response(Bytes message);

// An Any around the bytes of one message (to_wire.h makes them), ready to be shared.
std::shared_ptr<const std::string> wrap_any(std::string_view type_url, std::string_view message);
inline std::shared_ptr<const std::string> wrap_any(ResourceType type, std::string_view message) {
  return wrap_any(type_url(type), message);
}

// What an Any holds; both views point into the bytes that were given.
struct OpenedAny {
  std::string_view type_url;
  Bytes message;
};
Result<OpenedAny> open_any(std::string_view any);

}  // namespace weft::wire
