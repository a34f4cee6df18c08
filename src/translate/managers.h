// The parts that listeners of every direction are assembled from: connection managers, TCP proxies, access
// logs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/listener.h"
#include "translate/mesh_options.h"

namespace weft::translate {

// The policies of one workload, as filters in the order they are to be asked: AUDIT, DENY, ALLOW.
struct Authorization {
  std::vector<std::shared_ptr<const model::Rbac>> http;
  std::vector<std::shared_ptr<const model::Rbac>> network;
};

enum class Side : uint8_t { outbound, inbound, gateway };

struct ManagerOptions {
  const MeshOptions& mesh;
  Side side = Side::outbound;
  bool stock_envoy = false;
  const Authorization* authorization = nullptr;  // inbound and gateway
};

// Routes are the caller's to set.
model::HttpManager http_manager(const ManagerOptions& options, std::string stat_prefix);
model::TcpProxy tcp_proxy(const MeshOptions& mesh, std::string cluster, std::string stat_prefix = {});

std::vector<model::AccessLog> access_logs(const MeshOptions& mesh);
// Of listeners: connections for which there is no chain.
std::vector<model::AccessLog> no_route_access_logs(const MeshOptions& mesh);

// Envoy refuses a listener with two chains for the same connection. Takes from a chain whatever an earlier
// one already claims; false where nothing is left of it.
bool make_distinct(model::FilterChain& chain, const std::vector<model::FilterChain>& earlier);

// What an HTTP inspector, or the client's ALPN without TLS, calls HTTP.
inline const std::vector<std::string>& plaintext_http_alpns() {
  static const std::vector<std::string> kAlpns{"http/1.0", "http/1.1", "h2c"};
  return kAlpns;
}

}  // namespace weft::translate
