#include "proxy/transport.h"

#include "base/strings.h"
#include "tls/stream.h"

namespace weft::proxy {

std::string_view PeerIdentity::principal() const {
  for (const std::string& uri : uris) {
    if (uri.starts_with("spiffe://")) return uri;
  }
  return {};
}

namespace {

tls::Version version_of(model::TlsVersion version, tls::Version otherwise) {
  switch (version) {
    case model::TlsVersion::automatic:
      return otherwise;
    case model::TlsVersion::tls12:
      return tls::Version::tls1_2;
    case model::TlsVersion::tls13:
      return tls::Version::tls1_3;
  }
  return otherwise;
}

Result<tls::Common> common_of(const model::TlsCommon& model, std::vector<std::string> alpn) {
  tls::Common common;
  common.alpn = std::move(alpn);
  common.min_version = version_of(model.min_version, tls::Version::tls1_2);
  common.max_version = version_of(model.max_version, tls::Version::tls1_3);
  common.ciphers = join(model.cipher_suites, ":");
  WEFT_TRY(common.peer_names, name_rules(model.subject_alt_names));
  return common;
}

Result<std::optional<tls::Identity>> identity_of(const Secrets::Material& material) {
  if (material.certificate_chain.empty()) return std::optional<tls::Identity>();
  WEFT_TRY(auto chain, identity::Certificate::parse_chain_pem(material.certificate_chain));
  WEFT_TRY(auto key, identity::PrivateKey::parse_pem(material.private_key));
  return std::optional(tls::Identity{std::move(chain), std::move(key)});
}

Result<std::optional<identity::TrustBundle>> trust_of(const Secrets::Material& material) {
  if (material.roots.empty()) return std::optional<identity::TrustBundle>();
  WEFT_TRY(auto bundle, identity::TrustBundle::parse_pem(material.roots));
  return std::optional(std::move(bundle));
}

PeerIdentity identity_of(const tls::Peer& peer) {
  PeerIdentity out;
  if (!peer.certificate || !peer.verified) return out;
  out.present = true;
  out.uris = peer.certificate->uri_names();
  out.dns_names = peer.certificate->dns_names();
  out.subject = peer.certificate->subject();
  out.issuer = peer.certificate->issuer();
  out.serial = peer.certificate->serial();
  out.fingerprint = peer.certificate->fingerprint();
  return out;
}

Secured secured(std::unique_ptr<tls::TlsStream> stream) {
  Secured out;
  const tls::Peer& peer = stream->peer();
  out.alpn = peer.alpn;
  out.tls_version = peer.version;
  out.cipher = peer.cipher;
  out.peer = identity_of(peer);
  out.stream = std::move(stream);
  return out;
}

}  // namespace

Result<std::vector<tls::NameRule>> name_rules(const std::vector<model::StringMatch>& matchers) {
  std::vector<tls::NameRule> rules;
  for (const model::StringMatch& matcher : matchers) {
    tls::NameRule rule;
    rule.text = matcher.value;
    switch (matcher.kind) {
      case model::StringMatch::Kind::exact:
        rule.match = tls::NameRule::Match::exact;
        break;
      case model::StringMatch::Kind::prefix:
        rule.match = tls::NameRule::Match::prefix;
        break;
      case model::StringMatch::Kind::suffix:
        rule.match = tls::NameRule::Match::suffix;
        break;
      case model::StringMatch::Kind::contains:
      case model::StringMatch::Kind::regex:
        return fail(Error::Kind::unsupported,
                    concat("a subject_alt_name matcher by ",
                           matcher.kind == model::StringMatch::Kind::regex ? "regex" : "contains", " ('",
                           printable(matcher.value, 80),
                           "') is not supported by weft-proxy: use exact, prefix or suffix"));
    }
    rules.push_back(std::move(rule));
  }
  return rules;
}

Result<std::shared_ptr<const tls::ClientContext>> make_client_context(const model::UpstreamTls& tls,
                                                                      std::vector<std::string> alpn,
                                                                      const Secrets& secrets) {
  WEFT_TRY(Secrets::Material material, secrets.resolve(tls.common));
  tls::ClientSettings settings;
  WEFT_TRY(settings.identity, identity_of(material));
  WEFT_TRY(settings.trust, trust_of(material));
  WEFT_TRY(settings.common, common_of(tls.common, std::move(alpn)));
  using Verify = tls::ClientSettings::Verify;
  settings.verify = !settings.trust ? Verify::none : tls.auto_san_validation ? Verify::host : Verify::mesh;
  settings.server_name = tls.sni;
  return tls::ClientContext::make(std::move(settings));
}

Result<std::shared_ptr<const tls::ServerContext>> make_server_context(const model::DownstreamTls& tls,
                                                                      std::vector<std::string> alpn,
                                                                      const Secrets& secrets) {
  WEFT_TRY(Secrets::Material material, secrets.resolve(tls.common));
  WEFT_TRY(auto own, identity_of(material));
  if (!own) return fail(Error::Kind::invalid, "a TLS filter chain needs a certificate");
  tls::ServerSettings settings{
      .identity = std::move(*own), .trust = {}, .client_certificate = {}, .common = {}};
  WEFT_TRY(settings.trust, trust_of(material));
  WEFT_TRY(settings.common, common_of(tls.common, std::move(alpn)));
  if (tls.require_client_certificate) {
    if (!settings.trust) {
      return fail(Error::Kind::invalid,
                  "require_client_certificate without roots to verify it by lets nobody in");
    }
    settings.client_certificate = tls::ClientCertificate::required;
  } else if (settings.trust) {
    settings.client_certificate = tls::ClientCertificate::optional;
  }
  return tls::ServerContext::make(std::move(settings));
}

io::Task<Result<Secured>> accept_tls(std::unique_ptr<io::Stream> stream,
                                     std::shared_ptr<const tls::ServerContext> context, TimePoint deadline) {
  WEFT_CO_TRY(auto done, co_await tls::TlsStream::accept(std::move(stream), std::move(context), deadline));
  co_return secured(std::move(done));
}

io::Task<Result<Secured>> connect_tls(std::unique_ptr<io::Stream> stream,
                                      std::shared_ptr<const tls::ClientContext> context, TimePoint deadline) {
  WEFT_CO_TRY(auto done, co_await tls::TlsStream::connect(std::move(stream), std::move(context), deadline));
  co_return secured(std::move(done));
}

}  // namespace weft::proxy
