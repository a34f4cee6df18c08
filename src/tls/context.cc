#include "tls/context.h"

#include <openssl/pool.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/strings.h"
#include "identity/openssl.h"
#include "tls/callbacks.h"

namespace weft::tls {

namespace {

using identity::Certificate;
using identity::library_failed;
using identity::Owned;
using identity::TrustBundle;

// AES-128-GCM first: the fastest where the processor has AES, and as strong as anything here needs.
constexpr const char* kCiphers12 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kCiphers13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* kGroups = "X25519:X25519MLKEM768:P-256:P-384";
constexpr const char* kGroupsPostQuantum = "X25519MLKEM768:X25519:P-256:P-384";

// A ticket saves a handshake soon after the last one; longer only keeps keys alive.
constexpr uint32_t kTicketSeconds = 3600;
constexpr size_t kMostVerified = 1024;
constexpr size_t kMostSessions = 64;
constexpr size_t kMostSessionsPerPeer = 4;
// One read takes two full records and their headers, or many small ones.
constexpr size_t kReadAhead = 33 * 1024;

// Certificates that many connections carry are stored once. The library wants it to live for ever.
CRYPTO_BUFFER_POOL* certificate_pool() {
  static CRYPTO_BUFFER_POOL* const pool = CRYPTO_BUFFER_POOL_new();
  return pool;
}

uint16_t number(Version version) { return version == Version::tls1_2 ? TLS1_2_VERSION : TLS1_3_VERSION; }

Result<std::string> alpn_wire(const std::vector<std::string>& protocols) {
  std::string wire;
  for (const std::string& protocol : protocols) {
    if (protocol.empty() || protocol.size() > 255) {
      return fail(Error::Kind::invalid, "an ALPN protocol has 1 to 255 bytes");
    }
    wire.push_back(static_cast<char>(protocol.size()));
    wire += protocol;
  }
  return wire;
}

Result<void> use_identity(SSL_CTX* context, const Identity& identity) {
  if (identity.chain.empty()) return fail(Error::Kind::invalid, "a TLS identity needs a certificate");
  const Certificate& leaf = identity.chain[0];
  if (!leaf.belongs_to(identity.key)) {
    return fail(Error::Kind::invalid,
                concat("the private key does not belong to the certificate of ", leaf.describe()));
  }
  std::vector<Owned<CRYPTO_BUFFER, CRYPTO_BUFFER_free>> owned;
  std::vector<CRYPTO_BUFFER*> chain;
  for (const Certificate& certificate : identity.chain) {
    const std::string der = certificate.to_der();
    owned.emplace_back(
        CRYPTO_BUFFER_new(reinterpret_cast<const uint8_t*>(der.data()), der.size(), certificate_pool()));
    chain.push_back(owned.back().get());
  }
  if (SSL_CTX_set_chain_and_key(context, chain.data(), chain.size(), identity.key.get(), nullptr) != 1) {
    return library_failed(Error::Kind::invalid, concat("cannot use the certificate of ", leaf.describe()));
  }
  return {};
}

Result<std::shared_ptr<SSL_CTX>> new_context(const Common& common) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_with_buffers_method()), SSL_CTX_free);
  if (!context) return library_failed(Error::Kind::internal, "cannot make a TLS context");
  SSL_CTX* c = context.get();
  if (common.min_version > common.max_version) {
    return fail(Error::Kind::invalid, "the lowest TLS version is above the highest");
  }
  if (SSL_CTX_set_min_proto_version(c, number(common.min_version)) != 1 ||
      SSL_CTX_set_max_proto_version(c, number(common.max_version)) != 1 ||
      SSL_CTX_set_ciphersuites(c, kCiphers13) != 1 ||
      SSL_CTX_set1_groups_list(c, common.prefer_post_quantum ? kGroupsPostQuantum : kGroups) != 1) {
    return library_failed(Error::Kind::internal, "cannot make a TLS context");
  }
  if (SSL_CTX_set_strict_cipher_list(c, common.ciphers.empty() ? kCiphers12 : common.ciphers.c_str()) != 1) {
    return library_failed(Error::Kind::invalid, concat("the cipher list '", printable(common.ciphers, 200),
                                                       "' names a cipher that is unknown or too weak"));
  }
  SSL_CTX_set_options(c, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION);
  if (!common.session_tickets) SSL_CTX_set_options(c, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(c, common.session_tickets ? 1 : 0);
  SSL_CTX_set_session_psk_dhe_timeout(c, kTicketSeconds);
  SSL_CTX_set_timeout(c, kTicketSeconds);
  SSL_CTX_set0_buffer_pool(c, certificate_pool());
  SSL_CTX_set_read_ahead(c, 1);
  SSL_CTX_set_default_read_buffer_len(c, kReadAhead);
  SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_current_time_cb(c, current_time);
  return context;
}

std::string random_id() {
  std::array<uint8_t, 16> bytes{};
  RAND_bytes(bytes.data(), bytes.size());
  return to_lower(hex_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
}

std::string quoted_list(const std::vector<NameRule>& rules) {
  std::string out;
  for (const NameRule& rule : rules) {
    if (!out.empty()) out += ", ";
    if (rule.match == NameRule::Match::suffix) out += "*";
    out += rule.text;
    if (rule.match == NameRule::Match::prefix) out += "*";
  }
  return out;
}

std::string names_of(const Certificate& leaf) {
  std::vector<std::string> all = leaf.uri_names();
  all.insert(all.end(), leaf.dns_names().begin(), leaf.dns_names().end());
  all.insert(all.end(), leaf.ip_names().begin(), leaf.ip_names().end());
  if (all.empty()) return leaf.describe();
  if (all.size() > 4) all.resize(4);
  return join(all, ", ");
}

bool any_matches(const std::vector<NameRule>& rules, const Certificate& leaf) {
  for (const NameRule& rule : rules) {
    const auto matches = [&rule](const std::string& name) { return rule.matches(name); };
    if (std::any_of(leaf.uri_names().begin(), leaf.uri_names().end(), matches)) return true;
    if (std::any_of(leaf.dns_names().begin(), leaf.dns_names().end(), matches)) return true;
  }
  return false;
}

bool is_for_host(const Certificate& leaf, const std::string& host) {
  if (const auto ip = IpAddress::parse(host)) {
    return std::find(leaf.ip_names().begin(), leaf.ip_names().end(), ip->to_string()) !=
           leaf.ip_names().end();
  }
  return std::any_of(leaf.dns_names().begin(), leaf.dns_names().end(),
                     [&host](const std::string& name) { return covers_host(name, host); });
}

}  // namespace

bool NameRule::matches(std::string_view name) const {
  switch (match) {
    case Match::exact:
      return name == text;
    case Match::prefix:
      return name.starts_with(text);
    case Match::suffix:
      return name.ends_with(text);
  }
  return false;
}

bool covers_host(std::string_view pattern, std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  if (!pattern.starts_with("*.")) return equal_ignoring_case(pattern, host);
  const size_t dot = host.find('.');
  if (dot == 0 || dot == std::string_view::npos) return false;
  // "*.com" would cover what nobody owns; a wildcard stands for one label of at least three.
  if (pattern.find('.', 2) == std::string_view::npos) return false;
  return equal_ignoring_case(pattern.substr(1), host.substr(dot));
}

// ---- PeerTrust

size_t PeerTrust::HashOfHash::operator()(const ChainHash& hash) const {
  size_t out = 0;
  std::memcpy(&out, hash.data(), sizeof out);
  return out;
}

PeerTrust::PeerTrust(std::optional<TrustBundle> bundle, identity::Purpose purpose)
    : bundle_(std::move(bundle)), purpose_(purpose) {}

Result<Certificate> PeerTrust::verify(std::span<const Bytes> chain, WallTime now) const {
  if (chain.empty()) return fail(Error::Kind::denied, "the peer sent no certificate");
  ChainHash hash;
  SHA256_CTX sha;
  SHA256_Init(&sha);
  for (const Bytes certificate : chain) SHA256_Update(&sha, certificate.data(), certificate.size());
  SHA256_Final(hash.data(), &sha);
  {
    const std::lock_guard lock(mutex_);
    const auto found = verified_.find(hash);
    if (found != verified_.end()) {
      if (now < found->second.valid_until && now >= found->second.leaf.not_before())
        return found->second.leaf;
      verified_.erase(found);
    }
  }
  std::vector<Certificate> parsed;
  WallTime valid_until = WallTime::max();
  for (const Bytes der : chain) {
    auto certificate = Certificate::parse_der(der);
    if (!certificate)
      return fail(Error::Kind::denied, concat("the peer's certificate: ", certificate.error().text));
    valid_until = std::min(valid_until, certificate->not_after());
    parsed.push_back(std::move(*certificate));
  }
  if (bundle_) WEFT_CHECK_OK(bundle_->verify(parsed, now, purpose_));
  const std::lock_guard lock(mutex_);
  if (verified_.size() >= kMostVerified) verified_.clear();
  verified_.insert_or_assign(hash, Verified{parsed[0], valid_until});
  return parsed[0];
}

// ---- Context

Context::Context(std::shared_ptr<SSL_CTX> context, Common common, std::shared_ptr<const PeerTrust> trust)
    : context_(std::move(context)), common_(std::move(common)), trust_(std::move(trust)), id_(random_id()) {}

Context::~Context() = default;

Result<Certificate> Context::verify_peer(std::span<const Bytes> chain, WallTime now) const {
  WEFT_TRY(Certificate leaf, trust_->verify(chain, now));
  WEFT_CHECK_OK(check_names(leaf));
  return leaf;
}

Result<void> Context::check_names(const Certificate& leaf) const {
  if (common_.peer_names.empty() || any_matches(common_.peer_names, leaf)) return {};
  return fail(Error::Kind::denied,
              concat("peer is ", names_of(leaf), ", expected one of ", quoted_list(common_.peer_names)));
}

// ---- ServerContext

ServerContext::ServerContext(std::shared_ptr<SSL_CTX> context, ServerSettings settings)
    : Context(std::move(context), std::move(settings.common),
              std::make_shared<PeerTrust>(std::move(settings.trust), identity::Purpose::client)),
      certificate_(settings.identity.chain.at(0)) {}

Result<std::shared_ptr<const ServerContext>> ServerContext::make(ServerSettings settings) {
  const bool asks = settings.client_certificate != ClientCertificate::none;
  if (asks && !settings.trust) {
    return fail(Error::Kind::invalid, "client certificates cannot be verified without a trust bundle");
  }
  if (!settings.common.peer_names.empty() && settings.client_certificate != ClientCertificate::required) {
    return fail(Error::Kind::invalid,
                "client names can be demanded only where a client certificate is required");
  }
  WEFT_TRY(auto context, new_context(settings.common));
  WEFT_CHECK_OK(use_identity(context.get(), settings.identity));
  WEFT_CHECK_OK(alpn_wire(settings.common.alpn));
  int mode = SSL_VERIFY_NONE;
  if (asks) mode = SSL_VERIFY_PEER;
  if (settings.client_certificate == ClientCertificate::required) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  SSL_CTX_set_custom_verify(context.get(), mode, verify_certificate);
  if (!settings.common.alpn.empty()) SSL_CTX_set_alpn_select_cb(context.get(), select_alpn, nullptr);
  if (!asks) settings.trust.reset();
  std::shared_ptr<const ServerContext> made(new ServerContext(context, std::move(settings)));
  // A ticket is for the context that sealed it; the keys are its own already, this says it once more.
  SSL_CTX_set_session_id_context(context.get(), reinterpret_cast<const uint8_t*>(made->id().data()),
                                 std::min<size_t>(made->id().size(), SSL_MAX_SID_CTX_LENGTH));
  return made;
}

std::string_view ServerContext::choose_alpn(Bytes offered) const {
  for (const std::string& ours : common_.alpn) {
    std::string_view rest = as_text(offered);
    while (!rest.empty()) {
      const size_t size = static_cast<uint8_t>(rest[0]);
      if (size >= rest.size()) break;
      if (rest.substr(1, size) == ours) return ours;
      rest.remove_prefix(1 + size);
    }
  }
  return {};
}

// ---- ClientContext

ClientContext::ClientContext(std::shared_ptr<SSL_CTX> context, std::shared_ptr<const PeerTrust> trust,
                             ClientSettings settings)
    : Context(std::move(context), std::move(settings.common), std::move(trust)),
      verify_(settings.verify),
      server_name_(std::move(settings.server_name)) {}

ClientContext::~ClientContext() = default;

Result<std::shared_ptr<const ClientContext>> ClientContext::make(ClientSettings settings) {
  using Verify = ClientSettings::Verify;
  if (settings.verify == Verify::none) {
    settings.trust.reset();
  } else if (!settings.trust) {
    return fail(Error::Kind::invalid, "a server cannot be verified without a trust bundle");
  }
  if (settings.verify == Verify::host && settings.server_name.empty() && settings.common.peer_names.empty()) {
    return fail(Error::Kind::invalid, "a server verified by host needs a host name to verify");
  }
  WEFT_TRY(auto context, new_context(settings.common));
  if (settings.identity) WEFT_CHECK_OK(use_identity(context.get(), *settings.identity));
  WEFT_CHECK_OK(alpn_wire(settings.common.alpn));
  SSL_CTX_set_custom_verify(context.get(), SSL_VERIFY_PEER, verify_certificate);
  SSL_CTX_set_reverify_on_resume(context.get(), 1);
  if (settings.common.session_tickets) {
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(context.get(), save_new_session);
  }
  auto trust = std::make_shared<PeerTrust>(settings.trust, identity::Purpose::server);
  return std::shared_ptr<const ClientContext>(
      new ClientContext(std::move(context), std::move(trust), std::move(settings)));
}

std::shared_ptr<const ClientContext> ClientContext::for_server(std::vector<NameRule> peer_names,
                                                               std::string server_name) const {
  return for_server(std::move(peer_names), std::move(server_name), common_.alpn);
}

std::shared_ptr<const ClientContext> ClientContext::for_server(std::vector<NameRule> peer_names,
                                                               std::string server_name,
                                                               std::vector<std::string> alpn) const {
  ClientSettings settings;
  settings.verify = verify_;
  settings.server_name = std::move(server_name);
  settings.common = common_;
  settings.common.peer_names = std::move(peer_names);
  settings.common.alpn = std::move(alpn);
  return std::shared_ptr<const ClientContext>(new ClientContext(context_, trust_, std::move(settings)));
}

Result<void> ClientContext::check_names(const Certificate& leaf) const {
  if (verify_ == ClientSettings::Verify::none) return {};
  if (verify_ == ClientSettings::Verify::mesh || !common_.peer_names.empty())
    return Context::check_names(leaf);
  if (is_for_host(leaf, server_name_)) return {};
  return fail(Error::Kind::denied, concat("peer is ", names_of(leaf), ", expected the host ", server_name_));
}

void ClientContext::save_session(const SocketAddress& peer, SSL_SESSION* session, WallTime until) const {
  SSL_SESSION_up_ref(session);
  std::shared_ptr<SSL_SESSION> owned(session, SSL_SESSION_free);
  const std::lock_guard lock(sessions_mutex_);
  sessions_.push_front({peer, std::move(owned), until});
  size_t of_peer = 0;
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    it = it->peer == peer && ++of_peer > kMostSessionsPerPeer ? sessions_.erase(it) : std::next(it);
  }
  if (sessions_.size() > kMostSessions) sessions_.pop_back();
}

std::shared_ptr<SSL_SESSION> ClientContext::take_session(const SocketAddress& peer, WallTime now) const {
  const std::lock_guard lock(sessions_mutex_);
  std::erase_if(sessions_, [now](const Saved& saved) { return saved.until <= now; });
  const auto found = std::find_if(sessions_.begin(), sessions_.end(),
                                  [&peer](const Saved& saved) { return saved.peer == peer; });
  if (found == sessions_.end()) return nullptr;
  std::shared_ptr<SSL_SESSION> session = found->session;
  if (SSL_SESSION_should_be_single_use(session.get())) sessions_.erase(found);
  return session;
}

}  // namespace weft::tls
