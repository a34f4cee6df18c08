// What one weft-proxy tells the next about a request, in header fields that exist only between them.
//
// Between two weft-proxies that agreed on the ALPN name "weft-h2", requests travel over HTTP/2 whatever
// the client spoke. Three things would be lost on the way, so they are written down and taken off again:
//   weft-http   the client's HTTP version, and how its field names were written: "1.1;t" (Train-Case, as
//               most clients write), "1.1" (all lower-case), or "1.1;Foo,x-BAR" (names that are neither)
//   weft-peer   who sends: workload;namespace;canonical service;revision;app;version;cluster
// HPACK makes each a byte or two after the first request of a connection.
// From anybody but a mesh peer the fields are removed: a client cannot forge them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "http/message.h"
#include "model/cluster.h"

namespace weft::proxy {

inline constexpr std::string_view kMeshAlpn = "weft-h2";
inline constexpr std::string_view kHttpField = "weft-http";
inline constexpr std::string_view kPeerField = "weft-peer";

// "1.1;t" for a head as it came; empty for HTTP/2, which needs no note.
std::string describe_http(http::Version version, const http::Headers& headers);
// Gives the head the version and the names that the note describes. Ignores a note it cannot read.
void restore_http(std::string_view note, http::Version& version, http::Headers& headers);

std::string describe_peer(const model::WorkloadInfo& self);
// Null where the text is not such a description. At most 1 KiB is believed.
std::shared_ptr<const model::WorkloadInfo> parse_peer(std::string_view text);

}  // namespace weft::proxy
