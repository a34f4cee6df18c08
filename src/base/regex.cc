#include "base/regex.h"

#include <re2/re2.h>

#include "base/strings.h"

namespace weft {

Result<Regex> Regex::compile(std::string_view pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  auto re = std::make_shared<const re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!re->ok()) {
    return fail(Error::Kind::invalid, concat("the regular expression '", printable(pattern, 80),
                                             "' does not compile: ", re->error()));
  }
  return Regex(std::move(re));
}

bool Regex::matches_fully(std::string_view text) const {
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *re_);
}

std::string Regex::replace_all(std::string_view text, std::string_view rewrite) const {
  std::string out(text);
  re2::RE2::GlobalReplace(&out, *re_, re2::StringPiece(rewrite.data(), rewrite.size()));
  return out;
}

const std::string& Regex::pattern() const { return re_->pattern(); }

int Regex::groups() const { return re_->NumberOfCapturingGroups(); }

}  // namespace weft
