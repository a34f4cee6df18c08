// The TLS ends of connections: how one becomes ready for bytes, and who is at the other end.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "io/stream.h"
#include "io/task.h"
#include "proxy/config/compiled.h"

namespace weft::proxy {

// What a verified certificate said of the peer, kept for the life of a connection.
struct PeerIdentity {
  std::vector<std::string> uris;
  std::vector<std::string> dns_names;
  std::string subject, issuer, serial, fingerprint;
  bool present = false;  // the peer showed a certificate and it verified

  // The first SPIFFE id, or empty.
  std::string_view principal() const;
};

struct Secured {
  std::unique_ptr<io::Stream> stream;
  std::string alpn;
  std::string tls_version, cipher;
  PeerIdentity peer;
};

// A context for one server, outside any cluster: the control plane. not_found: a secret has not come.
Result<std::shared_ptr<const tls::ClientContext>> make_client_context(const model::UpstreamTls& tls,
                                                                      std::vector<std::string> alpn,
                                                                      const Secrets& secrets);
Result<std::shared_ptr<const tls::ServerContext>> make_server_context(const model::DownstreamTls& tls,
                                                                      std::vector<std::string> alpn,
                                                                      const Secrets& secrets);
// What a peer must be called, from xDS string matchers. Regular expressions are refused.
Result<std::vector<tls::NameRule>> name_rules(const std::vector<model::StringMatch>& matchers);

io::Task<Result<Secured>> accept_tls(std::unique_ptr<io::Stream> stream,
                                     std::shared_ptr<const tls::ServerContext> context, TimePoint deadline);
io::Task<Result<Secured>> connect_tls(std::unique_ptr<io::Stream> stream,
                                      std::shared_ptr<const tls::ClientContext> context, TimePoint deadline);

}  // namespace weft::proxy
