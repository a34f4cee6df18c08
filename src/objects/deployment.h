// Kubernetes Deployment (apps/v1).
#pragma once

#include "objects/pod.h"

namespace weft::objects {

struct Deployment {
  ObjectMeta meta;
  int replicas = 1;
  Labels match_labels;  // known to select the template
  Labels pod_labels;
  Labels pod_annotations;
  PodSpec pod;
  bool paused = false;
};

}  // namespace weft::objects
