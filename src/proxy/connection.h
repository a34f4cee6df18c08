// Connection: what is known of a client's connection once its filter chain is chosen. It outlives
// every request on it and is handed to them as ConnectionInfo::context.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proxy/config/compiled.h"
#include "proxy/filter_chain_match.h"
#include "proxy/transport.h"
#include "proxy/worker.h"
#include "telemetry/record.h"

namespace weft::proxy {

struct Connection {
  Connection(Worker& its_worker, std::shared_ptr<const CompiledListener> its_listener)
      : worker(its_worker), listener(std::move(its_listener)), drain(worker.drain(listener->model->name)) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Worker& worker;
  std::shared_ptr<const CompiledListener> listener;
  std::shared_ptr<net::Drain> drain;  // of the listener as it was when the connection came
  const CompiledChain* chain = nullptr;
  const HttpCounts* http_counts = nullptr;  // of its connection manager; null: the chain is TCP's
  size_t requests = 0;                      // under way
  uint64_t id = 0;
  ConnectionTraits traits;  // original destination, source, SNI
  bool redirected = false;  // traits.destination differs from where the bytes arrived
  bool tls = false;
  bool mesh_peer = false;  // mTLS with a weft-proxy: its notes about requests are believed
  std::string alpn, tls_version, cipher;
  PeerIdentity peer;
  telemetry::PeerNames peer_names;                           // views of `peer`
  std::shared_ptr<const model::WorkloadInfo> peer_workload;  // from the last request's note
  std::string peer_note;                                     // that note
  // Destination reporter's series, by what decides them; few a connection.
  struct MetricsKey {
    const model::Cluster* cluster;
    const model::WorkloadInfo* peer;
    std::shared_ptr<telemetry::PeerMetrics> metrics;
  };
  std::vector<MetricsKey> metrics;

  // Where it was going before it was redirected here; nullopt: it was not, so there is nowhere to pass it on
  // to but ourselves.
  std::optional<SocketAddress> original_destination() const {
    return redirected ? std::optional(traits.destination) : std::nullopt;
  }
  model::Direction direction() const { return listener->model->direction; }
  bool mutual_tls() const { return tls && peer.present; }
  policy::ConnectionFacts facts() const;
};

// A long connection follows the configuration: where its listener was replaced, its filter chain is chosen
// again, so that a policy holds for the next request on it, not only for the next connection. False: no chain
// of today serves such a connection (a plain-text one under STRICT mTLS), or its network policy refuses it;
// the connection keeps its old chain for the sake of its records, and must not be served.
bool follow_configuration(Connection& connection, const Config& config);

}  // namespace weft::proxy
