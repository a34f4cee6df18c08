#include "yaml/complaint.h"

#include <algorithm>

#include "base/strings.h"

namespace weft::yaml {

std::string Complaint::to_string() const {
  std::string out = file.empty() ? "input" : file;
  if (line > 0) out += concat(':', line);
  if (line > 0 && column > 0) out += concat(':', column);
  out += is_error() ? ": error: " : ": warning: ";
  if (!subject.empty()) out += concat(subject, ": ");
  if (!field.empty()) out += concat(field, ": ");
  out += cause;
  if (!next_step.empty()) out += concat("; ", next_step);
  if (!code.empty()) out += concat(" [", code, ']');
  return out;
}

bool any_error(const std::vector<Complaint>& complaints) {
  return std::any_of(complaints.begin(), complaints.end(), [](const auto& one) { return one.is_error(); });
}

}  // namespace weft::yaml
