#include "net/grpc_stream.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "io/manual_loop.h"
#include "io/pipe.h"

namespace weft::net {
namespace {

class GrpcTest : public testing::Test {
 public:
  GrpcTest() : channel(loop, [this] { return connect(*this); }, {.authority = "istiod:15012"}) {
    server.handle_unary(
        "/s/Echo", [](std::string request, ServerExchange&) { return echo_message(std::move(request)); });
    server.handle("/s/Count", [](GrpcServerStream& stream) { return count(stream); });
    server.handle("/s/Hang", [](GrpcServerStream& stream) { return hang(stream); });
    server.handle("/s/Nothing", [](GrpcServerStream&) -> io::Task<void> { co_return; });
  }
  static io::Task<Result<Pool::Connected>> connect(GrpcTest& test) {
    ++test.connections;
    if (test.refuse) co_return fail(Error::Kind::refused, "nobody listens");
    auto [ours, theirs] = io::make_pipe(test.loop);
    test.tasks.spawn(serve_http2(std::move(theirs), {.drain = &test.drain},
                                 [&test](ServerExchange& exchange) { return test.server.serve(exchange); }));
    co_return Pool::Connected{std::move(ours), "h2"};
  }
  static io::Task<std::expected<std::string, http::GrpcStatus>> echo_message(std::string request) {
    if (request == "no")
      co_return std::unexpected(
          http::GrpcStatus{http::GrpcStatus::permission_denied, "not \xe2\x82\xac you"});
    co_return request + request;
  }
  // Sends back the size of each message, and the number of them at the end.
  static io::Task<void> count(GrpcServerStream& stream) {
    stream.initial_metadata().add("x-hello", "1");
    int messages = 0;
    for (;;) {
      auto message = co_await stream.read();
      if (!message) co_return;
      if (!*message) break;
      ++messages;
      if (!co_await stream.write(std::to_string((*message)->size()))) co_return;
    }
    (void)co_await stream.write(concat("total ", messages));
    stream.finish({http::GrpcStatus::ok, "counted"});
  }
  static io::Task<void> hang(GrpcServerStream& stream) {
    while (stream.exchange().poll() != Incoming::failed) {
      stream.exchange().consume(stream.exchange().data().size());
      co_await stream.exchange().incoming();
    }
  }
  struct Reply {
    bool done = false;
    Result<std::string> result;
    http::GrpcStatus status;
  };
  static io::Task<void> call(GrpcTest& test, std::string path, std::string message, GrpcCallOptions options,
                             Reply& reply) {
    reply.result =
        co_await test.channel.unary(std::move(path), std::move(message), std::move(options), &reply.status);
    reply.done = true;
  }
  Reply unary(std::string path, std::string message, GrpcCallOptions options = {}) {
    Reply reply;
    io::TaskGroup calling(loop);
    calling.spawn(call(*this, std::move(path), std::move(message), std::move(options), reply));
    loop.run_until([&] { return reply.done; });
    return reply;
  }

  io::ManualLoop loop{1};
  Drain drain;
  GrpcServer server;
  int connections = 0;
  bool refuse = false;
  io::TaskGroup tasks{loop};
  GrpcChannel channel;
};

TEST_F(GrpcTest, answers_a_unary_call) {
  EXPECT_EQ(*unary("/s/Echo", "hi").result, "hihi");
  EXPECT_EQ(*unary("/s/Echo", "").result, "");
  const std::string large(3'000'000, 'x');
  EXPECT_EQ(unary("/s/Echo", large).result->size(), 6'000'000);
  EXPECT_EQ(connections, 1) << "one connection serves all calls";
}

TEST_F(GrpcTest, carries_statuses) {
  const Reply denied = unary("/s/Echo", "no");
  ASSERT_FALSE(denied.result);
  EXPECT_EQ(denied.result.error().kind, Error::Kind::denied);
  EXPECT_EQ(denied.result.error().text, "/s/Echo: PERMISSION_DENIED: not \xe2\x82\xac you");
  EXPECT_EQ(denied.status.code, http::GrpcStatus::permission_denied);
  EXPECT_EQ(unary("/s/Absent", "").result.error().kind, Error::Kind::unsupported);
  EXPECT_EQ(unary("/s/Nothing", "").status.code, http::GrpcStatus::internal);
}

TEST_F(GrpcTest, keeps_deadlines) {
  GrpcCallOptions options;
  options.timeout = 2s;
  const Reply late = unary("/s/Hang", "x", options);
  ASSERT_FALSE(late.result);
  EXPECT_EQ(late.result.error().kind, Error::Kind::timeout);
  EXPECT_GE(loop.now().time_since_epoch(), 2s);
  EXPECT_LT(loop.now().time_since_epoch(), 3s);
}

TEST_F(GrpcTest, streams_both_ways) {
  std::vector<std::string> seen;
  http::GrpcStatus status;
  std::string hello;
  bool done = false;
  const auto talk = [](GrpcTest& test, std::vector<std::string>& messages, http::GrpcStatus& end,
                       std::string& metadata, bool& finished) -> io::Task<void> {
    auto stream = co_await test.channel.open("/s/Count", {});
    for (const size_t size : {size_t{3}, size_t{0}, size_t{200'000}}) {
      EXPECT_TRUE(co_await (*stream)->write(std::string(size, 'x')));
      auto reply = co_await (*stream)->read();
      messages.push_back(**reply);
    }
    metadata = *(*stream)->initial_metadata().get("x-hello");
    (*stream)->close_writing();
    for (;;) {
      auto reply = co_await (*stream)->read();
      if (!*reply) break;
      messages.push_back(**reply);
    }
    end = (*stream)->status();
    finished = true;
  };
  io::TaskGroup talking(loop);
  talking.spawn(talk(*this, seen, status, hello, done));
  loop.run_until([&] { return done; });
  EXPECT_EQ(seen, (std::vector<std::string>{"3", "0", "200000", "total 3"}));
  EXPECT_TRUE(status.is_ok());
  EXPECT_EQ(status.message, "counted");
  EXPECT_EQ(hello, "1");
}

TEST_F(GrpcTest, says_why_there_is_no_connection_and_tries_again_later) {
  refuse = true;
  EXPECT_EQ(unary("/s/Echo", "x").result.error().kind, Error::Kind::refused);
  refuse = false;
  EXPECT_EQ(*unary("/s/Echo", "x").result, "xx");
}

TEST_F(GrpcTest, makes_a_new_connection_after_a_goaway) {
  EXPECT_EQ(*unary("/s/Echo", "x").result, "xx");
  drain.start();
  loop.advance(2s);
  EXPECT_EQ(*unary("/s/Echo", "y").result, "yy");
  EXPECT_EQ(connections, 2);
}

TEST_F(GrpcTest, refuses_messages_above_the_limit) {
  server.max_message = 10;
  EXPECT_EQ(unary("/s/Echo", "0123456789a").status.code, http::GrpcStatus::resource_exhausted);
}

}  // namespace
}  // namespace weft::net
