#include "base/strings.h"

#include <gtest/gtest.h>

#include <string>

namespace weft {
namespace {

TEST(Strings, case_is_ignored_for_letters_alone_and_in_every_place) {
  for (size_t size = 1; size <= 20; ++size) {
    for (size_t place = 0; place < size; ++place) {
      for (unsigned left = 0; left < 256; ++left) {
        std::string a(size, 'q');
        a[place] = static_cast<char>(left);
        for (const unsigned right : {left, left ^ 0x20u, left ^ 0x80u, left ^ 1u, left ^ 0xa0u}) {
          std::string b(size, 'Q');
          b[place] = static_cast<char>(right);
          ASSERT_EQ(equal_ignoring_case(a, b), to_lower(a[place]) == to_lower(b[place]))
              << size << " " << place << " " << left << " " << right;
        }
      }
    }
  }
  EXPECT_TRUE(equal_ignoring_case("", ""));
  EXPECT_FALSE(equal_ignoring_case("host", "hosts"));
}

}  // namespace
}  // namespace weft
