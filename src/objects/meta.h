// What every object a user writes has in common, and the small types that several kinds share.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace weft::objects {

using Labels = std::map<std::string, std::string>;

struct ObjectMeta {
  std::string api_version;  // as written: "networking.istio.io/v1beta1"
  std::string name;
  std::string namespace_name;  // "default" where none is written; empty for kinds without a namespace
  Labels labels;
  Labels annotations;
  std::optional<WallTime> created;  // metadata.creationTimestamp

  std::string file;  // as it was given to load_text()
  int line = 0;      // where the object begins
  int order = 0;     // its place among the objects of its file, from 0
};

// Istio's tie-breaker: the oldest wins, then the first by name, then by namespace. An object without
// a creation time (a file's) counts as older than any that has one.
bool older(const ObjectMeta& a, const ObjectMeta& b);

// True where every label of `selector` is in `labels` with the same value; so an empty selector matches all.
bool selects(const Labels& selector, const Labels& labels);

// istio.type.v1beta1.WorkloadSelector. Absent (nullopt) and empty both mean every workload in reach.
struct WorkloadSelector {
  Labels match_labels;
};

// A string condition: VirtualService's StringMatch. `present` is the empty match `{}` of a header or
// query parameter. A regex is known to compile (RE2) and matches the whole text.
struct StringMatch {
  enum class Kind : uint8_t { present, exact, prefix, regex };
  Kind kind = Kind::present;
  std::string text;
};

// A port by number or by name: targetPort, a probe's port.
struct PortRef {
  uint16_t number = 0;
  std::string name;
  bool empty() const { return number == 0 && name.empty(); }
};

// What of an object was read, is right, and will have no effect here. `weft up` warns once for each.
struct IgnoredField {
  std::string path;  // "spec.volumes"
  int line = 0;
};

}  // namespace weft::objects
