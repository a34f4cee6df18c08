#include "cli/up/on_thread.h"

#include <gtest/gtest.h>

#include <atomic>

#include "io/epoll_loop.h"
#include "io/task_group.h"

namespace weft::cli {
namespace {

TEST(OnThread, the_loop_goes_on_while_a_thread_works) {
  auto loop = io::EpollLoop::make(1);
  ASSERT_TRUE(loop);
  std::atomic<bool> go_on = false;
  std::thread::id where;
  int result = 0;
  io::TaskGroup tasks(**loop);
  tasks.spawn(
      [](io::Loop& on, std::atomic<bool>& wait_for, std::thread::id& ran, int& out) -> io::Task<void> {
        out = co_await on_thread(on, [&] {
          wait_for.wait(false);
          ran = std::this_thread::get_id();
          return 42;
        });
      }(**loop, go_on, where, result));
  // The work ends only because the loop runs this.
  (*loop)->post([&] {
    go_on = true;
    go_on.notify_one();
  });
  while (tasks.size() > 0) (*loop)->run_once(1s);
  EXPECT_EQ(result, 42);
  EXPECT_NE(where, std::this_thread::get_id());
}

}  // namespace
}  // namespace weft::cli
