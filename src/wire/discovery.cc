#include "wire/discovery.h"

#include "base/check.h"
#include "base/strings.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "wire/node.h"
#include "wire/parts.h"
#include "wire/protobuf_bytes.h"

namespace weft::wire {

namespace {

namespace discovery_pb = envoy::service::discovery::v3;

Error malformed(std::string_view what) {
  Error error;
  error.kind = Error::Kind::protocol;
  error.text = concat(what, " is not well-formed protobuf");
  return error;
}

template <typename Message>
Result<Message> parse_message(Bytes bytes, std::string_view what) {
  Message message;
  if (!parse(message, as_text(bytes))) return fail(malformed(what));
  return message;
}

std::vector<std::string> to_vector(const google::protobuf::RepeatedPtrField<std::string>& from) {
  return {from.begin(), from.end()};
}

void write(const Refusal& from, google::rpc::Status& to) {
  to.set_code(from.code);
  to.set_message(from.message);
}

template <typename Message>
std::optional<Refusal> read_refusal(const Message& from) {
  if (!from.has_error_detail()) return std::nullopt;
  return Refusal{.code = from.error_detail().code(), .message = from.error_detail().message()};
}

template <typename Message>
std::optional<Node> read_node(const Message& from) {
  if (!from.has_node()) return std::nullopt;
  return read(from.node());
}

// Responses are put together by hand, so that the bytes of their resources are copied once and never read.
// The numbers are those of discovery.proto.
std::string control_plane(const std::string& identifier) {
  std::string out;
  if (!identifier.empty()) append_bytes_field(out, 1, identifier);
  return out;
}

void append_text(std::string& out, uint32_t number, std::string_view text) {
  if (!text.empty()) append_bytes_field(out, number, text);
}

std::shared_ptr<const std::string> any_bytes(const google::protobuf::Any& any) {
  return std::make_shared<const std::string>(any.SerializeAsString());
}

}  // namespace

std::string_view type_url(ResourceType type) {
  switch (type) {
    case ResourceType::listener:
      return kListenerUrl;
    case ResourceType::route:
      return kRouteUrl;
    case ResourceType::cluster:
      return kClusterUrl;
    case ResourceType::endpoint:
      return kEndpointUrl;
    case ResourceType::secret:
      return kSecretUrl;
  }
  return {};
}

std::optional<ResourceType> resource_type(std::string_view url) {
  for (const ResourceType type : kResourceTypes) {
    if (type_url(type) == url) return type;
  }
  return std::nullopt;
}

std::string_view short_name(ResourceType type) {
  static constexpr std::string_view kNames[] = {"LDS", "RDS", "CDS", "EDS", "SDS"};
  return kNames[static_cast<size_t>(type)];
}

void write(const Node& from, core_pb::Node& to) {
  to.set_id(from.id);
  to.set_cluster(from.cluster);
  if (!from.metadata.is_null()) write(from.metadata, *to.mutable_metadata());
  if (from.locality != model::Locality{}) {
    to.mutable_locality()->set_region(from.locality.region);
    to.mutable_locality()->set_zone(from.locality.zone);
    to.mutable_locality()->set_sub_zone(from.locality.sub_zone);
  }
  to.set_user_agent_name(from.user_agent_name);
  if (!from.user_agent_version.empty()) to.set_user_agent_version(from.user_agent_version);
}

Node read(const core_pb::Node& from) {
  Node node;
  node.id = from.id();
  node.cluster = from.cluster();
  if (from.has_metadata()) node.metadata = read(from.metadata());
  node.locality = {from.locality().region(), from.locality().zone(), from.locality().sub_zone()};
  node.user_agent_name = from.user_agent_name();
  node.user_agent_version = from.user_agent_version();
  return node;
}

std::string encode(const DiscoveryRequest& request) {
  discovery_pb::DiscoveryRequest to;
  to.set_version_info(request.version);
  if (request.node) write(*request.node, *to.mutable_node());
  for (const auto& name : request.names) to.add_resource_names(name);
  to.set_type_url(request.type_url);
  to.set_response_nonce(request.nonce);
  if (request.error) write(*request.error, *to.mutable_error_detail());
  return serialize(to);
}

std::string encode(const DeltaDiscoveryRequest& request) {
  discovery_pb::DeltaDiscoveryRequest to;
  if (request.node) write(*request.node, *to.mutable_node());
  to.set_type_url(request.type_url);
  for (const auto& name : request.subscribe) to.add_resource_names_subscribe(name);
  for (const auto& name : request.unsubscribe) to.add_resource_names_unsubscribe(name);
  to.mutable_initial_resource_versions()->insert(request.initial_versions.begin(),
                                                 request.initial_versions.end());
  to.set_response_nonce(request.nonce);
  if (request.error) write(*request.error, *to.mutable_error_detail());
  return serialize(to);
}

std::string encode(const DiscoveryResponse& response) {
  size_t size = response.version.size() + response.type_url.size() + response.nonce.size() + 128;
  for (const Resource& resource : response.resources) size += resource.any->size() + 6;
  std::string out;
  out.reserve(size);
  append_text(out, 1, response.version);
  for (const Resource& resource : response.resources) append_bytes_field(out, 2, *resource.any);
  append_text(out, 4, response.type_url);
  append_text(out, 5, response.nonce);
  append_text(out, 6, control_plane(response.control_plane));
  return out;
}

std::string encode(const DeltaDiscoveryResponse& response) {
  size_t size = 256;
  for (const Resource& resource : response.resources) {
    size += resource.any->size() + resource.name.size() + resource.version.size() + 24;
  }
  std::string out;
  out.reserve(size);
  append_text(out, 1, response.system_version);
  for (const Resource& resource : response.resources) {
    // Resource: version 1, resource 2, name 3.
    const auto field_size = [](size_t bytes) { return bytes == 0 ? 0 : 1 + varint_size(bytes) + bytes; };
    const size_t any_size = 1 + varint_size(resource.any->size()) + resource.any->size();
    append_tag(out, 2, WireType::length);
    append_varint(out, field_size(resource.version.size()) + any_size + field_size(resource.name.size()));
    append_text(out, 1, resource.version);
    append_bytes_field(out, 2, *resource.any);
    append_text(out, 3, resource.name);
  }
  append_text(out, 4, response.type_url);
  append_text(out, 5, response.nonce);
  for (const std::string& name : response.removed) append_bytes_field(out, 6, name);
  append_text(out, 7, control_plane(response.control_plane));
  return out;
}

Result<DiscoveryRequest> decode_request(Bytes message) {
  WEFT_TRY(const auto from, parse_message<discovery_pb::DiscoveryRequest>(message, "DiscoveryRequest"));
  return DiscoveryRequest{.version = from.version_info(),
                          .node = read_node(from),
                          .names = to_vector(from.resource_names()),
                          .type_url = from.type_url(),
                          .nonce = from.response_nonce(),
                          .error = read_refusal(from)};
}

Result<DiscoveryResponse> decode_response(Bytes message) {
  WEFT_TRY(const auto from, parse_message<discovery_pb::DiscoveryResponse>(message, "DiscoveryResponse"));
  DiscoveryResponse response{.version = from.version_info(),
                             .type_url = from.type_url(),
                             .nonce = from.nonce(),
                             .control_plane = from.control_plane().identifier()};
  response.resources.reserve(static_cast<size_t>(from.resources_size()));
  for (const auto& any : from.resources()) response.resources.push_back({.any = any_bytes(any)});
  return response;
}

Result<DeltaDiscoveryRequest> decode_delta_request(Bytes message) {
  WEFT_TRY(const auto from,
           parse_message<discovery_pb::DeltaDiscoveryRequest>(message, "DeltaDiscoveryRequest"));
  DeltaDiscoveryRequest request{.node = read_node(from),
                                .type_url = from.type_url(),
                                .subscribe = to_vector(from.resource_names_subscribe()),
                                .unsubscribe = to_vector(from.resource_names_unsubscribe()),
                                .nonce = from.response_nonce(),
                                .error = read_refusal(from)};
  for (const auto& [name, version] : from.initial_resource_versions()) {
    request.initial_versions.emplace(name, version);
  }
  return request;
}

Result<DeltaDiscoveryResponse> decode_delta_response(Bytes message) {
  WEFT_TRY(const auto from,
           parse_message<discovery_pb::DeltaDiscoveryResponse>(message, "DeltaDiscoveryResponse"));
  DeltaDiscoveryResponse response{.system_version = from.system_version_info(),
                                  .type_url = from.type_url(),
                                  .removed = to_vector(from.removed_resources()),
                                  .nonce = from.nonce(),
                                  .control_plane = from.control_plane().identifier()};
  response.resources.reserve(static_cast<size_t>(from.resources_size()));
  for (const auto& resource : from.resources()) {
    response.resources.push_back(
        {.name = resource.name(), .version = resource.version(), .any = any_bytes(resource.resource())});
  }
  return response;
}

std::shared_ptr<const std::string> wrap_any(std::string_view type_url, std::string_view message) {
  std::string out;
  out.reserve(type_url.size() + message.size() + 12);
  append_text(out, 1, type_url);
  append_text(out, 2, message);
  return std::make_shared<const std::string>(std::move(out));
}

Result<OpenedAny> open_any(std::string_view any) {
  OpenedAny opened;
  WireReader reader(any);
  while (!reader.done()) {
    const auto field = reader.next();
    if (!field || field->type != WireType::length) return fail(malformed("google.protobuf.Any"));
    if (field->number == 1) opened.type_url = field->bytes;
    if (field->number == 2) opened.message = as_bytes(field->bytes);
  }
  return opened;
}

}  // namespace weft::wire
