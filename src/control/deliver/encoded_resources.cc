#include "control/deliver/encoded_resources.h"

#include <functional>
#include <string_view>

#include "base/strings.h"
#include "wire/to_wire.h"

namespace weft::control {
namespace {

std::string content_version(std::string_view bytes) {
  uint64_t hash = std::hash<std::string_view>{}(bytes);
  std::string text(8, '\0');
  for (char& byte : text) {
    byte = static_cast<char>(hash & 0xff);
    hash >>= 8;
  }
  return base64_encode(text);  // short enough to need no allocation
}

}  // namespace

template <typename Resource>
Encoded EncodedResources::encode_once(wire::ResourceType type,
                                      const std::shared_ptr<const Resource>& resource) {
  Entry& entry = entries_[resource.get()];
  if (!entry.encoded.any || entry.resource.expired()) {
    entry.resource = resource;
    entry.encoded.any = wire::wrap_any(type, wire::encode(*resource));
    entry.encoded.version = content_version(*entry.encoded.any);
    ++encodings_;
  }
  return entry.encoded;
}

Encoded EncodedResources::of(const std::shared_ptr<const model::Listener>& listener) {
  return encode_once(wire::ResourceType::listener, listener);
}
Encoded EncodedResources::of(const std::shared_ptr<const model::RouteConfig>& routes) {
  return encode_once(wire::ResourceType::route, routes);
}
Encoded EncodedResources::of(const std::shared_ptr<const model::Cluster>& cluster) {
  return encode_once(wire::ResourceType::cluster, cluster);
}
Encoded EncodedResources::of(const std::shared_ptr<const model::EndpointSet>& endpoints) {
  return encode_once(wire::ResourceType::endpoint, endpoints);
}
Encoded EncodedResources::of(const std::shared_ptr<const model::Secret>& secret) {
  return encode_once(wire::ResourceType::secret, secret);
}

void EncodedResources::sweep() {
  std::erase_if(entries_, [](const auto& entry) { return entry.second.resource.expired(); });
}

}  // namespace weft::control
