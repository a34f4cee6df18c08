#include "telemetry/log_writer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "base/strings.h"

namespace weft::telemetry {
namespace {

using testing::HasSubstr;

// A directory of the test's own, gone with it.
class LogWriterTest : public testing::Test {
 protected:
  LogWriterTest() {
    std::string pattern = testing::TempDir() + "weft-log-XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  ~LogWriterTest() override {
    for (const auto* name : {"log", "log.1", "pipe"}) ::unlink(path(name).c_str());
    ::rmdir(directory_.c_str());
  }
  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  std::string content(const std::string& name) const {
    std::ifstream file(path(name));
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  std::string directory_;
};

TEST_F(LogWriterTest, writes_whole_lines_in_order) {
  auto writer = LogWriter::open({.path = path("log"), .ring_bytes = 1 << 16, .batch = 1ms}).value();
  auto& ring = writer->make_ring();
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    const std::string line = concat("line ", i, "\n");
    expected += line;
    ASSERT_TRUE(ring.push(line));
  }
  writer->flush();
  EXPECT_EQ(content("log"), expected);
}

TEST_F(LogWriterTest, lines_wrap_around_the_ring) {
  auto writer = LogWriter::open({.path = path("log"), .ring_bytes = 64, .batch = 1ms}).value();
  auto& ring = writer->make_ring();
  std::string expected;
  for (int i = 0; i < 50; ++i) {
    const std::string line = concat("a line of some length ", i, "\n");
    expected += line;
    ASSERT_TRUE(ring.push(line));
    writer->flush();
  }
  EXPECT_EQ(content("log"), expected);
}

TEST_F(LogWriterTest, what_is_left_is_written_at_the_end) {
  {
    auto writer = LogWriter::open({.path = path("log"), .batch = 1h}).value();
    auto& ring = writer->make_ring();
    ring.push("one\n");
    ring.push("two\n");
  }
  EXPECT_EQ(content("log"), "one\ntwo\n");
}

TEST_F(LogWriterTest, a_line_that_does_not_fit_is_dropped_whole_and_told) {
  auto writer = LogWriter::open({.path = path("log"), .ring_bytes = 16, .batch = 1ms}).value();
  auto& ring = writer->make_ring();
  EXPECT_FALSE(ring.push("longer than sixteen bytes\n"));
  EXPECT_TRUE(ring.push("sixteen bytes..\n"));
  writer->flush();
  EXPECT_EQ(writer->dropped(), 1u);
  EXPECT_THAT(content("log"), HasSubstr("sixteen bytes..\n"));
  EXPECT_THAT(content("log"), HasSubstr("1 access log lines were dropped"));
}

TEST_F(LogWriterTest, a_stuck_reader_does_not_stop_the_worker) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  // Nobody reads until the end; opened for both, so that opening does not wait.
  const int reader = ::open(path("pipe").c_str(), O_RDWR | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  {
    auto writer = LogWriter::open({.path = path("pipe"), .ring_bytes = 4096, .batch = 1ms}).value();
    auto& ring = writer->make_ring();
    const std::string line(1000, 'x');
    for (int i = 0; i < 10000; ++i) ring.push(line);  // far more than pipe and ring hold
    EXPECT_GT(writer->dropped(), 0u);
    std::atomic<bool> done = false;
    std::thread drain([&] {
      char buffer[65536];
      while (::read(reader, buffer, sizeof buffer) > 0 || !done.load()) std::this_thread::yield();
    });
    writer.reset();
    done.store(true);
    drain.join();
  }
  ::close(reader);
}

TEST_F(LogWriterTest, follows_a_rotation) {
  auto writer = LogWriter::open({.path = path("log"), .batch = 1ms}).value();
  auto& ring = writer->make_ring();
  ring.push("before\n");
  writer->flush();
  ASSERT_EQ(::rename(path("log").c_str(), path("log.1").c_str()), 0);
  writer->reopen();
  writer->flush();
  ring.push("after\n");
  writer->flush();
  EXPECT_EQ(content("log.1"), "before\n");
  EXPECT_EQ(content("log"), "after\n");
}

TEST_F(LogWriterTest, many_workers_share_a_file) {
  auto writer = LogWriter::open({.path = path("log"), .ring_bytes = 1 << 20, .batch = 1ms}).value();
  std::vector<std::thread> workers;
  for (int w = 0; w < 4; ++w) {
    workers.emplace_back([&writer, w] {
      auto& ring = writer->make_ring();
      for (int i = 0; i < 2000; ++i) ring.push(concat("worker ", w, " line ", i, "\n"));
    });
  }
  for (auto& worker : workers) worker.join();
  writer->flush();
  std::istringstream lines(content("log"));
  size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) EXPECT_TRUE(line.starts_with("worker ")) << line;
  EXPECT_EQ(count, 8000u);
  EXPECT_EQ(writer->dropped(), 0u);
}

TEST_F(LogWriterTest, says_when_a_file_cannot_be_opened) {
  const auto writer = LogWriter::open({.path = directory_ + "/none/log"});
  ASSERT_FALSE(writer);
  EXPECT_THAT(writer.error().text, HasSubstr("cannot open the access log"));
}

}  // namespace
}  // namespace weft::telemetry
