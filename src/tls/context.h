// ServerContext and ClientContext: everything that one end brings to a handshake, immutable and shared by
// all workers. A change of certificate, trust or rules is a new context.
//
//   auto context = ServerContext::make({.identity = Identity{chain, key},
//                                       .trust = bundle,
//                                       .client_certificate = ClientCertificate::required,
//                                       .alpn = {"h2", "http/1.1"}});
//   auto stream = co_await TlsStream::accept(std::move(socket), *context, deadline);
//
// Resumption never outlives a context: a server's ticket keys and a client's saved sessions are its own.
// So what was refused under new trust cannot come back through an old ticket. Within one context a
// resumed peer is verified again, against the clock too.
#pragma once

#include <array>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "base/result.h"
#include "identity/certificate.h"
#include "identity/key.h"
#include "identity/trust_bundle.h"

struct ssl_ctx_st;
struct ssl_session_st;

namespace weft::tls {

enum class Version : uint8_t { tls1_2, tls1_3 };

// Who we say we are. The chain is leaf first, without the root.
struct Identity {
  std::vector<identity::Certificate> chain;
  identity::PrivateKey key;
};

// A name the peer's certificate must carry, among its URI and DNS names (Istio: subjectAltNames).
struct NameRule {
  enum class Match : uint8_t { exact, prefix, suffix };
  Match match = Match::exact;
  std::string text;
  bool matches(std::string_view name) const;
  bool operator==(const NameRule&) const = default;
};

enum class ClientCertificate : uint8_t {
  none,      // not asked for
  optional,  // verified if sent
  required,
};

struct Common {
  std::vector<std::string> alpn;  // by preference
  Version min_version = Version::tls1_2;
  Version max_version = Version::tls1_3;
  std::string ciphers;               // of TLS 1.2, in the library's notation; ours if empty
  std::vector<NameRule> peer_names;  // one must match; any verified peer if empty
  bool session_tickets = true;
  // X25519MLKEM768 before X25519: safe against a recorder with a future quantum computer, for more CPU and
  // bytes.
  bool prefer_post_quantum = false;
};

struct ServerSettings {
  Identity identity;
  std::optional<identity::TrustBundle> trust;  // of clients
  ClientCertificate client_certificate = ClientCertificate::none;
  Common common;
};

struct ClientSettings {
  // What the server must prove.
  enum class Verify : uint8_t {
    mesh,  // its chain leads to `trust`, and one of peer_names matches
    host,  // that, and its certificate is for `server_name` (or peer_names, where there are any)
    none,  // nothing: whoever answers is believed
  };
  std::optional<Identity> identity;
  std::optional<identity::TrustBundle> trust;
  Verify verify = Verify::mesh;
  std::string server_name;  // SNI, and what Verify::host asks for; not sent if empty or an IP
  Common common;
};

// Does a certificate's DNS name (perhaps *.example.org) cover this host? RFC 6125 6.4.3, whole labels only.
bool covers_host(std::string_view pattern, std::string_view host);

// Whom a context believes, apart from names. Chains that were verified are remembered while they are valid:
// a peer connects often, and its signatures need checking once.
class PeerTrust {
 public:
  // Without a bundle everybody is believed, and `verifies` is false. `purpose` is of the peer's certificate.
  PeerTrust(std::optional<identity::TrustBundle> bundle, identity::Purpose purpose);
  bool verifies() const { return bundle_.has_value(); }
  // The leaf of a chain in DER, leaf first.
  Result<identity::Certificate> verify(std::span<const Bytes> chain, WallTime now) const;

 private:
  struct Verified {
    identity::Certificate leaf;
    WallTime valid_until;
  };
  using ChainHash = std::array<uint8_t, 32>;
  struct HashOfHash {
    size_t operator()(const ChainHash& hash) const;
  };

  std::optional<identity::TrustBundle> bundle_;
  identity::Purpose purpose_;
  mutable std::mutex mutex_;
  mutable std::unordered_map<ChainHash, Verified, HashOfHash> verified_;
};

// What both kinds of context share. Not made by itself.
class Context {
 public:
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  // Another context with the same settings has another.
  const std::string& id() const { return id_; }
  ssl_ctx_st* get() const { return context_.get(); }

  // The peer's leaf, if its chain (DER, leaf first) leads to our trust now and its names are allowed.
  Result<identity::Certificate> verify_peer(std::span<const Bytes> chain, WallTime now) const;
  bool verifies() const { return trust_->verifies(); }

 protected:
  Context(std::shared_ptr<ssl_ctx_st> context, Common common, std::shared_ptr<const PeerTrust> trust);
  virtual ~Context();
  // The names' part of verify_peer.
  virtual Result<void> check_names(const identity::Certificate& leaf) const;

  std::shared_ptr<ssl_ctx_st> context_;
  Common common_;
  std::shared_ptr<const PeerTrust> trust_;
  std::string id_;
};

class ServerContext final : public Context {
 public:
  static Result<std::shared_ptr<const ServerContext>> make(ServerSettings settings);
  // By our preference, of what a client offers (wire form); empty if nothing matches.
  std::string_view choose_alpn(Bytes offered) const;
  const identity::Certificate& certificate() const { return certificate_; }

 private:
  ServerContext(std::shared_ptr<ssl_ctx_st> context, ServerSettings settings);
  identity::Certificate certificate_;
};

class ClientContext final : public Context {
 public:
  static Result<std::shared_ptr<const ClientContext>> make(ClientSettings settings);
  ~ClientContext() override;
  // The same but for the server it is meant for: shares what is big (the library's context) and the chains
  // that were verified, but no sessions. One per destination service.
  std::shared_ptr<const ClientContext> for_server(std::vector<NameRule> peer_names,
                                                  std::string server_name) const;
  std::shared_ptr<const ClientContext> for_server(std::vector<NameRule> peer_names, std::string server_name,
                                                  std::vector<std::string> alpn) const;

  const std::string& server_name() const { return server_name_; }
  const std::vector<std::string>& alpn() const { return common_.alpn; }

  // Sessions to resume with one peer. A session is taken once (RFC 8446 C.4); the newest first.
  void save_session(const SocketAddress& peer, ssl_session_st* session,
                    WallTime until) const;  // takes a reference
  std::shared_ptr<ssl_session_st> take_session(const SocketAddress& peer, WallTime now) const;

 private:
  ClientContext(std::shared_ptr<ssl_ctx_st> context, std::shared_ptr<const PeerTrust> trust,
                ClientSettings settings);
  Result<void> check_names(const identity::Certificate& leaf) const override;

  struct Saved {
    SocketAddress peer;
    std::shared_ptr<ssl_session_st> session;
    WallTime until;
  };
  ClientSettings::Verify verify_;
  std::string server_name_;
  mutable std::mutex sessions_mutex_;
  mutable std::list<Saved> sessions_;  // newest first
};

}  // namespace weft::tls
