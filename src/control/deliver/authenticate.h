// Who is at the other end of a connection, and whether what a proxy says of itself is borne out by it.
//
//   auto caller = callers.identify(exchange);                       // certificate, or bearer token
//   if (!caller) return unauthenticated(caller.error());
//   WEFT_CHECK_OK(check_claims(*caller, node, world));              // before anything is sent
//
// A proxy proves itself by a certificate of ours, or by the token `weft up` gave its service account
// (wire/runtime_state.h). Who proves nothing gets nothing, with one exception: on a plaintext listener that
// is bound to loopback or a Unix socket a proxy is believed, for debugging and for trying out other
// xDS clients; it gets no private keys and no certificates.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "control/deliver/proxy_node.h"
#include "identity/spiffe_id.h"
#include "net/exchange.h"
#include "translate/world.h"
#include "wire/runtime_state.h"

namespace weft::control {

// What a listener knows of a connection; net::ConnectionInfo::context points to one, or is null.
struct Transport {
  bool secure = false;                            // TLS
  bool believe = false;                           // plaintext, from this machine alone
  std::optional<identity::SpiffeId> certificate;  // verified against our roots
};

struct Caller {
  enum class Proof : uint8_t { none, token, certificate };
  Proof proof = Proof::none;
  // Absent where nothing was proved and the listener believes its callers.
  std::optional<identity::SpiffeId> id;
};
std::string_view to_string(Caller::Proof proof);

class Callers {
 public:
  explicit Callers(std::string trust_domain) : trust_domain_(std::move(trust_domain)) {}

  void set_tokens(std::vector<wire::LocalToken> tokens) { tokens_ = std::move(tokens); }
  // Error::Kind::denied with what is missing or wrong. A token that is wrong is never passed over.
  Result<Caller> identify(const http::Request& request, const net::ConnectionInfo& connection) const;

 private:
  std::string trust_domain_;
  std::vector<wire::LocalToken> tokens_;
};

// Error::Kind::denied: the node is of another namespace or service account than the caller, or says that it
// is a pod which runs under another one.
Result<void> check_claims(const Caller& caller, const ProxyNode& node, const translate::World* world);

}  // namespace weft::control
