// Kubernetes Secret and ConfigMap (v1). Values are decoded.
#pragma once

#include "objects/meta.h"

namespace weft::objects {

// An ingress server's credentialName names a Secret with tls.crt and tls.key (type kubernetes.io/tls) or
// cert and key (generic), and ca.crt or cacert for client certificates.
struct Secret {
  ObjectMeta meta;
  std::string type = "Opaque";
  std::map<std::string, std::string> data;  // data and stringData, the latter winning
};

struct ConfigMap {
  ObjectMeta meta;
  std::map<std::string, std::string> data;  // data and binaryData
};

}  // namespace weft::objects
