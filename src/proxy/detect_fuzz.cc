// Detection must not crash, and must not change its mind: what it is sure of after a part of the bytes it
// says of all of them.
#include "base/check.h"
#include "proxy/detect.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  if (size > 4096) return 0;
  const Bytes all(reinterpret_cast<const std::byte*>(data), size);
  const proxy::Detected whole = proxy::classify(all);
  WEFT_CHECK(whole.sure || (!whole.tls && whole.application_protocols.empty()));
  for (size_t cut = 0; cut < size; cut += 1 + size / 64) {
    const proxy::Detected part = proxy::classify(all.first(cut));
    if (!part.sure) continue;
    WEFT_CHECK(whole.sure && part.tls == whole.tls && part.server_name == whole.server_name);
    // A request line decides by its target before its version has come.
    WEFT_CHECK(part.application_protocols.empty() == whole.application_protocols.empty() || cut > 2048);
  }
  return 0;
}
