#include "io/task_group.h"

#include <gtest/gtest.h>

#include "io/epoll_loop.h"

namespace weft::io {
namespace {

struct TaskGroupTest : testing::Test {
  std::unique_ptr<EpollLoop> loop = EpollLoop::make(1).value();
};

Task<void> wait_for(Event& event, int& ended) {
  co_await event.wait();
  ++ended;
}

TEST_F(TaskGroupTest, a_task_runs_at_once_until_it_first_waits) {
  TaskGroup tasks(*loop);
  int steps = 0;
  Event event(*loop);
  tasks.spawn([](int& s, Event& e) -> Task<void> {
    ++s;
    co_await e.wait();
    ++s;
  }(steps, event));
  EXPECT_EQ(steps, 1);
  EXPECT_EQ(tasks.size(), 1u);
}

TEST_F(TaskGroupTest, wait_empty_resumes_when_the_last_task_has_ended) {
  TaskGroup tasks(*loop), watcher(*loop);
  Event a(*loop), b(*loop);
  int ended = 0;
  bool empty = false;
  tasks.spawn(wait_for(a, ended));
  tasks.spawn(wait_for(b, ended));
  watcher.spawn([](TaskGroup& t, bool& e) -> Task<void> {
    co_await t.wait_empty();
    e = true;
  }(tasks, empty));
  a.notify();
  loop->run_once(0ns);
  EXPECT_FALSE(empty);
  b.notify();
  loop->run_once(0ns);
  EXPECT_TRUE(empty);
  EXPECT_EQ(ended, 2);
}

TEST_F(TaskGroupTest, a_task_may_spawn_into_its_own_group) {
  TaskGroup tasks(*loop);
  Event event(*loop);
  int ended = 0;
  tasks.spawn([](TaskGroup& t, Event& e, int& n) -> Task<void> {
    t.spawn(wait_for(e, n));
    co_return;
  }(tasks, event, ended));
  EXPECT_EQ(tasks.size(), 1u);
  event.notify();
  loop->run_once(0ns);
  EXPECT_EQ(ended, 1);
  EXPECT_TRUE(tasks.empty());
}

TEST_F(TaskGroupTest, cancel_all_unwinds_nested_awaits) {
  TaskGroup tasks(*loop);
  Event event(*loop);
  int ended = 0;
  tasks.spawn([](Event& e, int& n) -> Task<void> {
    co_await wait_for(e, n);
    ++n;
  }(event, ended));
  tasks.cancel_all();
  EXPECT_TRUE(tasks.empty());
  EXPECT_FALSE(event.waited_for());
  event.notify();
  loop->run_once(0ns);
  EXPECT_EQ(ended, 0);
}

TEST_F(TaskGroupTest, a_deferred_may_destroy_the_group_that_asked_for_it) {
  auto tasks = std::make_unique<TaskGroup>(*loop);
  Deferred funeral(*loop, [&] { tasks.reset(); });
  Event event(*loop);
  tasks->spawn([](Event& e, Deferred& f) -> Task<void> {
    co_await e.wait();
    f.arm();
  }(event, funeral));
  event.notify();
  loop->run_once(0ns);
  EXPECT_EQ(tasks, nullptr);
}

TEST_F(TaskGroupTest, a_thousand_tasks_come_and_go) {
  TaskGroup tasks(*loop);
  for (int i = 0; i < 1000; ++i) {
    tasks.spawn([](Loop& l) -> Task<void> { co_await sleep_for(l, 0ns); }(*loop));
  }
  EXPECT_EQ(tasks.size(), 1000u);
  while (!tasks.empty()) loop->run_once(1s);
}

}  // namespace
}  // namespace weft::io
