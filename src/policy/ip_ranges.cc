#include "policy/ip_ranges.h"

#include <algorithm>

namespace weft::policy {

IpRanges::IpRanges(std::span<const Cidr> ranges) {
  for (const Cidr& range : ranges) {
    Interval interval{range.base.bytes(), range.base.bytes()};
    const size_t fixed = range.bits + (range.base.is_v4() ? 96u : 0u);
    for (size_t bit = fixed; bit < 128; ++bit) {
      const auto mask = static_cast<uint8_t>(0x80u >> (bit % 8));
      interval.first[bit / 8] &= static_cast<uint8_t>(~mask);
      interval.last[bit / 8] |= mask;
    }
    (range.base.is_v4() ? v4_ : v6_).push_back(interval);
  }
  merge(v4_);
  merge(v6_);
}

bool IpRanges::contain(const IpAddress& address) const {
  return contain(address.is_v4() ? v4_ : v6_, address.bytes());
}

void IpRanges::merge(std::vector<Interval>& intervals) {
  std::ranges::sort(intervals, {}, &Interval::first);
  size_t kept = 0;
  for (const Interval& interval : intervals) {
    if (kept > 0 && interval.first <= intervals[kept - 1].last) {
      intervals[kept - 1].last = std::max(intervals[kept - 1].last, interval.last);
    } else {
      intervals[kept++] = interval;
    }
  }
  intervals.resize(kept);
}

bool IpRanges::contain(const std::vector<Interval>& intervals, const Address& address) {
  const auto after = std::ranges::upper_bound(intervals, address, {}, &Interval::first);
  return after != intervals.begin() && address <= std::prev(after)->last;
}

}  // namespace weft::policy
