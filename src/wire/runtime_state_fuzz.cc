// The state files of `weft up`, from any bytes: what parses must read back as written.
#include <cstdlib>
#include <string_view>

#include "wire/runtime_state.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto workloads = weft::wire::parse_workloads(text, "fuzz")) {
    const auto again = weft::wire::parse_workloads(weft::wire::write_workloads(*workloads), "again");
    if (!again || !(*again == *workloads)) std::abort();
  }
  if (const auto tokens = weft::wire::parse_tokens(text, "fuzz")) {
    const auto again = weft::wire::parse_tokens(weft::wire::write_tokens(*tokens), "again");
    if (!again || !(*again == *tokens)) std::abort();
  }
  return 0;
}
