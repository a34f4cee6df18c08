// A tree of conditions, compiled once from the model, then asked for each request.
//
// Lists of exact names become a hash set, lists of networks a sorted set, templates are parsed; the rest is
// read from the model where it stands, so the model outlives the tree.
//
//   WEFT_TRY(auto tree, ConditionTree::compile(policy.principals, Strictness::allow));
//   tree.holds(asked);
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "model/policy.h"
#include "policy/facts.h"
#include "policy/header_match.h"
#include "policy/ip_ranges.h"
#include "policy/path_template.h"

namespace weft::policy {

// What it means that the tree holds, which decides how a doubtful test is read: a rule that lets pass must be
// certain, a rule that refuses need only be possible.
enum class Strictness : uint8_t { allow, deny };

class ConditionTree {
 public:
  // Holds where any of the conditions does; none: never. Errors: a path template that does not parse.
  static Result<ConditionTree> compile(std::span<const model::Condition> any_of, Strictness strictness);
  bool holds(const Asked& asked) const;

 private:
  enum class Kind : uint8_t {
    any,
    all_of,
    any_of,
    none_of,
    header,
    url_path,
    path_template,
    name_set,  // authenticated, one of many exact names
    path_set,  // url_path, one of many exact paths
    authenticated,
    any_authenticated,
    source_ip,
    direct_remote_ip,
    remote_ip,
    destination_ip,
    port_range,
    server_name,
    never,
  };
  struct Node {
    Kind kind = Kind::never;
    Reading reading = Reading::every;
    // What an HTTP test says where there is no request.
    bool without_request = false;
    uint16_t port = 0;
    uint32_t port_end = 0;
    uint32_t first = 0, count = 0;            // children in nodes_
    uint32_t index = 0;                       // into the table of its kind
    const model::Condition* given = nullptr;  // leaves
  };
  // How a node stands in its tree.
  struct Place {
    Strictness strictness;
    bool negated = false;
  };

  ConditionTree() = default;
  Result<void> compile_into(uint32_t node, const model::Condition& condition, Place place);
  Result<void> compile_list(uint32_t node, std::span<const model::Condition> children, Kind kind,
                            Place place);
  // Moves what a set can hold out of `rest` and into nodes of their own.
  void gather_sets(std::vector<const model::Condition*>& rest, std::vector<Node>& sets, Place place);
  void compile_leaf(Node& node, const model::Condition& condition);
  static Node node_for(Place place);
  bool holds(const Node& node, const Asked& asked) const;
  bool authenticated_as(const Node& node, const ConnectionFacts& connection) const;
  bool in_name_set(const Node& node, const ConnectionFacts& connection) const;

  using TextSet = std::unordered_set<std::string_view>;
  std::vector<Node> nodes_;  // nodes_[0] is the root
  std::vector<TextSet> texts_;
  std::vector<IpRanges> ranges_;
  std::vector<PathTemplate> templates_;
};

}  // namespace weft::policy
