// Regular expressions: RE2, so time is linear in the text and memory is bounded.
//
//   auto regex = Regex::compile("/api/v[0-9]+/.*");
//   regex->matches_fully(path);
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace re2 {
class RE2;
}

namespace weft {

// Immutable and cheap to copy; usable from any thread.
class Regex {
 public:
  // Fails with RE2's own words where the pattern does not compile or is too big (1 MiB of program).
  static Result<Regex> compile(std::string_view pattern);

  bool matches_fully(std::string_view text) const;
  // Every match in `text` replaced by `rewrite`, in which \1 to \9 are groups (Envoy's regex_rewrite).
  std::string replace_all(std::string_view text, std::string_view rewrite) const;
  const std::string& pattern() const;
  // How many groups the pattern captures: a rewrite may not name more.
  int groups() const;

  bool operator==(const Regex& other) const { return pattern() == other.pattern(); }

 private:
  explicit Regex(std::shared_ptr<const re2::RE2> re) : re_(std::move(re)) {}
  std::shared_ptr<const re2::RE2> re_;
};

}  // namespace weft
