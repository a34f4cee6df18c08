// Kubernetes Service (v1).
#pragma once

#include "objects/meta.h"

namespace weft::objects {

enum class Transport : uint8_t { tcp, udp, sctp };

struct KubePort {
  std::string name;
  uint16_t port = 0;
  Transport transport = Transport::tcp;
  std::string app_protocol;
  PortRef target;  // empty: the same as `port`
  uint16_t node_port = 0;
  int line = 0;
};

struct Service {
  enum class Type : uint8_t { cluster_ip, node_port, load_balancer, external_name };

  ObjectMeta meta;
  Type type = Type::cluster_ip;
  Labels selector;  // empty: its endpoints come from elsewhere
  std::vector<KubePort> ports;
  std::string cluster_ip;                // empty: to be allocated; never "None", see headless
  std::vector<std::string> cluster_ips;  // all of them, cluster_ip first, where written
  bool headless = false;                 // clusterIP: None
  std::string external_name;
  std::vector<std::string> external_ips;
  bool publish_not_ready_addresses = false;
  bool session_affinity_client_ip = false;
  bool internal_traffic_local = false;  // internalTrafficPolicy: Local
  std::string traffic_distribution;     // "", PreferClose, PreferSameZone, PreferSameNode
  std::vector<IgnoredField> ignored;
};

}  // namespace weft::objects
