// Fields that several kinds share.
#include <algorithm>
#include <set>

#include "base/strings.h"
#include "objects/readers.h"

namespace weft::objects {

namespace {

std::optional<Problem> check_no_wildcard(const std::string& text) {
  if (text.find('*') == std::string::npos) return std::nullopt;
  return Problem{concat(quoted(text), " has a wildcard"), "a selector compares whole labels"};
}

std::optional<Problem> check_selector_key(const std::string& text) {
  if (auto problem = check_no_wildcard(text)) return problem;
  return check_label_key(text);
}

std::optional<Problem> check_selector_value(const std::string& text) {
  if (auto problem = check_no_wildcard(text)) return problem;
  return check_label_value(text);
}

struct Requirement {
  enum class Operator : uint8_t { in, not_in, exists, does_not_exist };
  std::string key;
  Operator op = Operator::in;
  std::vector<std::string> values;

  bool holds(const Labels& labels) const {
    const auto found = labels.find(key);
    const bool listed =
        found != labels.end() && std::find(values.begin(), values.end(), found->second) != values.end();
    switch (op) {
      case Operator::in:
        return listed;
      case Operator::not_in:
        return !listed;
      case Operator::exists:
        return found != labels.end();
      case Operator::does_not_exist:
        return found == labels.end();
    }
    return false;
  }
};

void read_requirement(FieldReader& fields, Requirement& out) {
  fields.text("key", out.key, check_label_key);
  fields.require("key");
  fields.choice("operator", out.op,
                {{"In", Requirement::Operator::in},
                 {"NotIn", Requirement::Operator::not_in},
                 {"Exists", Requirement::Operator::exists},
                 {"DoesNotExist", Requirement::Operator::does_not_exist}});
  fields.require("operator");
  fields.texts("values", out.values, check_label_value);
  const bool takes_values = out.op == Requirement::Operator::in || out.op == Requirement::Operator::not_in;
  if (takes_values && out.values.empty())
    fields.error("values", "is required with In and NotIn", "list them");
  if (!takes_values && !out.values.empty())
    fields.error("values", "cannot stand with Exists and DoesNotExist");
}

}  // namespace

void read_export_to(FieldReader& fields, std::vector<std::string>& out) {
  if (!fields.texts("exportTo", out, check_export_to)) return;
  std::set<std::string> seen;
  for (const std::string& name : out) {
    const std::string& meant = name == "." ? fields.reading().namespace_name() : name;
    if (!seen.insert(meant).second)
      fields.error("exportTo", concat(quoted(name), " is named twice"), "remove one");
  }
  if (out.size() > 1 && seen.contains("*")) {
    fields.error("exportTo", "'*' is every namespace already", "leave the others out, or leave '*' out");
  }
  if (out.size() > 1 && seen.contains("~")) {
    fields.error("exportTo", "'~' means nobody, and others are named",
                 "leave the others out, or leave '~' out");
  }
}

void read_workload_selector(FieldReader& fields, std::optional<WorkloadSelector>& out, std::string_view name,
                            std::string_view labels_field) {
  fields.object(name, out, [&](FieldReader& selector, WorkloadSelector& value) {
    selector.text_map(labels_field, value.match_labels, check_selector_key, check_selector_value);
    if (value.match_labels.empty()) {
      selector.warning("", "selects by no label, so it means every workload", "name labels, or leave it out");
    }
  });
}

void read_label_selector(FieldReader& fields, std::string_view name, Labels& out, const Labels& labels,
                         std::string_view what) {
  struct Selector {
    Labels match_labels;
    std::vector<Requirement> expressions;
  };
  std::optional<Selector> selector;
  fields.object(name, selector, [&](FieldReader& inner, Selector& value) {
    inner.labels("matchLabels", value.match_labels);
    inner.list("matchExpressions", value.expressions, read_requirement);
  });
  if (!selector) return;
  out = selector->match_labels;
  if (selector->match_labels.empty() && selector->expressions.empty()) {
    fields.error(name, "selects by no label", concat("name labels of the ", what));
    return;
  }
  for (const auto& [key, value] : selector->match_labels) {
    if (selects({{key, value}}, labels)) continue;
    fields.error(name,
                 concat("asks for ", printable(key, 80), '=', printable(value, 80), ", which the ", what,
                        " does not have"),
                 concat("add the label to the ", what, ", or change the selector"));
  }
  for (const Requirement& requirement : selector->expressions) {
    if (requirement.holds(labels)) continue;
    fields.error(name,
                 concat("its expression on ", printable(requirement.key, 80), " does not fit the ", what),
                 concat("change the labels of the ", what, ", or the selector"));
  }
}

}  // namespace weft::objects
