// The numbers as Envoy's admin page /stats has them: a line each, `http.ingress.downstream_rq_4xx: 3`.
//
// Families named envoy_* have Envoy's names in Prometheus' spelling, and get their dots back; others are
// written as Prometheus knows them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "telemetry/metrics.h"

namespace weft::telemetry {

// "envoy_http_downstream_rq_xx", `http_conn_manager_prefix="ingress",response_code_class="4xx"`:
// "http.ingress.downstream_rq_4xx".
std::string stat_name(std::string_view family, std::string_view labels);

std::string write_stats(const std::vector<MergedFamily>& families);

}  // namespace weft::telemetry
