// Ports of the host that lead to a pod: how an ingress gateway is reached from outside its mesh.
//
//   Forwarder forwarder(loop);
//   forwarder.open("ingress:80", std::move(acceptor));              // of a port of the host: io/host_ports.h
//   forwarder.set_target("ingress:80", *SocketAddress::parse("10.244.0.3:80"));
#pragma once

#include <map>
#include <memory>
#include <string>

#include "io/epoll_loop.h"
#include "io/task_group.h"

namespace weft::cli {

class Forwarder {
 public:
  explicit Forwarder(io::EpollLoop& loop) : loop_(loop), tasks_(loop) {}

  void open(const std::string& name, std::unique_ptr<io::Acceptor> acceptor);
  // Where new connections go. No target: they are closed at once.
  void set_target(const std::string& name, std::optional<SocketAddress> target) {
    targets_[name] = std::move(target);
  }

 private:
  io::Task<void> accept_loop(std::string name, io::Acceptor& acceptor);
  io::Task<void> relay(std::unique_ptr<io::Stream> client, SocketAddress target);

  io::EpollLoop& loop_;
  std::map<std::string, std::optional<SocketAddress>> targets_;
  std::vector<std::unique_ptr<io::Acceptor>> acceptors_;
  io::TaskGroup tasks_;
};

}  // namespace weft::cli
