// Paths, queries and authorities: normalising is idempotent, and its result has nothing left to normalise.
#include <cstdint>

#include "base/check.h"
#include "http/uri.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  using http::PathRules;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const PathRules rules : {PathRules::base(), PathRules::merge(), PathRules::decode_and_merge()}) {
    std::string path = "/" + std::string(text);
    if (!http::normalise_path(path, rules)) continue;
    WEFT_CHECK(path.starts_with('/'));
    const std::string_view alone = std::string_view(path).substr(0, path.find('?'));
    WEFT_CHECK(alone.find("/../") == std::string_view::npos && !alone.ends_with("/.."));
    WEFT_CHECK(!rules.merge_slashes || alone.find("//") == std::string_view::npos);
    std::string again = path;
    WEFT_CHECK(http::normalise_path(again, rules) && again == path);
  }
  if (const auto where = http::parse_authority(text)) {
    WEFT_CHECK(!where->host.empty() && where->host.find('@') == std::string::npos);
  }
  http::QueryParameters parameters(text);
  while (parameters.next()) {
    WEFT_CHECK(parameters.name().size() + parameters.value().size() <= size);
  }
  (void)http::query_decode(text);
  (void)http::percent_decode(text);
  WEFT_CHECK(http::percent_decode(http::percent_encode(text)) == std::string(text) ||
             text.find('\0') != std::string_view::npos);
  return 0;
}
