// What parses as a SPIFFE ID is its own text, and its parts make it again.
#include <cstdint>

#include "base/check.h"
#include "identity/spiffe_id.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using weft::identity::SpiffeId;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto id = SpiffeId::parse(text);
  if (!id) return 0;
  WEFT_CHECK(id->uri() == text);
  WEFT_CHECK(id->name_space().empty() == id->service_account().empty());
  if (!id->name_space().empty()) {
    const auto again = SpiffeId::make(id->trust_domain(), id->name_space(), id->service_account());
    WEFT_CHECK(again && *again == *id);
  }
  return 0;
}
