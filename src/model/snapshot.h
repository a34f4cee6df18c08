// Snapshot: everything one proxy has been told, at one version, immutable.
//
// weftd builds one for each proxy and sends the difference; the proxy builds one from what it
// accepted and hands it to each worker as shared_ptr<const Snapshot>. A request keeps the one it
// started with. Resources are shared_ptr<const …>, so that two snapshots (and in weftd: all
// proxies) share what did not differ.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "model/cluster.h"
#include "model/listener.h"
#include "model/route.h"

namespace weft::model {

// A key and certificate, or roots, by SDS name.
struct Secret {
  std::string name;
  std::string certificate_chain;  // PEM, leaf first
  std::string private_key;        // PEM
  std::string trusted_ca;         // PEM
  bool operator==(const Secret&) const = default;
};

template <typename T>
using ResourceMap = std::map<std::string, std::shared_ptr<const T>, std::less<>>;

struct Snapshot {
  std::string version;
  ResourceMap<Listener> listeners;
  ResourceMap<RouteConfig> routes;
  ResourceMap<Cluster> clusters;
  ResourceMap<EndpointSet> endpoints;  // by EDS service name
  ResourceMap<Secret> secrets;

  template <typename T>
  static const T* find(const ResourceMap<T>& map, std::string_view name) {
    const auto it = map.find(name);
    return it == map.end() ? nullptr : it->second.get();
  }
};

}  // namespace weft::model
