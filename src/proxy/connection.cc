#include "proxy/connection.h"

namespace weft::proxy {

policy::ConnectionFacts Connection::facts() const {
  policy::ConnectionFacts facts;
  facts.source_ip = traits.source.ip;
  facts.direct_remote_ip = traits.source.ip;
  facts.destination_ip = traits.destination.ip;
  facts.destination_port = traits.destination.port;
  facts.server_name = traits.server_name;
  if (mutual_tls()) {
    facts.peer_uris = peer.uris;
    facts.peer_dns_names = peer.dns_names;
    facts.peer_subject = peer.subject;
  }
  return facts;
}

}  // namespace weft::proxy
