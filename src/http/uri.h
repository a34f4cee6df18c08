// Paths, queries, authorities: the forms that routing and authorisation compare.
//
// What is compared must be what the backend will see, so a path is normalised once, at the door, and the
// result replaces the request's path (CVE-2021-29492 and its kin were two different readings of one path).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::http {

// Istio's meshConfig.pathNormalization and Envoy's path_with_escaped_slashes_action.
struct PathRules {
  enum class EscapedSlashes : uint8_t { keep, reject, unescape };  // %2F %5C (and %2f %5c)
  bool dot_segments = true;  // RFC 3986 section 5.2.4; also \ -> / and unreserved percent-decoding (6.2.2)
  bool merge_slashes = false;
  EscapedSlashes escaped_slashes = EscapedSlashes::keep;

  static PathRules none() { return {.dot_segments = false}; }
  static PathRules base() { return {}; }
  static PathRules merge() { return {.merge_slashes = true}; }
  static PathRules decode_and_merge() {
    return {.merge_slashes = true, .escaped_slashes = EscapedSlashes::unescape};
  }
};

// Normalises the path of an origin-form target in place; its query is left as it came.
// Errors (answer 400): climbs above the root, bad percent-encoding, NUL, a rejected escaped slash,
// a fragment. "*" is left alone.
Result<void> normalise_path(std::string& target, const PathRules& rules);

// %41 -> A. A bad escape, or %00, is an error.
Result<std::string> percent_decode(std::string_view text);
// As x-www-form-urlencoded has it: '+' is a space. Bad escapes stay as they are.
std::string query_decode(std::string_view text);
// Escapes all but unreserved characters.
std::string percent_encode(std::string_view text);

// Walks "a=1&b=2" without copying: for (QueryParameters p(query); p.next();) p.name(), p.value().
class QueryParameters {
 public:
  explicit QueryParameters(std::string_view query) : rest_(query) {}
  bool next();
  std::string_view name() const { return name_; }
  std::string_view value() const { return value_; }

 private:
  std::string_view rest_;
  std::string_view name_;
  std::string_view value_;
};
// The first parameter of that (undecoded) name; its undecoded value.
std::optional<std::string_view> query_parameter(std::string_view query, std::string_view name);

struct HostPort {
  std::string host;  // lower case, without the brackets of an IPv6 literal
  std::optional<uint16_t> port;
};
// Splits an authority. Errors: user information, empty host, bad port, bytes no host has.
Result<HostPort> parse_authority(std::string_view authority);
// The host part without port, as it is written (brackets kept), no validation: for look-ups.
std::string_view host_of(std::string_view authority);

// Whether an authority holds only what RFC 3986 section 3.2 allows and no user information.
bool is_valid_authority(std::string_view authority);

}  // namespace weft::http
