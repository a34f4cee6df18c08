// The sockets of the control plane's gRPC services: plaintext (15010) and TLS (15012).
//
//   GrpcListener listener(loop, grpc);
//   auto plain = listener.listen_plaintext(*SocketAddress::parse("127.0.0.1:15010"));
//   auto secure = listener.listen_tls(*SocketAddress::parse("0.0.0.0:15012"));
//   listener.set_context(context);       // for connections from now on; before the first, TLS waits for it
//
// A plaintext listener believes its callers only where they can be no others than this machine's: on
// loopback and Unix sockets. TLS asks for a client certificate and takes connections without one; what
// those may do is for Callers to say.
#pragma once

#include <memory>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "control/deliver/authenticate.h"
#include "io/loop.h"
#include "io/task_group.h"
#include "net/grpc_stream.h"
#include "net/server_connection.h"
#include "tls/context.h"

namespace weft::control {

class GrpcListener {
 public:
  GrpcListener(io::Loop& loop, const net::GrpcServer& grpc);

  // The address it got: port 0 takes a free one.
  Result<SocketAddress> listen_plaintext(const SocketAddress& address);
  Result<SocketAddress> listen_tls(const SocketAddress& address);
  void set_context(std::shared_ptr<const tls::ServerContext> context) { context_ = std::move(context); }

  net::Drain& drain() { return drain_; }
  // No new connections.
  void stop_accepting();

  Duration handshake_timeout = std::chrono::seconds(10);

 private:
  io::Task<void> accept_loop(io::Acceptor& acceptor, bool secure, bool believe);
  io::Task<void> serve(std::unique_ptr<io::Stream> stream, bool secure, bool believe);
  Result<SocketAddress> listen(const SocketAddress& address, bool secure);

  io::Loop& loop_;
  const net::GrpcServer& grpc_;
  net::Drain drain_;
  std::shared_ptr<const tls::ServerContext> context_;
  std::vector<std::unique_ptr<io::Acceptor>> acceptors_;
  io::TaskGroup accepting_;
  io::TaskGroup tasks_;
};

}  // namespace weft::control
