// What the kernel says of this process, under the names every Prometheus client library uses (process_*).
#pragma once

#include <vector>

#include "telemetry/metrics.h"

namespace weft::control {

void add_process_metrics(telemetry::Registry& registry);
// Reads /proc/self; families it cannot read are left out.
void collect_process_metrics(std::vector<telemetry::MergedFamily>& families);

}  // namespace weft::control
