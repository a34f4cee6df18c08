#include <gtest/gtest.h>

#include "net/http1_client.h"
#include "net/pool.h"
#include "net/test_support.h"

namespace weft::net {
namespace {

http::Request get(std::string path) {
  http::Request request;
  request.method = "GET";
  request.authority = "a";
  request.path = std::move(path);
  return request;
}

// What one exchange came to: "200 [body] +trailer" or "failed kind".
io::Task<void> fetch(std::unique_ptr<ClientExchange> exchange, std::string& result) {
  for (;;) {
    const Incoming step = exchange->poll();
    if (step == Incoming::head) {
      const http::Response& head = exchange->response();
      result += concat(head.status, head.informational() ? " " : " [");
      exchange->accept_head();
    } else if (step == Incoming::data) {
      result += as_text(exchange->data());
      exchange->consume(exchange->data().size());
    } else if (step == Incoming::blocked) {
      co_await exchange->incoming();
    } else if (step == Incoming::failed) {
      result += concat("failed ", to_string(exchange->error().kind));
      if (exchange->provably_unprocessed()) result += " unprocessed";
      if (exchange->connection_reused_and_closed()) result += " reused";
      co_return;
    } else {
      result += "]";
      if (step == Incoming::trailers) {
        for (const auto& field : exchange->trailers()) result += concat(" +", field.name, "=", field.value);
      }
      co_return;
    }
  }
}

class Http1ClientTest : public testing::Test {
 protected:
  RawPeer connect(ClientOptions options = {}) {
    auto [ours, theirs] = io::make_pipe(loop);
    client = make_http1_client(std::move(ours), options);
    return RawPeer(loop, std::move(theirs));
  }
  std::string& start(const http::Request& request, bool end = true) {
    results.push_back(std::make_unique<std::string>());
    tasks.spawn(fetch(client->start(request, end), *results.back()));
    loop.run_until_idle();
    return *results.back();
  }

  io::ManualLoop loop{1};
  std::vector<std::unique_ptr<std::string>> results;
  std::shared_ptr<ClientConnection> client;
  io::TaskGroup tasks{loop};
};

TEST_F(Http1ClientTest, uses_the_connection_again) {
  RawPeer server = connect();
  std::string& first = start(get("/1"));
  EXPECT_EQ(server.take(), "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client->capacity(), 0);
  server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
  EXPECT_EQ(first, "200 [hi]");
  EXPECT_EQ(client->capacity(), 1);
  std::string& second = start(get("/2"));
  EXPECT_EQ(server.take(), "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
  server.send(
      "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
      "chunked\r\n\r\n1\r\nx\r\n0\r\nT: 1\r\n\r\n");
  EXPECT_EQ(second, "103 200 [x] +T=1");
}

TEST_F(Http1ClientTest, sends_bodies_and_trailers) {
  RawPeer server = connect();
  http::Request request = get("/");
  request.method = "POST";
  request.content_length = std::nullopt;
  auto exchange = client->start(request, false);
  exchange->write(as_bytes("abc"));
  http::Headers trailers;
  trailers.add("T", "1");
  exchange->finish(&trailers);
  EXPECT_EQ(server.take(),
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n");
}

TEST_F(Http1ClientTest, tells_a_lost_race_from_a_lost_request) {
  RawPeer server = connect();
  std::string& first = start(get("/"));
  server.take();
  server.vanish();
  EXPECT_EQ(first, "failed closed") << "the request went out on a fresh connection: nobody knows";
  EXPECT_TRUE(client->is_dead());

  RawPeer again = connect();
  std::string& served = start(get("/"));
  again.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(served, "200 []");
  std::string& raced = start(get("/"));
  again.take();
  again.finish();
  EXPECT_EQ(raced, "failed closed reused");

  RawPeer gone = connect();
  gone.stream().abort();  // and the client has not noticed yet
  std::string& unsent = start(get("/"));
  EXPECT_EQ(unsent, "failed reset unprocessed");
}

TEST_F(Http1ClientTest, is_closed_by_the_end_of_an_idle_connection) {
  RawPeer server = connect();
  EXPECT_FALSE(client->is_closed());
  server.finish();
  EXPECT_TRUE(client->is_dead());

  RawPeer talkative = connect();
  talkative.send("HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_TRUE(client->is_dead()) << "bytes nobody asked for";
}

TEST_F(Http1ClientTest, does_not_use_a_connection_again_that_should_close) {
  RawPeer server = connect();
  std::string& closing = start(get("/"));
  server.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(closing, "200 []");
  EXPECT_TRUE(client->is_dead());

  RawPeer unframed = connect();
  std::string& until_close = start(get("/"));
  unframed.send("HTTP/1.1 200 OK\r\n\r\nall");
  EXPECT_EQ(until_close, "200 [all");
  unframed.finish();
  EXPECT_EQ(until_close, "200 [all]");
  EXPECT_TRUE(client->is_dead());

  RawPeer extra = connect();
  std::string& more = start(get("/"));
  extra.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n");
  EXPECT_EQ(more, "200 [x]");
  EXPECT_TRUE(client->is_dead()) << "bytes after the answer";
}

TEST_F(Http1ClientTest, reads_an_answer_that_came_before_the_request_was_taken) {
  RawPeer server = connect();
  http::Request request = get("/");
  request.method = "POST";
  request.content_length = 1 << 20;
  auto exchange = client->start(request, false);
  exchange->write(as_bytes(std::string(60000, 'x')));
  server.take();
  server.send("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(exchange->poll(), Incoming::head);
  EXPECT_EQ(exchange->response().status, 413);
  exchange->accept_head();
  EXPECT_EQ(exchange->poll(), Incoming::end);
  exchange.reset();
  loop.run_until_idle();
  EXPECT_TRUE(server.was_reset()) << "the request was not finished";
}

TEST_F(Http1ClientTest, holds_bytes_back_until_the_switch) {
  RawPeer server = connect();
  http::Request request = get("/");
  request.protocol = "websocket";
  request.headers.add("Sec-WebSocket-Key", "k");
  auto exchange = client->start(request, false);
  EXPECT_EQ(exchange->write(as_bytes("early")), 0);
  EXPECT_EQ(server.take(),
            "GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: k\r\nConnection: Upgrade\r\nUpgrade: "
            "websocket\r\n\r\n");
  server.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello");
  ASSERT_EQ(exchange->poll(), Incoming::head);
  EXPECT_EQ(exchange->response().status, 101);
  exchange->accept_head();
  EXPECT_TRUE(exchange->is_tunnel());
  ASSERT_EQ(exchange->poll(), Incoming::data);
  EXPECT_EQ(as_text(exchange->data()), "hello");
  exchange->consume(5);
  EXPECT_EQ(exchange->write(as_bytes("early")), 5);
  exchange->finish(nullptr);
  EXPECT_EQ(server.take(), "early");
  EXPECT_TRUE(server.closed());
  server.finish();
  EXPECT_EQ(exchange->poll(), Incoming::end);
}

TEST_F(Http1ClientTest, refused_upgrade_is_an_ordinary_answer) {
  RawPeer server = connect();
  http::Request request = get("/");
  request.protocol = "websocket";
  auto exchange = client->start(request, false);
  server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno");
  ASSERT_EQ(exchange->poll(), Incoming::head);
  exchange->accept_head();
  EXPECT_FALSE(exchange->is_tunnel());
  EXPECT_EQ(exchange->write(as_bytes("dropped")), 7);
  exchange->finish(nullptr);
  EXPECT_EQ(as_text(exchange->data()), "no");
  exchange->consume(2);
  EXPECT_EQ(exchange->poll(), Incoming::end);
  EXPECT_EQ(client->capacity(), 1);
}

TEST_F(Http1ClientTest, drains_after_the_exchange_under_way) {
  RawPeer server = connect();
  std::string& result = start(get("/"));
  client->drain();
  EXPECT_TRUE(client->is_closed());
  EXPECT_FALSE(client->is_dead());
  server.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
  EXPECT_EQ(result, "200 [x]");
  EXPECT_TRUE(client->is_dead());
  EXPECT_TRUE(server.closed());
}

TEST_F(Http1ClientTest, an_exchange_outlives_the_pool_s_hold_of_its_connection) {
  RawPeer server = connect();
  std::string& result = start(get("/"));
  client.reset();
  server.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
  EXPECT_EQ(result, "200 [x]");
  loop.run_until_idle();
}

TEST_F(Http1ClientTest, refuses_a_malformed_answer) {
  RawPeer server = connect();
  std::string& result = start(get("/"));
  server.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(result, "failed protocol error");
  EXPECT_TRUE(server.was_reset());
}

// ------------------------------------------------------------------ pool

class PoolTest : public testing::Test {
 protected:
  void make() {
    pool = std::make_unique<Pool>(loop, [this] { return connect(*this); }, options, limits);
  }
  static io::Task<Result<Pool::Connected>> connect(PoolTest& test) {
    ++test.attempts;
    if (test.hold) co_await test.go.wait();
    if (test.refuse) co_return fail(Error::Kind::refused, "nobody listens");
    auto [ours, theirs] = io::make_pipe(test.loop);
    test.servers.push_back(std::make_unique<RawPeer>(test.loop, std::move(theirs)));
    co_return Pool::Connected{std::move(ours), ""};
  }
  static io::Task<void> send(PoolTest& test, std::string path, std::string& result) {
    const http::Request request = get(std::move(path));
    auto exchange = co_await test.pool->send(request, true);
    if (!exchange) {
      result = concat(to_string(exchange.error().kind), ": ", exchange.error().text);
      co_return;
    }
    co_await fetch(std::move(*exchange), result);
  }
  std::string& start(std::string path) {
    results.push_back(std::make_unique<std::string>());
    tasks.spawn(send(*this, std::move(path), *results.back()));
    loop.run_until_idle();
    return *results.back();
  }
  static constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

  io::ManualLoop loop{1};
  io::Event go{loop};
  PoolOptions options;
  std::shared_ptr<Limits> limits = std::make_shared<Limits>();
  int attempts = 0;
  bool hold = false;
  bool refuse = false;
  std::vector<std::unique_ptr<RawPeer>> servers;
  std::vector<std::unique_ptr<std::string>> results;
  std::unique_ptr<Pool> pool;
  io::TaskGroup tasks{loop};
};

TEST_F(PoolTest, opens_a_connection_a_request_and_uses_the_last_one_again) {
  make();
  std::string& a = start("/a");
  std::string& b = start("/b");
  EXPECT_EQ(attempts, 2);
  servers[0]->send(kOk);
  servers[1]->send(kOk);
  EXPECT_EQ(a, "200 []");
  EXPECT_EQ(b, "200 []");
  servers[1]->take();
  start("/c");
  EXPECT_EQ(attempts, 2);
  EXPECT_NE(servers[1]->take().find("GET /c"), std::string::npos);
  EXPECT_EQ(limits->connections, 2);
  EXPECT_EQ(limits->requests, 1);
  EXPECT_EQ(pool->counts().active, 1);
}

TEST_F(PoolTest, queues_at_the_limit_of_connections_and_overflows_at_that_of_the_queue) {
  limits->max_connections = 1;
  limits->max_pending = 1;
  make();
  std::string& a = start("/a");
  std::string& b = start("/b");
  std::string& c = start("/c");
  EXPECT_EQ(attempts, 1);
  EXPECT_EQ(b, "");
  EXPECT_EQ(c, "overflow: the circuit breaker's limit of 1 pending requests is reached");
  EXPECT_EQ(limits->pending_overflows, 1);
  servers[0]->send(kOk);
  EXPECT_EQ(a, "200 []");
  EXPECT_EQ(limits->pending, 0);
  servers[0]->send(kOk);
  EXPECT_EQ(b, "200 []");
  EXPECT_EQ(limits->requests, 0);
}

TEST_F(PoolTest, overflows_at_the_limit_of_requests) {
  limits->max_requests = 1;
  make();
  start("/a");
  EXPECT_EQ(start("/b"), "overflow: the circuit breaker's limit of 1 active requests is reached");
  EXPECT_EQ(limits->request_overflows, 1);
  servers[0]->send(kOk);
  start("/c");
  servers[0]->send(kOk);
  EXPECT_EQ(*results[2], "200 []");
}

TEST_F(PoolTest, one_connection_is_always_allowed) {
  limits->max_connections = 0;
  make();
  start("/a");
  servers[0]->send(kOk);
  EXPECT_EQ(*results[0], "200 []");
}

TEST_F(PoolTest, says_what_the_connector_said) {
  refuse = true;
  make();
  EXPECT_EQ(start("/a"), "refused: nobody listens");
  EXPECT_EQ(pool->counts().connect_failures, 1);
  EXPECT_EQ(limits->connections, 0);
  EXPECT_EQ(limits->requests, 0);
  EXPECT_EQ(limits->pending, 0);
}

TEST_F(PoolTest, gives_up_connecting_in_time) {
  hold = true;
  options.connect_timeout = 3s;
  make();
  std::string& a = start("/a");
  loop.advance(2s);
  EXPECT_EQ(a, "");
  loop.advance(2s);
  EXPECT_EQ(a, "timeout: no connection within 3000 ms");
  EXPECT_EQ(pool->counts().connect_timeouts, 1);
}

TEST_F(PoolTest, closes_idle_connections) {
  options.idle_timeout = 60s;
  make();
  start("/a");
  servers[0]->send(kOk);
  loop.advance(59s);
  EXPECT_EQ(pool->counts().open, 1);
  loop.advance(2s);
  EXPECT_EQ(pool->counts().open, 0);
  EXPECT_TRUE(servers[0]->closed());
  EXPECT_EQ(limits->connections, 0);
}

TEST_F(PoolTest, forgets_connections_that_the_backend_closed) {
  make();
  start("/a");
  servers[0]->send(kOk);
  servers[0]->finish();
  EXPECT_EQ(pool->counts().open, 0);
  start("/b");
  EXPECT_EQ(attempts, 2);
}

TEST_F(PoolTest, drains_what_is_in_flight) {
  make();
  std::string& a = start("/a");
  pool->drain();
  loop.run_until_idle();
  EXPECT_FALSE(pool->drained());
  EXPECT_EQ(start("/b"), "unavailable: the pool of this endpoint is draining");
  servers[0]->send(kOk);
  EXPECT_EQ(a, "200 []");
  EXPECT_TRUE(pool->drained());
}

TEST_F(PoolTest, may_be_destroyed_under_its_requests) {
  limits->max_connections = 1;
  make();
  std::string& a = start("/a");
  std::string& b = start("/b");
  pool.reset();
  loop.run_until_idle();
  EXPECT_EQ(b, "cancelled: the pool of this endpoint was removed while the request waited");
  servers[0]->send(kOk);
  EXPECT_EQ(a, "200 []");
  loop.run_until_idle();
  EXPECT_EQ(limits->requests, 0);
  EXPECT_EQ(limits->connections, 0);
}

TEST_F(PoolTest, makes_a_new_connection_after_max_requests) {
  options.client.max_requests = 1;
  make();
  start("/a");
  EXPECT_NE(servers[0]->take().find("Connection: close"), std::string::npos);
  servers[0]->send(kOk);
  start("/b");
  EXPECT_EQ(attempts, 2);
}

TEST_F(PoolTest, hundreds_of_waiters_are_served_in_order) {
  limits->max_connections = 1;
  make();
  for (int i = 0; i < 300; ++i) start(concat("/", i));
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(*results[static_cast<size_t>(i)], "");
    EXPECT_NE(servers[0]->take().find(concat("GET /", i, " ")), std::string::npos);
    servers[0]->send(kOk);
    EXPECT_EQ(*results[static_cast<size_t>(i)], "200 []");
  }
}

}  // namespace
}  // namespace weft::net
