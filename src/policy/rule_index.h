// Which of many rules can match a request at all?
//
// A rule that lists exact principals can only match a peer who is one of them; the same holds for exact
// paths, methods and ports. The index keeps, for each such value, the set of rules that ask for it, and for
// each dimension the rules that do not care. Four look-ups and an AND leave the few rules worth asking: a
// hundred rules cost about as much as one. It never leaves out a rule that would match.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/policy.h"
#include "policy/facts.h"

namespace weft::policy {

class RuleIndex {
 public:
  RuleIndex() = default;
  explicit RuleIndex(const std::vector<model::RbacPolicy>& rules);
  // Not copied: the look-up tables point into each other.
  RuleIndex(RuleIndex&&) = default;
  RuleIndex& operator=(RuleIndex&&) = default;

  // Calls `ask(i)` for each rule that may match, in order, until one call returns true.
  // Returns that rule's place, or nullopt.
  template <typename Ask>
  std::optional<size_t> first(const Asked& asked, Ask&& ask) const {
    Found found[kDimensions];
    look_up(asked, found);
    for (size_t word = 0; word < words_; ++word) {
      uint64_t left = ~uint64_t{0};
      for (size_t d = 0; d < kDimensions; ++d) left &= dimensions_[d].at(found[d], word);
      for (; left != 0; left &= left - 1) {
        const size_t rule = word * 64 + static_cast<size_t>(std::countr_zero(left));
        if (ask(rule)) return rule;
      }
    }
    return std::nullopt;
  }

 private:
  static constexpr size_t kDimensions = 4;  // principal, path, method, port
  static constexpr size_t kValues = 3;      // of one request in one dimension: a peer may have several names
  // The sets that a request's values select in one dimension; `all` where it has more values than fit.
  struct Found {
    const uint64_t* sets[kValues] = {};
    size_t count = 0;
    bool all = false;
  };
  struct Dimension {
    std::vector<uint64_t> open;  // rules that do not ask for a value
    std::unordered_map<std::string, std::vector<uint64_t>> by_value;
    std::unordered_map<std::string_view, const uint64_t*> index;  // of by_value, asked by view

    uint64_t at(const Found& found, size_t word) const {
      if (found.all) return ~uint64_t{0};
      uint64_t rules = open[word];
      for (size_t i = 0; i < found.count; ++i) rules |= found.sets[i][word];
      return rules;
    }
    void find(std::string_view value, Found& found) const;
  };

  void look_up(const Asked& asked, Found* found) const;

  size_t words_ = 0;
  Dimension dimensions_[kDimensions];
};

}  // namespace weft::policy
