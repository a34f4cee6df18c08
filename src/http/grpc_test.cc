#include "http/grpc.h"

#include <gtest/gtest.h>

#include "http/sanitize.h"

namespace weft::http {
namespace {

using namespace std::chrono_literals;

TEST(GrpcTimeout, is_read_and_written) {
  EXPECT_EQ(*parse_grpc_timeout("100m"), 100ms);
  EXPECT_EQ(*parse_grpc_timeout("2H"), 2h);
  EXPECT_EQ(*parse_grpc_timeout("99999999H"), kForever);
  for (const std::string_view bad : {"", "1", "m", "123456789m", "1x", "-1S", "1.5S"}) {
    EXPECT_FALSE(parse_grpc_timeout(bad)) << bad;
  }
  EXPECT_EQ(format_grpc_timeout(10ms), "10000000n");
  EXPECT_EQ(format_grpc_timeout(1s), "1000000u");
  EXPECT_EQ(format_grpc_timeout(std::chrono::hours(30)), "108000S");
  for (const Duration d : {Duration(1ns), Duration(99ms), Duration(1500ms), Duration(3h), Duration(900h)}) {
    EXPECT_GE(*parse_grpc_timeout(format_grpc_timeout(d)), d);
  }
}

TEST(GrpcMessage, survives_any_bytes) {
  const std::string text = "no \"healthy\" endpoint: 100% of \xc3\xa9\n";
  EXPECT_EQ(encode_grpc_message(text), "no \"healthy\" endpoint: 100%25 of %C3%A9%0A");
  EXPECT_EQ(decode_grpc_message(encode_grpc_message(text)), text);
  EXPECT_EQ(decode_grpc_message("100%zz%2"), "100%zz%2");
}

TEST(GrpcMessageReader, takes_messages_apart_at_any_split) {
  Buffer body;
  append_grpc_prefix(body, 3);
  body.append(std::string_view("abc"));
  append_grpc_prefix(body, 0);
  append_grpc_prefix(body, 1);
  body.append(std::string_view("d"));
  for (size_t at = 0; at <= body.size(); ++at) {
    GrpcMessageReader reader;
    std::string all;
    const auto read = [&] {
      for (;;) {
        auto message = reader.next();
        ASSERT_TRUE(message);
        if (!*message) return;
        all += **message + "|";
      }
    };
    reader.feed(body.bytes().first(at));
    read();
    reader.feed(body.bytes().subspan(at));
    read();
    EXPECT_EQ(all, "abc||d|");
    EXPECT_TRUE(reader.at_boundary());
  }
}

TEST(GrpcMessageReader, refuses_what_it_cannot_take) {
  GrpcMessageReader reader(4);
  Buffer body;
  append_grpc_prefix(body, 5);
  reader.feed(body.bytes());
  EXPECT_EQ(reader.next().error().kind, Error::Kind::overflow);
  GrpcMessageReader compressed;
  Buffer second;
  append_grpc_prefix(second, 0, true);
  compressed.feed(second.bytes());
  EXPECT_EQ(compressed.next().error().kind, Error::Kind::unsupported);
}

TEST(GrpcStatus, goes_through_trailers) {
  Headers trailers;
  add_grpc_status(trailers, {GrpcStatus::unavailable, "gone\n"});
  EXPECT_EQ(read_grpc_status(trailers)->to_string(), "UNAVAILABLE: gone\n");
  EXPECT_FALSE(read_grpc_status(Headers()));
}

TEST(Headers, look_up_ignores_case_and_set_keeps_the_place) {
  Headers headers;
  headers.add("A", "1");
  headers.add("b", "2");
  headers.add("a", "3");
  EXPECT_EQ(headers.get("a"), "1");
  EXPECT_EQ(headers.joined("a"), "1,3");
  EXPECT_EQ(headers.count("A"), 2);
  headers.set("a", "x");
  EXPECT_EQ(headers.size(), 2);
  EXPECT_EQ(headers.begin()->value, "x");
  EXPECT_EQ(headers.text_size(), 4);
  Headers copy = headers;
  headers.clear();
  EXPECT_EQ(copy.get("b"), "2");
  EXPECT_EQ(copy.remove("B"), 1);
  EXPECT_EQ(copy.size(), 1);
}

TEST(Headers, hop_by_hop_fields_are_removed) {
  Headers headers;
  headers.add("Connection", "x-a, close");
  headers.add("X-A", "1");
  headers.add("Keep-Alive", "5");
  headers.add("TE", "trailers");
  headers.add("Upgrade", "x");
  headers.add("B", "2");
  remove_hop_by_hop(headers);
  Headers left;
  left.add("te", "trailers");
  left.add("B", "2");
  EXPECT_TRUE(headers == left) << headers.size();
}

}  // namespace
}  // namespace weft::http
