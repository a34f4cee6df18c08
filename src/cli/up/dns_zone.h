// The names of a mesh and what they mean: Kubernetes' DNS schema, and the hosts of ServiceEntries.
//
//   DnsZone zone = DnsZone::make(plan, pods, addresses);
//   DnsReply reply = zone.answer("reviews.default.svc.cluster.local", DnsType::a);
//
// Nothing else has a name here: there is no way out of a mesh on one machine, so the rest does not exist.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/up/dns_message.h"
#include "cli/up/plan.h"
#include "translate/world.h"

namespace weft::cli {

class DnsZone {
 public:
  static DnsZone make(const Plan& plan, const std::vector<wire::RunningPod>& pods,
                      const translate::AddressMap& addresses);
  // A name of our own: the control plane's.
  void add(const std::string& name, const IpAddress& address) { addresses_[name].push_back(address); }

  // `name` in lower case, without the dot at the end.
  DnsReply answer(const std::string& name, uint16_t type) const;
  size_t size() const { return addresses_.size(); }

 private:
  struct Srv {
    std::string target;
    uint16_t port = 0;
  };
  void add_headless(const objects::Service& service, const std::string& host, const Plan& plan,
                    const std::vector<wire::RunningPod>& pods);

  std::map<std::string, std::vector<IpAddress>> addresses_;
  std::map<std::string, std::string> aliases_;
  std::map<std::string, std::vector<Srv>> services_;
  std::map<std::string, std::vector<IpAddress>>
      wildcards_;                               // "*.example.com" without the star: ".example.com"
  std::map<std::string, std::string> reverse_;  // 7.0.244.10.in-addr.arpa
};

}  // namespace weft::cli
