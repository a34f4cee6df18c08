#include "io/task.h"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace weft::io {

#ifdef WEFT_SANITIZED

void* allocate_frame(size_t size) { return ::operator new(size); }
void free_frame(void* frame, size_t) noexcept { ::operator delete(frame); }

#else

namespace {

// Classes of 64 bytes up to 4 KiB cover every frame seen; larger ones go to malloc.
constexpr size_t kStep = 64;
constexpr size_t kClasses = 64;
// What one class may keep. A burst gives its memory back beyond that.
constexpr size_t kKeptBytes = 256 * 1024;

struct FreeFrame {
  FreeFrame* next;
};

// No destructor: a frame may be freed while other thread-locals die. The sweeper below empties it.
struct Shelf {
  std::array<FreeFrame*, kClasses> first{};
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

}  // namespace

void* allocate_frame(size_t size) {
  const size_t index = (size - 1) / kStep;
  if (index < kClasses) {
    if (FreeFrame* frame = shelf.first[index]) {
      shelf.first[index] = frame->next;
      --shelf.count[index];
      return frame;
    }
    size = (index + 1) * kStep;
  }
  void* frame = std::malloc(size);
  if (frame == nullptr) throw std::bad_alloc();
  return frame;
}

void free_frame(void* memory, size_t size) noexcept {
  const size_t index = (size - 1) / kStep;
  if (index >= kClasses || shelf.count[index] * (index + 1) * kStep >= kKeptBytes) {
    std::free(memory);
    return;
  }
  [[maybe_unused]] thread_local Sweeper sweeper;
  auto* frame = static_cast<FreeFrame*>(memory);
  frame->next = shelf.first[index];
  shelf.first[index] = frame;
  ++shelf.count[index];
}

#endif

}  // namespace weft::io
