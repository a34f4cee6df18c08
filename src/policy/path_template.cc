#include "policy/path_template.h"

#include <optional>

#include "base/strings.h"

namespace weft::policy {

namespace {

constexpr std::string_view kOne = "{*}";
constexpr std::string_view kRest = "{**}";

std::unexpected<Error> bad(std::string_view text, std::string_view why) {
  return fail(Error::Kind::invalid, concat("the path template '", printable(text), "' ", why));
}

}  // namespace

Result<PathTemplate> PathTemplate::parse(std::string_view text, bool ignore_case) {
  if (!text.starts_with('/')) return bad(text, "does not start with '/'");
  PathTemplate parsed;
  parsed.ignore_case_ = ignore_case;
  for (const std::string_view segment : split(text.substr(1), '/')) {
    if (segment == kOne || segment == kRest) {
      if (parsed.any_tail_) return bad(text, "has an operator after {**}, which must be the last one");
      parsed.has_operator_ = true;
    } else if (segment.find_first_of("{}*") != segment.npos) {
      return bad(text,
                 concat("has the segment '", printable(segment),
                        "': {*} and {**} stand alone between slashes, and braces and stars nowhere else"));
    }
    if (segment == kRest) {
      parsed.any_tail_ = true;
    } else if (parsed.any_tail_) {
      parsed.tail_.append("/").append(segment);
    } else if (segment == kOne) {
      parsed.segments_.push_back({Segment::Kind::one, {}});
    } else {
      parsed.segments_.push_back({Segment::Kind::literal, std::string(segment)});
    }
  }
  return parsed;
}

bool PathTemplate::same(std::string_view a, std::string_view b) const {
  return ignore_case_ ? equal_ignoring_case(a, b) : a == b;
}

bool PathTemplate::matches(std::string_view path) const {
  for (const auto& wanted : segments_) {
    if (!path.starts_with('/')) return false;
    path.remove_prefix(1);
    const std::string_view segment = path.substr(0, path.find('/'));
    const bool fits = wanted.kind == Segment::Kind::one ? !segment.empty() : same(segment, wanted.text);
    if (!fits) return false;
    path.remove_prefix(segment.size());
  }
  if (!any_tail_) return path.empty();
  // Any text, then the tail. The slash before {**} is not the one that begins the tail.
  if (!path.starts_with('/')) return false;
  path.remove_prefix(1);
  return path.size() >= tail_.size() && same(path.substr(path.size() - tail_.size()), tail_);
}

}  // namespace weft::policy
