// Objects to what each proxy is told.
//
//   Translator translator;
//   Translation now = translator.translate(world, {ProxyId::Kind::sidecar, "default", "web-0"});
//   deliver(now.snapshot);
//
// Translation is a pure function of the world and the proxy: the same two give the same bytes. A Translator
// only remembers: whatever resource depends on inputs that did not change since an earlier call is the same
// pointer as then, for the same proxy or another. Equal pointers mean equal resources, so that delivery can
// encode a resource once and compare by pointer. One Translator belongs to one thread.
//
// The shapes and names are Istio's (clusters outbound|9080|v1|reviews.default.svc.cluster.local, listeners
// virtualOutbound, virtualInbound, 0.0.0.0_9080, routes 9080), so that dashboards, istioctl and people's
// habits keep working, and a stock Envoy can be driven by it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/snapshot.h"
#include "translate/world.h"
#include "yaml/complaint.h"

namespace weft::translate {

struct ProxyId {
  // A gRPC client is an application whose library takes its configuration from here and needs no proxy.
  enum class Kind : uint8_t { sidecar, gateway, grpc_client };
  Kind kind = Kind::sidecar;
  std::string namespace_name;
  std::string name;  // the pod's
  // An Envoy without Istio's own filters (istio_stats, alpn, metadata exchange): they are left out for it.
  bool stock_envoy = false;
  auto operator<=>(const ProxyId&) const = default;
};

// The proxy that serves this workload.
ProxyId proxy_of(const Workload& workload);

struct Translation {
  // False: the world has no such pod (yet). The snapshot then holds what such a proxy can be told without
  // it: outbound traffic of its namespace; nothing inbound.
  bool found = false;
  model::Snapshot snapshot;  // `version` is the caller's to set
};

class Translator {
 public:
  Translator();
  ~Translator();
  Translator(const Translator&) = delete;
  Translator& operator=(const Translator&) = delete;

  Translation translate(const std::shared_ptr<const World>& world, const ProxyId& proxy);

 private:
  struct Cache;
  std::unique_ptr<Cache> cache_;
};

// One translation, remembered by nobody.
Translation translate(const std::shared_ptr<const World>& world, const ProxyId& proxy);

// What is wrong between objects that are each right by themselves: references to what is not there, hosts
// claimed twice, selectors that match nothing. Istio's codes where Istio has one. Sorted by file and line.
std::vector<yaml::Complaint> validate(const World& world);

}  // namespace weft::translate
