#include "cli/yaml_text.h"

#include "base/json.h"
#include "base/strings.h"
#include "yaml/tree.h"

namespace weft::cli {
namespace {

// Plain where it would be read as the same text, else in JSON's quotes, which are YAML's too.
std::string scalar(const yaml::Node& node) {
  if (node.is_null() || !node.quoted) return node.is_null() ? "null" : node.text;
  yaml::Node plain = node;
  plain.quoted = false;
  const std::string_view safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./";
  const bool simple = !node.text.empty() && node.text.find_first_not_of(safe) == std::string::npos &&
                      node.text.front() != '-' && yaml::scalar_type(plain) == yaml::ScalarType::text;
  return simple ? node.text : concat('"', json_escape(node.text), '"');
}

void write(const yaml::Node& node, size_t indent, std::string& out);

// After "key:" or "-".
void write_value(const yaml::Node& node, size_t indent, std::string& out) {
  if (node.children.empty()) {
    out += concat(' ', node.is_sequence() ? "[]" : node.is_mapping() ? "{}" : scalar(node), '\n');
    return;
  }
  out += '\n';
  write(node, indent, out);
}

void write(const yaml::Node& node, size_t indent, std::string& out) {
  for (const yaml::Node& child : node.children) {
    if (node.is_mapping()) {
      out += concat(std::string(indent, ' '), child.key, ':');
      // A list stands no deeper than its name.
      write_value(child, child.is_sequence() ? indent : indent + 2, out);
      continue;
    }
    // An item's first field follows its dash.
    if (child.children.empty()) {
      out += concat(std::string(indent, ' '), '-');
      write_value(child, indent + 2, out);
    } else {
      std::string item;
      write(child, indent + 2, item);
      item[indent] = '-';
      out += item;
    }
  }
}

}  // namespace

std::string json_to_yaml(std::string_view json) {
  const auto root = yaml::parse_one(json, "json");
  if (!root) return std::string(json);
  if (root->children.empty())
    return concat(root->is_sequence() ? "[]" : root->is_mapping() ? "{}" : scalar(*root), '\n');
  std::string out;
  write(*root, 0, out);
  return out;
}

}  // namespace weft::cli
