// Which filter chain of a listener serves a connection (config.listener.v3.FilterChainMatch).
//
// Criteria are tried in xDS's order: destination port, destination address, server name, transport
// protocol, application protocols, source address, source port. Each keeps the chains that match it
// most specifically; a chain that does not state a criterion matches it least. What is left after the
// last one serves the connection; where nothing is left, the default chain does, or nobody.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "model/listener.h"

namespace weft::proxy {

// What is known of a connection before its first filter.
struct ConnectionTraits {
  SocketAddress destination;  // the original one, before redirection
  SocketAddress source;
  bool tls = false;
  std::string server_name;                         // SNI, lower-case; empty if none
  std::vector<std::string> application_protocols;  // ALPN offered, or what detection saw: "http/1.1", "h2c"
};

// Null: no chain, close the connection.
const model::FilterChain* match_filter_chain(const model::Listener& listener, const ConnectionTraits& traits);

// What must be known of a connection's first bytes before its chain can be told, its addresses being known.
// Waiting for anything else would be in vain, and a server that speaks first would wait for it.
struct Inspection {
  bool tls = false;   // whether it is TLS, its server name and ALPN
  bool http = false;  // whether plain text is HTTP, and which
  bool any() const { return tls || http; }
};
Inspection needed_inspection(const model::Listener& listener, const ConnectionTraits& traits);

}  // namespace weft::proxy
