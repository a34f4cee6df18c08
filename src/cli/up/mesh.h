// A mesh on this machine: `weft up` after its words are understood.
//
//   auto mesh = Mesh::make(*loop, options);
//   WEFT_CHECK_OK(mesh->start());
//   loop->run();                            // until a signal
//   mesh is destroyed: nothing of it is left
//
// One loop. Whatever changes (a container's end, a probe, what a file says) arms `publish_`, which once a
// tick tells the rest: weftd (workloads.json), DNS, the hub's rules, status.json; and takes the next steps
// of every roll-out. Reading files and writing the hub's rules take long where there is much of them: they
// are done on a thread, so that DNS and the gateways' ports are served meanwhile.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cli/mesh_state.h"
#include "cli/up/dns_server.h"
#include "cli/up/forwarder.h"
#include "cli/up/object_source.h"
#include "cli/up/pod.h"
#include "cli/up/surroundings.h"
#include "io/file_watch.h"
#include "io/host_ports.h"
#include "io/signals.h"

namespace weft::cli {

struct UpOptions {
  std::vector<std::string> directories;
  std::string mesh = "default";
  std::optional<int> http_port;  // of the host, for the ingress gateway; absent: 8080, or any that is free
  std::optional<int> https_port;
  bool gateways = true;
  bool rootless = false;
  std::string data_plane = "weft";                 // or "envoy"
  std::vector<std::string> control_plane_options;  // handed through to weftd
};

class Mesh {
 public:
  static Result<std::unique_ptr<Mesh>> make(io::EpollLoop& loop, UpOptions options);
  ~Mesh();

  // Reads the objects, makes the network, starts everything. Pods come up while the loop runs.
  Result<void> start();

 private:
  Mesh(io::EpollLoop& loop, UpOptions options);

  // ---- start
  Result<void> take_state_directory();
  Result<void> start_control_plane();
  Result<std::string> find_program(const std::string& name) const;
  Result<std::string> find_envoy() const;

  // ---- what users want
  struct View {
    std::shared_ptr<const Plan> plan;
    translate::AddressMap addresses;
    std::vector<std::string> news;
    bool in_doubt = false;  // something was not believed yet, and the rest is empty: look again
  };
  // Reads what changed. Uses objects_ and files alone: it may run on a thread. With `believe` nothing is in
  // doubt.
  Result<View> look(const translate::AddressMap& known, bool believe);
  Result<void> write_builtin_gateways();
  void take(View view);
  Result<void> open_host_ports();
  Result<void> open_host_port(uint16_t port);

  // ---- while it runs
  io::Task<void> follow_files(io::FileWatch& watch);
  io::Task<void> follow_changes();
  io::Task<void> write_rules();
  io::Task<void> follow_signals();
  io::Task<void> shut_down();
  void publish();
  void roll_out();
  void tell_control_plane(const std::vector<wire::RunningPod>& pods);
  void tell_network(const std::vector<wire::RunningPod>& pods);
  void tell_status();
  void tell_gateways();
  void announce();
  std::string token_of(const std::string& namespace_name, const std::string& account);
  IpAddress next_address();

  io::EpollLoop& loop_;
  UpOptions options_;
  MeshState state_;
  Programs programs_;
  std::unique_ptr<io::Signals> signals_;
  std::unique_ptr<ObjectSource> objects_;  // of the thread that looks, while one does
  std::shared_ptr<const Plan> plan_;
  translate::AddressMap addresses_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<DnsServer> dns_;
  std::optional<io::HostPorts> host_ports_;
  std::unique_ptr<Forwarder> forwarder_;
  std::map<std::string, std::string> gateways_;  // "ingress:80" to "127.0.0.1:8080"
  std::unique_ptr<Surroundings> surroundings_;
  std::unique_ptr<RunningContainer> control_plane_;
  std::map<std::string, std::unique_ptr<RunningPod>> pods_;  // by "namespace/name"
  std::vector<wire::LocalToken> tokens_;
  std::vector<std::unique_ptr<io::FileWatch>> watches_;
  uint32_t next_address_ = kPodNetwork + 2;
  std::string builtin_text_;
  std::set<uint16_t> closed_ports_;  // of the host, that could not be opened
  std::string told_workloads_;
  std::string wanted_rules_;
  std::string told_rules_;
  TimePoint began_{};
  bool owns_state_ = false;
  bool shutting_down_ = false;
  bool announced_ = false;
  io::Event changed_;        // a file did, or somebody asks to look
  io::Event rules_changed_;  // wanted_rules_ did
  io::Deferred publish_;
  io::TaskGroup tasks_;
};

}  // namespace weft::cli
