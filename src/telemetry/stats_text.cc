#include "telemetry/stats_text.h"

#include "base/strings.h"

namespace weft::telemetry {

namespace {

// The value of one label in the text that label_text() makes; empty where it is not there.
std::string label_value(std::string_view labels, std::string_view name) {
  size_t at = 0;
  while (at < labels.size()) {
    const size_t equals = labels.find("=\"", at);
    if (equals == std::string_view::npos) return {};
    const bool wanted = labels.substr(at, equals - at) == name;
    std::string value;
    size_t i = equals + 2;
    for (; i < labels.size() && labels[i] != '"'; ++i) {
      if (labels[i] == '\\' && i + 1 < labels.size()) ++i;
      value.push_back(labels[i]);
    }
    if (wanted) return value;
    at = i + 2;  // the quote and the comma
  }
  return {};
}

}  // namespace

std::string stat_name(std::string_view family, std::string_view labels) {
  constexpr std::string_view kEnvoy = "envoy_";
  if (!family.starts_with(kEnvoy)) {
    return labels.empty() ? std::string(family) : concat(family, "{", labels, "}");
  }
  family.remove_prefix(kEnvoy.size());
  const size_t cut = family.find('_');
  if (cut == std::string_view::npos) return std::string(family);
  const std::string_view scope = family.substr(0, cut);
  std::string leaf(family.substr(cut + 1));
  for (const std::string_view group : {"outlier_detection_", "rbac_"}) {
    if (leaf.starts_with(group)) leaf[group.size() - 1] = '.';
  }
  if (leaf.ends_with("_xx")) leaf.replace(leaf.size() - 2, 2, label_value(labels, "response_code_class"));
  const std::string whose =
      label_value(labels, scope == "http" ? "http_conn_manager_prefix" : concat(scope, "_name"));
  return whose.empty() ? concat(scope, ".", leaf) : concat(scope, ".", whose, ".", leaf);
}

std::string write_stats(const std::vector<MergedFamily>& families) {
  std::string text;
  for (const MergedFamily& family : families) {
    for (const MergedSeries& series : family.series) {
      const std::string name = stat_name(family.name, series.labels);
      if (family.kind == MetricKind::histogram) {
        uint64_t count = 0;
        for (const uint64_t bucket : series.buckets) count += bucket;
        text += concat(name, ": count ", count, " sum ", series.sum, "\n");
      } else {
        text += concat(name, ": ", static_cast<int64_t>(series.value), "\n");
      }
    }
  }
  return text;
}

}  // namespace weft::telemetry
