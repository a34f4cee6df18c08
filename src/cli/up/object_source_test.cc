#include "cli/up/object_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/strings.h"
#include "cli/files.h"

namespace weft::cli {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string policy(std::string_view name) {
  return concat("---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: ", name,
                "}\nspec: {}\n");
}

class ObjectSourceTest : public testing::Test {
 protected:
  ObjectSourceTest() {
    std::string pattern = (fs::temp_directory_path() / "weft-objects-XXXXXX").string();
    directory = ::mkdtemp(pattern.data());
    source.emplace(std::vector<std::string>{directory});
  }
  ~ObjectSourceTest() override { fs::remove_all(directory); }

  std::string path(std::string_view name) const { return concat(directory, "/", name); }
  void write(std::string_view name, std::string_view text) { ASSERT_TRUE(write_file(path(name), text)); }
  // Looks until nothing is in doubt, as the mesh does; what is told then.
  std::vector<std::string> look() {
    for (int looks = 0; looks < 5; ++looks) {
      const auto seen = source->read();
      EXPECT_TRUE(seen) << seen.error().text;
      if (!seen || !seen->in_doubt) break;
    }
    std::vector<std::string> news = source->take_news();
    for (std::string& line : news) {
      for (size_t at = 0; (at = line.find(directory + "/")) != std::string::npos;)
        line.erase(at, directory.size() + 1);
    }
    return news;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& object : source->objects()) out.push_back(objects::meta_of(object).name);
    return out;
  }

  std::string directory;
  std::optional<ObjectSource> source;
};

TEST_F(ObjectSourceTest, fields_without_effect_on_one_machine_are_named_once) {
  write("pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: a, image: "
        "weft/demo}\n"
        "  volumes:\n  - {name: data, emptyDir: {}}\n");
  EXPECT_THAT(
      look(),
      ElementsAre("pod.yaml: note: Pod default/a: spec.volumes (line 7): without effect on one machine"));
  write("policy.yaml", policy("other"));
  EXPECT_THAT(look(), IsEmpty());
}

TEST_F(ObjectSourceTest, an_emptied_file_is_named_with_the_objects_that_went) {
  write("policies.yaml", policy("deny-all") + policy("allow-web"));
  write("other.yaml", policy("other"));
  EXPECT_THAT(look(), IsEmpty());
  write("policies.yaml", "");
  EXPECT_THAT(look(),
              ElementsAre("policies.yaml: 2 objects gone: AuthorizationPolicy default/deny-all, "
                          "AuthorizationPolicy default/allow-web (all it held: the file is empty or gone)"));
  EXPECT_THAT(look(), IsEmpty());
  EXPECT_THAT(names(), ElementsAre("other"));
  fs::remove(path("other.yaml"));
  EXPECT_THAT(look(), ElementsAre(HasSubstr("other.yaml: 1 object gone: AuthorizationPolicy default/other")));
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(ObjectSourceTest, an_object_that_moved_to_another_file_is_not_gone) {
  write("a.yaml", policy("x"));
  look();
  fs::rename(path("a.yaml"), path("b.yaml"));
  EXPECT_THAT(look(), IsEmpty());
  EXPECT_THAT(names(), ElementsAre("x"));
}

TEST_F(ObjectSourceTest, a_broken_file_says_that_its_last_good_state_stays_and_once_that_it_is_mended) {
  write("a.yaml", policy("x"));
  look();
  write("a.yaml", "kind: [\n");
  EXPECT_THAT(look(),
              ElementsAre(HasSubstr("a.yaml:2:1: error: not YAML"),
                          "a.yaml: what it last held without an error stays in force until it is mended"));
  EXPECT_THAT(names(), ElementsAre("x"));
  write("a.yaml", "kind: x: y\n");
  EXPECT_THAT(look(), ElementsAre(HasSubstr("a.yaml:1:8: error: not YAML")));
  write("a.yaml", policy("x") + policy("z"));
  EXPECT_THAT(look(), ElementsAre("a.yaml: is mended, and what it holds is in force"));
  EXPECT_THAT(look(), IsEmpty());
  EXPECT_THAT(names(), ElementsAre("x", "z"));
}

TEST_F(ObjectSourceTest, what_did_not_change_is_not_told_again) {
  write("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nunknown: 1\n");
  EXPECT_THAT(look(), ElementsAre(HasSubstr("a.yaml:4:1: warning: ConfigMap default/a: unknown")));
  write("b.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\nunknown: 1\n");
  EXPECT_THAT(look(), ElementsAre(HasSubstr("b.yaml:4:1: warning")));
  fs::remove(path("b.yaml"));
  look();
  write("b.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\nunknown: 1\n");
  EXPECT_THAT(look(), ElementsAre(HasSubstr("b.yaml:4:1: warning")));  // it is back
}

TEST_F(ObjectSourceTest, what_an_editor_may_be_writing_is_not_believed_at_once) {
  write("a.yaml", policy("x"));
  look();
  write("a.yaml", "");
  EXPECT_TRUE(source->read()->in_doubt);
  EXPECT_THAT(names(), ElementsAre("x"));
  write("a.yaml", policy("x") + policy("z"));
  EXPECT_FALSE(source->read()->in_doubt);
  EXPECT_THAT(names(), ElementsAre("x", "z"));
  fs::remove(path("a.yaml"));
  EXPECT_TRUE(source->read()->in_doubt);
  EXPECT_THAT(names(), ElementsAre("x", "z"));
  EXPECT_FALSE(source->read()->in_doubt);
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(ObjectSourceTest, a_pipe_and_a_link_to_nothing_are_named_and_the_rest_is_read) {
  write("good.yaml", policy("x"));
  ASSERT_EQ(::mkfifo(path("pipe.yaml").c_str(), 0600), 0);
  fs::create_symlink("nowhere.yaml", path("link.yaml"));
  EXPECT_THAT(
      look(),
      ElementsAre("link.yaml: error: is a link to nowhere.yaml, which does not exist; mend its name, or "
                  "remove it",
                  "pipe.yaml: error: is a pipe, and only regular files are read; give a file or a "
                  "directory, or - for standard input"));
  EXPECT_TRUE(source->has_errors());
  EXPECT_THAT(names(), ElementsAre("x"));
}

TEST_F(ObjectSourceTest, two_files_with_one_object_are_told_with_line_and_column) {
  write("a.yaml", policy("x"));
  write("b.yaml", policy("x"));
  EXPECT_THAT(look(),
              ElementsAre(HasSubstr("b.yaml:4:18: error: AuthorizationPolicy default/x: metadata.name: is "
                                    "already defined at a.yaml:2")));
}

TEST_F(ObjectSourceTest, what_is_wrong_between_objects_is_told_as_analyze_does) {
  write(
      "a.yaml",
      "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  selector: {app: web}\n  ports: [{port: "
      "80}]\n");
  EXPECT_THAT(look(), IsEmpty());
  source->follow(path("overlay"), path("builtin"));
  EXPECT_THAT(look(),
              ElementsAre(HasSubstr("a.yaml:6:11: warning: Service default/web: spec.ports[0].name: port 80 "
                                    "has no name that says its protocol")));
  EXPECT_FALSE(source->has_errors());
}

TEST_F(ObjectSourceTest, the_gateways_of_every_mesh_are_not_what_users_wrote) {
  write("a.yaml", policy("x"));
  ASSERT_TRUE(make_directories(path(".builtin")));
  write(".builtin/g.yaml", policy("gateway"));
  source->follow(path(".overlay"), path(".builtin"));
  look();
  EXPECT_THAT(names(), ElementsAre("gateway", "x"));
  ASSERT_EQ(source->written().size(), 1u);
  EXPECT_EQ(objects::meta_of(source->written()[0]).name, "x");
}

}  // namespace
}  // namespace weft::cli
