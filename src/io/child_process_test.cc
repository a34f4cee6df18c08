#include "io/child_process.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/strings.h"
#include "io/netns.h"
#include "io/stream.h"
#include "io/task_group.h"

namespace weft::io {
namespace {

struct ChildProcessTest : testing::Test {
  std::unique_ptr<EpollLoop> loop = EpollLoop::make(1).value();

  ExitStatus wait_for(ChildProcess& child) {
    std::optional<ExitStatus> status;
    TaskGroup tasks(*loop);
    tasks.spawn([](ChildProcess& c, std::optional<ExitStatus>& out) -> Task<void> {
      out = co_await c.exited();
    }(child, status));
    while (!status) loop->run_once(10s);
    return *status;
  }
};

TEST_F(ChildProcessTest, exit_status_and_signal_are_told) {
  auto child = ChildProcess::spawn(*loop, {.arguments = {"sh", "-c", "exit 3"}});
  ASSERT_TRUE(child) << child.error().to_string();
  EXPECT_EQ(wait_for(**child).to_string(), "exit status 3");
  auto sleeper = ChildProcess::spawn(*loop, {.arguments = {"sleep", "1000"}});
  ASSERT_TRUE(sleeper);
  (*sleeper)->signal(SIGTERM);
  EXPECT_EQ(wait_for(**sleeper).to_string(), "killed by SIGTERM");
}

TEST_F(ChildProcessTest, a_program_that_does_not_exist_is_an_error_of_spawn) {
  const auto child = ChildProcess::spawn(*loop, {.arguments = {"no-such-program-anywhere"}});
  ASSERT_FALSE(child);
  EXPECT_EQ(child.error().kind, Error::Kind::not_found);
  EXPECT_FALSE(ChildProcess::spawn(*loop, {.arguments = {"/no/such/program"}}));
  EXPECT_FALSE(ChildProcess::spawn(*loop, {.arguments = {"true"}, .directory = "/no/such/directory"}));
}

TEST_F(ChildProcessTest, environment_directory_and_output_are_as_asked) {
  const std::string file = concat(testing::TempDir(), "weft_child_", getpid(), ".log");
  std::filesystem::remove(file);
  auto child = ChildProcess::spawn(*loop, {.arguments = {"/bin/sh", "-c", "echo $WHO; pwd; echo oops >&2"},
                                           .environment = {{"WHO=weft"}},
                                           .directory = "/usr",
                                           .output_file = file});
  ASSERT_TRUE(child) << child.error().to_string();
  EXPECT_TRUE(wait_for(**child).success());
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  EXPECT_EQ(text.str(), "weft\n/usr\noops\n");
  std::filesystem::remove(file);
}

TEST_F(ChildProcessTest, destroying_it_kills_and_reaps_it) {
  pid_t pid = 0;
  {
    auto child = ChildProcess::spawn(*loop, {.arguments = {"sleep", "1000"}});
    ASSERT_TRUE(child);
    pid = (*child)->pid();
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST_F(ChildProcessTest, run_command_feeds_and_collects_more_than_a_pipe_holds) {
  const std::string big(1 << 20, 'x');
  const auto ran = run_command({.arguments = {"cat"}, .input = big});
  ASSERT_TRUE(ran);
  EXPECT_EQ(ran->output.size(), big.size());
  const auto ignores_input = run_command({.arguments = {"true"}, .input = big});
  ASSERT_TRUE(ignores_input);
  EXPECT_TRUE(ignores_input->status.success());
}

TEST_F(ChildProcessTest, run_checked_quotes_what_the_program_said) {
  const auto ran = run_checked({.arguments = {"sh", "-c", "echo it is broken >&2; exit 2"}});
  ASSERT_FALSE(ran);
  EXPECT_NE(ran.error().text.find("exit status 2: it is broken"), std::string::npos) << ran.error().text;
}

TEST_F(ChildProcessTest, a_child_and_a_socket_live_in_another_network_namespace) {
  auto other = new_network_namespace();
  if (!other) GTEST_SKIP() << other.error().to_string();
  const auto here = run_checked({.arguments = {"readlink", "/proc/self/ns/net"}});
  const auto there =
      run_checked({.arguments = {"readlink", "/proc/self/ns/net"}, .network_namespace = other->get()});
  ASSERT_TRUE(there) << there.error().to_string();
  EXPECT_NE(*here, *there);

  ASSERT_TRUE(
      run_checked({.arguments = {"ip", "link", "set", "lo", "up"}, .network_namespace = other->get()}));
  std::unique_ptr<Acceptor> acceptor;
  ASSERT_TRUE(run_in_namespace(
      *other, [&] { acceptor = loop->listen(*SocketAddress::parse("127.0.0.1:0"), {}).value(); }));
  Result<std::unique_ptr<Stream>> from_here = fail(Error::Kind::internal, "");
  TaskGroup tasks(*loop);
  tasks.spawn([](Loop& l, SocketAddress a, Result<std::unique_ptr<Stream>>& out) -> Task<void> {
    out = co_await l.connect(a, {});
  }(*loop, acceptor->address(), from_here));
  while (!tasks.empty()) loop->run_once(1s);
  EXPECT_EQ(from_here.error().kind, Error::Kind::refused);
}

}  // namespace
}  // namespace weft::io
