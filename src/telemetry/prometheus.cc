#include "telemetry/prometheus.h"

#include <charconv>
#include <cmath>

#include "base/strings.h"

namespace weft::telemetry {

namespace {

std::string_view kind_name(MetricKind kind) {
  switch (kind) {
    case MetricKind::counter:
      return "counter";
    case MetricKind::gauge:
      return "gauge";
    case MetricKind::histogram:
      return "histogram";
  }
  return "untyped";
}

void append_help(std::string& out, std::string_view help) {
  for (const char c : help) {
    if (c == '\\') {
      out.append("\\\\");
    } else if (c == '\n') {
      out.append("\\n");
    } else {
      out.push_back(c);
    }
  }
}

void append_sample(std::string& out, std::string_view name, std::string_view suffix, std::string_view labels,
                   double value) {
  out.append(name).append(suffix);
  if (!labels.empty()) out.append("{").append(labels).append("}");
  out.push_back(' ');
  append_number(out, value);
  out.push_back('\n');
}

void append_bucket(std::string& out, const MergedFamily& family, const MergedSeries& series, double bound,
                   uint64_t count) {
  out.append(family.name).append("_bucket{").append(series.labels);
  if (!series.labels.empty()) out.push_back(',');
  out.append("le=\"");
  append_number(out, bound);
  out.append("\"} ");
  out.append(std::to_string(count)).push_back('\n');
}

void append_histogram(std::string& out, const MergedFamily& family, const MergedSeries& series) {
  uint64_t count = 0;
  for (size_t i = 0; i < series.buckets.size(); ++i) {
    count += series.buckets[i];
    append_bucket(out, family, series, i < family.bounds.size() ? family.bounds[i] : INFINITY, count);
  }
  append_sample(out, family.name, "_sum", series.labels, series.sum);
  append_sample(out, family.name, "_count", series.labels, static_cast<double>(count));
}

}  // namespace

void append_number(std::string& out, double value) {
  if (std::isnan(value)) {
    out.append("NaN");
  } else if (std::isinf(value)) {
    out.append(value > 0 ? "+Inf" : "-Inf");
  } else if (value == std::trunc(value) && std::abs(value) < 1e15) {
    out.append(std::to_string(static_cast<int64_t>(value)));
  } else {
    char digits[32];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  }
}

std::string write_prometheus(const std::vector<MergedFamily>& families) {
  std::string out;
  for (const auto& family : families) {
    out.append("# HELP ").append(family.name).push_back(' ');
    append_help(out, family.help);
    out.append("\n# TYPE ").append(family.name).append(" ").append(kind_name(family.kind)).push_back('\n');
    for (const auto& series : family.series) {
      if (family.kind == MetricKind::histogram) {
        append_histogram(out, family, series);
      } else {
        append_sample(out, family.name, {}, series.labels, series.value);
      }
    }
  }
  return out;
}

}  // namespace weft::telemetry
