#include "base/bytes.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace weft {
namespace {

TEST(Buffer, keeps_what_was_appended_and_not_consumed) {
  Buffer buffer;
  std::string expected;
  uint32_t state = 1;
  for (int i = 0; i < 20000; ++i) {
    state = state * 1664525 + 1013904223;
    if ((state >> 16) % 3 != 0) {
      const std::string piece((state >> 20) % 3000, static_cast<char>('a' + i % 26));
      buffer.append(piece);
      expected += piece;
    } else {
      const size_t count = expected.empty() ? 0 : (state >> 8) % (expected.size() + 1);
      buffer.consume(count);
      expected.erase(0, count);
    }
    ASSERT_EQ(buffer.size(), expected.size());
    if (i % 500 == 0) {
      ASSERT_EQ(buffer.text(), expected);
    }
  }
  EXPECT_EQ(buffer.text(), expected);
}

TEST(Buffer, gives_its_memory_back_and_may_be_used_again) {
  Buffer buffer;
  buffer.append(std::string(100000, 'x'));
  buffer.release();
  EXPECT_EQ(buffer.capacity(), 0u);
  EXPECT_TRUE(buffer.empty());
  buffer.append("again");
  EXPECT_EQ(buffer.text(), "again");
}

TEST(Buffer, moving_leaves_an_empty_one) {
  Buffer from;
  from.append("text");
  Buffer to = std::move(from);
  EXPECT_EQ(to.text(), "text");
  EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move): that is the point
  EXPECT_EQ(from.capacity(), 0u);
  from.append("new");
  EXPECT_EQ(from.text(), "new");
}

TEST(Buffer, made_in_one_thread_may_be_freed_in_another) {
  std::vector<Buffer> buffers(64);
  std::thread maker([&] {
    for (Buffer& buffer : buffers) buffer.append(std::string(5000, 'm'));
  });
  maker.join();
  for (const Buffer& buffer : buffers) EXPECT_EQ(buffer.size(), 5000u);
  buffers.clear();
  Buffer next;
  next.append(std::string(5000, 'n'));
  EXPECT_EQ(next.size(), 5000u);
}

}  // namespace
}  // namespace weft
