// Sorts and keeps the order of equals. (libstdc++'s std::stable_sort uses what C++23 calls deprecated, which
// clang reports.)
#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

namespace weft::translate {

template <typename T, typename Less>
void stable_sort(std::vector<T>& list, const Less& less) {
  if (std::is_sorted(list.begin(), list.end(), less)) return;
  std::vector<size_t> order(list.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    if (less(list[a], list[b])) return true;
    if (less(list[b], list[a])) return false;
    return a < b;
  });
  std::vector<T> out;
  out.reserve(list.size());
  for (const size_t i : order) out.push_back(std::move(list[i]));
  list = std::move(out);
}

}  // namespace weft::translate
