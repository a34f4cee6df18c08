#include "http/h2_session.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/strings.h"

namespace weft::http {
namespace {

struct Ends final : H2Session::Listener {
  std::vector<std::pair<int32_t, Request>> requests;
  size_t answers = 0;
  void on_request(int32_t stream, Request&& head, bool) override {
    requests.emplace_back(stream, std::move(head));
  }
  void on_response(int32_t, void*, Response&&, bool) override { ++answers; }
  void on_data(int32_t, void*, Bytes) override {}
  void on_end(int32_t, void*, Headers*) override {}
  void on_closed(int32_t, void*, H2Code) override {}
};

// A client's session and a server's, joined.
struct Pair {
  Ends asks, answers;
  H2Session client{H2Session::Role::client, {}, asks};
  H2Session server{H2Session::Role::server, {}, answers};

  static size_t carry(H2Session& from, H2Session& to) {
    Buffer wire;
    while (from.gather(wire, 64 * 1024)) {
    }
    EXPECT_TRUE(to.feed(wire.bytes(), TimePoint{}));
    return wire.size();
  }
};

TEST(H2Session, ids_that_are_new_each_time_leave_the_table_to_what_comes_again) {
  Pair pair;
  Pair::carry(pair.client, pair.server);
  Pair::carry(pair.server, pair.client);
  const std::string peer(300, 'p');
  size_t largest = 0;
  for (size_t i = 0; i < 600; ++i) {
    Request head;
    head.method = "GET";
    head.authority = "reviews:9080";
    head.path = "/";
    const std::string id = concat("id-", 1000000 + i, "-of-a-usual-length-for-those");
    head.headers.add("x-request-id", id);
    head.headers.add("weft-peer", peer);
    ASSERT_GT(pair.client.submit_request(head, true, nullptr), 0);
    const size_t size = Pair::carry(pair.client, pair.server);
    if (i >= 2) largest = std::max(largest, size);
    ASSERT_EQ(pair.answers.requests.size(), i + 1);
    const auto& [stream, got] = pair.answers.requests.back();
    EXPECT_EQ(got.headers.get("x-request-id"), id);
    EXPECT_EQ(got.headers.get("weft-peer"), peer);
    Response answer;
    answer.status = 204;
    pair.server.submit_response(stream, answer, true);
    Pair::carry(pair.server, pair.client);
    ASSERT_EQ(pair.asks.answers, i + 1);
  }
  EXPECT_LT(largest, 80u);  // the peer's 300 bytes went once
}

TEST(H2Session, a_field_that_must_not_be_indexed_stays_so_on_the_way) {
  Pair pair;
  Request head;
  head.method = "GET";
  head.authority = "a";
  head.path = "/";
  head.headers.add("authorization", "Bearer secret", true);
  head.headers.add("accept", "text/html");
  ASSERT_GT(pair.client.submit_request(head, true, nullptr), 0);
  Pair::carry(pair.client, pair.server);
  ASSERT_EQ(pair.answers.requests.size(), 1u);
  for (const Headers::Field& field : pair.answers.requests[0].second.headers) {
    EXPECT_EQ(field.never_index, field.name == "authorization") << field.name;
  }
}

}  // namespace
}  // namespace weft::http
