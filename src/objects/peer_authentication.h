// Istio PeerAuthentication (security.istio.io): whether a workload's ports demand mTLS.
#pragma once

#include "objects/meta.h"

namespace weft::objects {

struct PeerAuthentication {
  enum class Mode : uint8_t { unset, disable, permissive, strict };

  ObjectMeta meta;
  std::optional<WorkloadSelector> selector;
  Mode mode = Mode::unset;              // unset: from the wider scope
  std::map<uint16_t, Mode> port_level;  // by the workload's own port; only with a selector
};

}  // namespace weft::objects
