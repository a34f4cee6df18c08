// Takes out of a message what belongs to one connection alone (RFC 9110 section 7.6.1), so that what is left
// may be forwarded over any version. The HTTP/1 parser does this to every head that it reads.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/headers.h"

namespace weft::http {

// Connection, Keep-Alive, Proxy-Connection, Transfer-Encoding, Upgrade, HTTP2-Settings. TE is not among them:
// keep_te_trailers() sees to it.
bool is_hop_by_hop(std::string_view name);

// Fields that say where a message ends or where it goes; in a trailer section they are ignored (RFC 9110
// section 6.5.1).
bool is_forbidden_trailer(std::string_view name);

// A name that another parser might take for Content-Length or Transfer-Encoding: content_length,
// transferencoding. Nobody sends these in earnest.
bool is_framing_look_alike(std::string_view name);

// Removes the fields that Connection named. Refuses the naming of fields that carry identity, framing or
// destination: no honest peer asks us to drop those, and taking them out would change what is authorised.
Result<void> remove_nominated(Headers& headers, const std::vector<std::string_view>& nominated);

// Removes every hop-by-hop field; leaves `te: trailers` if TE held trailers, otherwise no TE.
void remove_hop_by_hop(Headers& headers);
void keep_te_trailers(Headers& headers);

// Calls `use(token)` for each element of a comma-separated list, trimmed, without empty ones.
template <typename Use>
void for_each_element(std::string_view list, Use use) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    std::string_view element = list.substr(0, comma);
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    while (!element.empty() && (element.front() == ' ' || element.front() == '\t')) element.remove_prefix(1);
    while (!element.empty() && (element.back() == ' ' || element.back() == '\t')) element.remove_suffix(1);
    if (!element.empty()) use(element);
  }
}

}  // namespace weft::http
