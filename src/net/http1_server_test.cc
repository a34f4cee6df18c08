#include "net/http1_server.h"

#include <gtest/gtest.h>

#include "net/test_support.h"

namespace weft::net {
namespace {

struct Refusals final : ServerObserver {
  std::vector<std::string> seen;
  void refused(const ConnectionInfo&, const Refusal& refusal) override {
    seen.push_back(concat(refusal.status, ' ', to_string(refusal.error.kind)));
    last = concat(refusal.details, ' ', refusal.request ? refusal.request->method : "-");
  }
  std::string last;
};

class Http1ServerTest : public testing::Test {
 protected:
  RawPeer serve(Handler handler) {
    auto [client, server] = io::make_pipe(loop);
    options.observer = &refusals;
    options.drain = &drain;
    tasks.spawn(serve_http1(std::move(server), options, std::move(handler)));
    return RawPeer(loop, std::move(client));
  }
  static std::string ok(std::string_view body) {
    return concat("HTTP/1.1 200 OK\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
  }

  io::ManualLoop loop{1};
  Refusals refusals;
  Drain drain;
  ServerOptions options;
  io::TaskGroup tasks{loop};
};

TEST_F(Http1ServerTest, keeps_the_connection_between_requests) {
  RawPeer peer = serve(echo);
  peer.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(peer.take(), ok("GET /1 []"));
  peer.send("POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(peer.take(), ok("POST /2 [abc]"));
  EXPECT_FALSE(peer.closed());
  peer.finish();
  EXPECT_TRUE(peer.closed());
  EXPECT_TRUE(tasks.empty());
}

TEST_F(Http1ServerTest, answers_pipelined_requests_in_order) {
  RawPeer peer = serve(echo);
  peer.send(
      "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\nhi\r\n0\r\nX: 1\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(peer.take(), ok("GET /1 []") + ok("POST /2 [hi] +X=1") + ok("GET /3 []"));
}

TEST_F(Http1ServerTest, sends_100_continue_when_the_body_is_wanted) {
  RawPeer peer = serve(echo);
  peer.send("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(peer.take(), "HTTP/1.1 100 Continue\r\n\r\n");
  peer.send("ok");
  EXPECT_EQ(peer.take(), ok("PUT / [ok]"));
  EXPECT_FALSE(peer.closed());
}

TEST_F(Http1ServerTest, closes_after_a_refusal_of_a_body_that_was_not_asked_for) {
  RawPeer peer = serve([](ServerExchange& exchange) -> io::Task<void> {
    reply(exchange, 403, "", "");
    co_return;
  });
  peer.send("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(peer.take(), "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(peer.closed());
}

TEST_F(Http1ServerTest, drains_a_small_body_that_nobody_read_and_closes_on_a_large_one) {
  options.max_drain = 10;
  const auto answer = [](ServerExchange& exchange) -> io::Task<void> {
    reply(exchange, 200, "", "x");
    co_return;
  };
  RawPeer peer = serve(answer);
  peer.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
  EXPECT_EQ(peer.take(), ok("x"));
  peer.send("56789GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(peer.take(), ok("x"));
  peer.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n01234567890");
  EXPECT_EQ(peer.take(), ok("x"));
  EXPECT_TRUE(peer.closed());
}

TEST_F(Http1ServerTest, follows_the_rules_of_http10) {
  RawPeer peer = serve([](ServerExchange& exchange) -> io::Task<void> {
    http::Response head;
    head.content_length = std::nullopt;
    exchange.send_head(head, false);
    exchange.write(as_bytes("part"));
    exchange.finish(nullptr);
    co_return;
  });
  peer.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(peer.take(), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\npart");
  EXPECT_TRUE(peer.closed());

  RawPeer kept = serve(echo);
  kept.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(kept.take(), "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: keep-alive\r\n\r\nGET / []");
  EXPECT_FALSE(kept.closed());
  kept.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(kept.take(), "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\nGET / []");
  EXPECT_TRUE(kept.closed());
}

TEST_F(Http1ServerTest, answers_head_without_a_body) {
  RawPeer peer = serve(echo);
  peer.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(peer.take(), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
  EXPECT_FALSE(peer.closed());
}

TEST_F(Http1ServerTest, sends_chunks_trailers_and_early_hints) {
  RawPeer peer = serve([](ServerExchange& exchange) -> io::Task<void> {
    http::Response hints;
    hints.status = 103;
    hints.headers.add("Link", "</x>");
    exchange.send_informational(hints);
    http::Response head;
    head.content_length = std::nullopt;
    exchange.send_head(head, false);
    exchange.write(as_bytes("abc"));
    http::Headers trailers;
    trailers.add("X-Sum", "6");
    exchange.finish(&trailers);
    co_return;
  });
  peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(peer.take(),
            "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n");
  peer.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(peer.take(), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc");
}

TEST_F(Http1ServerTest, refuses_malformed_requests_and_closes) {
  struct Row {
    std::string_view request, status, told;
  };
  options.h1.max_head = 2000;
  constexpr std::string_view kBase = "POST / HTTP/1.1\r\nHost: a\r\n";
  const std::string gzip = concat(kBase, "Transfer-Encoding: gzip, chunked\r\n\r\n");
  const std::string twice = concat(kBase, "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string control = concat(kBase, "X: a\x01\r\n\r\n");
  const std::string large = concat(kBase, "X: ", std::string(options.h1.max_head, 'x'), "\r\n\r\n");
  std::string many(kBase);
  for (size_t i = 0; i <= options.h1.max_fields; ++i) many += "X: y\r\n";
  for (const Row row : {Row{"GET / HTTP/1.1\r\n\r\n", "400", "missing_host_header GET"},
                        {"\x16\x03\x01", "400", "http1.codec_error -"},
                        {"garbage\r\n\r\n", "400", "http1.codec_error -"},
                        {"\r\n\r\nGET / HTTP/1.1\r\n", "400", "http1.codec_error -"},
                        {"CONNECT a HTTP/1.1\r\n", "400", "http1.invalid_url CONNECT"},
                        {gzip, "501", "http1.invalid_transfer_encoding POST"},
                        {twice, "400", "http1.content_length_and_chunked_not_allowed POST"},
                        {control, "400", "http1.invalid_characters POST"},
                        {large, "431", "http1.headers_too_large POST"},
                        {many, "431", "http1.too_many_headers POST"},
                        {"GET / HTTP/3.0\r\n\r\n", "505", "http1.codec_error GET"}}) {
    RawPeer peer = serve(echo);
    peer.send(row.request);
    EXPECT_TRUE(peer.take().starts_with(concat("HTTP/1.1 ", row.status))) << row.told;
    EXPECT_TRUE(peer.closed());
    EXPECT_FALSE(peer.was_reset());
    EXPECT_TRUE(refusals.seen.back().starts_with(row.status));
    EXPECT_EQ(refusals.last, row.told);
  }
  options.h1.max_head = 200;
  RawPeer peer = serve(echo);
  peer.send("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(300, 'x') + "\r\n\r\n");
  EXPECT_TRUE(peer.take().starts_with("HTTP/1.1 431"));
}

// It may be a broken preface of HTTP/2: what would answer it in HTTP/1 is no frame (h2spec 3.5, RFC 9113
// section 3.4).
TEST_F(Http1ServerTest, says_nothing_to_a_first_line_that_names_no_version_of_http) {
  RawPeer peer = serve(echo);
  peer.send("INVALID CONNECTION PREFACE\r\n\r\n");
  EXPECT_EQ(peer.take(), "");
  EXPECT_TRUE(peer.closed());
  EXPECT_FALSE(peer.was_reset());
  EXPECT_TRUE(refusals.seen.back().starts_with("0 "));
  // To one that has spoken HTTP before, the answer is one.
  RawPeer known = serve(echo);
  known.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nINVALID CONNECTION PREFACE\r\n\r\n");
  EXPECT_NE(known.take().find("HTTP/1.1 400"), std::string::npos);
}

TEST_F(Http1ServerTest, refuses_a_malformed_body_before_the_answer_and_cuts_after_it) {
  RawPeer peer = serve(echo);
  peer.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
  EXPECT_TRUE(peer.take().starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(peer.closed());

  RawPeer streaming = serve([](ServerExchange& exchange) -> io::Task<void> {
    http::Response head;
    head.content_length = std::nullopt;
    exchange.send_head(head, false);
    co_await relay_body(exchange, exchange);
  });
  streaming.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n");
  EXPECT_TRUE(streaming.take().ends_with("2\r\nhi\r\n"));
  streaming.send("zz\r\n");
  EXPECT_TRUE(streaming.was_reset());
}

TEST_F(Http1ServerTest, takes_a_line_as_long_as_its_limits_allow) {
  options.h1.max_head = 256 * 1024;
  options.h1.max_start_line = 256 * 1024;
  RawPeer peer = serve([](ServerExchange& exchange) -> io::Task<void> {
    reply(exchange, 200, "", std::to_string(exchange.request().headers.get("x")->size()));
    co_return;
  });
  peer.send("GET / HTTP/1.1\r\nHost: a\r\nX: ");
  for (int i = 0; i < 20; ++i) peer.send(std::string(10'000, 'x'));
  peer.send("\r\n\r\n");
  EXPECT_EQ(peer.take(), ok("200000"));
}

TEST_F(Http1ServerTest, ends_slow_heads_and_idle_connections) {
  options.header_timeout = 10s;
  options.idle_timeout = 60s;
  RawPeer slow = serve(echo);
  slow.send("GET / HT");
  loop.advance(9s);
  slow.send("T");
  loop.advance(2s);
  EXPECT_TRUE(slow.take().starts_with("HTTP/1.1 408")) << "one byte now and then does not keep a head alive";
  EXPECT_TRUE(slow.closed());

  RawPeer idle = serve(echo);
  loop.advance(59s);
  idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  loop.advance(59s);
  EXPECT_EQ(idle.take(), ok("GET / []"));
  EXPECT_FALSE(idle.closed());
  loop.advance(2s);
  EXPECT_TRUE(idle.closed());
  EXPECT_EQ(idle.take(), "");
}

TEST_F(Http1ServerTest, tunnels_after_an_upgrade) {
  RawPeer peer = serve([](ServerExchange& exchange) -> io::Task<void> {
    EXPECT_EQ(exchange.request().protocol, "websocket");
    EXPECT_EQ(exchange.poll(), Incoming::blocked) << "early bytes are not the body";
    http::Response head;
    head.status = 101;
    exchange.send_head(head, false);
    EXPECT_TRUE(exchange.is_tunnel());
    co_await relay_body(exchange, exchange);
  });
  peer.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly");
  EXPECT_EQ(peer.take(),
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly");
  peer.send("\x01GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(peer.take(), "\x01GET / HTTP/1.1\r\n\r\n");
  peer.finish();
  EXPECT_TRUE(peer.closed());
  EXPECT_FALSE(peer.was_reset());
}

TEST_F(Http1ServerTest, does_not_read_bytes_after_a_refused_connect_as_a_request) {
  RawPeer peer = serve([](ServerExchange& exchange) -> io::Task<void> {
    reply(exchange, 403, "", "");
    co_return;
  });
  peer.send("CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(peer.take(), "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(peer.closed());
}

TEST_F(Http1ServerTest, tunnels_connect_and_half_closes) {
  RawPeer peer = serve([](ServerExchange& exchange) -> io::Task<void> {
    exchange.send_head({}, false);
    exchange.write(as_bytes("bye"));
    exchange.finish(nullptr);
    std::string all;
    auto body = co_await read_body(exchange, 100);
    EXPECT_EQ(*body, "hello");
  });
  peer.send("CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n");
  EXPECT_EQ(peer.take(), "HTTP/1.1 200 OK\r\n\r\nbye");
  EXPECT_TRUE(peer.closed()) << "our half is closed";
  peer.send("hello");
  EXPECT_FALSE(tasks.empty());
  peer.finish();
  EXPECT_FALSE(peer.was_reset());
  EXPECT_TRUE(tasks.empty());
}

TEST_F(Http1ServerTest, answers_a_client_that_has_half_closed) {
  RawPeer peer = serve(echo);
  peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  peer.finish();
  EXPECT_EQ(peer.take(), ok("GET / []"));
  EXPECT_TRUE(peer.closed());
}

TEST_F(Http1ServerTest, tells_a_waiting_handler_that_the_client_is_gone) {
  bool told = false;
  RawPeer peer = serve([&told](ServerExchange& exchange) -> io::Task<void> {
    return [](ServerExchange& e, bool& flag) -> io::Task<void> {
      while (e.poll() != Incoming::failed) co_await e.outgoing();
      flag = true;
    }(exchange, told);
  });
  peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_FALSE(told);
  peer.abort();
  EXPECT_TRUE(told);
  EXPECT_TRUE(tasks.empty());
}

TEST_F(Http1ServerTest, drains_idle_and_busy_connections) {
  RawPeer idle = serve(echo);
  RawPeer busy = serve(echo);
  busy.send("POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n");
  EXPECT_EQ(drain.size(), 2);
  drain.start();
  EXPECT_TRUE(idle.closed());
  EXPECT_FALSE(busy.closed());
  busy.send("x");
  EXPECT_EQ(busy.take(), "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\nPOST /b [x]");
  EXPECT_TRUE(busy.closed());
  loop.advance(1s);
  EXPECT_EQ(drain.size(), 0);
}

TEST_F(Http1ServerTest, an_expired_drain_cuts_what_is_left) {
  RawPeer busy = serve(echo);
  busy.send("POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n");
  drain.expire();
  EXPECT_TRUE(busy.closed());
  loop.advance(1s);
  EXPECT_TRUE(tasks.empty());
}

TEST_F(Http1ServerTest, closes_after_max_requests) {
  options.max_requests = 2;
  RawPeer peer = serve(echo);
  peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(peer.take(), ok("GET / []"));
  peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(peer.take(), "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\nGET / []");
  EXPECT_TRUE(peer.closed());
}

TEST_F(Http1ServerTest, resets_an_answer_that_its_handler_left_unfinished) {
  RawPeer peer = serve([](ServerExchange& exchange) -> io::Task<void> {
    http::Response head;
    head.content_length = 10;
    exchange.send_head(head, false);
    exchange.write(as_bytes("abc"));
    co_return;
  });
  peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(peer.was_reset());
}

TEST_F(Http1ServerTest, holds_little_of_a_body_that_its_reader_is_slow_to_take) {
  io::Event go(loop);
  uint64_t total = 0;
  RawPeer peer = serve([&](ServerExchange& exchange) -> io::Task<void> {
    return [](ServerExchange& e, io::Event& wait, uint64_t& sum) -> io::Task<void> {
      co_await wait.wait();
      for (;;) {
        const Incoming step = e.poll();
        if (step == Incoming::end) break;
        if (step == Incoming::failed) co_return;
        if (step == Incoming::blocked) {
          co_await e.incoming();
          continue;
        }
        sum += e.data().size();
        e.consume(e.data().size());
      }
      reply(e, 200, "", "");
    }(exchange, go, total);
  });
  constexpr size_t kBody = 8 * 1024 * 1024;
  peer.send(concat("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ", kBody, "\r\n\r\n"));
  const std::string piece(256 * 1024, 'x');
  size_t sent = 0;
  const auto push = [&] {
    for (;;) {
      const auto result =
          peer.stream().try_write(as_bytes(piece).first(std::min(piece.size(), kBody - sent)));
      if (result.status != io::IoStatus::ok || result.count == 0) break;
      sent += result.count;
      loop.run_until_idle();
    }
  };
  push();
  EXPECT_LE(sent, 3 * 64 * 1024) << "the pipe's buffer, ours, and one read";
  go.notify();
  for (int i = 0; i < 1000 && sent < kBody; ++i) {
    loop.run_until_idle();
    push();
  }
  EXPECT_EQ(total, kBody);
  EXPECT_EQ(peer.take(), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

TEST_F(Http1ServerTest, takes_no_more_output_than_its_bound_from_a_writer) {
  size_t taken = 0;
  RawPeer peer = serve([&](ServerExchange& exchange) -> io::Task<void> {
    return [](ServerExchange& e, size_t& count) -> io::Task<void> {
      http::Response head;
      head.content_length = std::nullopt;
      e.send_head(head, false);
      const std::string piece(10000, 'y');
      while (count < 4'000'000) {
        const size_t n = e.write(as_bytes(piece));
        count += n;
        if (n == 0) co_await e.outgoing();
      }
      e.finish(nullptr);
    }(exchange, taken);
  });
  peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_LE(taken, 3 * 64 * 1024);
  size_t got = 0;
  while (!peer.closed() && taken < 4'000'000) got += peer.take().size();
  got += peer.take().size();
  EXPECT_GE(got, 4'000'000);
}

TEST_F(Http1ServerTest, resets_a_client_that_does_not_read) {
  options.write_timeout = 30s;
  RawPeer peer = serve([](ServerExchange& exchange) -> io::Task<void> {
    co_await reply_all(exchange, {}, std::string(1'000'000, 'z'));
  });
  peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  loop.advance(29s);
  EXPECT_FALSE(tasks.empty());
  loop.advance(2s);
  EXPECT_TRUE(tasks.empty());
}

}  // namespace
}  // namespace weft::net
