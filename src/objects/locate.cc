#include "objects/locate.h"

#include <algorithm>
#include <map>

#include "base/strings.h"

namespace weft::objects {

namespace {

using yaml::Complaint;
using yaml::Node;

struct Position {
  int line = 0;
  int column = 0;
};

// What FieldPath::to_string() joined: "spec.http[0].headers[x.y]" is spec, http, 0, headers, x.y.
std::vector<std::string_view> steps_of(std::string_view field) {
  std::vector<std::string_view> steps;
  while (!field.empty()) {
    if (field.front() == '.') field.remove_prefix(1);
    const bool in_brackets = field.starts_with('[');
    if (in_brackets) field.remove_prefix(1);
    const size_t end = std::min(in_brackets ? field.find(']') : field.find_first_of(".["), field.size());
    steps.push_back(field.substr(0, end));
    field.remove_prefix(std::min(end + (in_brackets ? 1 : 0), field.size()));
  }
  return steps;
}

// As deep as the text goes. A plain value is meant itself, anything larger by its name.
Position find_field(const Node& root, std::string_view field) {
  const Node* node = &root;
  Position found{root.line, root.column};
  for (const std::string_view step : steps_of(field)) {
    const bool item = node->is_sequence();
    const Node* next = item ? nullptr : node->find(step);
    if (const auto index = parse_unsigned(step); item && index && *index < node->children.size())
      next = &node->children[*index];
    if (next == nullptr) break;
    node = next;
    const bool by_name = !item && !node->is_scalar();
    found = by_name ? Position{node->key_line, node->key_column} : Position{node->line, node->column};
  }
  return found;
}

using ObjectsBySubject = std::multimap<std::string, const Node*, std::less<>>;

void collect(const Node& root, ObjectsBySubject& out) {
  if (!root.is_mapping()) return;
  const Node* kind = root.find("kind");
  const Node* items = root.find("items");
  if (kind != nullptr && kind->text == "List" && items != nullptr) {
    for (const Node& item : items->children) collect(item, out);
  } else {
    out.emplace(subject_of(root), &root);
  }
}

// Of the objects with one name the last that begins no later than the complaint's line.
const Node* object_of(const Complaint& complaint, const ObjectsBySubject& objects) {
  const Node* found = nullptr;
  for (auto [at, end] = objects.equal_range(complaint.subject); at != end; ++at) {
    if (found == nullptr || at->second->line <= complaint.line) found = at->second;
  }
  return found;
}

}  // namespace

std::string subject_of(const Node& root) {
  const auto text_of = [](const Node* node, std::string_view name, std::string_view otherwise) {
    const Node* child = node == nullptr ? nullptr : node->find(name);
    return child != nullptr && child->is_scalar() && !child->text.empty() ? printable(child->text, 80)
                                                                          : std::string(otherwise);
  };
  const Node* meta = root.find("metadata");
  const std::string kind = text_of(&root, "kind", "object");
  const std::string name = text_of(meta, "name", "(no name)");
  if (kind == "Namespace") return concat(kind, ' ', name);
  return concat(kind, ' ', text_of(meta, "namespace", "default"), '/', name);
}

void locate(std::vector<Complaint>& complaints, std::string_view file, std::string_view text) {
  const auto is_lost = [&](const Complaint& one) {
    return one.column == 0 && one.file == file && !one.subject.empty();
  };
  if (std::ranges::none_of(complaints, is_lost)) return;
  const yaml::Documents parsed = yaml::parse(text, file);
  ObjectsBySubject objects;
  for (const yaml::Document& document : parsed.documents) collect(document.root, objects);
  for (Complaint& complaint : complaints) {
    if (!is_lost(complaint)) continue;
    const Node* object = object_of(complaint, objects);
    if (object == nullptr) continue;
    const Position position = find_field(*object, complaint.field);
    complaint.line = position.line;
    complaint.column = position.column;
  }
}

}  // namespace weft::objects
