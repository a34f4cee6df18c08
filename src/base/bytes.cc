#include "base/bytes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <new>

namespace weft {

namespace {

constexpr size_t kSmallest = 512;

#ifndef WEFT_SANITIZED

constexpr size_t kLargest = 64 * 1024;  // larger blocks go to malloc
constexpr size_t kClasses = std::bit_width(kLargest) - std::bit_width(kSmallest) + 1;
// What one class may keep, so that a burst gives its memory back.
constexpr size_t kKeptBytes = 128 * 1024;

struct FreeBlock {
  FreeBlock* next;
};

// No destructor: a block may be freed while other thread-locals die. The sweeper empties it.
struct Shelf {
  std::array<FreeBlock*, kClasses> first{};
  std::array<uint32_t, kClasses> count{};
};
constinit thread_local Shelf shelf;

struct Sweeper {
  ~Sweeper() {
    for (auto& first : shelf.first) {
      while (first != nullptr) std::free(std::exchange(first, first->next));
    }
  }
};

size_t class_of(size_t size) { return static_cast<size_t>(std::bit_width(size) - std::bit_width(kSmallest)); }

#endif

}  // namespace

Buffer::Block Buffer::allocate_block(size_t& size) {
  size = std::max(size, kSmallest);
#ifndef WEFT_SANITIZED
  if (size <= kLargest) {
    size = std::bit_ceil(size);
    const size_t index = class_of(size);
    if (FreeBlock* block = shelf.first[index]) {
      shelf.first[index] = block->next;
      --shelf.count[index];
      return Block(reinterpret_cast<std::byte*>(block), Unshelved{size});
    }
  }
#endif
  void* block = std::malloc(size);
  if (block == nullptr) throw std::bad_alloc();
  return Block(static_cast<std::byte*>(block), Unshelved{size});
}

void Buffer::free_block(std::byte* block, [[maybe_unused]] size_t size) noexcept {
#ifndef WEFT_SANITIZED
  if (size <= kLargest) {
    const size_t index = class_of(size);
    if (shelf.count[index] * size < kKeptBytes) {
      [[maybe_unused]] thread_local Sweeper sweeper;
      auto* freed = reinterpret_cast<FreeBlock*>(block);
      freed->next = shelf.first[index];
      shelf.first[index] = freed;
      ++shelf.count[index];
      return;
    }
  }
#endif
  std::free(block);
}

// Slides the bytes to the front where half the buffer is free, otherwise doubles it.
void Buffer::make_room(size_t want) {
  const size_t held = size();
  if (held + want <= capacity_ && begin_ >= capacity_ / 2) {
    std::memmove(data_.get(), data_.get() + begin_, held);
  } else {
    size_t grown = std::max(held + want, capacity_ * 2);
    Block bigger = allocate_block(grown);
    if (held > 0) std::memcpy(bigger.get(), data_.get() + begin_, held);
    data_ = std::move(bigger);
    capacity_ = grown;
  }
  begin_ = 0;
  end_ = held;
}

}  // namespace weft
