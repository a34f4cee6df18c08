#include "policy/rule_index.h"

#include <charconv>

namespace weft::policy {

namespace {

using Kind = model::Condition::Kind;
using Values = std::vector<std::string>;

enum Dimension : size_t { kPrincipal, kPath, kMethod, kPort };

bool is_exact(const model::StringMatch& match) {
  return match.kind == model::StringMatch::Kind::exact && !match.ignore_case && !match.value.empty();
}

// The one value that a test of this dimension asks for.
std::optional<std::string> value_of(const model::Condition& condition, size_t dimension) {
  switch (dimension) {
    case kPrincipal:
      if (condition.kind != Kind::authenticated || condition.any_authenticated) return std::nullopt;
      if (!is_exact(condition.value)) return std::nullopt;
      return condition.value.value;
    case kPath:
      if (condition.kind != Kind::url_path || !is_exact(condition.value)) return std::nullopt;
      return condition.value.value;
    case kMethod:
      if (condition.kind != Kind::header || condition.header.name != ":method") return std::nullopt;
      if (condition.header.present_only || condition.header.invert) return std::nullopt;
      if (!is_exact(condition.header.value)) return std::nullopt;
      return condition.header.value.value;
    case kPort:
      if (condition.kind != Kind::destination_port) return std::nullopt;
      return std::to_string(condition.port);
  }
  return std::nullopt;
}

std::optional<Values> needed_by_any(std::span<const model::Condition> conditions, size_t dimension);

// The values of which one must be there for the condition to hold; nullopt: it may hold without.
std::optional<Values> needed(const model::Condition& condition, size_t dimension) {
  if (auto value = value_of(condition, dimension)) return Values{std::move(*value)};
  if (condition.kind == Kind::any_of) return needed_by_any(condition.children, dimension);
  if (condition.kind == Kind::all_of) {
    for (const auto& child : condition.children) {
      if (auto values = needed(child, dimension)) return values;
    }
  }
  return std::nullopt;
}

std::optional<Values> needed_by_any(std::span<const model::Condition> conditions, size_t dimension) {
  Values all;
  for (const auto& condition : conditions) {
    auto values = needed(condition, dimension);
    if (!values) return std::nullopt;
    all.insert(all.end(), values->begin(), values->end());
  }
  return all;
}

std::optional<Values> needed_by(const model::RbacPolicy& rule, size_t dimension) {
  if (auto values = needed_by_any(rule.principals, dimension)) return values;
  return needed_by_any(rule.permissions, dimension);
}

}  // namespace

RuleIndex::RuleIndex(const std::vector<model::RbacPolicy>& rules) : words_((rules.size() + 63) / 64) {
  for (size_t d = 0; d < kDimensions; ++d) {
    auto& dimension = dimensions_[d];
    dimension.open.resize(words_);
    for (size_t rule = 0; rule < rules.size(); ++rule) {
      const uint64_t bit = uint64_t{1} << (rule % 64);
      const auto values = needed_by(rules[rule], d);
      if (!values) dimension.open[rule / 64] |= bit;
      for (const auto& value : values.value_or(Values())) {
        auto& set = dimension.by_value[value];
        set.resize(words_);
        set[rule / 64] |= bit;
      }
    }
    for (const auto& [value, set] : dimension.by_value) dimension.index.emplace(value, set.data());
  }
}

void RuleIndex::Dimension::find(std::string_view value, Found& found) const {
  const auto it = index.find(value);
  if (it == index.end()) return;
  if (found.count == kValues) {
    found.all = true;
  } else {
    found.sets[found.count++] = it->second;
  }
}

void RuleIndex::look_up(const Asked& asked, Found* found) const {
  const auto& connection = asked.connection;
  if (const auto& principals = dimensions_[kPrincipal]; !principals.index.empty()) {
    for (const auto& name : connection.peer_uris) principals.find(name, found[kPrincipal]);
    for (const auto& name : connection.peer_dns_names) principals.find(name, found[kPrincipal]);
    if (!connection.peer_subject.empty()) principals.find(connection.peer_subject, found[kPrincipal]);
  }
  if (const auto& ports = dimensions_[kPort]; !ports.index.empty()) {
    char digits[8];
    const auto end = std::to_chars(digits, digits + sizeof digits, connection.destination_port).ptr;
    ports.find({digits, end}, found[kPort]);
  }
  if (!asked.request) return;
  const RequestView& request = asked.request->request;
  if (!dimensions_[kPath].index.empty()) dimensions_[kPath].find(request.path_alone(), found[kPath]);
  if (!dimensions_[kMethod].index.empty()) dimensions_[kMethod].find(request.method, found[kMethod]);
}

}  // namespace weft::policy
