// What both versions must do alike, between our own two ends.
#include <gtest/gtest.h>

#include "net/client_connection.h"
#include "net/test_support.h"

namespace weft::net {
namespace {

class ExchangeTest : public testing::TestWithParam<http::Version> {
 protected:
  bool is_h2() const { return GetParam() == http::Version::http2; }
  void connect(Handler handler) {
    auto [ours, theirs] = io::make_pipe(loop);
    server_options.drain = &drain;
    if (is_h2()) {
      server.spawn(serve_http2(std::move(theirs), server_options, std::move(handler)));
      client = make_http2_client(std::move(ours), client_options);
    } else {
      server.spawn(serve_http1(std::move(theirs), server_options, std::move(handler)));
      client = make_http1_client(std::move(ours), client_options);
    }
    loop.run_until_idle();
  }
  static http::Request request(std::string method, std::string path = "/") {
    http::Request r;
    r.method = std::move(method);
    r.authority = "example.com";
    r.path = std::move(path);
    r.scheme = "http";
    return r;
  }
  struct Seen {
    std::vector<int> heads;
    http::Response head;
    std::string body;
    http::Headers trailers;
    bool ended = false;
    std::string failure;
  };
  static io::Task<void> read(ClientExchange& exchange, Seen& seen) {
    for (;;) {
      switch (exchange.poll()) {
        case Incoming::head:
          seen.heads.push_back(exchange.response().status);
          seen.head = exchange.response();
          exchange.accept_head();
          break;
        case Incoming::data:
          seen.body += as_text(exchange.data());
          exchange.consume(exchange.data().size());
          break;
        case Incoming::trailers:
          seen.trailers = exchange.trailers();
          [[fallthrough]];
        case Incoming::end:
          seen.ended = true;
          co_return;
        case Incoming::failed:
          seen.failure = exchange.error().to_string();
          co_return;
        case Incoming::blocked:
          co_await exchange.incoming();
          break;
      }
    }
  }
  std::unique_ptr<ClientExchange> start(const http::Request& r, bool end, Seen& seen) {
    auto exchange = client->start(r, end);
    tasks.spawn(read(*exchange, seen));
    loop.run_until_idle();
    return exchange;
  }

  io::ManualLoop loop{1};
  Drain drain;
  ServerOptions server_options;
  ClientOptions client_options;
  io::TaskGroup server{loop};
  std::shared_ptr<ClientConnection> client;
  io::TaskGroup tasks{loop};
};

INSTANTIATE_TEST_SUITE_P(Versions, ExchangeTest, testing::Values(http::Version::http11, http::Version::http2),
                         [](const auto& info) { return info.param == http::Version::http2 ? "h2" : "h1"; });

TEST_P(ExchangeTest, carries_heads_bodies_and_trailers_both_ways) {
  connect([](ServerExchange& exchange) -> io::Task<void> {
    const http::Request& r = exchange.request();
    EXPECT_EQ(r.method, "POST");
    EXPECT_EQ(r.authority, "example.com");
    EXPECT_EQ(r.path, "/p?q");
    EXPECT_EQ(r.scheme, "http");
    EXPECT_EQ(r.headers.get("x-a"), "1");
    EXPECT_EQ(r.content_length, std::nullopt);
    EXPECT_EQ(exchange.connection().requests, 1);
    auto body = co_await read_body(exchange, 1000);
    EXPECT_EQ(*body, "hello");
    EXPECT_EQ(exchange.poll(), Incoming::trailers);
    EXPECT_EQ(exchange.trailers().get("x-t"), "2");
    http::Response head;
    head.status = 201;
    head.content_length = std::nullopt;
    head.headers.add("x-b", "3");
    exchange.send_head(head, false);
    exchange.write(as_bytes("world"));
    http::Headers trailers;
    trailers.add("x-u", "4");
    exchange.finish(&trailers);
  });
  http::Request r = request("POST", "/p?q");
  r.headers.add("X-A", "1");
  r.content_length = std::nullopt;
  Seen seen;
  auto exchange = start(r, false, seen);
  exchange->write(as_bytes("hello"));
  http::Headers trailers;
  trailers.add("x-t", "2");
  exchange->finish(&trailers);
  loop.run_until_idle();
  EXPECT_TRUE(seen.ended) << seen.failure;
  EXPECT_EQ(seen.heads, std::vector<int>{201});
  EXPECT_EQ(seen.head.headers.get("x-b"), "3");
  EXPECT_EQ(seen.body, "world");
  EXPECT_EQ(seen.trailers.get("x-u"), "4");
  EXPECT_EQ(client->active(), 0);
  EXPECT_GT(client->capacity(), 0);
}

TEST_P(ExchangeTest, knows_lengths) {
  connect([](ServerExchange& exchange) -> io::Task<void> {
    EXPECT_EQ(exchange.request().content_length, 3);
    auto body = co_await read_body(exchange, 1000);
    co_await reply_all(exchange, {}, *body);
  });
  http::Request r = request("PUT");
  r.content_length = 3;
  Seen seen;
  auto exchange = start(r, false, seen);
  exchange->write(as_bytes("abc"));
  exchange->finish(nullptr);
  loop.run_until_idle();
  EXPECT_TRUE(seen.ended) << seen.failure;
  EXPECT_EQ(seen.head.content_length, 3);
  EXPECT_EQ(seen.body, "abc");
}

TEST_P(ExchangeTest, answers_head_with_a_length_and_no_body) {
  connect([](ServerExchange& exchange) -> io::Task<void> {
    http::Response head;
    head.content_length = 1234;
    exchange.send_head(head, true);
    co_return;
  });
  Seen seen;
  auto exchange = start(request("HEAD"), true, seen);
  EXPECT_TRUE(seen.ended) << seen.failure;
  EXPECT_EQ(seen.head.content_length, 1234);
}

TEST_P(ExchangeTest, passes_early_hints) {
  connect([](ServerExchange& exchange) -> io::Task<void> {
    http::Response hints;
    hints.status = 103;
    hints.headers.add("link", "x");
    exchange.send_informational(hints);
    exchange.send_informational(hints);
    reply(exchange, 200, "text/plain", "x");
    co_return;
  });
  Seen seen;
  auto exchange = start(request("GET"), true, seen);
  EXPECT_EQ(seen.heads, (std::vector<int>{103, 103, 200}));
  EXPECT_EQ(seen.body, "x");
}

TEST_P(ExchangeTest, upgrades_and_half_closes) {
  connect([](ServerExchange& exchange) -> io::Task<void> {
    EXPECT_EQ(exchange.request().method, "GET");
    EXPECT_EQ(exchange.request().protocol, "websocket");
    EXPECT_EQ(exchange.poll(), Incoming::blocked);
    http::Response head;
    head.status = 101;
    exchange.send_head(head, false);
    EXPECT_TRUE(exchange.is_tunnel());
    co_await relay_body(exchange, exchange);
  });
  http::Request r = request("GET");
  r.protocol = "websocket";
  Seen seen;
  auto exchange = start(r, false, seen);
  EXPECT_EQ(seen.heads, std::vector<int>{101});
  EXPECT_TRUE(exchange->is_tunnel());
  exchange->write(as_bytes("ping"));
  loop.run_until_idle();
  EXPECT_EQ(seen.body, "ping");
  exchange->finish(nullptr);
  loop.run_until_idle();
  EXPECT_TRUE(seen.ended) << seen.failure;
}

TEST_P(ExchangeTest, connects) {
  connect([](ServerExchange& exchange) -> io::Task<void> {
    EXPECT_TRUE(exchange.request().is_connect());
    EXPECT_EQ(exchange.request().authority, "db:5432");
    exchange.send_head({}, false);
    co_await relay_body(exchange, exchange);
  });
  http::Request r = request("CONNECT");
  r.authority = "db:5432";
  r.path.clear();
  Seen seen;
  auto exchange = start(r, false, seen);
  EXPECT_TRUE(exchange->is_tunnel());
  exchange->write(as_bytes("select"));
  exchange->finish(nullptr);
  loop.run_until_idle();
  EXPECT_EQ(seen.body, "select");
  EXPECT_TRUE(seen.ended) << seen.failure;
}

TEST_P(ExchangeTest, a_refused_upgrade_is_an_ordinary_answer) {
  connect([](ServerExchange& exchange) -> io::Task<void> {
    reply(exchange, 403, "text/plain", "no");
    co_return;
  });
  http::Request r = request("GET");
  r.protocol = "websocket";
  Seen seen;
  auto exchange = start(r, false, seen);
  EXPECT_EQ(seen.heads, std::vector<int>{403});
  EXPECT_FALSE(exchange->is_tunnel());
  EXPECT_EQ(exchange->write(as_bytes("x")), 1);
  exchange->finish(nullptr);
  loop.run_until_idle();
  EXPECT_EQ(seen.body, "no");
  EXPECT_TRUE(seen.ended) << seen.failure;
}

TEST_P(ExchangeTest, a_reset_by_the_server_reaches_the_client) {
  connect([](ServerExchange& exchange) -> io::Task<void> {
    http::Response head;
    head.content_length = 100;
    exchange.send_head(head, false);
    exchange.write(as_bytes("abc"));
    co_await sleep_for(exchange.incoming_event().loop(), 1s);
    exchange.reset(Error::Kind::internal);
  });
  Seen seen;
  auto exchange = start(request("GET"), true, seen);
  EXPECT_EQ(seen.body, "abc");
  EXPECT_EQ(seen.failure, "");
  loop.advance(2s);
  EXPECT_FALSE(seen.ended);
  EXPECT_NE(seen.failure, "");
  EXPECT_FALSE(exchange->provably_unprocessed());
}

TEST_P(ExchangeTest, a_client_that_leaves_reaches_the_server) {
  std::string told;
  connect([&told](ServerExchange& exchange) -> io::Task<void> {
    return [](ServerExchange& e, std::string& error) -> io::Task<void> {
      e.send_head({.content_length = std::nullopt}, false);
      while (e.poll() != Incoming::failed) {
        if (e.poll() == Incoming::end) {
          co_await e.outgoing();
        } else {
          co_await e.incoming();
        }
      }
      error = e.error().to_string();
      EXPECT_EQ(e.error().side, Error::Side::client);
      EXPECT_EQ(e.write(as_bytes("dropped")), 7);
    }(exchange, told);
  });
  Seen seen;
  auto exchange = client->start(request("GET"), true);
  loop.run_until_idle();
  EXPECT_EQ(told, "");
  exchange.reset();
  loop.run_until_idle();
  EXPECT_NE(told, "");
}

TEST_P(ExchangeTest, an_early_answer_ends_the_exchange) {
  connect([](ServerExchange& exchange) -> io::Task<void> {
    reply(exchange, 413, "text/plain", "too much");
    co_return;
  });
  http::Request r = request("POST");
  r.content_length = 1 << 20;
  Seen seen;
  auto exchange = start(r, false, seen);
  EXPECT_EQ(seen.heads, std::vector<int>{413});
  EXPECT_EQ(seen.body, "too much");
  EXPECT_TRUE(seen.ended) << seen.failure;
}

TEST_P(ExchangeTest, drains) {
  io::Event go(loop);
  connect([&go](ServerExchange& exchange) -> io::Task<void> {
    return [](ServerExchange& e, io::Event& wait) -> io::Task<void> {
      co_await wait.wait();
      reply(e, 200, "text/plain", "done");
    }(exchange, go);
  });
  Seen seen;
  auto exchange = start(request("GET"), true, seen);
  drain.start();
  loop.run_until_idle();
  if (is_h2()) EXPECT_TRUE(client->is_closed()) << "GOAWAY has come";
  go.notify();
  loop.run_until_idle();
  EXPECT_EQ(seen.body, "done");
  EXPECT_TRUE(client->is_dead());
  loop.advance(1s);
  EXPECT_TRUE(server.empty());
}

TEST_P(ExchangeTest, moves_much_with_little_memory) {
  constexpr size_t kBody = 4 << 20;
  connect([](ServerExchange& exchange) -> io::Task<void> {
    exchange.send_head({.content_length = std::nullopt}, false);
    co_await relay_body(exchange, exchange);
  });
  http::Request r = request("POST");
  r.content_length = kBody;
  auto exchange = client->start(r, false);
  const std::string piece(50000, 'x');
  size_t sent = 0;
  const auto push = [&] {
    for (;;) {
      const size_t n = exchange->write(as_bytes(piece).first(std::min(piece.size(), kBody - sent)));
      sent += n;
      if (n == 0 || sent == kBody) break;
      loop.run_until_idle();
    }
  };
  push();
  EXPECT_LT(sent, 2 << 20) << "nobody reads the echo, so everything between stops";
  Seen seen;
  tasks.spawn(read(*exchange, seen));
  for (int i = 0; i < 10000 && sent < kBody; ++i) {
    loop.run_until_idle();
    push();
  }
  exchange->finish(nullptr);
  loop.run_until_idle();
  EXPECT_TRUE(seen.ended) << seen.failure;
  EXPECT_EQ(seen.body.size(), kBody);
}

TEST_P(ExchangeTest, expects_100_continue_from_the_server_alone) {
  bool continued = false;
  connect([&continued](ServerExchange& exchange) -> io::Task<void> {
    continued = exchange.request().expect_continue;
    return echo(exchange);
  });
  http::Request r = request("POST");
  r.content_length = 2;
  r.expect_continue = true;
  Seen seen;
  auto exchange = start(r, false, seen);
  EXPECT_FALSE(continued) << "our client does not pass Expect on";
  exchange->write(as_bytes("ok"));
  exchange->finish(nullptr);
  loop.run_until_idle();
  EXPECT_EQ(seen.body, "POST / [ok]");
}

TEST_P(ExchangeTest, many_requests_one_after_the_other) {
  connect(echo);
  for (int i = 0; i < 500; ++i) {
    Seen seen;
    auto exchange = start(request("GET", concat("/", i)), true, seen);
    ASSERT_EQ(seen.body, concat("GET /", i, " []"));
  }
  EXPECT_EQ(client->started(), 500);
}

// ------------------------------------------------------------------ HTTP/2 alone

class Http2Test : public ExchangeTest {};
INSTANTIATE_TEST_SUITE_P(Versions, Http2Test, testing::Values(http::Version::http2),
                         [](const auto&) { return "h2"; });

TEST_P(Http2Test, runs_many_streams_at_once) {
  io::Event go(loop);
  int waiting = 0;
  connect([&](ServerExchange& exchange) -> io::Task<void> {
    return [](ServerExchange& e, int& count) -> io::Task<void> {
      ++count;
      co_await sleep_for(e.incoming_event().loop(), 1s);
      reply(e, 200, "text/plain", e.request().path);
    }(exchange, waiting);
  });
  std::vector<std::unique_ptr<Seen>> seen;
  std::vector<std::unique_ptr<ClientExchange>> exchanges;
  for (int i = 0; i < 100; ++i) {
    seen.push_back(std::make_unique<Seen>());
    exchanges.push_back(start(request("GET", concat("/", i)), true, *seen.back()));
  }
  EXPECT_EQ(waiting, 100);
  EXPECT_EQ(client->capacity(), 0) << "the server allows 100";
  loop.advance(2s);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(seen[static_cast<size_t>(i)]->body, concat("/", i));
  EXPECT_EQ(client->capacity(), 100);
}

TEST_P(Http2Test, a_refused_stream_is_provably_unprocessed) {
  connect([](ServerExchange& exchange) -> io::Task<void> {
    exchange.reset(Error::Kind::refused);
    co_return;
  });
  Seen seen;
  auto exchange = start(request("POST"), true, seen);
  EXPECT_TRUE(seen.failure.starts_with("refused")) << seen.failure;
  EXPECT_TRUE(exchange->provably_unprocessed());
  EXPECT_TRUE(exchange->error().retryable);
}

TEST_P(Http2Test, a_handler_that_does_nothing_resets_its_stream_alone) {
  connect([](ServerExchange& exchange) -> io::Task<void> {
    if (exchange.request().path == "/bad") co_return;
    reply(exchange, 200, "", "ok");
  });
  Seen bad, good;
  auto first = start(request("GET", "/bad"), true, bad);
  auto second = start(request("GET", "/good"), true, good);
  EXPECT_NE(bad.failure.find("INTERNAL_ERROR"), std::string::npos) << bad.failure;
  EXPECT_EQ(good.body, "ok");
}

TEST_P(Http2Test, the_window_of_a_connection_does_not_leak_with_unread_bodies) {
  server_options.h2.connection_window = 128 * 1024;
  server_options.h2.stream_window = 64 * 1024;
  connect([](ServerExchange& exchange) -> io::Task<void> {
    reply(exchange, 200, "", "ok");
    co_return;
  });
  for (int i = 0; i < 50; ++i) {
    http::Request r = request("POST");
    r.content_length = 60000;
    Seen seen;
    auto exchange = client->start(r, false);
    exchange->write(as_bytes(std::string(60000, 'x')));
    exchange->finish(nullptr);
    tasks.spawn(read(*exchange, seen));
    loop.run_until_idle();
    ASSERT_EQ(seen.body, "ok") << i << seen.failure;
  }
}

TEST_P(Http2Test, a_dead_backend_is_noticed_by_ping) {
  client_options.keepalive_interval = 10s;
  client_options.keepalive_timeout = 5s;
  auto [ours, theirs] = io::make_pipe(loop);
  client = make_http2_client(std::move(ours), client_options);
  Seen seen;
  auto exchange = start(request("GET"), true, seen);
  loop.advance(14s);
  EXPECT_EQ(seen.failure, "");
  loop.advance(2s);
  EXPECT_TRUE(seen.failure.starts_with("timeout")) << seen.failure;
  EXPECT_TRUE(client->is_dead());
}

TEST_P(Http2Test, serves_either_version_by_its_first_bytes) {
  for (const bool h2 : {false, true}) {
    auto [ours, theirs] = io::make_pipe(loop);
    server.spawn(serve_http(std::move(theirs), server_options, echo));
    client = h2 ? make_http2_client(std::move(ours), {}) : make_http1_client(std::move(ours), {});
    Seen seen;
    auto exchange = start(request("GET"), true, seen);
    EXPECT_EQ(seen.body, "GET / []");
  }
}

// ------------------------------------------------------------------ floods, by bytes

class Http2FloodTest : public testing::Test {
 protected:
  RawPeer attack() {
    auto [client, server] = io::make_pipe(loop, {.capacity = 1 << 24});
    tasks.spawn(serve_http2(std::move(server), options, [](ServerExchange& exchange) -> io::Task<void> {
      co_await exchange.incoming();
      reply(exchange, 200, "", "");
    }));
    RawPeer peer(loop, std::move(client));
    peer.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, ""));
    return peer;
  }
  static std::string frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
    std::string out;
    for (const size_t byte :
         {payload.size() >> 16, payload.size() >> 8, payload.size(), size_t{type}, size_t{flags},
          size_t{stream >> 24}, size_t{stream >> 16}, size_t{stream >> 8}, size_t{stream}}) {
      out.push_back(static_cast<char>(byte));
    }
    return out.append(payload);
  }
  static std::string get(uint32_t stream, bool end = true) {
    // :method GET, :scheme http, :path /, :authority a
    return frame(1, end ? 5 : 4, stream,
                 std::string_view("\x82\x86\x84\x41\x01"
                                  "a",
                                  6));
  }
  // The code of the last GOAWAY among the frames that came, or -1.
  static int goaway(std::string_view frames) {
    int code = -1;
    while (frames.size() >= 9) {
      const auto at = [&](size_t i) { return static_cast<size_t>(static_cast<uint8_t>(frames[i])); };
      const size_t size = at(0) << 16 | at(1) << 8 | at(2);
      if (at(3) == 7 && size >= 8) code = static_cast<int>(at(9 + 7));
      frames.remove_prefix(std::min(frames.size(), 9 + size));
    }
    return code;
  }

  io::ManualLoop loop{1};
  ServerOptions options;
  io::TaskGroup tasks{loop};
};

TEST_F(Http2FloodTest, rapid_reset_ends_the_connection) {
  RawPeer peer = attack();
  std::string all;
  for (uint32_t i = 0; i < 2000; ++i)
    all += get(2 * i + 1) + frame(3, 0, 2 * i + 1, std::string_view("\0\0\0\x08", 4));
  peer.send(all);
  EXPECT_EQ(goaway(peer.take()), 11);
  loop.advance(1s);
  EXPECT_TRUE(peer.closed());
  EXPECT_TRUE(tasks.empty());
}

TEST_F(Http2FloodTest, resets_forced_upon_us_count_the_same) {
  RawPeer peer = attack();
  std::string all;
  // Requests without a path: each is reset by the server.
  for (uint32_t i = 0; i < 2000; ++i)
    all += frame(1, 5, 2 * i + 1,
                 std::string_view("\x82\x86\x41\x01"
                                  "a",
                                  5));
  peer.send(all);
  EXPECT_EQ(goaway(peer.take()), 11);
}

TEST_F(Http2FloodTest, ping_settings_priority_and_window_update_floods_end_the_connection) {
  struct Row {
    std::string_view name;
    std::string one;
    int count;
  };
  for (const Row& row :
       {Row{"ping", frame(6, 0, 0, "12345678"), 12000}, Row{"settings", frame(4, 0, 0, ""), 12000},
        Row{"priority", frame(2, 0, 1, std::string_view("\0\0\0\0\1", 5)), 3000},
        Row{"window update", frame(8, 0, 0, std::string_view("\0\0\0\1", 4)), 3000}}) {
    RawPeer peer = attack();
    std::string all;
    for (int i = 0; i < row.count; ++i) all += row.one;
    peer.send(all);
    EXPECT_EQ(goaway(peer.take()), 11) << row.name;
  }
}

TEST_F(Http2FloodTest, empty_data_frames_end_the_connection) {
  RawPeer peer = attack();
  std::string all = get(1, false);
  for (int i = 0; i < 200; ++i) all += frame(0, 0, 1, "");
  peer.send(all);
  EXPECT_EQ(goaway(peer.take()), 11);
}

TEST_F(Http2FloodTest, a_continuation_flood_ends_the_connection) {
  RawPeer peer = attack();
  std::string all = frame(1, 1, 1, std::string_view("\x82\x86\x84", 3));
  for (int i = 0; i < 100; ++i)
    all += frame(9, 0, 1,
                 std::string_view("\x40\x01"
                                  "a"
                                  "\x01"
                                  "b",
                                  5));
  peer.send(all);
  loop.advance(1s);
  EXPECT_TRUE(peer.closed());
}

TEST_F(Http2FloodTest, header_bombs_are_counted_decoded) {
  RawPeer peer = attack();
  // One field of 4000 bytes enters the table; each further byte of the block repeats it.
  std::string block(
      "\x82\x86\x84\x41\x01"
      "a"
      "\x40\x01"
      "x"
      "\x7f\xa1\x1e",
      12);
  block += std::string(4000, 'v');
  block += std::string(60, '\xbe');
  peer.send(frame(1, 5, 1, block));
  const std::string answer = peer.take();
  EXPECT_EQ(goaway(answer), -1);
  EXPECT_NE(answer.find("431"), std::string::npos) << "the answer's status, not in the static table";
  EXPECT_FALSE(peer.closed()) << "one bad request is not the connection's fault";

  // Each byte of it is 4000 to decode: nobody does that by mistake.
  RawPeer hopeless = attack();
  hopeless.send(frame(1, 5, 1, block + std::string(8000, '\xbe')));
  EXPECT_EQ(goaway(hopeless.take()), 11);
  loop.advance(1s);
  EXPECT_TRUE(hopeless.closed());
}

TEST_F(Http2FloodTest, malformed_messages_reset_their_stream) {
  RawPeer peer = attack();
  struct Row {
    std::string_view name;
    std::string block;
  };
  const std::string good(
      "\x82\x86\x84\x41\x01"
      "a",
      6);
  const auto field = [](std::string_view name, std::string_view value) {
    std::string out("\x00", 1);
    out.push_back(static_cast<char>(name.size()));
    out.append(name);
    out.push_back(static_cast<char>(value.size()));
    return out.append(value);
  };
  uint32_t stream = 1;
  for (const Row& row :
       {Row{"connection", good + field("connection", "close")},
        {"transfer-encoding", good + field("transfer-encoding", "chunked")},
        {"te", good + field("te", "gzip")},
        {"upper case", good + field("X-Y", "1")},
        {"look-alike", good + field("content_length", "1")},
        {"value with LF", good + field("x", "a\nb")},
        {"name with space", good + field("x y", "1")},
        {"two paths", good + std::string("\x84", 1)},
        {"pseudo after regular", std::string("\x82\x86", 2) + field("x", "1") + std::string("\x84", 1)},
        {"other host", good + field("host", "b")},
        {"path with space", std::string("\x82\x86\x41\x01"
                                        "a",
                                        5) +
                                field(":path", "/a b")},
        {"path without slash", std::string("\x82\x86\x41\x01"
                                           "a",
                                           5) +
                                   field(":path", "a")},
        {"path with fragment", std::string("\x82\x86\x41\x01"
                                           "a",
                                           5) +
                                   field(":path", "/a#b")},
        {"authority with user", std::string("\x82\x86\x84", 3) + field(":authority", "u@a")},
        {"no path", std::string("\x82\x86\x41\x01"
                                "a",
                                5)}}) {
    peer.take();
    peer.send(frame(1, 5, stream, row.block));
    const std::string answer = peer.take();
    const std::string reset = frame(3, 0, stream, std::string_view("\0\0\0\1", 4));
    EXPECT_NE(answer.find(reset), std::string::npos) << row.name << ' ' << hex_encode(answer);
    stream += 2;
  }
}

TEST_F(Http2FloodTest, frames_on_ended_streams_are_stream_closed) {
  RawPeer peer = attack();
  peer.send(get(1) + frame(0, 0, 1, "x"));
  EXPECT_EQ(goaway(peer.take()), 5);

  RawPeer later = attack();
  later.send(get(1));
  later.take();
  later.send(frame(0, 0, 1, "x"));
  EXPECT_EQ(goaway(later.take()), 5) << "after the answer";

  RawPeer reset = attack();
  reset.send(get(1, false));
  reset.send(frame(3, 0, 1, std::string_view("\0\0\0\x08", 4)));
  reset.send(get(1));
  EXPECT_EQ(goaway(reset.take()), 5) << "after a reset";
  loop.advance(1s);
  EXPECT_TRUE(reset.closed());

  // However the bytes are cut into reads.
  const std::string both = frame(3, 0, 1, std::string_view("\0\0\0\x08", 4)) + frame(0, 0, 1, "x");
  for (size_t cut = 0; cut < both.size(); ++cut) {
    RawPeer together = attack();
    together.send(get(1, false));
    together.send(both.substr(0, cut));
    together.send(both.substr(cut));
    EXPECT_EQ(goaway(together.take()), 5) << "a reset and data, cut at " << cut;
  }

  RawPeer skipping = attack();
  skipping.send(get(5));
  skipping.send(get(3));
  EXPECT_EQ(goaway(skipping.take()), 1) << "a stream that was passed over";
}

}  // namespace
}  // namespace weft::net
