// gRPC framing, statuses and timeouts from a hostile peer.
#include <cstdint>

#include "base/check.h"
#include "http/grpc.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto read = [&](size_t step) {
    http::GrpcMessageReader reader(1 << 16);
    std::string all;
    for (size_t at = 0; at < size; at += step) {
      reader.feed(as_bytes(text.substr(at, step)));
      for (;;) {
        const auto message = reader.next();
        if (!message) return all + "!";
        if (!*message) break;
        all += **message + "|";
      }
    }
    return all;
  };
  if (size > 0) WEFT_CHECK(read(size) == read(1));
  WEFT_CHECK(http::decode_grpc_message(http::encode_grpc_message(text)) == text);
  (void)http::decode_grpc_message(text);
  if (const auto timeout = http::parse_grpc_timeout(text)) {
    WEFT_CHECK(timeout->count() >= 0);
    if (*timeout != kForever)
      WEFT_CHECK(*http::parse_grpc_timeout(http::format_grpc_timeout(*timeout)) >= *timeout);
  }
  return 0;
}
