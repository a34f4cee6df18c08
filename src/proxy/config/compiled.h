// Config: a snapshot made ready to serve from: routes indexed, policies compiled, TLS contexts built,
// log formats parsed. Immutable, shared by all workers; a request keeps the one it started with.
//
//   ConfigCompiler compiler(logs, ...);
//   std::shared_ptr<const Config> config = compiler.compile(snapshot, secrets);
//
// What did not change since the last compile is the same object again, so a change of one cluster
// costs one cluster, and a worker can tell by the pointer what it must rebuild.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "balance/outlier.h"
#include "io/loop.h"
#include "model/snapshot.h"
#include "net/pool.h"
#include "policy/authorize.h"
#include "policy/match_route.h"
#include "proxy/config/secrets.h"
#include "telemetry/access_log.h"
#include "telemetry/log_writer.h"
#include "tls/context.h"

namespace weft::proxy {

// One access log of a listener or connection manager.
struct CompiledLog {
  model::AccessLog model;
  telemetry::AccessLogFormat format;
  telemetry::LogWriter* writer = nullptr;  // outlives every Config
};

struct CompiledChain {
  const model::FilterChain* model = nullptr;
  // Null where the chain is plain text; also where its secret has not come (then `awaits_secret`).
  std::shared_ptr<const tls::ServerContext> tls;
  std::string awaits_secret;
  std::optional<policy::Authorizer> connection_authorizer;  // set in every chain that is served
  std::optional<policy::Authorizer> request_authorizer;
  std::shared_ptr<const policy::CompiledRoutes> inline_routes;
  std::vector<CompiledLog> logs;
  bool reports_metrics = false;

  const model::HttpManager* http() const {
    const auto* held = std::get_if<std::shared_ptr<const model::HttpManager>>(&model->terminal);
    return held != nullptr ? held->get() : nullptr;
  }
  const model::TcpProxy* tcp() const {
    const auto* held = std::get_if<std::shared_ptr<const model::TcpProxy>>(&model->terminal);
    return held != nullptr ? held->get() : nullptr;
  }
};

struct CompiledListener {
  std::shared_ptr<const model::Listener> model;
  std::vector<CompiledChain> chains;  // as in model
  std::optional<CompiledChain> default_chain;
  std::vector<CompiledLog> logs;  // of connections that meet no chain
  // Detection is only worth its wait where a chain asks for what it tells.
  bool needs_detection = false;

  const CompiledChain* find(const model::FilterChain* chain) const;
};

// How requests and connections of one kind reach an endpoint.
enum class Carriage : uint8_t {
  http1,  // HTTP/1.1 requests, upgrades
  http2,  // HTTP/2 requests
  mesh,   // HTTP between sidecars: HTTP/2 where both are weft-proxy
  tcp,
};

// The ways to one cluster over TLS: a context by carriage, made when the first connection wants it, from one
// base that all clusters of the same certificate and roots share.
class ClientTls {
 public:
  ClientTls(std::shared_ptr<const tls::ClientContext> base, std::vector<tls::NameRule> peer_names,
            std::string server_name, std::vector<std::string> alpn, bool mesh)
      : base_(std::move(base)),
        peer_names_(std::move(peer_names)),
        server_name_(std::move(server_name)),
        alpn_(std::move(alpn)),
        mesh_(mesh) {}
  // Any thread.
  std::shared_ptr<const tls::ClientContext> context(Carriage carriage) const;

 private:
  std::vector<std::string> alpn_of(Carriage carriage) const;
  std::shared_ptr<const tls::ClientContext> base_;
  std::vector<tls::NameRule> peer_names_;
  std::string server_name_;
  std::vector<std::string> alpn_;
  bool mesh_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const tls::ClientContext> made_[4];
};

struct CompiledCluster {
  std::shared_ptr<const model::Cluster> model;
  std::shared_ptr<const model::EndpointSet> endpoints;  // of EDS; null for other kinds
  // Null where the transport is plain, or its secret has not come (then `awaits_secret`).
  std::shared_ptr<const ClientTls> tls, mesh_tls;
  std::string awaits_secret;
  uint64_t trust_generation = 0;  // changes when the contexts do
  std::shared_ptr<net::Limits> limits;
  std::shared_ptr<balance::OutlierDetector> outlier;  // null: none
};

struct Config {
  std::shared_ptr<const model::Snapshot> snapshot;
  std::map<std::string, std::shared_ptr<const CompiledListener>, std::less<>> listeners;
  std::map<std::string, std::shared_ptr<const policy::CompiledRoutes>, std::less<>> routes;
  std::map<std::string, std::shared_ptr<const CompiledCluster>, std::less<>> clusters;
};

// The log files that configurations name, opened once each.
class LogFiles {
 public:
  // Null (and one warning in our own log) where the file cannot be opened.
  telemetry::LogWriter* open(const std::string& path);
  void reopen_all();
  uint64_t dropped() const;

 private:
  std::map<std::string, std::unique_ptr<telemetry::LogWriter>> writers_;
};

class ConfigCompiler {
 public:
  struct Problem {
    std::string resource;
    std::string text;
  };

  ConfigCompiler(LogFiles& logs, std::string hostname, uint64_t seed);

  // Cannot fail as a whole: a resource that does not compile (a log format, a template) keeps its last
  // compiled version, or is left out, and is named in problems().
  std::shared_ptr<const Config> compile(std::shared_ptr<const model::Snapshot> snapshot,
                                        const Secrets& secrets);
  // What the control plane should be told before it is accepted; empty: all of it compiles.
  const std::vector<Problem>& problems() const { return problems_; }
  const std::shared_ptr<const Config>& current() const { return current_; }
  // Told of ejections; any thread.
  void on_ejection(balance::OutlierDetector::Listener listener) { ejected_ = std::move(listener); }

 private:
  Result<std::shared_ptr<const CompiledListener>> compile_listener(
      std::shared_ptr<const model::Listener> listener, const Secrets& secrets);
  Result<std::vector<CompiledLog>> compile_logs(const std::vector<model::AccessLog>& logs);
  Result<CompiledChain> compile_chain(const model::FilterChain& chain, const Secrets& secrets);
  Result<std::shared_ptr<const CompiledCluster>> compile_cluster(
      std::shared_ptr<const model::Cluster> cluster, std::shared_ptr<const model::EndpointSet> endpoints,
      const Secrets& secrets, const CompiledCluster* before);
  // Null with `awaits` set: its secret has not come.
  Result<std::shared_ptr<const ClientTls>> client_tls(const model::UpstreamTls& tls,
                                                      const model::Cluster& cluster, bool mesh,
                                                      const Secrets& secrets, std::string& awaits);

  LogFiles& logs_;
  std::string hostname_;
  uint64_t seed_;
  uint64_t secrets_generation_ = 0;
  // Contexts of this generation of secrets, by what they were made from.
  std::map<std::string, std::shared_ptr<const tls::ClientContext>> client_bases_;
  std::shared_ptr<const Config> current_;
  std::vector<Problem> problems_;
  balance::OutlierDetector::Listener ejected_;
};

}  // namespace weft::proxy
