// Prometheus' text exposition format 0.0.4.
//
// A name that ends in _total is a counter's whole name; histograms get _bucket, _sum and _count. Families
// and series come sorted, so two scrapes of the same numbers are the same bytes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "telemetry/metrics.h"

namespace weft::telemetry {

inline constexpr std::string_view kPrometheusContentType = "text/plain; version=0.0.4; charset=utf-8";

std::string write_prometheus(const std::vector<MergedFamily>& families);
// A number as the format has it: shortest form that reads back the same; +Inf, NaN.
void append_number(std::string& out, double value);

}  // namespace weft::telemetry
