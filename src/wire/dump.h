// What a proxy or weftd holds, as JSON a person reads: Envoy's /config_dump, and one resource at a time for
// `weft translate --to wire`. Private keys and passwords are left out ("[redacted]").
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "wire/discovery.h"

namespace weft::wire {

struct DumpedResource {
  std::string name;
  std::string version;                     // of the resource or of the response that brought it
  std::shared_ptr<const std::string> any;  // null: nothing was accepted yet (a refused or awaited one)
  WallTime last_updated{};
  std::string error;          // why the newest version was refused; empty: it was not
  std::string error_version;  // that version
};

// What Envoy's admin calls config_dump: BootstrapConfigDump, ClustersConfigDump, EndpointsConfigDump,
// ListenersConfigDump, RoutesConfigDump, SecretsConfigDump, in this order.
struct ConfigDump {
  std::string_view bootstrap;  // bytes of the Bootstrap message; empty: none
  WallTime bootstrap_updated{};
  struct Section {
    std::string version;                  // of the last accepted response; empty where delta
    std::vector<DumpedResource> fixed;    // from static_resources
    std::vector<DumpedResource> dynamic;  // from the control plane
  };
  Section listeners, clusters, routes, endpoints, secrets;
  bool include_endpoints = true;
};

std::string config_dump_json(const ConfigDump& dump);

// The message of a type_url (any that weft knows) as proto3 JSON, appended where a value is due.
Result<void> write_json(JsonWriter& json, std::string_view type_url, Bytes message);
// An Any, with its "@type" first.
Result<std::string> any_to_json(std::string_view any, int indent = 2);

// "2026-08-01T12:00:00.123Z"
std::string iso_time(WallTime time);

}  // namespace weft::wire
