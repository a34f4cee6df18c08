#include "base/shelf.h"

#include <malloc.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

namespace weft::shelf {

namespace {

void* from_malloc(size_t size) {
  void* const block = std::malloc(size);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

}  // namespace

#ifdef WEFT_SANITIZED

void* take(size_t size) { return from_malloc(size); }
void give(void* block, size_t) noexcept { std::free(block); }
void give(void* block) noexcept { std::free(block); }

#else

namespace {

// Steps of 16 bytes to 1 KiB, in the sizes that malloc has (16 n + 8), then four steps to each power of two.
// Larger blocks are malloc's own business.
constexpr size_t kSmall = 64;
constexpr size_t kSmallest = 24;
constexpr size_t kSteps = 4;
constexpr size_t kSmallMost = kSmallest + 16 * (kSmall - 2);  // 1016
constexpr size_t kLargest = 64 * 1024;
constexpr size_t kClasses = kSmall + kSteps * (std::bit_width(kLargest) - std::bit_width(size_t{1024}) + 1);

constexpr size_t size_of(size_t index) {
  if (index < kSmall - 1) return kSmallest + 16 * index;
  const size_t step = index - (kSmall - 1);
  return (size_t{1024} << (step / kSteps)) / kSteps * (kSteps + step % kSteps);
}
// The class of blocks that are large enough.
constexpr size_t class_to_hold(size_t size) {
  if (size <= kSmallest) return 0;
  if (size <= kSmallMost) return (size - kSmallest + 15) / 16;
  if (size <= 1024) return kSmall - 1;
  const auto power = static_cast<size_t>(std::bit_width(size - 1)) - 1;  // 2^power < size <= 2^(power+1)
  const size_t quarter = (size_t{1} << power) / kSteps;
  const size_t step = (size - (size_t{1} << power) + quarter - 1) / quarter;
  return kSmall - 1 + (power - 10) * kSteps + step;
}
// The class that a block of that size can serve.
constexpr size_t class_held_by(size_t usable) {
  const size_t index = class_to_hold(usable);
  return size_of(index) <= usable ? index : index - 1;
}

constexpr bool classes_agree() {
  for (size_t size = 1; size <= kLargest; ++size) {
    const size_t index = class_to_hold(size);
    if (index >= kClasses || size_of(index) < size || (index > 0 && size_of(index - 1) >= size)) return false;
    if (size >= kSmallest && size_of(class_held_by(size)) > size) return false;
    if (size > 8192) size += 61;
  }
  return size_of(class_to_hold(kLargest)) == kLargest;
}
static_assert(classes_agree());

struct FreeBlock {
  FreeBlock* next;
};

// No destructor: a block may be given while other thread-locals die. The sweeper empties it.
struct Shelf {
  std::array<FreeBlock*, kClasses> first{};
  size_t kept = 0;
  bool swept = false;
};
constinit thread_local Shelf shelf;

struct Sweeper {
  ~Sweeper() {
    shelf.swept = true;  // what is given from now on goes to malloc
    for (auto& first : shelf.first) {
      while (first != nullptr) std::free(std::exchange(first, first->next));
    }
  }
};

void sweep_at_exit() { [[maybe_unused]] thread_local Sweeper sweeper; }

void keep(void* memory, size_t index) noexcept {
  const size_t size = size_of(index);
  if (shelf.kept + size > kMostKept || shelf.swept) {
    std::free(memory);
    return;
  }
  if (shelf.kept == 0) sweep_at_exit();
  auto* const block = static_cast<FreeBlock*>(memory);
  block->next = shelf.first[index];
  shelf.first[index] = block;
  shelf.kept += size;
}

}  // namespace

void* take(size_t size) {
  if (size > kLargest) return from_malloc(size);
  const size_t index = class_to_hold(size);
  FreeBlock* const block = shelf.first[index];
  if (block == nullptr) return from_malloc(size_of(index));
  shelf.first[index] = block->next;
  shelf.kept -= size_of(index);
  return block;
}

void give(void* block, size_t size) noexcept {
  if (block == nullptr) return;
  if (size > kLargest) {
    std::free(block);
  } else {
    keep(block, class_to_hold(size));
  }
}

void give(void* block) noexcept {
  if (block == nullptr) return;
  const size_t usable = malloc_usable_size(block);
  // A little more than a class is what malloc rounds up to; much more is not ours to keep.
  if (usable > kLargest + 64) {
    std::free(block);
  } else {
    keep(block, class_held_by(usable > kLargest ? kLargest : usable));
  }
}

#endif

}  // namespace weft::shelf
