#include "policy/condition.h"

#include <algorithm>

namespace weft::policy {

namespace {

using Given = model::Condition::Kind;

// Below this many members a walk over them is as fast as a set.
constexpr size_t kWorthASet = 4;

bool is_exact(const model::StringMatch& match) {
  return match.kind == model::StringMatch::Kind::exact && !match.ignore_case;
}

bool means_any_authenticated(const model::Condition& condition) {
  return condition.any_authenticated || (is_exact(condition.value) && condition.value.value.empty());
}

bool is_exact_name(const model::Condition& condition) {
  return condition.kind == Given::authenticated && is_exact(condition.value) &&
         !means_any_authenticated(condition);
}

bool is_exact_path(const model::Condition& condition) {
  return condition.kind == Given::url_path && is_exact(condition.value);
}

}  // namespace

Result<ConditionTree> ConditionTree::compile(std::span<const model::Condition> any_of,
                                             Strictness strictness) {
  ConditionTree tree;
  tree.nodes_.emplace_back();
  WEFT_CHECK_OK(tree.compile_list(0, any_of, Kind::any_of, {.strictness = strictness}));
  return tree;
}

bool ConditionTree::holds(const Asked& asked) const { return holds(nodes_[0], asked); }

// A negation turns the reading round: certain outside is possible inside.
ConditionTree::Node ConditionTree::node_for(Place place) {
  const bool certain = (place.strictness == Strictness::allow) != place.negated;
  Node node;
  node.reading = certain ? Reading::every : Reading::any;
  node.without_request = place.strictness == Strictness::allow && place.negated;
  return node;
}

Result<void> ConditionTree::compile_into(uint32_t at, const model::Condition& condition, Place place) {
  switch (condition.kind) {
    case Given::all_of:
      return compile_list(at, condition.children, Kind::all_of, place);
    case Given::any_of:
      return compile_list(at, condition.children, Kind::any_of, place);
    case Given::none_of:
      place.negated = !place.negated;
      return compile_list(at, condition.children, Kind::none_of, place);
    case Given::path_template: {
      WEFT_TRY(auto parsed, PathTemplate::parse(condition.value.value, condition.value.ignore_case));
      nodes_[at] = node_for(place);
      nodes_[at].kind = Kind::path_template;
      nodes_[at].index = static_cast<uint32_t>(templates_.size());
      templates_.push_back(std::move(parsed));
      return {};
    }
    default:
      nodes_[at] = node_for(place);
      compile_leaf(nodes_[at], condition);
      return {};
  }
}

Result<void> ConditionTree::compile_list(uint32_t at, std::span<const model::Condition> children, Kind kind,
                                         Place place) {
  std::vector<const model::Condition*> rest;
  for (const auto& child : children) rest.push_back(&child);
  std::vector<Node> sets;
  if (kind == Kind::any_of) gather_sets(rest, sets, place);

  const auto first = static_cast<uint32_t>(nodes_.size());
  const auto count = static_cast<uint32_t>(sets.size() + rest.size());
  nodes_[at].kind = kind;
  nodes_[at].first = first;
  nodes_[at].count = count;
  // Children stand side by side, so their places are taken before any of them is compiled.
  nodes_.insert(nodes_.end(), sets.begin(), sets.end());
  nodes_.resize(first + count);
  for (size_t i = 0; i < rest.size(); ++i) {
    WEFT_CHECK_OK(compile_into(first + static_cast<uint32_t>(sets.size() + i), *rest[i], place));
  }
  return {};
}

void ConditionTree::gather_sets(std::vector<const model::Condition*>& rest, std::vector<Node>& sets,
                                Place place) {
  const auto gather = [&](Kind kind, auto belongs) {
    const auto count = std::ranges::count_if(rest, [&](const auto* child) { return belongs(*child); });
    if (static_cast<size_t>(count) < kWorthASet) return;
    TextSet texts;
    for (const auto* child : rest) {
      if (belongs(*child)) texts.insert(child->value.value);
    }
    std::erase_if(rest, [&](const auto* child) { return belongs(*child); });
    Node node = node_for(place);
    node.kind = kind;
    node.index = static_cast<uint32_t>(texts_.size());
    texts_.push_back(std::move(texts));
    sets.push_back(node);
  };
  gather(Kind::name_set, is_exact_name);
  gather(Kind::path_set, is_exact_path);

  const auto gather_ranges = [&](Kind kind, Given given) {
    std::vector<Cidr> ranges;
    for (const auto* child : rest) {
      if (child->kind == given) ranges.insert(ranges.end(), child->ranges.begin(), child->ranges.end());
    }
    if (ranges.empty()) return;
    std::erase_if(rest, [&](const auto* child) { return child->kind == given; });
    Node node = node_for(place);
    node.kind = kind;
    node.index = static_cast<uint32_t>(ranges_.size());
    ranges_.emplace_back(ranges);
    sets.push_back(node);
  };
  gather_ranges(Kind::source_ip, Given::source_ip);
  gather_ranges(Kind::direct_remote_ip, Given::direct_remote_ip);
  gather_ranges(Kind::remote_ip, Given::remote_ip);
  gather_ranges(Kind::destination_ip, Given::destination_ip);
}

void ConditionTree::compile_leaf(Node& node, const model::Condition& condition) {
  const auto take_ranges = [&](Kind kind) {
    node.kind = kind;
    node.index = static_cast<uint32_t>(ranges_.size());
    ranges_.emplace_back(condition.ranges);
  };
  node.given = &condition;
  switch (condition.kind) {
    case Given::any:
      node.kind = Kind::any;
      break;
    case Given::header:
      node.kind = Kind::header;
      break;
    case Given::url_path:
      node.kind = Kind::url_path;
      break;
    case Given::source_ip:
      take_ranges(Kind::source_ip);
      break;
    case Given::direct_remote_ip:
      take_ranges(Kind::direct_remote_ip);
      break;
    case Given::remote_ip:
      take_ranges(Kind::remote_ip);
      break;
    case Given::destination_ip:
      take_ranges(Kind::destination_ip);
      break;
    case Given::destination_port:
      node.kind = Kind::port_range;
      node.port = condition.port;
      node.port_end = condition.port + 1u;
      break;
    case Given::destination_port_range:
      node.kind = Kind::port_range;
      node.port = condition.port;
      node.port_end = condition.port_end;
      break;
    case Given::requested_server_name:
      node.kind = Kind::server_name;
      break;
    case Given::authenticated:
      node.kind = means_any_authenticated(condition) ? Kind::any_authenticated : Kind::authenticated;
      break;
    case Given::metadata:
      node.kind = Kind::never;
      break;
    case Given::all_of:
    case Given::any_of:
    case Given::none_of:
    case Given::path_template:
      break;  // compile_into() took them
  }
}

bool ConditionTree::holds(const Node& node, const Asked& asked) const {
  const auto child_holds = [&](const Node& child) { return holds(child, asked); };
  const std::span children(nodes_.data() + node.first, node.count);
  const auto& connection = asked.connection;
  switch (node.kind) {
    case Kind::any:
      return true;
    case Kind::never:
      return false;
    case Kind::all_of:
      return std::ranges::all_of(children, child_holds);
    case Kind::any_of:
      return std::ranges::any_of(children, child_holds);
    case Kind::none_of:
      return std::ranges::none_of(children, child_holds);

    case Kind::header:
      if (!asked.request) return node.without_request;
      return matches(node.given->header, asked.request->request, node.reading);
    case Kind::url_path:
      if (!asked.request) return node.without_request;
      return node.given->value.matches(asked.request->request.path_alone());
    case Kind::path_set:
      if (!asked.request) return node.without_request;
      return texts_[node.index].contains(asked.request->request.path_alone());
    case Kind::path_template:
      if (!asked.request) return node.without_request;
      return templates_[node.index].matches(asked.request->request.path_alone());

    case Kind::any_authenticated:
      return connection.authenticated();
    case Kind::authenticated:
      return authenticated_as(node, connection);
    case Kind::name_set:
      return in_name_set(node, connection);
    case Kind::source_ip:
      return ranges_[node.index].contain(connection.source_ip);
    case Kind::direct_remote_ip:
      return ranges_[node.index].contain(connection.direct_remote_ip);
    case Kind::remote_ip:
      return ranges_[node.index].contain(asked.remote_ip());
    case Kind::destination_ip:
      return ranges_[node.index].contain(connection.destination_ip);
    case Kind::port_range:
      return connection.destination_port >= node.port && connection.destination_port < node.port_end;
    case Kind::server_name:
      return node.given->value.matches(connection.server_name);
  }
  return false;
}

// Any URI of the certificate, else any of its DNS names, else its subject: Envoy's order.
bool ConditionTree::authenticated_as(const Node& node, const ConnectionFacts& connection) const {
  const auto is_it = [&](std::string_view name) { return node.given->value.matches(name); };
  return std::ranges::any_of(connection.peer_uris, is_it) ||
         std::ranges::any_of(connection.peer_dns_names, is_it) ||
         (!connection.peer_subject.empty() && is_it(connection.peer_subject));
}

bool ConditionTree::in_name_set(const Node& node, const ConnectionFacts& connection) const {
  const auto is_in = [&](std::string_view name) { return texts_[node.index].contains(name); };
  return std::ranges::any_of(connection.peer_uris, is_in) ||
         std::ranges::any_of(connection.peer_dns_names, is_in) ||
         (!connection.peer_subject.empty() && is_in(connection.peer_subject));
}

}  // namespace weft::policy
