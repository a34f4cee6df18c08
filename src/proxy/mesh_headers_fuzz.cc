// What a peer says of a request and of itself is read without trust: no crash, nothing lost of the fields,
// and what is written of what was read says the same.
#include "base/check.h"
#include "proxy/mesh_headers.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t half = text.find('\n');
  const std::string_view note = text.substr(0, half);

  http::Headers headers;
  headers.add("accept", "a");
  headers.add("x-request-id", "b");
  headers.add("etag", "c");
  http::Version version = http::Version::http2;
  proxy::restore_http(note, version, headers);
  WEFT_CHECK(headers.get("accept") == "a" && headers.get("X-REQUEST-ID") == "b" &&
             headers.get("ETag") == "c");
  size_t count = 0;
  for (const auto& field : headers) count += field.name.empty() ? 0 : 1;
  WEFT_CHECK(count == 3);

  if (const auto peer = proxy::parse_peer(text)) {
    const auto again = proxy::parse_peer(proxy::describe_peer(*peer));
    WEFT_CHECK(again && *again == *peer);
  }
  return 0;
}
