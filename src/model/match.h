// The small predicates that routes, policies and filter chains are made of.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/regex.h"

namespace weft::model {

// One test of one string (xDS type.matcher.v3.StringMatcher).
struct StringMatch {
  enum class Kind : uint8_t { exact, prefix, suffix, contains, regex };
  Kind kind = Kind::exact;
  std::string value;  // for regex: the pattern
  bool ignore_case = false;
  std::optional<Regex> regex;  // set exactly when kind is regex; full match

  static StringMatch exact(std::string value, bool ignore_case = false);
  static StringMatch prefix(std::string value, bool ignore_case = false);
  static StringMatch suffix(std::string value, bool ignore_case = false);
  static StringMatch contains(std::string value);
  static Result<StringMatch> regex_match(std::string_view pattern);

  bool matches(std::string_view text) const;
  bool operator==(const StringMatch&) const = default;
};

// One test of a request header (config.route.v3.HeaderMatcher). Names are lower-case.
// `present` with invert is "absent". Several fields of one name are joined with ',' before the test.
// The names :method, :path, :authority and :scheme mean the request's own parts.
struct HeaderMatch {
  std::string name;
  bool present_only = false;  // else `value` is tested
  StringMatch value;
  bool invert = false;
  // A missing header counts as the empty string instead of "does not match".
  bool treat_missing_as_empty = false;
  bool operator==(const HeaderMatch&) const = default;
};

struct QueryMatch {
  std::string name;
  bool present_only = false;
  StringMatch value;
  bool operator==(const QueryMatch&) const = default;
};

}  // namespace weft::model
