// Tests of request headers, where a header may come more than once.
//
// Routing joins the values of a repeated field with ',' (RFC 9110 section 5.3) and tests the result.
// Authorisation cannot: which of the values a backend goes by is unknown, so it asks for all readings
// (each value alone, and the joined one) and takes the one that lets less pass (authorize.h).
#pragma once

#include <cstdint>

#include "model/match.h"
#include "policy/request_view.h"

namespace weft::policy {

// Which readings of a repeated field must pass a test.
enum class Reading : uint8_t { any, every };

constexpr Reading opposite(Reading reading) {
  return reading == Reading::any ? Reading::every : Reading::any;
}

// The joined value alone. A missing header matches only an inverted presence test, or, where
// treat_missing_as_empty says so, as the empty text.
bool matches(const model::HeaderMatch& match, const RequestView& request);
bool matches(const model::HeaderMatch& match, const RequestView& request, Reading reading);

}  // namespace weft::policy
