#include "io/pipe.h"

#include <gtest/gtest.h>

#include <string>

#include "io/manual_loop.h"
#include "io/task_group.h"

namespace weft::io {
namespace {

struct PipeTest : testing::Test {
  ManualLoop loop{1};
  std::string buffer = std::string(100, '\0');
  MutableBytes room() { return std::as_writable_bytes(std::span(buffer)); }
};

TEST_F(PipeTest, carries_bytes_both_ways_and_half_closes) {
  auto [a, b] = make_pipe(loop);
  EXPECT_EQ(a->try_write(as_bytes("ping")).count, 4u);
  a->shutdown_write();
  EXPECT_EQ(b->try_read(room()).count, 4u);
  EXPECT_EQ(b->try_read(room()).status, IoStatus::eof);
  EXPECT_EQ(b->try_write(as_bytes("pong")).count, 4u);
  EXPECT_EQ(a->try_read(room()).count, 4u);
  EXPECT_EQ(a->try_read(room()).status, IoStatus::blocked);
}

TEST_F(PipeTest, is_bounded_and_wakes_the_writer) {
  auto [a, b] = make_pipe(loop, {.capacity = 10});
  EXPECT_EQ(a->try_write(as_bytes("0123456789abc")).count, 10u);
  EXPECT_EQ(a->try_write(as_bytes("abc")).status, IoStatus::blocked);
  bool woken = false;
  TaskGroup tasks(loop);
  tasks.spawn([](Stream& s, bool& w) -> Task<void> {
    co_await s.writable();
    w = true;
  }(*a, woken));
  EXPECT_EQ(b->try_read(room().first(1)).count, 1u);
  loop.run_until_idle();
  EXPECT_TRUE(woken);
  EXPECT_EQ(a->try_write(as_bytes("abc")).count, 1u);
}

TEST_F(PipeTest, destroying_an_end_is_eof_for_the_other_and_writing_to_it_resets) {
  auto [a, b] = make_pipe(loop);
  a.reset();
  EXPECT_EQ(b->try_read(room()).status, IoStatus::eof);
  EXPECT_EQ(b->try_write(as_bytes("x")).status, IoStatus::ok);
  EXPECT_EQ(b->try_write(as_bytes("x")).status, IoStatus::failed);
  EXPECT_EQ(b->error().kind, Error::Kind::reset);
}

TEST_F(PipeTest, abort_and_closing_with_unread_bytes_reset) {
  auto [a, b] = make_pipe(loop);
  ASSERT_EQ(a->try_write(as_bytes("unread")).count, 6u);
  b.reset();
  EXPECT_EQ(a->try_read(room()).status, IoStatus::failed);
  auto [c, d] = make_pipe(loop);
  c->abort();
  EXPECT_EQ(c->try_read(room()).status, IoStatus::failed);
  EXPECT_EQ(d->try_read(room()).status, IoStatus::failed);
}

struct SlowWire : PipeWire {
  Passage next;
  Passage pass(const SocketAddress&, const SocketAddress&, size_t) override { return next; }
};

TEST_F(PipeTest, a_delay_keeps_the_order_of_bytes) {
  SlowWire wire;
  auto [a, b] = make_pipe(loop, {.wire = &wire});
  wire.next.delay = 10ms;
  ASSERT_EQ(a->try_write(as_bytes("slow ")).count, 5u);
  wire.next.delay = 1ms;
  ASSERT_EQ(a->try_write(as_bytes("fast")).count, 4u);
  loop.advance(5ms);
  EXPECT_EQ(b->try_read(room()).status, IoStatus::blocked);
  loop.advance(5ms);
  EXPECT_EQ(b->try_read(room()).count, 9u);
  EXPECT_EQ(buffer.substr(0, 9), "slow fast");
}

TEST_F(PipeTest, a_lossy_wire_swallows_bytes_until_the_window_is_full) {
  SlowWire wire;
  auto [a, b] = make_pipe(loop, {.capacity = 8, .wire = &wire});
  wire.next.fate = Passage::Fate::lose;
  EXPECT_EQ(a->try_write(as_bytes("12345678")).count, 8u);
  EXPECT_EQ(a->try_write(as_bytes("9")).status, IoStatus::blocked);
  loop.advance(1h);
  EXPECT_EQ(b->try_read(room()).status, IoStatus::blocked);
}

TEST_F(PipeTest, a_cut_wire_fails_both_ends) {
  SlowWire wire;
  auto [a, b] = make_pipe(loop, {.wire = &wire});
  wire.next.fate = Passage::Fate::reset;
  ASSERT_EQ(a->try_write(as_bytes("x")).status, IoStatus::ok);
  EXPECT_EQ(a->try_read(room()).status, IoStatus::failed);
  EXPECT_EQ(b->try_read(room()).status, IoStatus::failed);
}

}  // namespace
}  // namespace weft::io
