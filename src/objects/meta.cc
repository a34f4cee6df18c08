#include "objects/meta.h"

#include <tuple>

namespace weft::objects {

bool older(const ObjectMeta& a, const ObjectMeta& b) {
  const auto age = [](const ObjectMeta& meta) { return meta.created.value_or(WallTime::min()); };
  return std::forward_as_tuple(age(a), a.name, a.namespace_name) <
         std::forward_as_tuple(age(b), b.name, b.namespace_name);
}

bool selects(const Labels& selector, const Labels& labels) {
  for (const auto& [key, value] : selector) {
    const auto found = labels.find(key);
    if (found == labels.end() || found->second != value) return false;
  }
  return true;
}

}  // namespace weft::objects
