// The proxy's end of ADS (xDS v3, delta or state of the world): what the control plane says, as snapshots.
//
// The rule that everything here serves: a response is accepted whole or refused whole with its reason
// (NACK), and what was accepted before stays in force. The control plane may be away for as long as it
// likes; the last snapshot serves.
//
//   stream lost ◀──────────────┐
//     │ back-off with jitter    │
//     ▼                         │
//   open stream ─▶ subscribe: clusters*, listeners*, then the names that those mention
//     ▲                         │        (endpoints, routes, secrets)
//     └───── response ──decode──┴─▶ ACK / NACK ─▶ warm ─▶ publish
//
// A cluster is warm when its endpoints have come, a listener when its routes have; until then the
// version before it serves, so that no request meets a half of a change.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/clock.h"
#include "io/loop.h"
#include "io/task.h"
#include "model/snapshot.h"
#include "net/grpc_stream.h"
#include "wire/discovery.h"

namespace weft::proxy {

class AdsClient {
 public:
  struct Options {
    wire::Node node;
    bool delta = true;
    http::Headers metadata;  // initial_metadata of the call
    // Secrets wanted besides those that listeners and clusters name: "ROOTCA" for the mesh's roots.
    std::set<std::string> secrets;
    bool listeners = true;
    bool clusters = true;
    // A cluster or listener that has waited for so long is published as it is (initial_fetch_timeout).
    Duration warming_timeout = std::chrono::seconds(15);
  };
  using Publish = std::function<void(std::shared_ptr<const model::Snapshot>)>;
  // Fetched before every connection: a bearer token may have been renewed. Adds to the call's metadata.
  using Credentials = std::function<void(http::Headers&)>;

  // `fixed` holds the bootstrap's static resources; they are in every snapshot.
  AdsClient(io::Loop& loop, net::GrpcChannel& channel, Options options, model::Snapshot fixed,
            Credentials credentials, Publish publish);

  // Connects and follows the control plane until the task is destroyed.
  io::Task<void> run();

  // What /stats and /config_dump say of each type.
  struct TypeStatus {
    std::string version;  // of the last accepted response
    uint64_t accepted = 0;
    uint64_t rejected = 0;
    std::string last_error;  // of the last refused response
    WallTime last_update{};
  };
  const TypeStatus& status(wire::ResourceType type) const { return types_[index(type)].status; }
  bool connected() const { return connected_; }
  uint64_t connections() const { return connections_; }
  uint64_t connect_failures() const { return connect_failures_; }
  // True once a first snapshot was published with everything that was asked for.
  bool initialised() const { return initialised_; }

 private:
  struct Type {
    std::set<std::string> wanted;      // by name; unused for wildcard types
    std::set<std::string> subscribed;  // what the server was told on this stream
    bool subscribed_once = false;
    std::map<std::string, std::string> versions;  // accepted resources
    std::set<std::string> answered;  // wanted names the server spoke of on this stream, present or not
    TypeStatus status;
  };
  static constexpr size_t index(wire::ResourceType type) { return static_cast<size_t>(type); }
  static bool wildcard(wire::ResourceType type) {
    return type == wire::ResourceType::listener || type == wire::ResourceType::cluster;
  }
  bool follows(wire::ResourceType type) const;

  io::Task<Result<void>> follow(net::GrpcStream& stream);
  io::Task<Result<void>> send_subscriptions(net::GrpcStream& stream);
  io::Task<Result<void>> handle_delta(net::GrpcStream& stream, std::string message);
  io::Task<Result<void>> handle_sotw(net::GrpcStream& stream, std::string message);
  Result<void> apply(wire::ResourceType type, const std::vector<wire::Resource>& resources,
                     const std::vector<std::string>& removed, bool sotw);
  void want_names();
  void schedule_publish();
  void publish_now();
  bool warm(const model::Cluster& cluster) const;
  bool warm(const model::Listener& listener) const;

  io::Loop& loop_;
  net::GrpcChannel& channel_;
  Options options_;
  model::Snapshot fixed_;
  Credentials credentials_;
  Publish publish_;

  std::array<Type, 5> types_;
  model::Snapshot received_;  // everything accepted, warm or not
  std::shared_ptr<const model::Snapshot> published_;
  TimePoint warming_since_{};
  bool node_sent_ = false;
  bool connected_ = false;
  bool initialised_ = false;
  bool heard_listeners_ = false;
  bool heard_clusters_ = false;
  uint64_t publications_ = 0;
  uint64_t connections_ = 0;
  uint64_t connect_failures_ = 0;
  io::Deferred publish_work_;
  io::Timer warming_timer_;
};

}  // namespace weft::proxy
