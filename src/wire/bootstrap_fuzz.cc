// Text that claims to be a bootstrap. What is accepted must print.
#include "base/check.h"
#include "wire/bootstrap.h"
#include "wire/dump.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto bootstrap = weft::wire::parse_bootstrap(text, "fuzz");
  if (!bootstrap) {
    WEFT_CHECK(!bootstrap.error().text.empty());
    return 0;
  }
  weft::JsonWriter json;
  (void)weft::wire::write_json(json, "x/envoy.config.bootstrap.v3.Bootstrap",
                               weft::as_bytes(bootstrap->encoded));
  return 0;
}
