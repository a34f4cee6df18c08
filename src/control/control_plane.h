// weftd, assembled: from files to proxies, in the order in which a change travels.
//
//   files ─▶ DirectorySource, RuntimeSource ─▶ Store, PodTable ─▶ Publisher ─▶ AdsServer ─▶ proxies
//                                          Authority ─▶ roots ──────┘             │ ACK, NACK
//                                              ▲── whom everybody trusts ─────────┘
//
//   auto weftd = ControlPlane::make(loop, options).value();
//   watch(directory, [&] { weftd->objects_changed(); });
//   watch(state directory, [&] { weftd->state_changed(); });
//   loop.run();
//
// Everything happens on the loop's thread. Who watches the files is outside, so that a test can be it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/address.h"
#include "control/admin/pages.h"
#include "control/authority/authority.h"
#include "control/deliver/ads_server.h"
#include "control/deliver/authenticate.h"
#include "control/deliver/grpc_listener.h"
#include "control/ingest/directory_source.h"
#include "control/ingest/store.h"
#include "control/ingest/workloads_file.h"
#include "control/publish/publisher.h"
#include "net/http_server.h"
#include "telemetry/metrics.h"

namespace weft::control {

struct ControlPlaneOptions {
  std::vector<std::string> config_directories;
  std::string overlay_directory;  // its objects stand in for those of config_directories; empty: none
  std::string state_directory;    // workloads.json, tokens.json, ca.json, root-cert.pem
  translate::MeshOptions mesh;
  Rotation::Options certificates;

  // Unset: not served.
  std::optional<SocketAddress> xds;     // plaintext
  std::optional<SocketAddress> secure;  // TLS
  std::optional<SocketAddress> admin;
  std::optional<SocketAddress> health;   // the admin pages once more, where Istio has /ready (8080)
  std::vector<std::string> extra_names;  // DNS names and addresses of the TLS listener's certificate
};

class ControlPlane {
 public:
  // Reads everything, makes the first version, then listens. Errors say what to do.
  static Result<std::unique_ptr<ControlPlane>> make(io::Loop& loop, ControlPlaneOptions options);
  ~ControlPlane();

  void objects_changed() { directory_.poke(); }
  void state_changed() { runtime_.poke(); }
  // Reads everything again, now.
  void reload();
  // Nothing new is accepted; streams end in order, and their connections when what is on them is done.
  void drain();
  // Resets what is left. Implies drain().
  void expire();
  size_t open_connections();

  // Where it listens; ports that were 0 are known.
  struct Addresses {
    std::optional<SocketAddress> xds, secure, admin, health;
  };
  const Addresses& addresses() const { return addresses_; }

  const Publisher& publisher() const { return publisher_; }
  const AdsServer& ads() const { return ads_; }
  Authority& authority() { return *authority_; }
  telemetry::Registry& registry() { return *registry_; }

 private:
  ControlPlane(io::Loop& loop, ControlPlaneOptions options, std::unique_ptr<telemetry::Registry> registry,
               telemetry::Shard& metrics, std::unique_ptr<Authority> authority);
  Result<void> start();
  void wire_up();
  Result<void> renew_own_certificate();
  void write_roots();
  bool everybody_trusts() const;
  io::Task<std::expected<std::string, http::GrpcStatus>> create_certificate(std::string request,
                                                                            net::ServerExchange& exchange);

  io::Loop& loop_;
  ControlPlaneOptions options_;
  std::unique_ptr<telemetry::Registry> registry_;
  Store store_;
  std::unique_ptr<Authority> authority_;
  DirectorySource directory_;
  RuntimeSource runtime_;
  Publisher publisher_;
  Callers callers_;
  AdsServer ads_;
  AdminPages pages_;
  io::Timer renew_;
  Addresses addresses_;
  net::GrpcServer grpc_;
  // Last: what they serve goes after them.
  GrpcListener listener_;
  net::HttpServer admin_;
};

}  // namespace weft::control
