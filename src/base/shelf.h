// Memory that a thread gives back and takes again: a shelf of free blocks by size.
//
// A request makes some thirty short-lived objects, all of sizes that the request before it had. The general
// allocator looks for each, and splits and joins chunks as they come and go; here one that was given back
// waits for the next. A block is one of malloc's, so whoever frees it may as well use free(), in any thread,
// and a burst's memory goes back to malloc beyond a bound.
//
// The programs' operator new and delete stand on it (main/allocator.cc). Under sanitizers it is plain malloc.
#pragma once

#include <cstddef>

namespace weft::shelf {

// Never nullptr: where there is no memory it throws std::bad_alloc.
void* take(size_t size);
// `size` is what was asked for.
void give(void* block, size_t size) noexcept;
// For those who do not know it.
void give(void* block) noexcept;

// What the calling thread's shelf holds at most.
inline constexpr size_t kMostKept = 1024 * 1024;

}  // namespace weft::shelf
