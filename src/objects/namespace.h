// The Kubernetes kinds that are little more than their metadata: Namespace and ServiceAccount.
#pragma once

#include "objects/meta.h"

namespace weft::objects {

struct Namespace {
  ObjectMeta meta;  // namespace_name is empty
};

struct ServiceAccount {
  ObjectMeta meta;
};

}  // namespace weft::objects
