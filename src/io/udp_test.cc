#include "io/udp.h"

#include <gtest/gtest.h>

#include <csignal>
#include <string>

#include "io/signals.h"
#include "io/task_group.h"

namespace weft::io {
namespace {

struct UdpTest : testing::Test {
  std::unique_ptr<EpollLoop> loop = EpollLoop::make(1).value();
};

TEST_F(UdpTest, datagrams_arrive_with_their_sender_and_know_when_they_were_cut) {
  auto server = UdpSocket::open(*loop, *SocketAddress::parse("127.0.0.1:0"), {}).value();
  auto client = UdpSocket::open(*loop, *SocketAddress::parse("127.0.0.1:0"), {}).value();
  std::vector<Datagram> got;
  TaskGroup tasks(*loop);
  tasks.spawn([](UdpSocket& s, std::vector<Datagram>& out) -> Task<void> {
    std::string buffer(8, '\0');
    for (int i = 0; i < 2; ++i) {
      auto datagram = co_await s.receive(std::as_writable_bytes(std::span(buffer)));
      if (datagram) out.push_back(*datagram);
    }
  }(*server, got));
  ASSERT_TRUE(client->send_to(as_bytes("short"), server->address()));
  ASSERT_TRUE(client->send_to(as_bytes("longer than eight"), server->address()));
  while (!tasks.empty()) loop->run_once(10s);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].size, 5u);
  EXPECT_FALSE(got[0].truncated);
  EXPECT_EQ(got[0].from, client->address());
  EXPECT_EQ(got[1].size, 8u);
  EXPECT_TRUE(got[1].truncated);
}

TEST_F(UdpTest, receive_gives_up_at_its_deadline) {
  auto socket = UdpSocket::open(*loop, *SocketAddress::parse("127.0.0.1:0"), {}).value();
  std::optional<Error> error;
  TaskGroup tasks(*loop);
  tasks.spawn([](UdpSocket& s, std::optional<Error>& e, TimePoint deadline) -> Task<void> {
    std::string buffer(8, '\0');
    auto datagram = co_await s.receive(std::as_writable_bytes(std::span(buffer)), deadline);
    if (!datagram) e = datagram.error();
  }(*socket, error, loop->now() + 1ms));
  while (!tasks.empty()) loop->run_once(10s);
  EXPECT_EQ(error->kind, Error::Kind::timeout);
}

TEST_F(UdpTest, signals_come_as_values) {
  auto signals = Signals::make(*loop, {SIGUSR1, SIGUSR2}).value();
  std::vector<int> got;
  TaskGroup tasks(*loop);
  tasks.spawn([](Signals& s, std::vector<int>& out) -> Task<void> {
    out.push_back(co_await s.next());
    out.push_back(co_await s.next());
  }(*signals, got));
  raise(SIGUSR1);
  loop->run_once(1s);
  raise(SIGUSR2);
  while (!tasks.empty()) loop->run_once(10s);
  EXPECT_EQ(got, (std::vector{SIGUSR1, SIGUSR2}));
}

}  // namespace
}  // namespace weft::io
