#include "model/match.h"

#include "base/strings.h"

namespace weft::model {

namespace {

StringMatch make(StringMatch::Kind kind, std::string value, bool ignore_case) {
  StringMatch match;
  match.kind = kind;
  match.value = std::move(value);
  match.ignore_case = ignore_case;
  return match;
}

bool contains(std::string_view text, std::string_view part, bool ignore_case) {
  if (!ignore_case) return text.find(part) != std::string_view::npos;
  for (size_t i = 0; i + part.size() <= text.size(); ++i) {
    if (equal_ignoring_case(text.substr(i, part.size()), part)) return true;
  }
  return false;
}

}  // namespace

StringMatch StringMatch::exact(std::string value, bool ignore_case) {
  return make(Kind::exact, std::move(value), ignore_case);
}
StringMatch StringMatch::prefix(std::string value, bool ignore_case) {
  return make(Kind::prefix, std::move(value), ignore_case);
}
StringMatch StringMatch::suffix(std::string value, bool ignore_case) {
  return make(Kind::suffix, std::move(value), ignore_case);
}
StringMatch StringMatch::contains(std::string value) { return make(Kind::contains, std::move(value), false); }

Result<StringMatch> StringMatch::regex_match(std::string_view pattern) {
  StringMatch match = make(Kind::regex, std::string(pattern), false);
  WEFT_TRY(auto regex, Regex::compile(pattern));
  match.regex = std::move(regex);
  return match;
}

bool StringMatch::matches(std::string_view text) const {
  switch (kind) {
    case Kind::exact:
      return ignore_case ? equal_ignoring_case(text, value) : text == value;
    case Kind::prefix:
      return ignore_case ? starts_with_ignoring_case(text, value) : text.starts_with(value);
    case Kind::suffix:
      if (!ignore_case) return text.ends_with(value);
      return text.size() >= value.size() &&
             equal_ignoring_case(text.substr(text.size() - value.size()), value);
    case Kind::contains:
      return model::contains(text, value, ignore_case);
    case Kind::regex:
      return regex->matches_fully(text);
  }
  return false;
}

}  // namespace weft::model
