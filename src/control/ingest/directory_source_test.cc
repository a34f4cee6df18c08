#include "control/ingest/directory_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/strings.h"
#include "io/manual_loop.h"

namespace weft::control {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::string service(std::string_view name, int port = 80) {
  return concat("apiVersion: v1\nkind: Service\nmetadata:\n  name: ", name,
                "\nspec:\n  selector: {app: ", name, "}\n  ports:\n  - port: ", port, "\n");
}

std::string make_directory() {
  std::string pattern = (fs::temp_directory_path() / "weft-directory-XXXXXX").string();
  return ::mkdtemp(pattern.data());
}

class DirectorySourceTest : public testing::Test {
 protected:
  DirectorySourceTest() {
    // Files are as old as they look: their times are the kernel's, the loop's are its own.
    loop.shift_wall_clock(std::chrono::hours(24 * 365 * 20));
  }
  ~DirectorySourceTest() override { fs::remove_all(directory); }

  void write(std::string_view name, std::string_view text) {
    const fs::path path = fs::path(directory) / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  void remove(std::string_view name) { fs::remove(fs::path(directory) / name); }
  void poke_and_settle() {
    source.poke();
    loop.advance(std::chrono::milliseconds(200));
  }
  std::vector<std::string> names() {
    std::vector<std::string> names;
    for (const objects::Object& object : store.merged().objects)
      names.push_back(objects::meta_of(object).name);
    return names;
  }
  std::vector<std::string> complaints() {
    std::vector<std::string> texts;
    for (const yaml::Complaint& complaint : store.merged().complaints) texts.push_back(complaint.to_string());
    return texts;
  }

  io::ManualLoop loop{1};
  std::string directory = make_directory();
  Store store;
  int changes = 0;
  DirectorySource source{loop, store, {.directories = {directory}}, [this] { ++changes; }};
};

TEST_F(DirectorySourceTest, a_pipe_and_a_link_to_nothing_are_complained_about) {
  write("a.yaml", service("a"));
  ASSERT_EQ(::mkfifo((directory + "/pipe.yaml").c_str(), 0600), 0);
  fs::create_symlink("nowhere.yaml", directory + "/link.yaml");
  ASSERT_TRUE(source.start());
  EXPECT_THAT(names(), ElementsAre("a"));
  EXPECT_THAT(complaints(), ElementsAre(concat(directory,
                                               "/link.yaml: error: is a link to nowhere.yaml, which does "
                                               "not exist; mend the link, or remove it"),
                                        concat(directory,
                                               "/pipe.yaml: error: is not a regular file; put a file "
                                               "there, or remove it")));
  // The link's file comes to be.
  write("nowhere.yaml", service("b"));
  remove("pipe.yaml");
  fs::rename(directory + "/nowhere.yaml", directory + "/link.yaml");
  poke_and_settle();
  EXPECT_THAT(complaints(), IsEmpty());
  EXPECT_THAT(names(), UnorderedElementsAre("a", "b"));
}

TEST_F(DirectorySourceTest, reads_what_is_there_at_the_start) {
  write("a.yaml", service("a"));
  write("deep/er/b.yml", service("b"));
  write("c.json",
        R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"c"},"spec":{"ports":[{"port":80}]}})");
  write("notes.txt", "not yaml: [");
  write(".hidden.yaml", service("hidden"));
  write(".git/x.yaml", service("x"));
  ASSERT_TRUE(source.start());
  EXPECT_THAT(names(), UnorderedElementsAre("a", "b", "c"));
  EXPECT_THAT(complaints(), IsEmpty());
  EXPECT_EQ(changes, 1);
}

TEST_F(DirectorySourceTest, a_directory_that_is_not_there_is_said_at_the_start) {
  fs::remove_all(directory);
  const auto started = source.start();
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().text.find(directory), std::string::npos);
}

TEST_F(DirectorySourceTest, the_first_change_is_read_at_once_and_the_next_ones_together) {
  ASSERT_TRUE(source.start());
  loop.advance(std::chrono::seconds(1));
  changes = 0;
  write("a.yaml", service("a"));
  source.poke();
  loop.advance(Duration::zero());
  EXPECT_EQ(changes, 1);
  for (int i = 0; i < 5; ++i) {
    write(concat("b", i, ".yaml"), service(concat("b", i)));
    source.poke();
    loop.advance(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(changes, 1);
  loop.advance(std::chrono::milliseconds(30));
  EXPECT_EQ(changes, 2);
  EXPECT_EQ(names().size(), 6u);
}

TEST_F(DirectorySourceTest, nothing_is_told_where_nothing_changed) {
  write("a.yaml", service("a"));
  ASSERT_TRUE(source.start());
  changes = 0;
  poke_and_settle();
  write("a.yaml", service("a"));
  poke_and_settle();
  EXPECT_EQ(changes, 0);
}

TEST_F(DirectorySourceTest, a_broken_file_leaves_its_last_good_objects_in_force_and_is_complained_about) {
  write("a.yaml", service("a", 81));
  write("b.yaml", service("b"));
  ASSERT_TRUE(source.start());
  write("a.yaml", service("a", 99999));
  poke_and_settle();
  EXPECT_THAT(names(), ElementsAre("a", "b"));
  const auto merged = store.merged();
  EXPECT_EQ(objects::get_if<objects::Service>(merged.objects[0])->ports[0].port, 81);
  ASSERT_EQ(complaints().size(), 1u);
  EXPECT_NE(complaints()[0].find("a.yaml"), std::string::npos);
  EXPECT_NE(complaints()[0].find("99999"), std::string::npos);

  write("a.yaml", service("a", 82));
  poke_and_settle();
  EXPECT_THAT(complaints(), IsEmpty());
  EXPECT_EQ(objects::get_if<objects::Service>(store.merged().objects[0])->ports[0].port, 82);
}

TEST_F(DirectorySourceTest, a_broken_file_does_not_lose_what_it_also_dropped) {
  write("a.yaml", service("a") + "---\n" + service("b"));
  ASSERT_TRUE(source.start());
  write("a.yaml", service("a", -1));
  poke_and_settle();
  EXPECT_THAT(names(), ElementsAre("a", "b"));
}

TEST_F(DirectorySourceTest, of_a_file_that_never_was_right_what_can_be_read_is_in_force) {
  write("a.yaml", service("a") + "---\n" + service("b", -1));
  ASSERT_TRUE(source.start());
  EXPECT_THAT(names(), ElementsAre("a"));
  EXPECT_EQ(complaints().size(), 1u);
}

TEST_F(DirectorySourceTest, an_editor_that_empties_a_file_first_is_not_obeyed_half_way) {
  write("a.yaml", service("a"));
  ASSERT_TRUE(source.start());
  loop.advance(std::chrono::seconds(1));
  write("a.yaml", "");
  source.poke();
  loop.advance(std::chrono::milliseconds(10));
  EXPECT_THAT(names(), ElementsAre("a"));
  write("a.yaml", service("a", 82));
  source.poke();
  loop.advance(std::chrono::milliseconds(30));
  EXPECT_THAT(names(), ElementsAre("a"));
  EXPECT_EQ(objects::get_if<objects::Service>(store.merged().objects[0])->ports[0].port, 82);
  EXPECT_THAT(complaints(), IsEmpty());
}

TEST_F(DirectorySourceTest, a_half_written_file_is_not_complained_about_when_it_is_whole_soon_after) {
  write("a.yaml", service("a"));
  ASSERT_TRUE(source.start());
  const std::string text = service("a", 90) + "---\n" + service("b");
  write("a.yaml", text.substr(0, text.size() / 3));
  source.poke();
  loop.advance(std::chrono::milliseconds(10));
  EXPECT_THAT(complaints(), IsEmpty());
  write("a.yaml", text);
  poke_and_settle();
  EXPECT_THAT(complaints(), IsEmpty());
  EXPECT_THAT(names(), ElementsAre("a", "b"));
}

TEST_F(DirectorySourceTest, an_emptied_file_is_obeyed_once_it_has_settled) {
  write("a.yaml", service("a"));
  ASSERT_TRUE(source.start());
  write("a.yaml", "");
  poke_and_settle();
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(DirectorySourceTest, a_removed_file_takes_its_objects_and_complaints_along) {
  write("a.yaml", service("a"));
  write("b.yaml", service("b", -1));
  ASSERT_TRUE(source.start());
  EXPECT_EQ(complaints().size(), 1u);
  remove("a.yaml");
  poke_and_settle();
  changes = 0;
  remove("b.yaml");
  poke_and_settle();
  EXPECT_THAT(names(), IsEmpty());
  EXPECT_THAT(complaints(), IsEmpty());
  EXPECT_EQ(changes, 1) << "who shows complaints must hear of it";
}

TEST_F(DirectorySourceTest, a_file_renamed_away_and_back_is_never_missed) {
  write("a.yaml", service("a"));
  ASSERT_TRUE(source.start());
  loop.advance(std::chrono::seconds(1));
  fs::rename(fs::path(directory) / "a.yaml", fs::path(directory) / "a.yaml~");
  source.poke();
  loop.advance(std::chrono::milliseconds(10));
  EXPECT_THAT(names(), ElementsAre("a"));
  write("a.yaml", service("a", 83));
  poke_and_settle();
  EXPECT_EQ(objects::get_if<objects::Service>(store.merged().objects[0])->ports[0].port, 83);
}

TEST_F(DirectorySourceTest, a_directory_that_vanishes_takes_nothing_along) {
  write("a.yaml", service("a"));
  ASSERT_TRUE(source.start());
  fs::rename(directory, directory + "-away");
  poke_and_settle();
  EXPECT_THAT(names(), ElementsAre("a"));
  fs::rename(directory + "-away", directory);
}

TEST_F(DirectorySourceTest, one_object_in_two_files_is_complained_about_and_the_first_has_it) {
  write("a.yaml", service("x", 81));
  write("b.yaml", service("x", 82));
  ASSERT_TRUE(source.start());
  ASSERT_EQ(complaints().size(), 1u);
  EXPECT_NE(complaints()[0].find("a.yaml"), std::string::npos);
  EXPECT_NE(complaints()[0].find("b.yaml"), std::string::npos);
  EXPECT_EQ(objects::get_if<objects::Service>(store.merged().objects[0])->ports[0].port, 81);
}

TEST_F(DirectorySourceTest, an_object_of_the_overlay_stands_in_for_the_same_elsewhere) {
  Store overlaid(directory + "/overlay");
  write("a.yaml", service("first", 81) + "---\n" + service("second", 81));
  write("overlay/z.yaml", service("first", 82));
  DirectorySource both(loop, overlaid, {.directories = {directory}}, [] {});
  ASSERT_TRUE(both.start());
  const auto merged = overlaid.merged();
  EXPECT_THAT(merged.complaints, IsEmpty());
  ASSERT_EQ(merged.objects.size(), 2u);
  EXPECT_EQ(objects::get_if<objects::Service>(merged.objects[0])->ports[0].port, 82);
}

TEST_F(DirectorySourceTest, a_file_that_is_too_big_is_complained_about) {
  DirectorySource small(loop, store, {.directories = {directory}, .max_file = 100}, [] {});
  write("a.yaml", std::string(101, '#'));
  ASSERT_TRUE(small.start());
  ASSERT_EQ(complaints().size(), 1u);
  EXPECT_NE(complaints()[0].find("100"), std::string::npos);
}

TEST_F(DirectorySourceTest, unchanged_objects_of_a_changed_file_stay_the_same_pointer) {
  write("a.yaml", service("a") + "---\n" + service("b", 81) + "---\n" + service("c"));
  ASSERT_TRUE(source.start());
  const auto before = store.merged().objects;
  write("a.yaml", service("a") + "---\n" + service("b", 82) + "---\n" + service("c"));
  poke_and_settle();
  const auto after = store.merged().objects;
  ASSERT_EQ(after.size(), 3u);
  EXPECT_EQ(before[0], after[0]);
  EXPECT_NE(before[1], after[1]);
  EXPECT_EQ(before[2], after[2]);
}

TEST_F(DirectorySourceTest, objects_that_moved_are_read_anew_so_that_their_lines_are_right) {
  write("a.yaml", service("a") + "---\n" + service("b"));
  ASSERT_TRUE(source.start());
  const int before = objects::meta_of(store.merged().objects[1]).line;
  write("a.yaml", "# one more line\n" + service("a") + "---\n" + service("b"));
  poke_and_settle();
  EXPECT_EQ(objects::meta_of(store.merged().objects[1]).line, before + 1);
}

}  // namespace
}  // namespace weft::control
