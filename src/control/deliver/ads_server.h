// The aggregated discovery service: every connected proxy, and what it is sent.
//
//   AdsServer ads(loop, publisher, callers, metrics...);
//   ads.add_to(grpc);
//   publisher.on_publish([&] { ads.push(); });
//
// One coroutine a stream reads requests, one writes responses; the protocol between them is AdsSession's.
// A stream begins with a request that names its node. Identity is settled before the first byte of
// configuration leaves, and again with each version: a stream whose claims no longer hold is ended.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "control/deliver/ads_session.h"
#include "control/deliver/authenticate.h"
#include "control/deliver/encoded_resources.h"
#include "control/deliver/proxy_node.h"
#include "control/publish/publisher.h"
#include "io/loop.h"
#include "io/task_group.h"
#include "net/grpc_stream.h"
#include "telemetry/metrics.h"

namespace weft::control {

// One stream of one proxy. Lives as long as the stream.
struct Connection {
  Connection(io::Loop& loop, uint64_t number, ProxyNode proxy, Caller who, AdsSession::Mode mode,
             EncodedResources& encoded)
      : number(number),
        node(std::move(proxy)),
        caller(std::move(who)),
        session(mode, encoded),
        changed(loop),
        finished(loop) {}

  uint64_t number;
  ProxyNode node;
  Caller caller;
  SocketAddress peer;
  WallTime connected_at{};
  AdsSession session;
  io::Event changed;           // the writer looks again
  uint64_t offered = 0;        // generation
  uint64_t accepted = 0;       // the newest generation that it accepted without refusing anything
  uint64_t noted_settled = 0;  // the generation whose convergence was counted
  std::shared_ptr<const model::Snapshot> snapshot;
  std::optional<http::GrpcStatus> ended;  // why, where it was us

  io::Event finished;  // the client has gone, or end() was called

  void end(http::GrpcStatus why) {
    ended = std::move(why);
    finished.notify();
  }
  // Once the message that is being written is out.
  void end_in_order(http::GrpcStatus why) {
    ended = std::move(why);
    changed.notify();
  }
  // The generation that this proxy has accepted whole; 0: none yet.
  uint64_t settled() const { return session.settled_generation(); }
};

class AdsServer {
 public:
  AdsServer(io::Loop& loop, Publisher& publisher, const Callers& callers, telemetry::Registry& registry,
            telemetry::Shard& metrics);
  ~AdsServer();

  void add_to(net::GrpcServer& grpc);
  // Offers the newest version to every proxy.
  void push();
  // Ends every stream, and those that still come: proxies keep what they have and call again.
  void drain();
  // Some proxy acknowledged something, came or went.
  void on_progress(std::move_only_function<void()> callback) { progress_ = std::move(callback); }

  const std::list<Connection*>& connections() const { return connections_; }
  // The newest stream of a proxy: "web-1.default", or a whole node id; null where it is not connected.
  const Connection* find(std::string_view proxy) const;

  // How long a client may take for its first request.
  Duration first_request_timeout = std::chrono::seconds(15);

 private:
  io::Task<void> serve(net::GrpcServerStream& stream, AdsSession::Mode mode);
  io::Task<void> follow(net::GrpcServerStream& stream, Connection& connection, std::string first);
  io::Task<void> read_requests(net::GrpcServerStream& stream, Connection& connection, std::string first);
  io::Task<void> write_responses(net::GrpcServerStream& stream, Connection& connection);
  io::Task<void> push_each();
  Result<void> take(Connection& connection, std::string_view message);
  void offer(Connection& connection);
  void note_progress(Connection& connection);
  translate::ProxyId proxy_id(const ProxyNode& node) const;

  io::Loop& loop_;
  Publisher& publisher_;
  const Callers& callers_;
  EncodedResources encoded_;
  std::list<Connection*> connections_;
  uint64_t numbers_ = 0;
  bool draining_ = false;
  std::move_only_function<void()> progress_;
  io::Event pushed_;

  telemetry::Shard& metrics_;
  telemetry::Family connected_;
  telemetry::Family pushes_;
  telemetry::Family push_bytes_;
  telemetry::Family rejects_;
  telemetry::Family refused_;
  telemetry::Histogram& convergence_;
  io::TaskGroup tasks_;
};

}  // namespace weft::control
