#include "io/host_ports.h"

#include <gtest/gtest.h>

#include "io/epoll_loop.h"
#include "io/stream.h"
#include "io/task_group.h"

namespace weft::io {
namespace {

TEST(HostPorts, hands_over_a_socket_that_listens) {
  auto loop = EpollLoop::make(1);
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
  TaskGroup tasks(**loop);
  tasks.spawn([](Acceptor& from, bool& done) -> Task<void> { done = (co_await from.accept()).has_value(); }(
                                                 **acceptor, accepted));
  tasks.spawn([](Loop& on, SocketAddress to, bool& done) -> Task<void> {
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

}  // namespace
}  // namespace weft::io
