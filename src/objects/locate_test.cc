#include "objects/locate.h"

#include <gtest/gtest.h>

#include "objects/changes.h"
#include "objects/load.h"

namespace weft::objects {
namespace {

constexpr std::string_view kText = R"(apiVersion: v1
kind: Service
metadata: {name: web, labels: {app.kubernetes.io/name: web}}
spec:
  selector:
    app: web
  ports:
  - port: 80
  - port: 81
    name: other
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: web, namespace: shop}
  spec:
    ports: [{port: 80}]
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
)";

std::string place_of(std::string_view subject, std::string_view field, int line = 0) {
  Complaint complaint;
  complaint.file = "t.yaml";
  complaint.subject = subject;
  complaint.field = field;
  complaint.line = line;
  complaint.cause = "x";
  std::vector<Complaint> complaints{complaint};
  locate(complaints, "t.yaml", kText);
  return std::to_string(complaints[0].line) + ":" + std::to_string(complaints[0].column);
}

TEST(Locate, finds_a_field_by_its_path) {
  EXPECT_EQ(place_of("Service default/web", "metadata.name"), "3:18");
  EXPECT_EQ(place_of("Service default/web", "spec.selector"), "5:3");  // what is larger, by its name
  EXPECT_EQ(place_of("Service default/web", "spec.ports[1].name"), "10:11");
  EXPECT_EQ(place_of("Service default/web", "spec.ports[1]"), "9:5");
  EXPECT_EQ(place_of("Service default/web", "metadata.labels[app.kubernetes.io/name]"), "3:56");
  EXPECT_EQ(place_of("Service shop/web", "spec.ports[0].port"), "19:20");
  EXPECT_EQ(place_of("Namespace shop", ""), "21:1");
}

TEST(Locate, a_field_that_is_not_written_is_sought_above) {
  EXPECT_EQ(place_of("Service default/web", "spec.ports[0].name"), "8:5");
  EXPECT_EQ(place_of("Service default/web", "spec.ports[7].name"), "7:3");
  EXPECT_EQ(place_of("Service default/web", "spec.type"), "4:1");
}

TEST(Locate, what_is_not_there_stays_as_it_was) {
  EXPECT_EQ(place_of("Service default/other", "spec", 4), "4:0");
  Complaint complaint;
  complaint.file = "other.yaml";
  complaint.subject = "Service default/web";
  complaint.line = 7;
  std::vector<Complaint> complaints{complaint};
  locate(complaints, "t.yaml", kText);
  EXPECT_EQ(complaints[0], complaint);
}

TEST(Locate, of_two_objects_with_one_name_the_line_tells_which) {
  const std::string one = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";
  const Loaded loaded = load_text(one + "---\n" + one, "t.yaml");
  ASSERT_EQ(loaded.complaints.size(), 1u);
  EXPECT_EQ(
      loaded.complaints[0].to_string(),
      "t.yaml:7:18: error: ConfigMap default/x: metadata.name: is already defined at t.yaml:1; rename or "
      "remove one of the two");
}

TEST(List, complaints_name_the_item) {
  const auto complaint_of = [](std::string_view text) {
    const Loaded loaded = load_text(text, "t.yaml");
    EXPECT_EQ(loaded.complaints.size(), 1u) << text;
    return loaded.complaints.empty() ? "" : loaded.complaints[0].to_string();
  };
  EXPECT_EQ(
      complaint_of("apiVersion: v1\nkind: List\nitems:\n- text\n"),
      "t.yaml:4:3: error: items[0]: is text, where a mapping is wanted; an object begins with apiVersion, "
      "kind and metadata");
  EXPECT_EQ(
      complaint_of("apiVersion: v1\nkind: List\n"),
      "t.yaml:1:1: error: List: items: is required in a List; write each object below items, begun with "
      "'- '");
  EXPECT_EQ(
      complaint_of("kind: List\nitems: {a: 1}\n"),
      "t.yaml:2:8: error: List: items: is a mapping, where a list of objects is wanted; write each object "
      "below items, begun with '- '");
  EXPECT_EQ(complaint_of("kind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n"
                         "- {apiVersion: v1, kind: ConfigMap, metadata: {name: A}}\n")
                .substr(0, 65),
            "t.yaml:4:54: error: ConfigMap default/A: items[1].metadata.name: ");
}

TEST(Gone, names_what_an_edit_took_away_by_file) {
  const auto load = [](std::string_view names, std::string_view file) {
    std::string text;
    for (const char name : names)
      text += std::string("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: ") + name + "}\n";
    return load_text(text, file);
  };
  const auto before = merge({load("ab", "a.yaml"), load("cd", "b.yaml")}).objects;
  EXPECT_TRUE(tell_gone(before, before).empty());
  EXPECT_EQ(tell_gone(before, merge({load("ab", "a.yaml"), load("c", "b.yaml")}).objects),
            (std::vector<std::string>{"b.yaml: 1 object gone: ConfigMap default/d"}));
  EXPECT_EQ(
      tell_gone(before, load("cd", "b.yaml").objects),
      (std::vector<std::string>{"a.yaml: 2 objects gone: ConfigMap default/a, ConfigMap default/b (all it "
                                "held: the file is empty or gone)"}));
  EXPECT_TRUE(tell_gone(before, load("abcd", "c.yaml").objects).empty());  // moved
}

}  // namespace
}  // namespace weft::objects
