#include "proxy/detect.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "io/manual_loop.h"
#include "io/pipe.h"
#include "io/task_group.h"
#include "net/test_support.h"
#include "tls/context.h"
#include "tls/stream.h"

namespace weft::proxy {
namespace {

using namespace std::chrono_literals;

struct Case {
  const char* behaviour;
  std::string_view bytes;
  bool sure;
  std::string_view protocol;  // the only application protocol; empty: none
};

constexpr Case kCases[] = {
    {"nothing", "", false, ""},
    {"a method may still come", "GE", false, ""},
    {"HTTP/1.1", "GET / HTTP/1.1\r\n", true, "http/1.1"},
    {"the version's last digit may still come", "GET / HTTP/1.", false, ""},
    {"HTTP/1.0", "GET / HTTP/1.0\r\n", true, "http/1.0"},
    {"a method of our own", "M-SEARCH * HTTP/1.1\r\n", true, "http/1.1"},
    {"absolute form", "GET http://a/b HTTP/1.1\r\n", true, "http/1.1"},
    {"a target with spaces in it is the parser's to refuse", "GET /a b HTTP/1.1\r\n", true, "http/1.1"},
    {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", true, "h2c"},
    {"a preface in part", "PRI * HTTP/2.0\r\n", false, ""},
    {"POST is not the preface", "POST /x HTTP/1.1\r\n", true, "http/1.1"},
    {"SMTP's client", "HELO mail.example\r\n", true, ""},
    {"Redis", "*1\r\n$4\r\nPING\r\n", true, ""},
    {"MongoDB", std::string_view("\x3f\x00\x00\x00\x01", 5), true, ""},
    {"lower-case words", "quit\r\n", true, ""},
    {"HTTP/0.9 is not spoken", "GET /\r\n", true, ""},
    {"TLS may still come", std::string_view("\x16\x03\x01", 3), false, ""},
};

TEST(Detect, tells_protocols_by_their_first_bytes) {
  for (const Case& c : kCases) {
    const Detected got = classify(as_bytes(c.bytes));
    EXPECT_EQ(got.sure, c.sure) << c.behaviour;
    EXPECT_FALSE(got.tls) << c.behaviour;
    EXPECT_EQ(join(got.application_protocols, ","), c.protocol) << c.behaviour;
  }
}

TEST(Detect, what_is_sure_of_a_part_is_what_the_whole_says) {
  for (const Case& c : kCases) {
    const Detected whole = classify(as_bytes(c.bytes));
    for (size_t cut = 0; cut < c.bytes.size(); ++cut) {
      const Detected part = classify(as_bytes(c.bytes.substr(0, cut)));
      if (!part.sure) continue;
      EXPECT_EQ(part.tls, whole.tls) << c.behaviour << " cut at " << cut;
      EXPECT_EQ(join(part.application_protocols, ","), join(whole.application_protocols, ","))
          << c.behaviour << " cut at " << cut;
    }
  }
}

class DetectStream : public testing::Test {
 protected:
  DetectStream() {
    auto [client, server] = io::make_pipe(loop);
    peer.emplace(loop, std::move(client));
    stream = std::move(server);
  }
  static io::Task<void> run(io::Stream& stream, DetectOptions options, ConnectionTraits& traits,
                            std::optional<Result<void>>& result) {
    result = co_await detect(stream, options, traits);
  }
  void begin(DetectOptions options = {}) {
    tasks.spawn(run(*stream, options, traits, result));
    loop.run_until_idle();
  }
  std::string rest() {
    std::byte bytes[4096];
    std::string text;
    for (;;) {
      const io::IoResult read = stream->try_read(bytes);
      if (read.status != io::IoStatus::ok) return text;
      text.append(as_text(Bytes(bytes, read.count)));
    }
  }

  io::ManualLoop loop{5};
  std::optional<net::RawPeer> peer;
  std::unique_ptr<io::Stream> stream;
  ConnectionTraits traits;
  std::optional<Result<void>> result;
  io::TaskGroup tasks{loop};
};

TEST_F(DetectStream, puts_back_what_it_read_however_it_came) {
  constexpr std::string_view kHead = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
  begin();
  for (const char c : kHead) peer->send(std::string_view(&c, 1));
  ASSERT_TRUE(result.has_value());
  EXPECT_TRUE(result->has_value());
  EXPECT_EQ(traits.application_protocols, std::vector<std::string>{"http/1.1"});
  EXPECT_EQ(rest(), kHead);
}

TEST_F(DetectStream, a_server_that_speaks_first_waits_a_second_at_most) {
  begin({.timeout = 0s});
  EXPECT_FALSE(result.has_value());
  loop.advance(kLongestDetection);
  ASSERT_TRUE(result.has_value());
  EXPECT_TRUE(result->has_value());
  EXPECT_TRUE(traits.application_protocols.empty());
  EXPECT_FALSE(traits.tls);
}

TEST_F(DetectStream, one_byte_is_enough_where_only_tls_is_asked_for) {
  begin({.inspect_http = false});
  peer->send("h");
  ASSERT_TRUE(result.has_value());
  EXPECT_TRUE(result->has_value());
  EXPECT_FALSE(traits.tls);
  EXPECT_EQ(rest(), "h");
}

TEST_F(DetectStream, a_silent_client_is_closed_where_the_listener_says_so) {
  begin({.timeout = 3s, .go_on_after_timeout = false});
  loop.advance(2s);
  EXPECT_FALSE(result.has_value());
  loop.advance(1s);
  ASSERT_TRUE(result.has_value());
  ASSERT_FALSE(result->has_value());
  EXPECT_EQ(result->error().kind, Error::Kind::timeout);
}

TEST_F(DetectStream, a_client_that_leaves_before_a_byte_is_no_connection) {
  begin();
  peer->vanish();
  ASSERT_TRUE(result.has_value());
  ASSERT_FALSE(result->has_value());
  EXPECT_EQ(result->error().kind, Error::Kind::closed);
}

TEST_F(DetectStream, a_word_and_the_end_is_plain_bytes) {
  begin();
  peer->send("PING");
  peer->finish();
  ASSERT_TRUE(result.has_value());
  EXPECT_TRUE(result->has_value());
  EXPECT_TRUE(traits.application_protocols.empty());
  EXPECT_EQ(rest(), "PING");
}

TEST_F(DetectStream, a_listener_without_inspectors_learns_nothing) {
  begin({.inspect_tls = false, .inspect_http = false});
  peer->send("GET / HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(result.has_value());
  EXPECT_TRUE(traits.application_protocols.empty());
}

TEST_F(DetectStream, tells_the_name_and_protocols_of_a_TLS_client) {
  tls::ClientSettings settings{.verify = tls::ClientSettings::Verify::none, .server_name = "A.example"};
  settings.common.alpn = {"istio", "h2"};
  auto context = tls::ClientContext::make(std::move(settings));
  ASSERT_TRUE(context) << context.error().text;
  auto [client, server] = io::make_pipe(loop);
  stream = std::move(server);
  std::unique_ptr<io::Stream> end = std::move(client);
  tasks.spawn([](std::unique_ptr<io::Stream> from, std::shared_ptr<const tls::ClientContext> with,
                 TimePoint deadline) -> io::Task<void> {
    (void)co_await tls::TlsStream::connect(std::move(from), std::move(with), deadline);
  }(std::move(end), std::move(*context), loop.now() + 5s));
  begin();
  ASSERT_TRUE(result.has_value());
  EXPECT_TRUE(traits.tls);
  EXPECT_EQ(traits.server_name, "a.example");
  EXPECT_EQ(traits.application_protocols, (std::vector<std::string>{"istio", "h2"}));
}

}  // namespace
}  // namespace weft::proxy
