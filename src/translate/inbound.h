// What reaches a workload: one listener, virtualInbound, with chains by port, and a cluster for each port.
//
// Traffic goes on to the address it was sent to, which is the pod's own, from 127.0.0.6: redirection lets
// that source through, so that the connection is not caught again. An application may listen on the pod's
// address or on 0.0.0.0. (Istio before 1.10 connected to 127.0.0.1, which misses those that listen on the
// pod's address alone; Istio since does as here.)
#pragma once

#include "model/cluster.h"
#include "model/listener.h"
#include "translate/world.h"

namespace weft::translate {

struct Inbound {
  std::vector<model::Cluster> clusters;
  model::Listener listener;
};

Inbound inbound_of(const World& world, const Workload& workload, bool stock_envoy);

}  // namespace weft::translate
