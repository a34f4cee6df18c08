// Any text gives objects and complaints: nothing is thrown, and every complaint says where and what.
#include <cstdint>
#include <cstdlib>

#include "objects/load.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto loaded = weft::objects::load_text(text, "fuzz.yaml");
  for (const auto& complaint : loaded.complaints) {
    if (complaint.line < 1 || complaint.cause.empty() || complaint.to_string().empty()) std::abort();
  }
  for (const auto& object : loaded.objects) {
    if (weft::objects::key_of(object).name.empty()) std::abort();
  }
  return 0;
}
