// The 64-bit hash that consistent balancing uses: xxHash64, so that a ring or table here sends a key where
// Envoy's would.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace weft::balance {

uint64_t hash64(std::string_view text, uint64_t seed = 0);

// Several hash policies of a route make one hash: the older is rotated, then the new one is mixed in.
inline uint64_t combine_hash(std::optional<uint64_t> old, uint64_t fresh) {
  return old ? ((*old << 1) | (*old >> 63)) ^ fresh : fresh;
}

}  // namespace weft::balance
