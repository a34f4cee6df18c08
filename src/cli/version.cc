// weft version: which release this is.
#include <cstdio>

#include "base/json.h"
#include "cli/commands.h"

namespace weft::cli {

void add_version(CommandTable& table) {
  auto output = std::make_shared<std::string>();
  table.add("version", "Print the version")
      .choice("-o,--output", *output, {"json"}, "print as JSON")
      .runs([output]() -> Result<int> {
        if (*output == "json") {
          std::puts(JsonWriter().begin_object().field("version", WEFT_VERSION).end_object().take().c_str());
        } else {
          std::puts("weft " WEFT_VERSION);
        }
        return 0;
      });
}

}  // namespace weft::cli
