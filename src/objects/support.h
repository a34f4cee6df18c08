// What the API has and Weft does not do yet: one table of field paths a kind.
//
// Such a field is parsed, checked like any other, and then refused by name, because ignoring it would
// change who gets in or where traffic goes. When support arrives, its line goes.
#pragma once

#include <span>
#include <string_view>

namespace weft::objects {

// A path is written without list indices: "spec.http.delegate"; one that begins with "*." is the end of a
// path, for what stands in several places. It covers what is below it. With a value only that value is
// refused, or with a '*' at its end what begins with it: action CUSTOM, key request.auth.*.
struct Unsupported {
  std::string_view kind;
  std::string_view path;
  std::string_view value;      // empty: any value
  std::string_view next_step;  // what a user can do instead
};

std::span<const Unsupported> unsupported_fields();

// The entry that covers this field of this kind, or null. `value` is the field's scalar text.
const Unsupported* find_unsupported(std::string_view kind, std::string_view path, std::string_view value);

// False where no entry of this kind ends with this field's name: what most fields can be asked quickly.
bool may_be_unsupported(std::string_view kind, std::string_view name);

}  // namespace weft::objects
