#include "http/characters.h"

#include <gtest/gtest.h>

#include <string>

namespace weft::http {
namespace {

// Words of all lengths with one byte of each value in each place: what is looked at in pieces is seen whole.
TEST(Characters, one_byte_decides_wherever_it_stands) {
  for (size_t size = 1; size <= 70; ++size) {
    for (size_t place = 0; place < size; ++place) {
      for (unsigned value = 0; value < 256; ++value) {
        std::string word(size, 'x');
        word[place] = static_cast<char>(value);
        const bool token = is_class(word[place], kToken);
        ASSERT_EQ(is_token(word), token) << size << " " << place << " " << value;
        ASSERT_EQ(span_of(word, kToken), token ? size : place) << size << " " << place << " " << value;
        ASSERT_EQ(is_field_value(word), is_value_byte(static_cast<uint8_t>(value)))
            << size << " " << place << " " << value;
      }
    }
  }
  EXPECT_FALSE(is_token(""));
  EXPECT_TRUE(is_field_value(""));
}

TEST(Characters, tokens_are_what_the_grammar_names) {
  EXPECT_TRUE(is_token("!#$%&'*+-.^_`|~09azAZ"));  // RFC 9110 section 5.6.2
  for (const char c : std::string("(),/:;<=>?@[\\]{}\" \t")) EXPECT_FALSE(is_token(std::string(1, c))) << c;
}

}  // namespace
}  // namespace weft::http
