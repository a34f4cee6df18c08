// Any bytes make a tree or complaints, in bounded time and memory; and one that can be walked.
#include <cstdint>
#include <cstdlib>

#include "yaml/tree.h"

namespace {

size_t walk(const weft::yaml::Node& node, int depth) {
  if (depth > weft::yaml::kMaxDepth) std::abort();
  if (!node.children.empty() && !node.is_mapping() && !node.is_sequence()) std::abort();
  (void)weft::yaml::scalar_type(node);
  (void)weft::yaml::as_integer(node);
  (void)weft::yaml::as_number(node);
  (void)weft::yaml::describe(node);
  size_t count = 1;
  for (const auto& child : node.children) count += walk(child, depth + 1);
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& document : weft::yaml::parse(text, "fuzz.yaml").documents) {
    walk(document.root, 0);
    for (const auto& complaint : document.complaints) {
      if (complaint.to_string().empty() || complaint.line < 1) std::abort();
    }
  }
  return 0;
}
