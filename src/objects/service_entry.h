// Istio ServiceEntry (networking.istio.io): a service that no Kubernetes Service describes.
#pragma once

#include "objects/meta.h"

namespace weft::objects {

// The protocols that Istio knows by name, in the spelling of ServiceEntry and Gateway ports.
enum class EntryProtocol : uint8_t {
  unset,
  http,
  https,
  http2,
  grpc,
  grpc_web,
  tls,
  tcp,
  mongo,
  redis,
  mysql,
  udp
};

struct EntryPort {
  uint16_t number = 0;
  std::string name;
  EntryProtocol protocol = EntryProtocol::unset;  // unset: detected
  uint16_t target_port = 0;                       // 0: the same as number
  int line = 0;
};

// An endpoint of a ServiceEntry: Istio's WorkloadEntry, in place.
struct WorkloadEntry {
  std::string address;  // an IP, a DNS name, or unix:///path
  std::map<std::string, uint16_t> ports;
  Labels labels;
  std::string network;
  std::string locality;
  uint32_t weight = 0;  // 0: not written, as 1
  std::string service_account;
  int line = 0;
};

struct ServiceEntry {
  enum class Location : uint8_t { mesh_external, mesh_internal };
  enum class Resolution : uint8_t { none, static_addresses, dns, dns_round_robin, dynamic_dns };

  ObjectMeta meta;
  std::vector<std::string> hosts;
  std::vector<std::string> addresses;  // IPs or CIDRs, known to parse
  std::vector<EntryPort> ports;
  Location location = Location::mesh_external;
  Resolution resolution = Resolution::none;
  std::vector<WorkloadEntry> endpoints;  // not with workload_selector
  std::optional<WorkloadSelector> workload_selector;
  std::vector<std::string> export_to;
  std::vector<std::string> subject_alt_names;
};

}  // namespace weft::objects
