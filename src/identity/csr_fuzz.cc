// Certificate requests and keys in PEM, as a stranger may send them to the authority.
#include <cstdint>

#include "identity/csr.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto csr = identity::Csr::parse_pem(text)) (void)csr->public_key().describe();
  (void)identity::PrivateKey::parse_pem(text);
  return 0;
}
