// A set of CIDR ranges, asked by binary search: a policy that lists a thousand networks costs ten
// comparisons.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/address.h"

namespace weft::policy {

class IpRanges {
 public:
  IpRanges() = default;
  explicit IpRanges(std::span<const Cidr> ranges);
  // An IPv6 range never holds an IPv4 address (nor its mapped form, which IpAddress reads as IPv4).
  bool contain(const IpAddress& address) const;

 private:
  using Address = std::array<uint8_t, 16>;
  struct Interval {
    Address first, last;  // both included
  };
  static void merge(std::vector<Interval>& intervals);
  static bool contain(const std::vector<Interval>& intervals, const Address& address);

  // Sorted, apart from each other.
  std::vector<Interval> v4_;
  std::vector<Interval> v6_;
};

}  // namespace weft::policy
