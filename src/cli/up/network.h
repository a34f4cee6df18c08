// The mesh's network: a hub with a link to every pod and no way out.
//
//   WEFT_TRY(auto network, Network::make("default", {...}));     // this process now lives in the hub
//   WEFT_TRY(PodLink link, network->add_pod("default", "reviews-v1-0", address));
//   WEFT_CHECK_OK(network->set_rules(link, redirection_rules(...)));
//
//        pod 10.244.0.2/32          hub 10.244.0.1, 10.96.0.10          pod 10.244.0.3/32
//        eth0 ───────────────────── wf3f2a1b9c   wf91d04e77 ─────────────────── eth0
//
// The hub is a namespace of its own, so the host's interfaces, routes and rules stay as they are. Pods are
// routed, not bridged: what they send one another passes the hub's rules, which is what lets virtual
// addresses (service_rules.h) live in one place.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "io/file_descriptor.h"

namespace weft::cli {

inline constexpr uint32_t kPodNetwork = 0x0af40000;  // 10.244.0.0/16
inline constexpr std::string_view kHubAddress = "10.244.0.1";
inline constexpr std::string_view kDnsAddress = "10.96.0.10";

struct PodLink {
  io::FileDescriptor name_space;
  std::string path;       // of the namespace, for `ip netns` and `weft exec`
  std::string interface;  // the hub's end
  IpAddress address;
};

class Network {
 public:
  // `pins` is where namespaces get names: /run/netns as root.
  static Result<std::unique_ptr<Network>> make(const std::string& mesh, const std::string& pins,
                                               bool rootless);
  ~Network();

  Result<PodLink> add_pod(const std::string& namespace_name, const std::string& pod,
                          const IpAddress& address);
  void remove_pod(PodLink& link);
  // nft scripts.
  Result<void> set_rules(const PodLink& link, const std::string& script);
  Result<void> set_hub_rules(const std::string& script);
  const std::string& hub_path() const { return hub_path_; }

 private:
  Network(std::string prefix, std::string pins) : prefix_(std::move(prefix)), pins_(std::move(pins)) {}
  Result<void> make_hub(bool rootless);

  std::string prefix_;  // "weft-default-"
  std::string pins_;
  std::string hub_path_;
  io::FileDescriptor hub_;
};

// Everything of that mesh that a crash may have left: names of namespaces below `pins`.
std::vector<std::string> leftover_namespaces(const std::string& mesh, const std::string& pins);
std::string namespace_prefix(const std::string& mesh);

// Fails, saying what to install, where `ip` or `nft` is missing or the kernel refuses.
Result<void> check_tools();

}  // namespace weft::cli
