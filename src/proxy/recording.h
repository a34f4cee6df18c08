// Recording: the one place where a request, or a TCP connection, is written down.
//
// It is a guard: made first, destroyed last, on every way out, including a cancelled coroutine. Along
// the way the request's RequestRecord is filled in; the destructor writes metrics and access log from it.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "balance/balancer.h"
#include "net/exchange.h"
#include "net/server_connection.h"
#include "policy/authorize.h"
#include "policy/match_route.h"
#include "proxy/backend_cluster.h"
#include "proxy/connection.h"
#include "proxy/outcome.h"
#include "telemetry/record.h"

namespace weft::proxy {

class Recording {
 public:
  // `connection` and `client` outlive it.
  Recording(Connection& connection, net::ServerExchange& client);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  telemetry::RequestRecord record;

  void route(const policy::RouteDecision& decision);
  void cluster(std::string_view name, std::shared_ptr<BackendCluster> cluster);
  void host(std::shared_ptr<balance::Host> host) {
    host_ = std::move(host);
    record.upstream_hostname = host_->endpoint().hostname;
  }
  // The answer that went out was ours.
  void answered(Outcome outcome);
  // The backend's head; kept for formats that read response headers.
  void response(http::Response head);
  http::Response& response_head() { return response_; }
  // The backend's trailers; kept for formats that read them.
  void response_trailers(const http::Headers& trailers);
  void transport_failure(std::string text) {
    transport_failure_ = std::move(text);
    record.upstream_transport_failure = transport_failure_;
  }
  // The client left before its answer was whole, or broke the protocol: then the connection has answered it.
  void client_left(const net::ServerExchange& client);
  void grpc_status(std::optional<std::string_view> text);
  // Where the client's address is taken from X-Forwarded-For.
  void remote(const SocketAddress& address) { record.downstream_remote = address; }
  Duration since_start() const;

 private:
  void write_metrics();
  void write_logs();

  Connection& connection_;
  const HttpCounts& counts_;
  TimePoint start_;
  std::shared_ptr<const CompiledListener> listener_;  // keeps formats alive
  std::shared_ptr<BackendCluster> cluster_;
  std::shared_ptr<balance::Host> host_;
  std::string cluster_name_, route_name_, virtual_host_, route_origin_;
  Outcome outcome_;
  std::string transport_failure_, termination_;
  http::Response response_;
  http::Headers trailers_;
};

// A request that never became one, and a connection that broke the protocol with no request under way:
// metrics and access log, as Envoy has them. One a connection; `connection` outlives it.
class RefusalRecorder final : public net::ServerObserver {
 public:
  explicit RefusalRecorder(Connection& connection) : connection_(connection) {}
  void refused(const net::ConnectionInfo& info, const net::Refusal& refusal) override;
  void connection_failed(const net::ConnectionInfo& info, const Error& error) override;

 private:
  Connection& connection_;
};

// The series that a request or connection counts in.
std::shared_ptr<telemetry::PeerMetrics> peer_metrics(Connection& connection, BackendCluster* cluster,
                                                     balance::Host* host, std::string_view authority);
// What policies that are not enforced (dry run, AUDIT) say of a request or connection: counters and the debug
// log.
void note_findings(const Connection& connection, std::span<const policy::Finding> findings);
// Writes the line to each log of the chain that wants it; where the connection met none, to those of the
// listener.
void write_access_logs(Connection& connection, const telemetry::RequestRecord& record);

}  // namespace weft::proxy
