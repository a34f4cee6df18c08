// Any template parses or is refused, and any path is answered.
#include <cstdlib>

#include "policy/path_template.h"

using namespace weft;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t cut = input.find('\n');
  const std::string_view text = input.substr(0, cut);
  const std::string_view path = cut == input.npos ? std::string_view() : input.substr(cut + 1);
  const auto parsed = policy::PathTemplate::parse(text);
  if (!parsed) return 0;
  const bool matches = parsed->matches(path);
  // Without operators a template is its own text.
  if (!parsed->has_operator() && matches != (path == text)) std::abort();
  const auto folded = policy::PathTemplate::parse(text, true);
  if (!folded || (matches && !folded->matches(path))) std::abort();
  return 0;
}
