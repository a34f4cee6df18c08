#include "base/address.h"

#include <gtest/gtest.h>

#include <string_view>

namespace weft {
namespace {

using namespace std::string_view_literals;

TEST(IpAddress, reads_what_it_writes) {
  for (const std::string_view text : {"0.0.0.0"sv, "10.1.2.3"sv, "255.255.255.255"sv, "::"sv, "::1"sv,
                                      "2001:db8::7"sv, "fe80::1:2:3:4"sv}) {
    const auto address = IpAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
  }
}

TEST(IpAddress, refuses_what_is_none) {
  for (const std::string_view text :
       {""sv, " 10.0.0.1"sv, "10.0.0.1 "sv, "10.0.0"sv, "010.0.0.1"sv, "256.0.0.1"sv, "10.0.0.1/8"sv, ":::"sv,
        "1::2::3"sv, "[::1]"sv, "fe80::1%eth0"sv}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
}

TEST(IpAddress, refuses_bytes_behind_a_nul) {
  EXPECT_FALSE(IpAddress::parse("10.0.0.1\0evil"sv));
  EXPECT_FALSE(IpAddress::parse("::\0@"sv));
  EXPECT_FALSE(SocketAddress::parse("[::\0@]:80"sv));
  EXPECT_FALSE(SocketAddress::parse("10.0.0.1\0:80"sv));
}

TEST(IpAddress, an_ipv4_mapped_address_is_the_ipv4_address) {
  const auto mapped = IpAddress::parse("::ffff:10.0.0.1");
  ASSERT_TRUE(mapped);
  EXPECT_EQ(mapped->to_string(), "10.0.0.1");
  EXPECT_EQ(*mapped, *IpAddress::parse("10.0.0.1"));
}

}  // namespace
}  // namespace weft
