// The fields of the Kubernetes types that a pod may have and Weft has no use for: volumes, affinity,
// security contexts. They are accepted; a field that Kubernetes does not have is still noticed.
#pragma once

#include <string_view>
#include <vector>

namespace weft::objects {

struct KubeField {
  std::string_view name;
  std::string_view type;  // empty: a scalar, or a mapping of anything
};

// The fields of a type ("VolumeMount"); empty for a type that is not listed.
std::vector<KubeField> kube_fields(std::string_view type);

}  // namespace weft::objects
