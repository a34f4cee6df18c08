// Arbitrary text, read as objects and translated for every pod there is: nothing may crash, and what a
// Translator remembers must be what it would make.
#include <cstdlib>

#include "translate/print.h"
#include "translate/test_world.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  using namespace weft::translate;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto world = World::make(input_from(objects::load_text(text, "fuzz.yaml").objects));
  for (const auto& complaint : validate(*world)) (void)complaint.to_string();
  Translator translator;
  int budget = 8;
  for (const auto& workload : world->workloads()) {
    if (--budget < 0) break;
    ProxyId id = proxy_of(*workload);
    const std::string first = print(translator.translate(world, id).snapshot);
    const auto again = World::make(world->input(), world);
    if (print(translator.translate(again, id).snapshot) != first) std::abort();
  }
  return 0;
}
