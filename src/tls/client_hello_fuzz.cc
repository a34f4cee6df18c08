// The first bytes of a stranger. Whatever arrives in pieces must come to the same end as all at once.
#include <cstdint>

#include "base/check.h"
#include "tls/client_hello.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  using Status = tls::ClientHello::Status;
  const Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  const tls::ClientHello whole = tls::parse_client_hello(bytes);
  const size_t step = size < 64 ? 1 : size / 32;
  for (size_t cut = 0; cut < size; cut += step) {
    const tls::ClientHello part = tls::parse_client_hello(bytes.first(cut));
    if (part.status == Status::not_tls) WEFT_CHECK(whole.status == Status::not_tls);
    if (part.status == Status::complete) {
      WEFT_CHECK(whole.status == Status::complete && whole.server_name == part.server_name &&
                 whole.alpn == part.alpn);
    }
  }
  return 0;
}
