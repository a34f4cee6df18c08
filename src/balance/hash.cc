#include "balance/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace weft::balance {

uint64_t hash64(std::string_view text, uint64_t seed) { return XXH64(text.data(), text.size(), seed); }

}  // namespace weft::balance
