#include "net/resolve.h"

#include <gtest/gtest.h>

#include "io/epoll_loop.h"
#include "io/task_group.h"

namespace weft::net {
namespace {

io::Task<void> ask(io::EpollLoop& loop, Resolver& resolver, std::string name, Resolver::Family family,
                   std::optional<Result<std::vector<IpAddress>>>& answer) {
  answer = co_await resolver.resolve(std::move(name), loop, family, std::chrono::seconds(20));
  loop.stop();
}

Result<std::vector<IpAddress>> resolve(std::string name, Resolver::Family family) {
  auto loop = io::EpollLoop::make(1).value();
  const auto resolver = make_system_resolver();
  std::optional<Result<std::vector<IpAddress>>> answer;
  io::TaskGroup tasks(*loop);
  tasks.spawn(ask(*loop, *resolver, std::move(name), family, answer));
  if (!answer) loop->run();
  return std::move(*answer);
}

TEST(Resolver, gives_a_literal_back_at_once) {
  EXPECT_EQ(resolve("10.1.2.3", Resolver::Family::any)->front().to_string(), "10.1.2.3");
  EXPECT_EQ(resolve("::1", Resolver::Family::any)->front().to_string(), "::1");
}

TEST(Resolver, knows_what_the_hosts_file_knows) {
  const auto addresses = resolve("localhost", Resolver::Family::v4);
  ASSERT_TRUE(addresses) << addresses.error().to_string();
  EXPECT_EQ(addresses->front(), IpAddress::loopback());
}

TEST(Resolver, names_the_name_it_cannot_resolve) {
  const auto absent = resolve("no such name.invalid", Resolver::Family::any);
  ASSERT_FALSE(absent);
  EXPECT_NE(absent.error().text.find("no such name.invalid"), std::string::npos);
}

}  // namespace
}  // namespace weft::net
