// Proxy: the whole of weft-proxy but its process: workers, configuration, identity, admin pages.
//
// One loop is the main one: it talks to the control plane, compiles configuration, serves the admin
// pages. Each worker has a loop and, in the real program, a thread of its own. In tests all may be one loop.
//
//   auto proxy = Proxy::make(main_loop, worker_loops, bootstrap, options);
//   ... run the loops ...
//   proxy->drain();      // SIGTERM: GOAWAY, Connection: close, finish what is under way
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/loop.h"
#include "io/task_group.h"
#include "net/grpc_stream.h"
#include "net/http_server.h"
#include "proxy/config/ads_client.h"
#include "proxy/config/compiled.h"
#include "proxy/config/identity_client.h"
#include "proxy/listener.h"
#include "proxy/worker.h"
#include "wire/bootstrap.h"

namespace weft::proxy {

class Proxy {
 public:
  struct Options {
    std::string hostname;
    std::string bootstrap_file;  // for messages
    Duration drain_time = std::chrono::seconds(45);
    std::function<void()> quit;  // asked for by /quitquitquit
  };
  static Result<std::unique_ptr<Proxy>> make(io::Loop& main, std::vector<io::Loop*> workers,
                                             wire::Bootstrap bootstrap, Options options);
  ~Proxy();

  // Configuration and, where it needs them, certificates are there.
  bool ready() const;
  bool draining() const { return draining_; }
  // Stops taking connections after what is there has been told; main loop's thread.
  void drain();
  // Connections that are still open, of all workers.
  int64_t open_connections() const;
  // Resets what is left.
  void expire();

  // ---- for the admin pages
  struct ListenerState {
    std::shared_ptr<const CompiledListener> config;
    SocketAddress address;  // where it is really bound
    std::string error;      // why it is not
  };
  const std::map<std::string, ListenerState>& listeners() const { return listeners_; }
  const std::shared_ptr<const Config>& config() const { return compiler_->current(); }
  const AdsClient* ads() const { return ads_.get(); }
  const IdentityClient* identity() const { return identity_.get(); }
  const wire::Bootstrap& bootstrap() const { return bootstrap_; }
  const Self& self() const { return *self_; }
  telemetry::Registry& registry() { return registry_; }
  const std::vector<std::unique_ptr<Worker>>& workers() const { return workers_; }
  io::Loop& loop() { return main_; }
  const Options& options() const { return options_; }
  WallTime started() const { return started_; }
  WallTime config_updated() const { return config_updated_; }
  SocketAddress admin_address() const { return admin_address_; }
  LogFiles& logs() { return logs_; }
  void fail_health_check(bool failed) { health_failed_ = failed; }
  bool health_failed() const { return health_failed_; }

 private:
  Proxy(io::Loop& main, wire::Bootstrap bootstrap, Options options);
  Result<void> start(std::vector<io::Loop*> workers);
  Result<void> start_control_plane_clients();
  net::Pool::Connector control_plane_connector(const std::string& cluster);
  io::Task<Result<net::Pool::Connected>> connect_control_plane(std::shared_ptr<const model::Cluster> cluster);
  void add_credentials(http::Headers& metadata) const;
  void take_snapshot(std::shared_ptr<const model::Snapshot> snapshot);
  void compile();
  void place_listeners(const std::shared_ptr<const Config>& config);
  io::Task<void> bind_listener(std::string name, std::shared_ptr<const CompiledListener> compiled);

  io::Loop& main_;
  wire::Bootstrap bootstrap_;
  Options options_;
  WallTime started_{};
  WallTime config_updated_{};
  std::shared_ptr<const Self> self_;
  telemetry::Registry registry_;
  LogFiles logs_;
  std::unique_ptr<net::Resolver> resolver_;
  std::unique_ptr<ConfigCompiler> compiler_;
  std::shared_ptr<const model::Snapshot> snapshot_;
  std::shared_ptr<const WorkloadIdentity> workload_identity_;
  uint64_t secrets_generation_ = 1;
  std::unique_ptr<net::GrpcChannel> ads_channel_, ca_channel_;
  std::unique_ptr<AdsClient> ads_;
  std::unique_ptr<IdentityClient> identity_;
  std::unique_ptr<net::HttpServer> admin_;
  SocketAddress admin_address_;
  std::vector<std::unique_ptr<Worker>> workers_;
  // By worker, then by name. Each is touched in its worker's thread alone.
  std::vector<std::map<std::string, std::unique_ptr<Listener>>> bound_;
  std::map<std::string, ListenerState> listeners_;
  size_t binding_ = 0;  // listeners that are being bound
  bool draining_ = false;
  bool health_failed_ = false;
  io::Timer give_back_memory_;
  io::TaskGroup tasks_;
};

// Routes of the admin port (15000), in Envoy's shapes.
void add_admin_pages(net::HttpServer& server, Proxy& proxy);

}  // namespace weft::proxy
