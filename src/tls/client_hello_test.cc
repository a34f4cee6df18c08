#include "tls/client_hello.h"

#include <gtest/gtest.h>

#include "tls/test_support.h"

namespace weft::tls {
namespace {

using Status = ClientHello::Status;

// What our own client sends first.
std::string real_hello(std::string server_name, std::vector<std::string> alpn) {
  io::ManualLoop loop(1);
  auto [near, far] = io::make_pipe(loop);
  const testing::Authority authority{loop.wall_now()};
  auto context = ClientContext::make({.trust = authority.bundle(),
                                      .server_name = std::move(server_name),
                                      .common = {.alpn = std::move(alpn)}})
                     .value();
  testing::MaybeStream client = testing::not_yet();
  io::TaskGroup tasks(loop);
  tasks.spawn(testing::connect_into(std::move(near), std::move(context), TimePoint::max(), client));
  loop.run_until_idle();
  std::string bytes(16384, '\0');
  bytes.resize(far->try_read(std::as_writable_bytes(std::span(bytes))).count);
  return bytes;
}

TEST(ClientHello, tells_server_name_and_protocols) {
  const std::string bytes = real_hello("Shop.Example.org", {"istio", "h2"});
  const ClientHello hello = parse_client_hello(as_bytes(bytes));
  EXPECT_EQ(hello.status, Status::complete);
  EXPECT_EQ(hello.server_name, "shop.example.org");
  EXPECT_EQ(hello.alpn, (std::vector<std::string>{"istio", "h2"}));
}

TEST(ClientHello, without_either_is_complete_too) {
  const std::string bytes = real_hello("", {});
  const ClientHello hello = parse_client_hello(as_bytes(bytes));
  EXPECT_EQ(hello.status, Status::complete);
  EXPECT_TRUE(hello.server_name.empty());
  EXPECT_TRUE(hello.alpn.empty());
}

TEST(ClientHello, every_beginning_needs_more) {
  const std::string bytes = real_hello("a.example", {"h2"});
  for (size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_EQ(parse_client_hello(as_bytes(bytes).first(size)).status, Status::need_more) << size;
  }
}

TEST(ClientHello, may_be_cut_into_records_anywhere) {
  const std::string bytes = real_hello("a.example", {"h2"});
  const std::string message = bytes.substr(5);
  for (const size_t step : {size_t{1}, size_t{3}, size_t{100}}) {
    std::string cut;
    for (size_t at = 0; at < message.size(); at += step) {
      const std::string part = message.substr(at, step);
      cut += std::string("\x16\x03\x01", 3) + static_cast<char>(part.size() >> 8) +
             static_cast<char>(part.size()) + part;
    }
    const ClientHello hello = parse_client_hello(as_bytes(cut));
    EXPECT_EQ(hello.status, Status::complete);
    EXPECT_EQ(hello.server_name, "a.example");
  }
}

TEST(ClientHello, other_protocols_are_told_from_their_first_bytes) {
  using namespace std::string_literals;
  for (const std::string& bytes :
       {"G"s, "GET / HTTP/1.1\r\n"s, "PRI * HTTP/2.0\r\n"s, "SSH-2.0-x\r\n"s, "\x16G"s, "\x16\x03\x09"s,
        "\x16\x03\x01\0\0"s, "\x16\x03\x01\xff\xff"s, "\x16\x03\x01\0\x05\x02"s, "\x15\x03\x01\0\x02"s}) {
    EXPECT_EQ(parse_client_hello(as_bytes(bytes)).status, Status::not_tls) << bytes;
  }
}

TEST(ClientHello, broken_inside_is_not_tls) {
  std::string bytes = real_hello("a.example", {"h2"});
  bytes[5 + 4 + 2 + 32] = '\xff';  // the session id's length
  EXPECT_EQ(parse_client_hello(as_bytes(bytes)).status, Status::not_tls);
}

}  // namespace
}  // namespace weft::tls
