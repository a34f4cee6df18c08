#include "policy/route_index.h"

#include <algorithm>

namespace weft::policy {

namespace {

using Path = model::RouteMatch::Path;

// Below this many, asking each is as fast.
constexpr size_t kWorthAnIndex = 8;

constexpr std::string_view kMeta = "\\.[]{}()*+?|^$";

// Whether the pattern has a '|' outside all groups, so that what stands before it need not be there.
// True where in doubt.
bool has_alternatives(std::string_view pattern) {
  int depth = 0;
  for (size_t i = 0; i < pattern.size(); ++i) {
    switch (pattern[i]) {
      case '\\':
        if (i + 1 < pattern.size() && pattern[i + 1] == 'Q') return true;  // quoting: not worth following
        ++i;
        break;
      case '[': {  // a class: ']' stands for itself when it comes first
        size_t at = i + 1;
        if (at < pattern.size() && pattern[at] == '^') ++at;
        if (at < pattern.size() && pattern[at] == ']') ++at;
        while (at < pattern.size() && pattern[at] != ']') {
          if (pattern[at] == '[') return true;  // a named class or a stray bracket
          at += pattern[at] == '\\' ? 2 : 1;
        }
        i = at;
        break;
      }
      case '(':
        ++depth;
        break;
      case ')':
        --depth;
        break;
      case '|':
        if (depth <= 0) return true;
        break;
      default:
        break;
    }
  }
  return false;
}

std::string beginning_of(const model::RouteMatch& match) {
  if (match.ignore_case) return {};
  switch (match.path_kind) {
    case Path::exact:
    case Path::prefix:
      return match.path;
    case Path::path_separated_prefix:
      return match.path.ends_with('/') ? match.path.substr(0, match.path.size() - 1) : match.path;
    case Path::regex:
      return match.regex ? literal_beginning(match.regex->pattern()) : std::string();
    case Path::connect:
      return {};
  }
  return {};
}

}  // namespace

std::string literal_beginning(std::string_view pattern) {
  if (has_alternatives(pattern)) return {};
  if (pattern.starts_with('^')) pattern.remove_prefix(1);
  std::string text;
  for (const char c : pattern) {
    // Other than ASCII is left alone: a '?' behind it would take back several bytes.
    if (kMeta.find(c) != kMeta.npos || static_cast<unsigned char>(c) >= 0x80) {
      const bool may_be_absent = c == '*' || c == '?' || c == '{';
      if (may_be_absent && !text.empty()) text.pop_back();
      break;
    }
    text.push_back(c);
  }
  return text;
}

RouteIndex::RouteIndex(const std::vector<model::Route>& routes)
    : count_(static_cast<uint32_t>(routes.size())) {
  if (routes.size() < kWorthAnIndex) return;
  indexed_ = true;
  std::vector<std::string> beginnings;
  for (const auto& route : routes) beginnings.push_back(beginning_of(route.match));
  choose_lengths(beginnings);
  for (uint32_t i = 0; i < count_; ++i) {
    const auto& match = routes[i].match;
    if (match.path_kind == Path::exact && !match.ignore_case) {
      by_path_[match.path].push_back(i);
      continue;
    }
    // The longest length that is not longer than what is known of the path.
    const auto above = std::ranges::upper_bound(lengths_, beginnings[i].size());
    if (above == lengths_.begin()) {
      any_.push_back(i);
      continue;
    }
    const auto table = static_cast<size_t>(above - lengths_.begin()) - 1;
    by_beginning_[table][beginnings[i].substr(0, lengths_[table])].push_back(i);
  }
}

void RouteIndex::choose_lengths(const std::vector<std::string>& beginnings) {
  for (const auto& text : beginnings) {
    if (!text.empty()) lengths_.push_back(text.size());
  }
  std::ranges::sort(lengths_);
  const auto repeated = std::ranges::unique(lengths_);
  lengths_.erase(repeated.begin(), repeated.end());
  if (lengths_.size() > kMostLengths) {  // evenly some of them
    std::vector<size_t> some;
    for (size_t i = 0; i < kMostLengths; ++i) some.push_back(lengths_[i * lengths_.size() / kMostLengths]);
    lengths_ = std::move(some);
  }
  by_beginning_.resize(lengths_.size());
}

RouteIndex::Cursors RouteIndex::look_up(std::string_view path) const {
  Cursors cursors;
  cursors.add(any_);
  if (const auto it = by_path_.find(path); it != by_path_.end()) cursors.add(it->second);
  for (size_t i = 0; i < lengths_.size() && lengths_[i] <= path.size(); ++i) {
    const auto it = by_beginning_[i].find(path.substr(0, lengths_[i]));
    if (it != by_beginning_[i].end()) cursors.add(it->second);
  }
  return cursors;
}

bool RouteIndex::Cursors::next(uint32_t& place) {
  List* least = nullptr;
  for (size_t i = 0; i < count; ++i) {
    if (lists[i].at != lists[i].end && (!least || *lists[i].at < *least->at)) least = &lists[i];
  }
  if (!least) return false;
  place = *least->at++;
  return true;
}

}  // namespace weft::policy
