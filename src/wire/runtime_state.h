// What `weft up` tells weftd on one machine: two JSON files in a state directory.
//
// `weft up` is the kubelet of its mesh: it alone knows which pods run, where, and whether they are
// ready. weftd watches the directory and takes each file whole, so both are written to a temporary
// name beside them and renamed. A file that cannot be read leaves the last good one in force.
//
// workloads.json (kWorkloadsFile), mode 0644:
//
//   {"version": 1,
//    "pods": [
//      {"namespace": "default", "name": "reviews-v1-7d4f", "ip": "10.244.0.7",
//       "labels": {"app": "reviews", "version": "v1"}, "annotations": {},
//       "serviceAccount": "reviews", "owner": "reviews-v1", "node": "localhost",
//       "proxy": "sidecar",          // "none", "sidecar", or "router" for a gateway
//       "ready": true,               // false: in no service's endpoints
//       "terminating": false,        // true: drains; gets no new requests, keeps its configuration
//       "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}]}],   // for named targetPorts
//    "services": [{"namespace": "default", "name": "reviews", "ip": "10.96.0.3"}]}
//
// namespace, name and ip are required; the rest has the defaults of the types below. `services` holds the
// virtual addresses that `weft up` gave to ClusterIP services and answers in DNS.
//
// tokens.json (kTokensFile), mode 0600: what a local proxy proves itself with ("authorization: Bearer …").
// One token a service account; it is random, 32 characters or more, and never logged.
//
//   {"version": 1, "tokens": [{"token": "…", "namespace": "default", "serviceAccount": "reviews"}]}
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/result.h"

namespace weft::wire {

inline constexpr std::string_view kWorkloadsFile = "workloads.json";
inline constexpr std::string_view kTokensFile = "tokens.json";
inline constexpr size_t kMinTokenSize = 32;

struct RunningPort {
  std::string name;
  uint16_t port = 0;
  std::string protocol = "TCP";  // TCP or UDP
  bool operator==(const RunningPort&) const = default;
};

struct RunningPod {
  enum class Proxy : uint8_t { none, sidecar, router };

  std::string namespace_name;
  std::string name;
  IpAddress ip;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  std::string service_account = "default";
  std::string owner;  // the Deployment's name; empty: the pod stands alone
  std::string node = "localhost";
  Proxy proxy = Proxy::none;
  bool ready = false;
  bool terminating = false;
  std::vector<RunningPort> ports;
  bool operator==(const RunningPod&) const = default;
};

struct ServiceAddress {
  std::string namespace_name;
  std::string name;
  IpAddress ip;
  bool operator==(const ServiceAddress&) const = default;
};

struct RunningWorkloads {
  std::vector<RunningPod> pods;
  std::vector<ServiceAddress> services;
  bool operator==(const RunningWorkloads&) const = default;
};

struct LocalToken {
  std::string token;
  std::string namespace_name;
  std::string service_account;
  bool operator==(const LocalToken&) const = default;
};

// Errors name the file, the line and the field. Unknown fields are errors: both ends are one release.
Result<RunningWorkloads> parse_workloads(std::string_view text, std::string_view file);
std::string write_workloads(const RunningWorkloads& workloads);

Result<std::vector<LocalToken>> parse_tokens(std::string_view text, std::string_view file);
std::string write_tokens(const std::vector<LocalToken>& tokens);

std::string_view to_string(RunningPod::Proxy proxy);

}  // namespace weft::wire
