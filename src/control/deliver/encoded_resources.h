// Every resource is encoded once, however many proxies share it.
//
//   EncodedResources encoded;
//   const Encoded& bytes = encoded.of(cluster);   // shared_ptr<const model::Cluster>
//   send(bytes.any, bytes.version);
//
// A resource's version is a hash of its bytes: the same after a restart of weftd, so a proxy that
// reconnects and says what it has is sent nothing it has already.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "model/snapshot.h"
#include "wire/discovery.h"

namespace weft::control {

struct Encoded {
  std::shared_ptr<const std::string> any;
  std::string version;
};

class EncodedResources {
 public:
  Encoded of(const std::shared_ptr<const model::Listener>& listener);
  Encoded of(const std::shared_ptr<const model::RouteConfig>& routes);
  Encoded of(const std::shared_ptr<const model::Cluster>& cluster);
  Encoded of(const std::shared_ptr<const model::EndpointSet>& endpoints);
  Encoded of(const std::shared_ptr<const model::Secret>& secret);

  // Forgets what no snapshot holds any more.
  void sweep();
  size_t size() const { return entries_.size(); }
  // How many times a resource was really encoded.
  uint64_t encodings() const { return encodings_; }

 private:
  struct Entry {
    std::weak_ptr<const void> resource;  // an address may be used again: expired means another resource
    Encoded encoded;
  };
  template <typename Resource>
  Encoded encode_once(wire::ResourceType type, const std::shared_ptr<const Resource>& resource);

  std::unordered_map<const void*, Entry> entries_;
  uint64_t encodings_ = 0;
};

}  // namespace weft::control
