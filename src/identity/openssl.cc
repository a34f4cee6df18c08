#include "identity/openssl.h"

#include <algorithm>

#include "base/strings.h"

namespace weft::identity {

std::string take_library_error() {
  const uint32_t code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "no reason given";
  const char* reason = ERR_reason_error_string(code);
  std::string text = reason != nullptr ? reason : concat("error ", code);
  for (char& c : text) c = c == '_' ? ' ' : to_lower(c);
  return text;
}

std::unexpected<Error> library_failed(Error::Kind kind, std::string_view what) {
  return fail(kind, concat(what, ": ", take_library_error()));
}

OwnedBio read_bio(std::string_view bytes) {
  return OwnedBio(BIO_new_mem_buf(bytes.data(), static_cast<ossl_ssize_t>(bytes.size())));
}

std::string take_bio(BIO& bio) {
  const uint8_t* data = nullptr;
  size_t size = 0;
  BIO_mem_contents(&bio, &data, &size);
  return {reinterpret_cast<const char*>(data), size};
}

WallTime to_wall_time(const ASN1_TIME* time) {
  int64_t seconds = 0;
  if (ASN1_TIME_to_posix(time, &seconds) != 1) return WallTime{};
  // Nanoseconds since 1970 end in 2262; "no end" (9999-12-31, RFC 5280 4.1.2.5) is later.
  constexpr int64_t kMost = WallTime::max().time_since_epoch() / std::chrono::seconds(1);
  return WallTime(std::chrono::seconds(std::min(std::max(seconds, -kMost), kMost)));
}

}  // namespace weft::identity
