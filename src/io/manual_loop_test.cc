#include "io/manual_loop.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "io/task_group.h"

namespace weft::io {
namespace {

SocketAddress at(const char* text) { return SocketAddress::parse(text).value(); }

Task<void> accept_into(Acceptor& acceptor, std::vector<std::unique_ptr<Stream>>& out) {
  for (;;) {
    auto stream = co_await acceptor.accept();
    if (!stream) co_return;
    out.push_back(std::move(*stream));
  }
}
Task<void> connect_into(Loop& loop, SocketAddress address, ConnectOptions options,
                        Result<std::unique_ptr<Stream>>& out) {
  out = co_await loop.connect(std::move(address), std::move(options));
}

struct ManualLoopTest : testing::Test {
  ManualLoop loop{1};
  std::vector<std::unique_ptr<Stream>> accepted;
  Result<std::unique_ptr<Stream>> connected = fail(Error::Kind::internal, "not yet");
  std::unique_ptr<Acceptor> acceptor;
};

TEST_F(ManualLoopTest, time_stands_still_until_advanced_and_timers_see_their_own_time) {
  std::vector<TimePoint> seen;
  Timer a(loop, [&] { seen.push_back(loop.now()); });
  Timer b(loop, [&] { seen.push_back(loop.now()); });
  b.arm_after(20ms);
  a.arm_after(10ms);
  loop.run_until_idle();
  EXPECT_TRUE(seen.empty());
  loop.advance(1s);
  EXPECT_EQ(seen, (std::vector{TimePoint(10ms), TimePoint(20ms)}));
  EXPECT_EQ(loop.now(), TimePoint(1s));
}

TEST_F(ManualLoopTest, connects_listeners_and_clients_in_memory) {
  TaskGroup tasks(loop);
  acceptor = loop.listen(at("10.0.0.1:80"), {}).value();
  tasks.spawn(accept_into(*acceptor, accepted));
  tasks.spawn(connect_into(loop, at("10.0.0.1:80"), {}, connected));
  loop.run_until_idle();
  ASSERT_TRUE(connected);
  ASSERT_EQ(accepted.size(), 1u);
  EXPECT_EQ(accepted[0]->peer_address(), (*connected)->local_address());
  EXPECT_FALSE(loop.listen(at("10.0.0.1:80"), {}));
}

TEST_F(ManualLoopTest, nobody_listening_is_refused) {
  TaskGroup tasks(loop);
  tasks.spawn(connect_into(loop, at("10.0.0.1:80"), {}, connected));
  loop.run_until_idle();
  EXPECT_EQ(connected.error().kind, Error::Kind::refused);
}

TEST_F(ManualLoopTest, hosts_have_an_address_a_loopback_and_a_date_of_their_own) {
  auto a = loop.add_host(*IpAddress::parse("10.0.0.1"));
  auto b = loop.add_host(*IpAddress::parse("10.0.0.2"));
  TaskGroup tasks(loop);
  acceptor = b->listen(at("0.0.0.0:80"), {}).value();
  auto private_one = b->listen(at("127.0.0.1:81"), {}).value();
  tasks.spawn(accept_into(*acceptor, accepted));
  tasks.spawn(connect_into(*a, at("10.0.0.2:80"), {}, connected));
  loop.run_until_idle();
  ASSERT_TRUE(connected);
  EXPECT_EQ(accepted.at(0)->peer_address().ip.to_string(), "10.0.0.1");
  EXPECT_EQ(&accepted[0]->loop(), b.get());

  tasks.spawn(connect_into(*a, at("10.0.0.2:81"), {}, connected));
  loop.run_until_idle();
  EXPECT_FALSE(connected);  // only b's loopback

  const WallTime before = a->wall_now();
  b->shift_wall_clock(24h);
  EXPECT_EQ(a->wall_now(), before);
  EXPECT_EQ(b->wall_now(), before + 24h);
  accepted.clear();
  tasks.cancel_all();
  acceptor.reset();
  private_one.reset();
}

struct Intercepting : Network {
  Route answer;
  Route route(const SocketAddress&, const SocketAddress&, uint32_t mark) override {
    return mark == 0 ? answer : Route{};
  }
};

TEST_F(ManualLoopTest, the_network_may_redirect_delay_and_ignore) {
  Intercepting network;
  loop.set_network(&network);
  TaskGroup tasks(loop);
  acceptor = loop.listen(at("127.0.0.1:15001"), {}).value();
  tasks.spawn(accept_into(*acceptor, accepted));

  network.answer = {.delay = 5ms, .redirect = at("127.0.0.1:15001")};
  tasks.spawn(connect_into(loop, at("10.1.2.3:80"), {}, connected));
  loop.run_until_idle();
  EXPECT_TRUE(accepted.empty());
  loop.advance(5ms);
  ASSERT_EQ(accepted.size(), 1u);
  EXPECT_EQ(accepted[0]->original_destination(), at("10.1.2.3:80"));

  network.answer = {.fate = Network::Route::Fate::ignore};
  tasks.spawn(connect_into(loop, at("127.0.0.1:15001"), {.timeout = 1s}, connected));
  loop.advance(999ms);
  EXPECT_TRUE(connected);
  loop.advance(1ms);
  EXPECT_EQ(connected.error().kind, Error::Kind::timeout);

  tasks.spawn(connect_into(loop, at("127.0.0.1:15001"), {.mark = 1337}, connected));
  loop.run_until_idle();
  EXPECT_TRUE(connected);
  connected = fail(Error::Kind::internal, "");
  accepted.clear();
}

TEST_F(ManualLoopTest, a_full_backlog_drops_connections) {
  TaskGroup tasks(loop);
  acceptor = loop.listen(at("10.0.0.1:80"), {.backlog = 1}).value();
  Result<std::unique_ptr<Stream>> second = fail(Error::Kind::internal, "not yet");
  tasks.spawn(connect_into(loop, at("10.0.0.1:80"), {}, connected));
  tasks.spawn(connect_into(loop, at("10.0.0.1:80"), {.timeout = 1s}, second));
  loop.advance(1s);
  EXPECT_TRUE(connected);
  EXPECT_EQ(second.error().kind, Error::Kind::timeout);
}

TEST_F(ManualLoopTest, run_until_goes_from_timer_to_timer_and_gives_up_at_its_limit) {
  bool done = false;
  Timer timer(loop, [&] { done = true; });
  timer.arm_after(10s);
  EXPECT_FALSE(loop.run_until([&] { return done; }, 5s));
  EXPECT_TRUE(loop.run_until([&] { return done; }, 10s));
  EXPECT_EQ(loop.now(), TimePoint(10s));
}

TEST_F(ManualLoopTest, the_same_seed_draws_the_same_numbers) {
  ManualLoop again{1};
  EXPECT_EQ(loop.random().next(), again.random().next());
}

}  // namespace
}  // namespace weft::io
