#include "io/file_watch.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/strings.h"
#include "io/task_group.h"

namespace weft::io {
namespace {

struct FileWatchTest : testing::Test {
  std::unique_ptr<EpollLoop> loop = EpollLoop::make(1).value();
  std::filesystem::path root = concat(testing::TempDir(), "weft_watch_", getpid());
  int changes = 0;

  FileWatchTest() { std::filesystem::create_directories(root / "deep" / "er"); }
  ~FileWatchTest() override { std::filesystem::remove_all(root); }

  static void write(const std::filesystem::path& path) { std::ofstream(path) << "text"; }
  static Task<void> count(FileWatch& watch, int& changes) {
    for (;;) {
      co_await watch.changed().wait();
      ++changes;
    }
  }
  void expect_change(const char* what) {
    const int before = changes;
    for (int i = 0; i < 100 && changes == before; ++i) loop->run_once(100ms);
    EXPECT_GT(changes, before) << what;
    loop->run_once(0ns);  // what else came of it
  }
};

TEST_F(FileWatchTest, sees_changes_at_every_depth_and_in_new_directories) {
  auto watch = FileWatch::make(*loop, root.string());
  ASSERT_TRUE(watch) << watch.error().to_string();
  TaskGroup tasks(*loop);
  tasks.spawn(count(**watch, changes));
  write(root / "a.yaml");
  expect_change("a file at the top");
  write(root / "deep" / "er" / "b.yaml");
  expect_change("a file deep down");
  std::filesystem::create_directories(root / "new" / "newer");
  expect_change("a directory");
  write(root / "new" / "newer" / "c.yaml");
  expect_change("a file in a new directory");
  std::filesystem::rename(root / "a.yaml", root / "z.yaml");
  expect_change("a rename");
  std::filesystem::remove(root / "z.yaml");
  expect_change("a removal");
  loop->run_once(0ns);
  const int before = changes;
  loop->run_once(0ns);
  EXPECT_EQ(changes, before);
}

TEST_F(FileWatchTest, finds_its_root_again) {
  auto watch = FileWatch::make(*loop, root.string());
  ASSERT_TRUE(watch);
  TaskGroup tasks(*loop);
  tasks.spawn(count(**watch, changes));
  std::filesystem::remove_all(root);
  expect_change("the removal of the root");
  std::filesystem::create_directories(root);
  expect_change("its return");
  write(root / "again.yaml");
  expect_change("a file in the new root");
}

TEST_F(FileWatchTest, a_single_file_is_seen_when_it_is_replaced) {
  write(root / "one.yaml");
  auto watch = FileWatch::make(*loop, (root / "one.yaml").string());
  ASSERT_TRUE(watch);
  TaskGroup tasks(*loop);
  tasks.spawn(count(**watch, changes));
  write(root / "one.yaml.tmp");
  std::filesystem::rename(root / "one.yaml.tmp", root / "one.yaml");
  expect_change("the replacement");
}

TEST_F(FileWatchTest, what_does_not_exist_is_an_error) {
  EXPECT_EQ(FileWatch::make(*loop, (root / "no").string()).error().kind, Error::Kind::not_found);
}

}  // namespace
}  // namespace weft::io
