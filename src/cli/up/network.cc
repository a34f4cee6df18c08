#include "cli/up/network.h"

#include <algorithm>
#include <filesystem>

#include "base/log.h"
#include "base/strings.h"
#include "cli/files.h"
#include "cli/up/plan.h"
#include "io/child_process.h"
#include "io/netns.h"

namespace weft::cli {
namespace {

// Several `ip` commands in one process.
Result<void> ip_batch(const std::string& lines, int name_space = -1) {
  WEFT_CHECK_OK(
      io::run_checked({.arguments = {"ip", "-batch", "-"}, .input = lines, .network_namespace = name_space}));
  return {};
}

Result<void> nft(const std::string& script, int name_space = -1) {
  auto done =
      io::run_checked({.arguments = {"nft", "-f", "-"}, .input = script, .network_namespace = name_space});
  if (!done) return fail(std::move(done).error().within("nftables refused the rules"));
  return {};
}

std::string hex8(uint64_t hash) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (int i = 0; i < 8; ++i, hash >>= 4) out += kDigits[hash & 15];
  return out;
}

}  // namespace

std::string namespace_prefix(const std::string& mesh) { return concat("weft-", mesh, "-"); }

Result<void> check_tools() {
  for (const auto& [tool, package] : {std::pair{"ip", "iproute2"}, std::pair{"nft", "nftables"}}) {
    auto ran = io::run_command({.arguments = {tool, "-V"}});
    if (!ran && ran.error().kind == Error::Kind::not_found) {
      return fail(Error::Kind::not_found,
                  concat("'", tool, "' is not installed; install the package ", package));
    }
    if (!ran) return std::unexpected(ran.error());
  }
  return {};
}

Result<std::unique_ptr<Network>> Network::make(const std::string& mesh, const std::string& pins,
                                               bool rootless) {
  std::unique_ptr<Network> network(new Network(namespace_prefix(mesh), pins));
  WEFT_CHECK_OK(make_directories(pins));
  WEFT_CHECK_OK(network->make_hub(rootless));
  return network;
}

Result<void> Network::make_hub(bool rootless) {
  hub_path_ = concat(pins_, "/", prefix_, "hub");
  if (rootless) {
    // The user namespace came with a network of its own: that is the hub.
    WEFT_TRY(hub_, io::open_namespace("/proc/self/ns/net"));
  } else {
    WEFT_TRY(hub_, io::new_network_namespace());
  }
  WEFT_CHECK_OK(io::pin_namespace(hub_, hub_path_));
  if (!rootless) WEFT_CHECK_OK(io::enter_namespace(hub_));
  WEFT_CHECK_OK(ip_batch(concat("link set lo up\naddr add ", kHubAddress, "/32 dev lo\naddr add ",
                                kDnsAddress, "/32 dev lo\n")));
  // Files of /proc/sys are written in place: they cannot be renamed over.
  WEFT_CHECK_OK(nft("table inet weft_services {}\n"));
  WEFT_CHECK_OK(io::run_checked({.arguments = {"sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"}}));
  return {};
}

Network::~Network() {
  if (auto gone = io::unpin_namespace(hub_path_); !gone) log_warning("up", gone.error().text);
}

Result<PodLink> Network::add_pod(const std::string& namespace_name, const std::string& pod,
                                 const IpAddress& address) {
  PodLink link;
  link.address = address;
  link.path = concat(pins_, "/", prefix_, namespace_name, "-", pod);
  link.interface = concat("wf", hex8(stable_hash(concat(prefix_, namespace_name, "/", pod))));
  WEFT_TRY(link.name_space, io::new_network_namespace());
  WEFT_CHECK_OK(io::pin_namespace(link.name_space, link.path));
  const std::string ip = address.to_string();
  auto linked = ip_batch(concat("link add ", link.interface, " type veth peer name eth0 netns ", link.path,
                                "\nlink set ", link.interface, " up\nroute add ", ip, "/32 dev ",
                                link.interface, " src ", kHubAddress, "\n"));
  if (linked) {
    linked = ip_batch(concat("link set lo up\naddr add ", ip, "/32 dev eth0\nlink set eth0 up\nroute add ",
                             kHubAddress, " dev eth0 scope link src ", ip, "\nroute add default via ",
                             kHubAddress, " dev eth0 src ", ip, "\n"),
                      link.name_space.get());
  }
  if (linked) {
    // A gateway listens on 80 and 443 as the proxy's user.
    auto ran =
        io::run_checked({.arguments = {"sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start"},
                         .network_namespace = link.name_space.get()});
    if (!ran) linked = std::unexpected(ran.error());
  }
  if (!linked) {
    remove_pod(link);
    return std::unexpected(std::move(linked).error());
  }
  return link;
}

void Network::remove_pod(PodLink& link) {
  // The namespace may live on in a process that is about to end; its link need not.
  static_cast<void>(io::run_command({.arguments = {"ip", "link", "del", link.interface}}));
  static_cast<void>(io::unpin_namespace(link.path));
  link.name_space.reset();
}

Result<void> Network::set_rules(const PodLink& link, const std::string& script) {
  if (script.empty()) return {};
  return nft(script, link.name_space.get());
}

Result<void> Network::set_hub_rules(const std::string& script) { return nft(script); }

std::vector<std::string> leftover_namespaces(const std::string& mesh, const std::string& pins) {
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(pins, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(namespace_prefix(mesh))) out.push_back(entry.path().string());
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace weft::cli
