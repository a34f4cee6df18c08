#include "http/sanitize.h"

#include <algorithm>
#include <string>

#include "base/strings.h"

namespace weft::http {
namespace {

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::any_of(names, [&](std::string_view n) { return equal_ignoring_case(n, name); });
}

// `first`, at most one byte, `second`.
bool is_pair(std::string_view name, std::string_view first, std::string_view second) {
  const size_t both = first.size() + second.size();
  if (name.size() != both && name.size() != both + 1) return false;
  return starts_with_ignoring_case(name, first) &&
         equal_ignoring_case(name.substr(name.size() - second.size()), second);
}

}  // namespace

bool is_hop_by_hop(std::string_view name) {
  switch (name.size()) {
    case 7:
      return equal_ignoring_case(name, "upgrade");
    case 10:
      return is_one_of(name, {"connection", "keep-alive"});
    case 14:
      return equal_ignoring_case(name, "http2-settings");
    case 16:
      return equal_ignoring_case(name, "proxy-connection");
    case 17:
      return equal_ignoring_case(name, "transfer-encoding");
    default:
      return false;
  }
}

bool is_forbidden_trailer(std::string_view name) {
  return is_hop_by_hop(name) ||
         is_one_of(name, {"content-length", "host", "te", "trailer", "expect", "authorization", "cookie",
                          "set-cookie", "content-encoding", "content-type", "content-range", "cache-control",
                          "max-forwards"});
}

bool is_framing_look_alike(std::string_view name) {
  if (name.size() < 13 || name.size() > 17) return false;
  return (is_pair(name, "transfer", "encoding") && !equal_ignoring_case(name, "transfer-encoding")) ||
         (is_pair(name, "content", "length") && !equal_ignoring_case(name, "content-length"));
}

Result<void> remove_nominated(Headers& headers, const std::vector<std::string_view>& nominated) {
  for (const std::string_view name : nominated) {
    if (is_one_of(name, {"host", "content-length", "content-type", "transfer-encoding", "authorization",
                         "proxy-authorization", "cookie", "set-cookie", "cache-control", "date", "expect",
                         "forwarded", "via", "trailer"}) ||
        starts_with_ignoring_case(name, "x-forwarded-") || starts_with_ignoring_case(name, "x-envoy-") ||
        starts_with_ignoring_case(name, ":")) {
      return fail(Error::Kind::protocol, concat("Connection names '", printable(name, 64),
                                                "', which is not the connection's to drop"));
    }
    if (!equal_ignoring_case(name, "te")) headers.remove(name);
  }
  return {};
}

void keep_te_trailers(Headers& headers) {
  const auto te = headers.joined("te");
  if (!te) return;
  bool trailers = false;
  for_each_element(*te, [&](std::string_view coding) {
    trailers |= equal_ignoring_case(trim(coding.substr(0, coding.find(';'))), "trailers");
  });
  if (trailers) {
    headers.set("te", "trailers");
  } else {
    headers.remove("te");
  }
}

void remove_hop_by_hop(Headers& headers) {
  std::vector<std::string> gone;
  if (const auto connection = headers.joined("connection")) {
    for_each_element(*connection, [&](std::string_view name) {
      if (!equal_ignoring_case(name, "te")) gone.emplace_back(name);
    });
  }
  for (const Headers::Field& field : headers) {
    if (is_hop_by_hop(field.name)) gone.emplace_back(field.name);
  }
  for (const std::string& name : gone) headers.remove(name);
  keep_te_trailers(headers);
}

}  // namespace weft::http
