// What the API has and Weft does not do yet: one table of field paths a kind.
//
// Such a field is parsed, checked like any other, and then refused by name, because ignoring it would
// change who gets in or where traffic goes. When support arrives, its line goes.
#pragma once

#include <span>
#include <string_view>

namespace weft::objects {

// A path is written without list indices and map keys: "spec.http.route.headers". It covers what is
// below it. With a value, only that value is refused: action CUSTOM.
struct Unsupported {
  std::string_view kind;
  std::string_view path;
  std::string_view value;      // empty: any value
  std::string_view next_step;  // what a user can do instead
};

std::span<const Unsupported> unsupported_fields();

// The entry that covers this field of this kind, or null. `value` is the field's scalar text.
const Unsupported* find_unsupported(std::string_view kind, std::string_view path, std::string_view value);

}  // namespace weft::objects
