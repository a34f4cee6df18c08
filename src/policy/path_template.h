// Istio's path templates: {*} is one whole segment, {**} is any number of segments.
//
//   auto t = PathTemplate::parse("/users/{*}/files/{**}");
//   t->matches("/users/ann/files/a/b");
//
// {**} comes last among the operators; literal segments may follow it. {*} needs at least one character;
// {**} takes the empty text too, but the slash before it must be there: "/a/{**}" matches "/a/", not "/a".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::policy {

class PathTemplate {
 public:
  // Errors say which segment is wrong and what would be right.
  static Result<PathTemplate> parse(std::string_view text, bool ignore_case = false);
  // `path` without query.
  bool matches(std::string_view path) const;
  bool has_operator() const { return has_operator_; }

 private:
  struct Segment {
    enum class Kind : uint8_t { literal, one } kind;
    std::string text;
  };
  PathTemplate() = default;
  bool same(std::string_view a, std::string_view b) const;

  std::vector<Segment> segments_;  // up to {**}, or all
  std::string tail_;               // what follows {**}, its leading slash included
  bool any_tail_ = false;          // there is a {**}
  bool has_operator_ = false;
  bool ignore_case_ = false;
};

}  // namespace weft::policy
