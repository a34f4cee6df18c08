#include "base/check.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace weft {

namespace {
std::atomic<uint64_t> bugs{0};
}

void check_failed(const char* file, int line, const char* expression) {
  std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", file, line, expression);
  std::abort();
}

void bug_found(const char* file, int line, const char* expression) {
  bugs.fetch_add(1, std::memory_order_relaxed);
  std::fprintf(stderr, "%s:%d: BUG: %s\n", file, line, expression);
#ifdef WEFT_SANITIZED
  std::abort();
#endif
}

uint64_t bugs_found() { return bugs.load(std::memory_order_relaxed); }

}  // namespace weft
