// Answers the mesh's names over UDP and TCP.
//
//   DnsServer dns(loop);
//   WEFT_CHECK_OK(dns.listen(*SocketAddress::parse("10.96.0.10:53")));
//   dns.set_zone(std::make_shared<DnsZone>(DnsZone::make(plan, pods, addresses)));
#pragma once

#include <memory>

#include "cli/up/dns_zone.h"
#include "io/epoll_loop.h"
#include "io/task_group.h"
#include "io/udp.h"

namespace weft::cli {

class DnsServer {
 public:
  explicit DnsServer(io::EpollLoop& loop) : loop_(loop), tasks_(loop) {}

  // In the namespace this process is in now.
  Result<void> listen(const SocketAddress& address);
  void set_zone(std::shared_ptr<const DnsZone> zone) { zone_ = std::move(zone); }

 private:
  io::Task<void> serve_udp();
  io::Task<void> serve_tcp();
  io::Task<void> serve_connection(std::unique_ptr<io::Stream> stream);
  std::string answer(std::string_view bytes, bool over_udp) const;

  io::EpollLoop& loop_;
  std::shared_ptr<const DnsZone> zone_;
  std::unique_ptr<io::UdpSocket> udp_;
  std::unique_ptr<io::Acceptor> tcp_;
  io::TaskGroup tasks_;
};

}  // namespace weft::cli
