// A pod's agent for a data plane that is not ours: gets the workload's certificate from weftd and hands it to
// Envoy by SDS over a Unix socket, as Istio's agent does. (weft-proxy asks weftd itself.)
//
//   SdsAgent agent(loop, id, token, "/run/weft/default/root-cert.pem");
//   WEFT_CHECK_OK(agent.listen("/run/weft/default/pods/default_web/sds.sock"));
//
// Secret "default" is key and chain, "ROOTCA" the mesh's roots. Renewed after half of a certificate's life;
// while weftd is away the certificate there is serves on.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "identity/spiffe_id.h"
#include "io/epoll_loop.h"
#include "io/task_group.h"
#include "net/grpc_stream.h"

namespace weft::cli {

class SdsAgent {
 public:
  SdsAgent(io::EpollLoop& loop, identity::SpiffeId id, std::string token, std::string root_file);

  Result<void> listen(const std::string& path);

 private:
  struct Material {
    std::string chain;
    std::string key;
    std::string roots;
  };
  struct Subscriber;

  io::Task<void> keep_fresh();
  io::Task<Result<void>> request();
  void read_roots();
  io::Task<void> accept_loop();
  io::Task<void> serve_connection(std::unique_ptr<io::Stream> stream);
  io::Task<void> serve(net::GrpcServerStream& stream);
  io::Task<void> flush(Subscriber& subscriber);
  void poke_all();

  io::EpollLoop& loop_;
  identity::SpiffeId id_;
  std::string token_;
  std::string root_file_;
  net::GrpcChannel ca_;
  net::GrpcServer grpc_;
  Material material_;
  WallTime renew_at_{};
  uint64_t version_ = 0;
  std::set<Subscriber*> subscribers_;
  std::unique_ptr<io::Acceptor> acceptor_;
  io::TaskGroup tasks_;
};

}  // namespace weft::cli
