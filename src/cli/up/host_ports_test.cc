#include "cli/up/host_ports.h"

#include <gtest/gtest.h>

#include "cli/up/on_thread.h"
#include "io/epoll_loop.h"
#include "io/stream.h"
#include "io/task_group.h"

namespace weft::cli {
namespace {

TEST(HostPorts, hands_over_a_socket_that_listens) {
  auto loop = io::EpollLoop::make(1);
  ASSERT_TRUE(loop);
  auto ports = HostPorts::make();
  ASSERT_TRUE(ports);
  auto socket = ports->listen({.ip = IpAddress::loopback(), .port = 0, .path = {}});
  ASSERT_TRUE(socket) << socket.error().text;
  auto acceptor = (*loop)->adopt_listening(std::move(*socket));
  ASSERT_TRUE(acceptor) << acceptor.error().text;
  const SocketAddress address = (*acceptor)->address();
  EXPECT_NE(address.port, 0);

  bool accepted = false;
  bool connected = false;
  io::TaskGroup tasks(**loop);
  tasks.spawn([](io::Acceptor& from, bool& done) -> io::Task<void> {
    done = (co_await from.accept()).has_value();
  }(**acceptor, accepted));
  tasks.spawn([](io::Loop& on, SocketAddress to, bool& done) -> io::Task<void> {
    done = (co_await on.connect(to, {})).has_value();
  }(**loop, address, connected));
  while (tasks.size() > 0) (*loop)->run_once(1s);
  EXPECT_TRUE(accepted);
  EXPECT_TRUE(connected);

  const auto again = ports->listen(address);
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().text.find("another program does"), std::string::npos) << again.error().text;
  EXPECT_TRUE(ports->listen({.ip = IpAddress::loopback(), .port = 0, .path = {}}));  // it goes on
}

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
