#include "control/publish/config_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "objects/load.h"

namespace weft::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string policy(std::string_view name) {
  return concat("---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: ", name,
                "}\nspec: {}\n");
}

class ConfigLogTest : public testing::Test {
 protected:
  void put(const std::string& file, const std::string& text) {
    store.put(file, text, objects::load_text(text, file));
  }
  std::vector<std::string> news(std::vector<yaml::Complaint> between = {}) {
    objects::Loaded all = store.merged();
    std::ranges::move(between, std::back_inserter(all.complaints));
    std::vector<std::string> lines;
    for (auto& line : log.news(store, all.objects, all.complaints)) lines.push_back(std::move(line.text));
    return lines;
  }

  Store store;
  ConfigLog log;
};

TEST_F(ConfigLogTest, names_the_file_and_the_objects_that_went) {
  put("policies.yaml", policy("deny-all") + policy("web"));
  EXPECT_THAT(news(), IsEmpty());
  put("policies.yaml", policy("web"));
  EXPECT_THAT(news(), ElementsAre("policies.yaml: 1 object gone: AuthorizationPolicy default/deny-all"));
  EXPECT_THAT(news(), IsEmpty());
  store.remove("policies.yaml");
  EXPECT_THAT(news(),
              ElementsAre("policies.yaml: 1 object gone: AuthorizationPolicy default/web (all it held: the "
                          "file is empty or gone)"));
}

TEST_F(ConfigLogTest, a_broken_file_is_said_to_stay_in_force_and_to_be_mended_once_each) {
  put("a.yaml", policy("x"));
  news();
  put("a.yaml", "kind: [\n");
  EXPECT_THAT(news(),
              ElementsAre(HasSubstr("a.yaml:2:1: error: not YAML"),
                          "a.yaml: what it last held without an error stays in force until it is mended"));
  EXPECT_THAT(news(), IsEmpty());
  put("a.yaml", policy("x"));
  EXPECT_THAT(news(), ElementsAre(HasSubstr("mended: a.yaml:2:1: error: not YAML"),
                                  "a.yaml: is mended, and what it holds is in force"));
  EXPECT_THAT(news(), IsEmpty());
}

TEST_F(ConfigLogTest, a_warning_between_objects_is_told_once_and_with_its_place) {
  put("a.yaml", policy("x"));
  yaml::Complaint warning;
  warning.severity = yaml::Complaint::Severity::warning;
  warning.file = "a.yaml";
  warning.line = 2;
  warning.subject = "AuthorizationPolicy default/x";
  warning.field = "metadata.name";
  warning.cause = "asks what only HTTP has";
  EXPECT_THAT(
      news({warning}),
      ElementsAre("a.yaml:4:18: warning: AuthorizationPolicy default/x: metadata.name: asks what only HTTP "
                  "has"));
  put("b.yaml", policy("z"));
  EXPECT_THAT(news({warning}), IsEmpty());
  EXPECT_EQ(log.complaints(), 1u);
  EXPECT_THAT(news(), ElementsAre(HasSubstr("mended: a.yaml:4:18: warning")));
}

}  // namespace
}  // namespace weft::control
