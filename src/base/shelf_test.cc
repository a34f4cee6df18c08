#include "base/shelf.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

namespace weft {
namespace {

TEST(Shelf, blocks_of_any_size_hold_what_is_written_to_them) {
  struct Held {
    unsigned char* block;
    size_t size;
    unsigned char mark;
  };
  std::vector<Held> held;
  uint32_t state = 7;
  const auto next = [&] { return (state = state * 1664525 + 1013904223) >> 8; };
  const auto check_and_give = [&](const Held& one) {
    ASSERT_EQ(one.block[0], one.mark);
    ASSERT_EQ(one.block[one.size / 2], one.mark);
    ASSERT_EQ(one.block[one.size - 1], one.mark);
    next() % 2 == 0 ? shelf::give(one.block) : shelf::give(one.block, one.size);
  };
  for (int i = 0; i < 50000; ++i) {
    if (next() % 2 == 0 || held.empty()) {
      const size_t size = 1 + next() % (next() % 8 == 0 ? 200000 : 1500);
      auto* const block = static_cast<unsigned char*>(shelf::take(size));
      ASSERT_EQ(reinterpret_cast<uintptr_t>(block) % alignof(std::max_align_t), 0u);
      std::memset(block, i & 255, size);
      held.push_back({block, size, static_cast<unsigned char>(i & 255)});
    } else {
      std::swap(held[next() % held.size()], held.back());
      check_and_give(held.back());
      held.pop_back();
    }
  }
  for (const Held& one : held) check_and_give(one);
}

TEST(Shelf, nothing_is_a_block_too_and_no_block_may_be_given) {
  shelf::give(shelf::take(0));
  shelf::give(nullptr);
  shelf::give(nullptr, 0);
}

TEST(Shelf, takes_again_what_was_given) {
#ifndef WEFT_SANITIZED
  void* const first = shelf::take(300);
  shelf::give(first, 300);
  void* const second = shelf::take(301);  // the same class
  EXPECT_EQ(second, first);
  shelf::give(second, 301);
#endif
}

TEST(Shelf, a_block_may_be_given_in_another_thread_or_to_free) {
  std::vector<void*> blocks;
  std::thread maker([&] {
    for (int i = 0; i < 1000; ++i) blocks.push_back(shelf::take(5000));
  });
  maker.join();
  for (size_t i = 0; i < blocks.size(); ++i) i % 2 == 0 ? std::free(blocks[i]) : shelf::give(blocks[i], 5000);
}

}  // namespace
}  // namespace weft
