#include "http/uri.h"

#include <algorithm>
#include <array>

#include "base/address.h"
#include "base/strings.h"
#include "http/characters.h"

namespace weft::http {
namespace {

Error bad_path(std::string_view why, std::string_view path) {
  return {.kind = Error::Kind::invalid,
          .side = Error::Side::client,
          .text = concat("the path '", printable(path, 80), "' ", why)};
}

// RFC 3986 section 6.2.2: escapes of unreserved characters are undone, hexadecimal digits go upper case, so
// that one path has one spelling. %2F and %5C are what `rules` says.
Result<std::string> undo_escapes(std::string_view path, const PathRules& rules) {
  std::string out;
  out.reserve(path.size());
  for (size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (c == '\\') {  // browsers and some servers take it for '/'
      out.push_back('/');
      continue;
    }
    if (c != '%') {
      out.push_back(c);
      continue;
    }
    const int byte = escaped_byte(path, i);
    if (byte < 0) return fail(bad_path("has a broken percent-escape", path));
    const auto decoded = static_cast<char>(byte);
    i += 2;
    if (decoded == '\0') return fail(bad_path("holds an escaped NUL", path));
    if (is_class(decoded, kUnreserved)) {
      out.push_back(decoded);
      continue;
    }
    if (decoded == '/' || decoded == '\\') {
      if (rules.escaped_slashes == PathRules::EscapedSlashes::reject) {
        return fail(bad_path("holds an escaped slash, which is refused here", path));
      }
      if (rules.escaped_slashes == PathRules::EscapedSlashes::unescape) {
        out.push_back('/');
        continue;
      }
    }
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    out.push_back('%');
    out.push_back(kDigits[static_cast<size_t>(byte) >> 4]);
    out.push_back(kDigits[static_cast<size_t>(byte) & 15]);
  }
  return out;
}

void merge_slashes(std::string& path) {
  path.erase(std::unique(path.begin(), path.end(), [](char a, char b) { return a == '/' && b == '/'; }),
             path.end());
}

// RFC 3986 section 5.2.4. Climbing above the root is an error, not the root: nobody does it in earnest.
Result<std::string> remove_dot_segments(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  size_t at = 0;
  while (at < path.size()) {  // path[at] is '/'
    const size_t next = std::min(path.find('/', at + 1), path.size());
    const std::string_view segment = path.substr(at + 1, next - at - 1);
    const bool last = next == path.size();
    if (segment == ".") {
      if (last) out.push_back('/');
    } else if (segment == "..") {
      const size_t parent = out.rfind('/');
      if (parent == std::string::npos) return fail(bad_path("climbs above the root", path));
      out.resize(parent);
      if (last) out.push_back('/');
    } else {
      out.append(path.substr(at, next - at));
    }
    at = next;
  }
  if (out.empty()) out.push_back('/');
  return out;
}

}  // namespace

Result<void> normalise_path(std::string& target, const PathRules& rules) {
  if (target == "*" || target.empty()) return {};
  const size_t query_at = std::min(target.find('?'), target.size());
  std::string_view path = std::string_view(target).substr(0, query_at);
  if (path.empty() || path.front() != '/') return fail(bad_path("does not begin with '/'", path));
  if (target.find('#') != std::string::npos) return fail(bad_path("has a fragment", target));
  if (!rules.dot_segments && !rules.merge_slashes &&
      rules.escaped_slashes == PathRules::EscapedSlashes::keep) {
    return {};
  }
  // Most paths are in their normal form already.
  if (path.find_first_of("%\\") == std::string_view::npos && path.find("/.") == std::string_view::npos &&
      path.find("//") == std::string_view::npos) {
    return {};
  }
  WEFT_TRY(std::string out, undo_escapes(path, rules));
  if (rules.merge_slashes) merge_slashes(out);
  if (rules.dot_segments) {
    WEFT_TRY(out, remove_dot_segments(out));
    if (rules.merge_slashes) merge_slashes(out);
  }
  out.append(target, query_at);
  target = std::move(out);
  return {};
}

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    const int byte = escaped_byte(text, i);
    if (byte <= 0) {
      return fail(Error::Kind::invalid, concat("'", printable(text, 80), "' has a broken percent-escape"));
    }
    out.push_back(static_cast<char>(byte));
    i += 2;
  }
  return out;
}

std::string query_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (const int byte = escaped_byte(text, i); byte >= 0) {
      out.push_back(static_cast<char>(byte));
      i += 2;
    } else {
      out.push_back(text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (is_class(c, kUnreserved)) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kDigits[static_cast<uint8_t>(c) >> 4]);
      out.push_back(kDigits[static_cast<uint8_t>(c) & 15]);
    }
  }
  return out;
}

bool QueryParameters::next() {
  while (!rest_.empty()) {
    const size_t end = std::min(rest_.find('&'), rest_.size());
    const std::string_view pair = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    if (pair.empty()) continue;
    const size_t equals = std::min(pair.find('='), pair.size());
    name_ = pair.substr(0, equals);
    value_ = equals == pair.size() ? std::string_view() : pair.substr(equals + 1);
    return true;
  }
  return false;
}

std::optional<std::string_view> query_parameter(std::string_view query, std::string_view name) {
  QueryParameters parameters(query);
  while (parameters.next()) {
    if (parameters.name() == name) return parameters.value();
  }
  return std::nullopt;
}

Result<HostPort> parse_authority(std::string_view authority) {
  const auto refuse = [&](std::string_view why) {
    return fail({.kind = Error::Kind::invalid,
                 .side = Error::Side::client,
                 .text = concat("the authority '", printable(authority, 80), "' ", why)});
  };
  // 255 is the longest DNS name; a port adds six.
  if (authority.empty() || authority.size() > 261) return refuse("is empty or above 261 bytes");
  HostPort result;
  std::string_view port;
  bool has_port = false;
  if (authority.front() == '[') {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos) return refuse("has no closing bracket");
    const std::string_view literal = authority.substr(1, close - 1);
    const auto address = IpAddress::parse(literal);
    if (!address || literal.find(':') == std::string_view::npos) return refuse("holds no IPv6 address");
    result.host = to_lower(literal);
    const std::string_view rest = authority.substr(close + 1);
    if (!rest.empty()) {
      if (rest.front() != ':') return refuse("has bytes after the closing bracket");
      port = rest.substr(1);
      has_port = true;
    }
  } else {
    const size_t colon = std::min(authority.find(':'), authority.size());
    const std::string_view host = authority.substr(0, colon);
    if (host.empty()) return refuse("has an empty host");
    if (!all_of_class(host, kAuthority) || host.find_first_of("[]") != std::string_view::npos) {
      return refuse("holds a byte that no host has");
    }
    result.host = to_lower(host);
    if (colon < authority.size()) {
      port = authority.substr(colon + 1);
      has_port = true;
    }
  }
  if (has_port && !port.empty()) {  // "host:" is legal (RFC 3986 section 3.2.3)
    const auto number = port.size() <= 5 ? parse_unsigned(port) : std::nullopt;
    if (!number || *number > 65535) return refuse("has a port that is not 0 to 65535");
    result.port = static_cast<uint16_t>(*number);
  }
  return result;
}

std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) {
    const size_t close = authority.find(']');
    return close == std::string_view::npos ? authority : authority.substr(0, close + 1);
  }
  return authority.substr(0, authority.find(':'));
}

bool is_valid_authority(std::string_view authority) { return parse_authority(authority).has_value(); }

}  // namespace weft::http
