// Result<T>: a value or an Error. The two macros return early on an error:
//
//   WEFT_TRY(auto port, parse_port(text));       // in a function that returns Result<U>
//   WEFT_CO_TRY(auto n, co_await read(stream));  // in a coroutine that returns Task<Result<U>>
//   WEFT_CHECK_OK(expr) / WEFT_CO_CHECK_OK(expr) // for Result<void>
#pragma once

#include <expected>

#include "base/error.h"

namespace weft {

template <typename T = void>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(Error error) { return std::unexpected(std::move(error)); }

[[nodiscard]] inline std::unexpected<Error> fail(Error::Kind kind, std::string text) {
  Error error;
  error.kind = kind;
  error.text = std::move(text);
  return std::unexpected(std::move(error));
}

}  // namespace weft

#define WEFT_CONCAT2(a, b) a##b
#define WEFT_CONCAT(a, b) WEFT_CONCAT2(a, b)

#define WEFT_TRY_AS(tmp, returns, lhs, ...)                  \
  auto tmp = (__VA_ARGS__);                                  \
  if (!tmp) returns std::unexpected(std::move(tmp).error()); \
  lhs = std::move(*tmp)
#define WEFT_TRY(lhs, ...) WEFT_TRY_AS(WEFT_CONCAT(try_, __COUNTER__), return, lhs, __VA_ARGS__)
#define WEFT_CO_TRY(lhs, ...) WEFT_TRY_AS(WEFT_CONCAT(try_, __COUNTER__), co_return, lhs, __VA_ARGS__)

#define WEFT_OK_AS(tmp, returns, ...)                          \
  do {                                                         \
    auto tmp = (__VA_ARGS__);                                  \
    if (!tmp) returns std::unexpected(std::move(tmp).error()); \
  } while (false)
#define WEFT_CHECK_OK(...) WEFT_OK_AS(WEFT_CONCAT(ok_, __COUNTER__), return, __VA_ARGS__)
#define WEFT_CO_CHECK_OK(...) WEFT_OK_AS(WEFT_CONCAT(ok_, __COUNTER__), co_return, __VA_ARGS__)
