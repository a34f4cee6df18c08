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

bool follow_configuration(Connection& connection, const Config& config) {
  const auto it = config.listeners.find(connection.listener->model->name);
  // A listener that is gone drains its connections; what is on them is served as it was.
  if (it == config.listeners.end() || it->second == connection.listener) return true;
  const model::FilterChain* chosen = match_filter_chain(*it->second->model, connection.traits);
  const CompiledChain* chain = chosen ? it->second->find(chosen) : nullptr;
  if (chain == nullptr || chain->http() == nullptr || chosen->tls.has_value() != connection.tls) return false;
  // What TLS asked for when the connection was made may be less than it asks for now.
  if (chosen->tls && chosen->tls->require_client_certificate && !connection.peer.present) return false;
  if (!chain->connection_authorizer->authorize_connection(connection.facts())) return false;
  connection.listener = it->second;
  connection.chain = chain;
  connection.http_counts = &connection.worker.http_counts(chain->http()->stat_prefix);
  return true;
}

}  // namespace weft::proxy
