// IdentityClient: gets the workload its certificate, and a new one long before the old one ends.
//
//   IdentityClient identity(loop, ca_channel, options, [&](auto fresh) { compile_again(fresh); });
//   tasks.spawn(identity.run());
//
// The private key is made here and never leaves the process. A certificate is renewed after half its life
// (give or take a tenth, so that a fleet does not ask at once); while the CA is away it is asked again with
// back-off, and the certificate there is serves until it ends. Roots come with each answer (the last element
// of cert_chain) and by ADS as "ROOTCA": set_roots().
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "identity/spiffe_id.h"
#include "io/loop.h"
#include "io/task.h"
#include "net/grpc_stream.h"
#include "proxy/config/secrets.h"

namespace weft::proxy {

class IdentityClient {
 public:
  struct Options {
    identity::SpiffeId id;
    Duration wanted_life = Duration::zero();  // zero: the CA's default
  };
  using Changed = std::function<void(std::shared_ptr<const WorkloadIdentity>)>;
  using Credentials = std::function<void(http::Headers&)>;

  IdentityClient(io::Loop& loop, net::GrpcChannel& ca, Options options, Credentials credentials,
                 Changed changed);

  // Until the task is destroyed.
  io::Task<void> run();
  // The mesh's roots by another way; they win over what came with the certificate.
  void set_roots(const std::string& pem);

  const std::shared_ptr<const WorkloadIdentity>& current() const { return current_; }
  uint64_t renewals() const { return renewals_; }
  uint64_t failures() const { return failures_; }
  const std::string& last_error() const { return last_error_; }

 private:
  io::Task<Result<WorkloadIdentity>> request();

  io::Loop& loop_;
  net::GrpcChannel& ca_;
  Options options_;
  Credentials credentials_;
  Changed changed_;
  std::shared_ptr<const WorkloadIdentity> current_;
  std::string pushed_roots_;
  uint64_t renewals_ = 0;
  uint64_t failures_ = 0;
  std::string last_error_;
};

}  // namespace weft::proxy
