#include "io/loop.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "io/epoll_loop.h"
#include "io/task_group.h"
#include "io/wait.h"

namespace weft::io {
namespace {

struct LoopTest : testing::Test {
  std::unique_ptr<EpollLoop> loop = EpollLoop::make(1).value();
  std::vector<std::string> log;

  Task<void> record_when(Event& event, std::string what) {
    co_await event.wait();
    log.push_back(what);
  }
};

using Log = std::vector<std::string>;

TEST_F(LoopTest, notify_before_wait_is_remembered_once) {
  Event event(*loop);
  TaskGroup tasks(*loop);
  event.notify();
  event.notify();
  tasks.spawn(record_when(event, "first"));
  EXPECT_EQ(log, Log{"first"});
  tasks.spawn(record_when(event, "second"));
  loop->run_once(0ns);
  EXPECT_EQ(log, Log{"first"});
}

TEST_F(LoopTest, notify_never_resumes_from_inside) {
  Event event(*loop);
  TaskGroup tasks(*loop);
  tasks.spawn(record_when(event, "resumed"));
  event.notify();
  EXPECT_TRUE(log.empty());
  loop->run_once(0ns);
  EXPECT_EQ(log, Log{"resumed"});
}

TEST_F(LoopTest, waiters_resume_in_the_order_of_their_notifications) {
  Event a(*loop), b(*loop);
  TaskGroup tasks(*loop);
  tasks.spawn(record_when(a, "a"));
  tasks.spawn(record_when(b, "b"));
  b.notify();
  a.notify();
  loop->run_once(0ns);
  EXPECT_EQ(log, (Log{"b", "a"}));
}

TEST_F(LoopTest, destroying_a_waiting_task_unwinds_it_and_frees_the_event) {
  struct Note {
    Log& log;
    ~Note() { log.push_back("unwound"); }
  };
  Event event(*loop);
  {
    TaskGroup tasks(*loop);
    tasks.spawn([](Event& e, Log& l) -> Task<void> {
      const Note note{l};
      co_await e.wait();
      l.push_back("never");
    }(event, log));
    EXPECT_TRUE(event.waited_for());
  }
  EXPECT_EQ(log, Log{"unwound"});
  EXPECT_FALSE(event.waited_for());
}

TEST_F(LoopTest, destroying_a_task_that_was_made_ready_does_not_resume_it) {
  Event event(*loop);
  auto tasks = std::make_unique<TaskGroup>(*loop);
  tasks->spawn(record_when(event, "never"));
  event.notify();
  tasks.reset();
  loop->run_once(0ns);
  EXPECT_TRUE(log.empty());
}

TEST_F(LoopTest, an_event_may_die_before_the_task_that_waits_for_it) {
  auto event = std::make_unique<Event>(*loop);
  TaskGroup tasks(*loop);
  tasks.spawn(record_when(*event, "never"));
  event.reset();
  loop->run_once(0ns);
  EXPECT_TRUE(log.empty());
}

TEST_F(LoopTest, deferred_work_runs_once_after_every_ready_task) {
  Event event(*loop);
  Deferred flush(*loop, [this] { log.push_back("flush"); });
  TaskGroup tasks(*loop);
  tasks.spawn([](Event& e, Deferred& f, Log& l) -> Task<void> {
    co_await e.wait();
    f.arm();
    f.arm();
    l.push_back("one");
    e.notify();
    co_await e.wait();
    l.push_back("two");
  }(event, flush, log));
  event.notify();
  loop->run_once(0ns);
  EXPECT_EQ(log, (Log{"one", "two", "flush"}));
}

TEST_F(LoopTest, deferred_work_that_is_cancelled_or_destroyed_does_not_run) {
  Deferred cancelled(*loop, [this] { log.push_back("cancelled"); });
  cancelled.arm();
  cancelled.cancel();
  {
    Deferred gone(*loop, [this] { log.push_back("gone"); });
    gone.arm();
  }
  loop->run_once(0ns);
  EXPECT_TRUE(log.empty());
}

TEST_F(LoopTest, deferred_work_may_defer_itself_for_the_next_pass) {
  int left = 3;
  Deferred* self = nullptr;
  Deferred work(*loop, [&] {
    log.push_back("pass");
    if (--left > 0) self->arm();
  });
  self = &work;
  work.arm();
  loop->run_once(0ns);
  EXPECT_EQ(log.size(), 3u);
}

TEST_F(LoopTest, timers_fire_in_order_of_time_then_of_arming) {
  Timer late(*loop, [this] { log.push_back("late"); });
  Timer early(*loop, [this] { log.push_back("early"); });
  Timer early2(*loop, [this] { log.push_back("early2"); });
  const TimePoint now = loop->now();
  late.arm_at(now - 1ms);
  early.arm_at(now - 2ms);
  early2.arm_at(now - 2ms);
  loop->run_once(0ns);
  EXPECT_EQ(log, (Log{"early", "early2", "late"}));
  EXPECT_FALSE(late.armed());
}

TEST_F(LoopTest, a_timer_may_destroy_another_that_came_due_in_the_same_tick) {
  std::unique_ptr<Timer> victim;
  Timer killer(*loop, [&] { victim.reset(); });
  victim = std::make_unique<Timer>(*loop, [this] { log.push_back("never"); });
  killer.arm_at(loop->now() - 2ms);
  victim->arm_at(loop->now() - 1ms);
  loop->run_once(0ns);
  EXPECT_TRUE(log.empty());
}

TEST_F(LoopTest, a_timer_that_rearms_itself_in_the_past_waits_for_the_next_tick) {
  Timer* self = nullptr;
  int fired = 0;
  Timer timer(*loop, [&] {
    ++fired;
    self->arm_at(loop->now() - 1ms);
  });
  self = &timer;
  timer.arm_at(loop->now() - 1ms);
  loop->run_once(0ns);
  EXPECT_EQ(fired, 1);
  loop->run_once(0ns);
  EXPECT_EQ(fired, 2);
}

TEST_F(LoopTest, arming_for_ever_disarms) {
  Timer timer(*loop, [this] { log.push_back("never"); });
  timer.arm_after(0ns);
  timer.arm_after(kForever);
  EXPECT_FALSE(timer.armed());
  loop->run_once(0ns);
  EXPECT_TRUE(log.empty());
}

TEST_F(LoopTest, waiting_with_a_deadline_that_passed_says_so) {
  Event never(*loop);
  std::optional<bool> answer;
  TaskGroup tasks(*loop);
  tasks.spawn([](Event& e, std::optional<bool>& a) -> Task<void> {
    a = co_await wait_until(e, e.loop().now());
  }(never, answer));
  loop->run_once(1s);
  EXPECT_EQ(answer, false);
}

TEST_F(LoopTest, an_event_that_beats_its_deadline_in_the_same_tick_wins) {
  Event event(*loop);
  std::optional<bool> answer;
  TaskGroup tasks(*loop);
  tasks.spawn([](Event& e, std::optional<bool>& a) -> Task<void> {
    a = co_await wait_until(e, e.loop().now() - 1ms);
  }(event, answer));
  Timer first(*loop, [&] { event.notify(); });
  first.arm_at(loop->now() - 2ms);
  loop->run_once(0ns);
  EXPECT_EQ(answer, true);
}

TEST_F(LoopTest, posted_work_from_another_thread_runs_in_the_loop) {
  std::thread::id where;
  std::thread other([&] {
    loop->post([&] {
      where = std::this_thread::get_id();
      loop->stop();
    });
  });
  loop->run();
  other.join();
  EXPECT_EQ(where, std::this_thread::get_id());
}

TEST_F(LoopTest, stop_before_run_returns_at_once_and_run_works_again) {
  loop->stop();
  loop->run();
  loop->post([&] { loop->stop(); });
  loop->run();
}

TEST_F(LoopTest, sleep_resumes_after_its_time) {
  const TimePoint before = loop->now();
  TaskGroup tasks(*loop);
  tasks.spawn([](EpollLoop& l) -> Task<void> {
    co_await sleep_for(l, 2ms);
    l.stop();
  }(*loop));
  loop->run();
  EXPECT_GE(loop->now() - before, 2ms);
}

}  // namespace
}  // namespace weft::io
