#include "net/http_server.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "io/manual_loop.h"
#include "net/http_client.h"

namespace weft::net {
namespace {

class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest() {
    server.route("GET", "/hello", [](const HttpPage& page) {
      return HttpAnswer::text(200, concat("hello ", page.query("name").value_or("nobody"), "\n"));
    });
    server.route("POST", "/size", [](const HttpPage& page) {
      return HttpAnswer::json(201, std::to_string(page.body.size()));
    });
    server.route("GET", "/assets/",
                 [](const HttpPage& page) { return HttpAnswer::text(200, std::string(page.request.path)); });
    server.route_async("GET", "/slow", [this](const HttpPage&) { return slow(loop); });
    address = *server.listen(*SocketAddress::parse("127.0.0.1:0"));
  }
  static io::Task<HttpAnswer> slow(io::Loop& loop) {
    co_await io::sleep_for(loop, 5s);
    co_return HttpAnswer::text(200, "at last");
  }
  static io::Task<void> call(io::Loop& loop, HttpCall what, std::optional<Result<HttpReply>>& result) {
    result = co_await http_call(loop, std::move(what));
  }
  Result<HttpReply> fetch(std::string path, std::string method = "GET", std::string body = "",
                          bool http2 = false, Duration timeout = 10s) {
    std::optional<Result<HttpReply>> result;
    io::TaskGroup calling(loop);
    HttpCall what;
    what.address = address;
    what.method = std::move(method);
    what.path = std::move(path);
    what.body = std::move(body);
    what.http2 = http2;
    what.timeout = timeout;
    calling.spawn(call(loop, std::move(what), result));
    loop.run_until([&] { return result.has_value(); });
    return std::move(*result);
  }

  io::ManualLoop loop{1};
  HttpServer server{loop};
  SocketAddress address;
};

TEST_F(HttpServerTest, serves_pages_over_both_versions) {
  for (const bool http2 : {false, true}) {
    const auto reply = fetch("/hello?name=a%20b+c", "GET", "", http2);
    ASSERT_TRUE(reply) << reply.error().to_string();
    EXPECT_EQ(reply->status, 200);
    EXPECT_EQ(reply->body, "hello a b c\n");
    EXPECT_EQ(reply->headers.get("content-type"), "text/plain; charset=utf-8");
  }
}

TEST_F(HttpServerTest, reads_bodies) {
  EXPECT_EQ(fetch("/size", "POST", std::string(1'000'000, 'x'))->body, "1000000");
  server.max_body = 10;
  EXPECT_EQ(fetch("/size", "POST", std::string(11, 'x'))->status, 413);
}

TEST_F(HttpServerTest, finds_by_path_and_method) {
  EXPECT_EQ(fetch("/assets/a/b.js")->body, "/assets/a/b.js");
  EXPECT_EQ(fetch("/assets")->status, 404);
  EXPECT_EQ(fetch("/hello", "POST", "x")->status, 405);
  EXPECT_EQ(fetch("/hello", "HEAD")->body, "");
  const auto absent = fetch("/absent");
  EXPECT_EQ(absent->status, 404);
  EXPECT_NE(absent->body.find("/hello"), std::string::npos);
}

TEST_F(HttpServerTest, waits_for_slow_pages_as_long_as_the_client_does) {
  EXPECT_EQ(fetch("/slow")->body, "at last");
  const auto late = fetch("/slow", "GET", "", false, 2s);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, Error::Kind::timeout);
  EXPECT_NE(late.error().text.find("/slow: no complete answer within 2000 ms"), std::string::npos)
      << late.error().text;
}

TEST(ParseHttpUrl, takes_urls_apart) {
  const auto call = parse_http_url("http://127.0.0.1:15000/stats?x=1#y");
  ASSERT_TRUE(call);
  EXPECT_EQ(call->address.to_string(), "127.0.0.1:15000");
  EXPECT_EQ(call->authority, "127.0.0.1:15000");
  EXPECT_EQ(call->path, "/stats?x=1");
  EXPECT_EQ(parse_http_url("http://localhost")->address.port, 80);
  EXPECT_FALSE(parse_http_url("https://127.0.0.1"));
  EXPECT_FALSE(parse_http_url("http://example.com"));
}

}  // namespace
}  // namespace weft::net
