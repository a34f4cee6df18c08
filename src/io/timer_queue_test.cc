#include "io/timer_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "io/epoll_loop.h"

namespace weft::io {
namespace {

TEST(TimerQueue, random_arming_moving_and_cancelling_fires_in_time_order) {
  auto loop = EpollLoop::make(7).value();
  Random random(42);
  struct Entry {
    std::unique_ptr<Timer> timer;
    TimePoint when;
    bool expected = false;
  };
  std::vector<Entry> entries(500);
  std::vector<size_t> fired;
  const TimePoint past = loop->now() - 1s;
  for (size_t i = 0; i < entries.size(); ++i) {
    entries[i].timer = std::make_unique<Timer>(*loop, [&fired, i] { fired.push_back(i); });
  }
  for (int step = 0; step < 5000; ++step) {
    Entry& entry = entries[random.below(entries.size())];
    if (random.below(4) == 0) {
      entry.timer->cancel();
      entry.expected = false;
    } else {
      entry.when = past + std::chrono::microseconds(random.below(1000));
      entry.timer->arm_at(entry.when);
      entry.expected = true;
    }
  }
  loop->run_once(0ns);
  const auto expected =
      std::count_if(entries.begin(), entries.end(), [](const Entry& e) { return e.expected; });
  EXPECT_EQ(static_cast<long>(fired.size()), expected);
  EXPECT_TRUE(std::is_sorted(fired.begin(), fired.end(),
                             [&](size_t a, size_t b) { return entries[a].when < entries[b].when; }));
}

TEST(TimerQueue, a_deadline_pushed_back_does_not_fire_at_its_old_time) {
  auto loop = EpollLoop::make(7).value();
  int fired = 0;
  Timer timer(*loop, [&] { ++fired; });
  timer.arm_at(loop->now() - 1ms);
  timer.arm_at(loop->now() + 1h);
  loop->run_once(0ns);
  EXPECT_EQ(fired, 0);
  EXPECT_TRUE(timer.armed());
  timer.arm_at(loop->now() - 1ms);
  loop->run_once(0ns);
  EXPECT_EQ(fired, 1);
}

}  // namespace
}  // namespace weft::io
