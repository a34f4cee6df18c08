// WEFT_CHECK for what only our own bug can break: it prints the place and ends the process.
// WEFT_BUG_IF for doubts: it counts and logs in production, ends the process in sanitized builds.
// Neither is ever used on bytes from outside, on peers, on configuration or on the kernel's refusals.
#pragma once

#include <cstdint>

namespace weft {

[[noreturn]] void check_failed(const char* file, int line, const char* expression);
void bug_found(const char* file, int line, const char* expression);
// How many times WEFT_BUG_IF held since the process started.
uint64_t bugs_found();

}  // namespace weft

#define WEFT_CHECK(expression) \
  (__builtin_expect(!!(expression), 1) ? void(0) : ::weft::check_failed(__FILE__, __LINE__, #expression))
// True where the doubt held, so that the caller can take the safe way out.
#define WEFT_BUG_IF(expression) \
  (__builtin_expect(!!(expression), 0) ? (::weft::bug_found(__FILE__, __LINE__, #expression), true) : false)
