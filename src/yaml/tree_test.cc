#include "yaml/tree.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace weft::yaml {
namespace {

std::vector<std::string> complaints_of(const Documents& documents) {
  std::vector<std::string> out;
  for (const Document& document : documents.documents) {
    for (const Complaint& complaint : document.complaints) out.push_back(complaint.to_string());
  }
  return out;
}

Node only(std::string_view text) {
  Result<Node> node = parse_one(text, "t.yaml");
  EXPECT_TRUE(node.has_value()) << node.error().text;
  return node ? *node : Node{};
}

TEST(Tree, remembers_where_everything_stands) {
  const Node root = only("kind: Service\nspec:\n  ports:\n  - port: 80\n    name: \"http\"\n");
  const Node* ports = root.find("spec")->find("ports");
  ASSERT_NE(ports, nullptr);
  ASSERT_EQ(ports->children.size(), 1u);
  const Node* name = ports->children[0].find("name");
  EXPECT_EQ(name->text, "http");
  EXPECT_TRUE(name->quoted);
  EXPECT_EQ(name->line, 5);
  EXPECT_EQ(name->column, 11);
  EXPECT_EQ(name->key_line, 5);
  EXPECT_EQ(name->key_column, 5);
  EXPECT_EQ(ports->children[0].line, 4);
  EXPECT_EQ(root.find("nothing"), nullptr);
  EXPECT_EQ(ports->find("port"), nullptr);
}

TEST(Tree, reads_json) {
  const Node root = only("{\"a\": [1, true, null, \"x\\u0041\\n\"],\n\t\"b\":{}}");
  const Node* a = root.find("a");
  ASSERT_EQ(a->children.size(), 4u);
  EXPECT_EQ(as_integer(a->children[0]), 1);
  EXPECT_EQ(as_boolean(a->children[1]), true);
  EXPECT_TRUE(a->children[2].is_null());
  EXPECT_EQ(a->children[3].text, "xA\n");
  EXPECT_TRUE(root.find("b")->is_mapping());
}

TEST(Tree, leaves_out_empty_documents) {
  const Documents documents = parse("---\n# nothing\n---\na: 1\n---\n---\nb: 2\n...\n", "t.yaml");
  ASSERT_EQ(documents.documents.size(), 2u);
  EXPECT_EQ(documents.documents[1].root.find("b")->line, 7);
  EXPECT_TRUE(parse("", "t.yaml").documents.empty());
}

TEST(Tree, a_syntax_error_costs_only_its_own_document) {
  const Documents documents = parse("a: 1\n---\nb: [1, 2\n---\nc: 3\n---\nd: x: y\n---\ne: 5\n", "t.yaml");
  ASSERT_EQ(documents.documents.size(), 5u);
  EXPECT_EQ(documents.documents[2].root.find("c")->line, 5);
  EXPECT_EQ(documents.documents[4].root.find("e")->line, 9);
  EXPECT_EQ(
      complaints_of(documents),
      (std::vector<std::string>{
          "t.yaml:4:1: error: not YAML: did not find expected ',' or ']' while parsing a flow sequence that "
          "begins on line 3; close the list with ']', or put a ',' between its items",
          "t.yaml:7:5: error: not YAML: mapping values are not allowed in this context; put text that has "
          "': ' in it in quotes, or mend the indentation"}));
}

TEST(Tree, says_that_tabs_do_not_indent) {
  EXPECT_EQ(complaints_of(parse("a:\n\tb: 1\n", "t.yaml")),
            (std::vector<std::string>{
                "t.yaml:2:1: error: not YAML: found character that cannot start any token while "
                "scanning for the next token; indent with spaces, not tabs"}));
}

TEST(Tree, refuses_a_key_twice_and_names_both_lines) {
  const Documents documents = parse("spec:\n  a: 1\n  b: 2\n  a: 3\n", "t.yaml");
  EXPECT_EQ(complaints_of(documents),
            (std::vector<std::string>{
                "t.yaml:4:3: error: spec.a: 'a' is already written on line 2; remove one of the two"}));
  EXPECT_EQ(documents.documents[0].root.find("spec")->children.size(), 2u);
}

TEST(Tree, names_the_place_in_a_list) {
  EXPECT_EQ(
      complaints_of(parse("spec:\n  http:\n  - a: 1\n  - b: {c: 1, c: 2}\n", "t.yaml")),
      (std::vector<std::string>{
          "t.yaml:4:15: error: spec.http[1].b.c: 'c' is already written on line 4; remove one of the two"}));
}

TEST(Tree, copies_what_an_alias_stands_for) {
  const Node root = only("base: &base {x: 1, y: 2}\ncopy: *base\nmore:\n  <<: *base\n  y: 3\n");
  EXPECT_EQ(root.find("copy")->find("x")->text, "1");
  EXPECT_EQ(root.find("more")->find("x")->text, "1");
  EXPECT_EQ(root.find("more")->find("y")->text, "3");
  EXPECT_EQ(root.find("more")->children.size(), 2u);
}

TEST(Tree, refuses_an_alias_to_nothing) {
  EXPECT_EQ(
      complaints_of(parse("a: *b\n", "t.yaml")),
      (std::vector<std::string>{
          "t.yaml:1:4: error: a: *b refers to an anchor that is not there; write &b before what it means"}));
}

TEST(Tree, bounds_what_aliases_add) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    text += concat("a", i, ": &a", i, " [");
    for (int j = 0; j < 10; ++j) text += concat(j == 0 ? "" : ", ", "*a", i - 1);
    text += "]\n";
  }
  const auto complaints = complaints_of(parse(text, "t.yaml"));
  EXPECT_EQ(complaints, (std::vector<std::string>{"t.yaml:5:45: error: aliases stand for more than 100000 "
                                                  "values; write them out"}));
}

TEST(Tree, an_alias_bomb_costs_only_its_own_document) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    text += concat("a", i, ": &a", i, " [");
    for (int j = 0; j < 10; ++j) text += concat(j == 0 ? "" : ", ", "*a", i - 1);
    text += "]\n";
  }
  const Documents documents = parse(text + "---\nb: 1\n", "t.yaml");
  ASSERT_EQ(documents.documents.size(), 2u);
  EXPECT_TRUE(documents.documents[0].root.is_null());
  ASSERT_NE(documents.documents[1].root.find("b"), nullptr);
}

TEST(Tree, skips_the_byte_order_mark_of_utf8) {
  const Node root = only("\xEF\xBB\xBFkind: Service\nname: a\n");
  ASSERT_NE(root.find("kind"), nullptr);
  EXPECT_EQ(root.find("kind")->key_column, 1);
  EXPECT_EQ(root.find("kind")->line, 1);
  EXPECT_NE(only("\xEF\xBB\xBF{\"kind\": \"Service\"}").find("kind"), nullptr);
  EXPECT_TRUE(parse("\xEF\xBB\xBF", "t.yaml").documents.empty());
}

TEST(Tree, refuses_utf16_plainly) {
  for (const std::string_view text :
       {std::string_view("\xFF\xFEk\0i\0", 6), std::string_view("\xFE\xFF\0k\0i", 6),
        std::string_view("k\0i\0", 4), std::string_view("\0k\0i", 4)}) {
    EXPECT_EQ(complaints_of(parse(text, "t.yaml")),
              (std::vector<std::string>{
                  "t.yaml:1:1: error: is UTF-16 text, and only UTF-8 is read; save the file as UTF-8"}));
  }
}

TEST(Tree, every_syntax_error_says_what_to_do) {
  for (const std::string_view text :
       {"a: [1, 2\nb: 1\n", "a: {b: 1\n", "a: 'b\n", "a: \"b\n", "a:\n  - b\n c: d\n", "a: b\n- c\n",
        "a: x: y\n", "a:\n\tb: 1\n", "%YAML\n---\na: 1\n", "a: &\n", "a: @b\n"}) {
    size_t count = 0;
    for (const Document& document : parse(text, "t.yaml").documents) {
      for (const Complaint& complaint : document.complaints) {
        EXPECT_NE(complaint.next_step, "") << text << complaint.to_string();
        EXPECT_GT(complaint.column, 0);
        ++count;
      }
    }
    EXPECT_EQ(count, 1u) << text;
  }
}

TEST(Tree, bounds_the_depth_that_aliases_build) {
  std::string text = concat("a0: &a0 ", std::string(60, '['), std::string(60, ']'), "\n");
  text += concat("a1: ", std::string(60, '['), "*a0", std::string(60, ']'), "\n");
  const auto complaints = complaints_of(parse(text, "t.yaml"));
  ASSERT_EQ(complaints.size(), 1u);
  EXPECT_NE(complaints[0].find("nested more than 100 levels deep"), std::string::npos) << complaints[0];
}

TEST(Tree, bounds_depth_however_big_the_text) {
  for (const std::string& text : {std::string(10 << 20, '['), std::string(10 << 20, '{')}) {
    EXPECT_EQ(
        complaints_of(parse(text, "t.yaml")),
        (std::vector<std::string>{"t.yaml:1:102: error: nested more than 100 levels deep; flatten it"}));
  }
}

TEST(Tree, bounds_how_many_values_there_are) {
  std::string text = "[";
  for (size_t i = 0; i <= kMaxNodes; ++i) text += "a,";
  const auto complaints = complaints_of(parse(text + "]", "t.yaml"));
  ASSERT_EQ(complaints.size(), 1u);
  EXPECT_NE(complaints[0].find("more than 1000000 values; split the file"), std::string::npos)
      << complaints[0];
}

TEST(Tree, bounds_how_much_is_complained_about) {
  std::string text;
  for (size_t i = 0; i < 3 * kMaxComplaints; ++i) text += "a: 1\n";
  EXPECT_EQ(complaints_of(parse(text, "t.yaml")).size(), kMaxComplaints);
}

TEST(Tree, refuses_a_text_that_is_too_big) {
  EXPECT_EQ(complaints_of(parse(std::string(kMaxTextSize + 1, 'a'), "t.yaml")),
            (std::vector<std::string>{
                "t.yaml: error: 16777217 bytes are more than the 16777216 that are read; split the file"}));
}

TEST(Tree, says_what_is_not_utf8) {
  EXPECT_EQ(complaints_of(parse("a: 1\nb: \xff\n", "t.yaml")),
            (std::vector<std::string>{
                "t.yaml:2:1: error: not UTF-8 text: invalid leading UTF-8 octet; save the file as UTF-8"}));
}

TEST(Tree, refuses_tags_it_does_not_know) {
  EXPECT_EQ(complaints_of(parse("a: !vault x\n", "t.yaml")),
            (std::vector<std::string>{"t.yaml:1:4: error: a: the tag !vault is not supported; remove it"}));
  EXPECT_TRUE(only("a: !!str 5\n").find("a")->quoted);
}

TEST(Tree, refuses_keys_that_are_not_text) {
  EXPECT_EQ(complaints_of(parse("? [a]\n: b\n", "t.yaml")),
            (std::vector<std::string>{"t.yaml:1:3: error: a key is a list; a key is plain text"}));
}

TEST(Tree, one_document_means_one) {
  EXPECT_EQ(parse_one("a: 1\n---\nb: 2\n", "t.yaml").error().text,
            "t.yaml:3: a second document begins here, where one is expected");
  EXPECT_EQ(parse_one("\n", "t.yaml").error().text, "t.yaml: there is nothing in it");
}

struct ScalarCase {
  std::string_view text;
  ScalarType type;
  std::optional<int64_t> integer;
  std::optional<double> number;
};

TEST(Scalar, means_what_kubernetes_takes_it_to_mean) {
  const ScalarCase cases[] = {
      {"90", ScalarType::integer, 90, 90},
      {"-5", ScalarType::integer, -5, -5},
      {"+5", ScalarType::integer, 5, 5},
      {"0x1F", ScalarType::integer, 31, 31},
      {"0o17", ScalarType::integer, 15, 15},
      {"017", ScalarType::integer, 15, 15},
      {"08", ScalarType::floating, 8, 8},
      {"0b101", ScalarType::integer, 5, 5},
      {"1_000", ScalarType::integer, 1000, 1000},
      {"90.0", ScalarType::floating, 90, 90},
      {"9e1", ScalarType::floating, 90, 90},
      {"0.5", ScalarType::floating, std::nullopt, 0.5},
      {".5", ScalarType::floating, std::nullopt, 0.5},
      {".inf", ScalarType::floating, std::nullopt, std::nullopt},
      {"9223372036854775807", ScalarType::integer, INT64_MAX, 9223372036854775807.0},
      {"-9223372036854775808", ScalarType::integer, INT64_MIN, -9223372036854775808.0},
      {"9223372036854775808", ScalarType::integer, std::nullopt, 9223372036854775808.0},
      {"99999999999999999999", ScalarType::floating, std::nullopt, 1e20},
      {"yes", ScalarType::boolean, std::nullopt, std::nullopt},
      {"on", ScalarType::boolean, std::nullopt, std::nullopt},
      {"Off", ScalarType::boolean, std::nullopt, std::nullopt},
      {"oN", ScalarType::text, std::nullopt, std::nullopt},
      {"1.2.3", ScalarType::text, std::nullopt, std::nullopt},
      {"5s", ScalarType::text, std::nullopt, std::nullopt},
      {"2024-01-02", ScalarType::text, std::nullopt, std::nullopt},
      {"-", ScalarType::text, std::nullopt, std::nullopt},
      {"0x", ScalarType::text, std::nullopt, std::nullopt},
      {"infinity", ScalarType::text, std::nullopt, std::nullopt},
      {"nan", ScalarType::text, std::nullopt, std::nullopt},
      {"-inf", ScalarType::text, std::nullopt, std::nullopt},
  };
  for (const ScalarCase& one : cases) {
    Node node;
    node.kind = Node::Kind::scalar;
    node.text = one.text;
    EXPECT_EQ(scalar_type(node), one.type) << one.text;
    EXPECT_EQ(as_integer(node), one.integer) << one.text;
    EXPECT_EQ(as_number(node), one.number) << one.text;
    node.quoted = true;
    EXPECT_EQ(scalar_type(node), ScalarType::text) << one.text;
    EXPECT_EQ(as_integer(node), std::nullopt) << one.text;
  }
}

}  // namespace
}  // namespace weft::yaml
