// What holds for the whole mesh and is no object: Istio's MeshConfig, as far as it matters here.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace weft::translate {

struct MeshOptions {
  std::string trust_domain = "cluster.local";
  std::vector<std::string> trust_domain_aliases;
  std::string cluster_domain = "cluster.local";
  std::string cluster_id = "Kubernetes";
  std::string root_namespace = "istio-system";
  bool auto_mtls = true;

  // Where a sidecar sends what no service claims: on to its address, or nowhere.
  enum class OutboundPolicy : uint8_t { allow_any, registry_only };
  OutboundPolicy outbound = OutboundPolicy::allow_any;

  std::string access_log_file;  // "/dev/stdout"; empty: off
  enum class Encoding : uint8_t { text, json };
  Encoding access_log_encoding = Encoding::text;
  std::string access_log_format;  // empty: Istio's default, in either encoding
  std::vector<std::pair<std::string, std::string>> access_log_json;  // empty: the default fields

  Duration connect_timeout = 10s;
  // How long a listener waits for a client's first bytes before it takes the connection for plain TCP.
  // Istio waits without end, so that server-first protocols hang (reference: Istio issue 9454 and kin).
  Duration detection_timeout = 1s;
  Duration drain_timeout = 45s;
  Duration dns_refresh = 60s;
  uint32_t default_retry_attempts = 2;

  bool operator==(const MeshOptions&) const = default;
};

}  // namespace weft::translate
