#include "cli/up/dns_message.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace weft::cli {
namespace {

std::string question(const std::string& name, uint16_t type) {
  std::string out;
  for (const auto label : split(name, '.')) {
    out += static_cast<char>(label.size());
    out += label;
  }
  out += '\0';
  out += static_cast<char>(type >> 8);
  out += static_cast<char>(type);
  return out + std::string("\0\1", 2);
}

std::string query(const std::string& name, uint16_t type, const std::string& after = {}) {
  std::string out("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00", 11);
  out += after.empty() ? '\0' : '\1';
  return out + question(name, type) + after;
}

TEST(DnsMessage, reads_name_in_lower_case_and_type) {
  const auto parsed = parse_dns_query(query("Reviews.Default.svc", 28));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->id, 0x1234);
  EXPECT_EQ(parsed->name, "reviews.default.svc");
  EXPECT_EQ(parsed->type, 28);
  EXPECT_EQ(parsed->udp_size, 512);
}

TEST(DnsMessage, edns_raises_the_size_of_an_answer) {
  const std::string opt("\0\0\x29\x04\xd0\0\0\0\0\0\0", 11);
  const auto parsed = parse_dns_query(query("a", 1, opt));
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(parsed->edns);
  EXPECT_EQ(parsed->udp_size, 1232);
}

TEST(DnsMessage, refuses_what_is_no_plain_query) {
  std::string answer = query("a", 1);
  answer[2] = '\x81';
  EXPECT_FALSE(parse_dns_query(answer));
  std::string compressed = query("a", 1);
  compressed[12] = '\xc0';
  EXPECT_FALSE(parse_dns_query(compressed));
  const std::string whole = query("reviews", 1);
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(parse_dns_query(whole.substr(0, size))) << size;
}

TEST(DnsMessage, answer_repeats_the_question_as_it_was_spelled) {
  const std::string asked = query("ReViews", 1);
  const auto parsed = parse_dns_query(asked);
  ASSERT_TRUE(parsed);
  const std::string reply = write_dns_reply(*parsed,
                                            {.records = {{.name = "reviews",
                                                          .type = DnsType::a,
                                                          .address = *IpAddress::parse("10.96.0.3"),
                                                          .target = {}}}},
                                            512);
  EXPECT_EQ(reply.substr(12, asked.size() - 12), asked.substr(12));
  EXPECT_EQ(reply.substr(reply.size() - 4), std::string("\x0a\x60\x00\x03", 4));
  EXPECT_EQ(reply[7], 1);
}

TEST(DnsMessage, an_answer_that_is_too_long_is_marked_truncated) {
  const auto parsed = parse_dns_query(query("many", 1));
  ASSERT_TRUE(parsed);
  DnsReply reply;
  for (uint32_t i = 0; i < 100; ++i) {
    reply.records.push_back(
        {.name = "many", .type = DnsType::a, .address = IpAddress::v4(0x0af40000 + i), .target = {}});
  }
  const std::string udp = write_dns_reply(*parsed, reply, 512);
  EXPECT_LE(udp.size(), 512u);
  EXPECT_TRUE(udp[2] & 0x02);
  EXPECT_EQ(udp[7], 0);
  const std::string tcp = write_dns_reply(*parsed, reply, 65535);
  EXPECT_FALSE(tcp[2] & 0x02);
  EXPECT_EQ(tcp[7], 100);
}

}  // namespace
}  // namespace weft::cli
