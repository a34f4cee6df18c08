#include "cli/table.h"

#include <algorithm>

#include "base/strings.h"

namespace weft::cli {

std::string Table::to_string() const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) out.append(widths[i] - row[i].size() + 3, ' ');
    }
    out += '\n';
  }
  return out;
}

std::string age_text(std::chrono::seconds age) {
  const auto seconds = std::max<int64_t>(age.count(), 0);
  if (seconds < 120) return concat(seconds, "s");
  const auto minutes = seconds / 60;
  if (minutes < 10) return seconds % 60 == 0 ? concat(minutes, "m") : concat(minutes, "m", seconds % 60, "s");
  if (minutes < 180) return concat(minutes, "m");
  if (minutes < 48 * 60) return concat(minutes / 60, "h");
  return concat(minutes / (24 * 60), "d");
}

}  // namespace weft::cli
