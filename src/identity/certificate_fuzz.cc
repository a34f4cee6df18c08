// Certificates as peers and files give them: DER, and PEM. What parses must survive being written and
// verified.
#include <cstdint>

#include "identity/certificate.h"
#include "identity/trust_bundle.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  const Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  if (auto certificate = identity::Certificate::parse_der(bytes)) {
    (void)certificate->to_pem();
    (void)certificate->describe();
    if (auto bundle = identity::TrustBundle::make({*certificate})) {
      (void)bundle->verify(std::vector{*certificate}, WallTime(std::chrono::hours(500000)),
                           identity::Purpose::client);
    }
  }
  if (auto chain = identity::Certificate::parse_chain_pem(as_text(bytes))) (void)identity::to_pem(*chain);
  return 0;
}
