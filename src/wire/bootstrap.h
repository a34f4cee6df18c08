// Reads an Envoy bootstrap (config.bootstrap.v3.Bootstrap) in JSON or YAML. One and the same file starts
// Envoy and weft-proxy; what weft-proxy does not implement is refused by name, with line and column:
//
//   auto bootstrap = parse_bootstrap(text, "sidecar.yaml");
//   if (!bootstrap) die(bootstrap.error().text);   // one line a complaint
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "model/cluster.h"
#include "model/listener.h"
#include "model/snapshot.h"
#include "wire/discovery.h"

namespace weft::wire {

struct Bootstrap {
  Node node;

  // static_resources
  std::vector<std::shared_ptr<const model::Listener>> listeners;
  std::vector<std::shared_ptr<const model::Cluster>> clusters;
  std::vector<std::shared_ptr<const model::Secret>> secrets;

  // dynamic_resources.ads_config
  struct Ads {
    bool delta = false;     // api_type DELTA_GRPC
    std::string cluster;    // of static_resources: where the control plane is
    std::string authority;  // envoy_grpc.authority; empty: the cluster's name
    std::vector<std::pair<std::string, std::string>> metadata;  // initial_metadata: headers of the call
    bool operator==(const Ads&) const = default;
  };
  std::optional<Ads> ads;
  bool listeners_by_ads = false;  // lds_config
  bool clusters_by_ads = false;   // cds_config

  std::optional<SocketAddress> admin;

  std::string encoded;  // the whole as a Bootstrap message, for config_dump
};

Result<Bootstrap> parse_bootstrap(std::string_view text, std::string_view file);

}  // namespace weft::wire
