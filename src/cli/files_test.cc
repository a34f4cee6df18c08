#include "cli/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/strings.h"

namespace weft::cli {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class FilesTest : public testing::Test {
 protected:
  FilesTest() {
    std::string pattern = (fs::temp_directory_path() / "weft-files-XXXXXX").string();
    directory = ::mkdtemp(pattern.data());
  }
  ~FilesTest() override { fs::remove_all(directory); }
  std::string path(std::string_view name) const { return concat(directory, "/", name); }

  std::string directory;
};

// Without a bound each of these would wait, or read, for ever.
TEST_F(FilesTest, only_regular_files_hold_objects) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  fs::create_symlink("pipe", path("link"));
  fs::create_symlink("nothing", path("dangling"));
  const std::pair<std::string, std::string_view> cases[] = {
      {path("pipe"), "is a pipe, and only regular files are read"},
      {path("link"), "is a pipe, and only regular files are read"},
      {"/dev/zero", "is a device, and only regular files are read"},
      {directory, "is a directory, and only regular files are read"},
      {path("dangling"), "is a link to nothing, which does not exist"},
      {path("missing"), "does not exist"},
  };
  for (const auto& [file, reason] : cases) {
    const auto text = read_objects(file);
    ASSERT_FALSE(text) << file;
    EXPECT_EQ(text.error().text, reason) << file;
    EXPECT_FALSE(unreadable(file, text.error()).next_step.empty());
  }
  ASSERT_TRUE(write_file(path("file"), "a: 1\n"));
  EXPECT_EQ(read_objects(path("file")).value_or("none"), "a: 1\n");
}

TEST_F(FilesTest, a_file_of_objects_is_bounded) {
  ASSERT_TRUE(write_file(path("big"), ""));
  fs::resize_file(path("big"), (64u << 20) + 1);
  const auto text = read_objects(path("big"));
  ASSERT_FALSE(text);
  EXPECT_EQ(unreadable(path("big"), text.error()).to_string(),
            concat(path("big"), ": error: is larger than 64 MiB; split it"));
}

TEST_F(FilesTest, what_cannot_be_read_is_listed_and_not_passed_over) {
  fs::create_symlink("nothing", path("dangling.yaml"));
  fs::create_directories(path("directory.yaml"));
  ASSERT_TRUE(write_file(path("directory.yaml/inner.json"), "{}"));
  ASSERT_TRUE(write_file(path(".hidden.yaml"), ""));
  ASSERT_TRUE(write_file(path("notes.txt"), ""));
  const auto files = object_files(directory);
  ASSERT_TRUE(files);
  EXPECT_THAT(*files, ElementsAre(path("dangling.yaml"), path("directory.yaml/inner.json")));
  EXPECT_FALSE(object_files(path("missing")));
  EXPECT_THAT(*object_files("-"), ElementsAre("-"));
  EXPECT_EQ(shown_path("-"), "standard input");
}

}  // namespace
}  // namespace weft::cli
