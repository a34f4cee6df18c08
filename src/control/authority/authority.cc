#include "control/authority/authority.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "control/ingest/files.h"
#include "identity/csr.h"
#include "wire/ca.h"

namespace weft::control {
namespace {

constexpr size_t kMaxStateFile = 1u << 20;
constexpr size_t kMaxCsr = 64u << 10;
constexpr unsigned kOwnerOnly = 0600;

std::unexpected<http::GrpcStatus> status(http::GrpcStatus::Code code, std::string message) {
  return std::unexpected(http::GrpcStatus{code, std::move(message)});
}

telemetry::Counter& counter(telemetry::Registry& registry, telemetry::Shard& shard, std::string name,
                            std::string help) {
  return shard.counter(registry.counter(std::move(name), std::move(help)));
}
telemetry::Gauge& gauge(telemetry::Registry& registry, telemetry::Shard& shard, std::string name,
                        std::string help) {
  return shard.gauge(registry.gauge(std::move(name), std::move(help)));
}

}  // namespace

Result<std::unique_ptr<Authority>> Authority::make(io::Loop& loop, Options options,
                                                   telemetry::Registry& registry, telemetry::Shard& metrics) {
  options.rotation.name = options.trust_domain;
  Result<std::string> saved = fail(Error::Kind::not_found, "");
  if (!options.state_file.empty()) saved = read_file(options.state_file, kMaxStateFile);
  if (!saved && saved.error().kind != Error::Kind::not_found) {
    return std::unexpected(std::move(saved).error().within("the authority's state"));
  }
  auto rotation =
      saved ? Rotation::load(*saved, options.rotation) : Rotation::make(options.rotation, loop.wall_now());
  if (!rotation) {
    Error error = std::move(rotation).error();
    return fail(error.kind, concat(options.state_file, ": ", error.text,
                                   "; restore it, or remove it to begin with a new root (every workload must "
                                   "then be started again)"));
  }
  std::unique_ptr<Authority> authority(
      new Authority(loop, std::move(options), std::move(*rotation), registry, metrics));
  WEFT_CHECK_OK(authority->save());
  authority->step();
  return authority;
}

Authority::Authority(io::Loop& loop, Options options, Rotation rotation, telemetry::Registry& registry,
                     telemetry::Shard& metrics)
    : loop_(loop),
      options_(std::move(options)),
      rotation_(std::move(rotation)),
      timer_(loop, [this] { step(); }),
      requests_(counter(registry, metrics, "citadel_server_csr_count", "Certificate requests received.")),
      successes_(
          counter(registry, metrics, "citadel_server_success_cert_issuance_count", "Certificates issued.")),
      unauthenticated_(counter(registry, metrics, "citadel_server_authentication_failure_count",
                               "Certificate requests of callers without an identity.")),
      unreadable_(counter(registry, metrics, "citadel_server_csr_parsing_err_count",
                          "Certificate requests that cannot be read.")),
      failures_(counter(registry, metrics, "citadel_server_csr_sign_err_count",
                        "Certificate requests that could not be signed.")),
      root_expiry_(gauge(registry, metrics, "citadel_server_root_cert_expiry_timestamp",
                         "When the root that signs ends, in seconds since 1970.")),
      chain_expiry_(gauge(registry, metrics, "citadel_server_cert_chain_expiry_timestamp",
                          "When the issuer ends, in seconds since 1970.")) {
  changed();
}

// ---------------------------------------------------------------- signing

std::expected<std::string, http::GrpcStatus> Authority::create_certificate(std::string_view message,
                                                                           const identity::SpiffeId& caller) {
  using Code = http::GrpcStatus::Code;
  requests_.add(1);
  const auto request = wire::decode_certificate_request(as_bytes(message));
  if (!request) {
    unreadable_.add(1);
    return status(Code::invalid_argument, request.error().text);
  }
  for (const std::string_view refused : {"ImpersonatedIdentity", "CertSigner"}) {
    if (request->metadata.find(refused) == nullptr) continue;
    failures_.add(1);
    return status(Code::unimplemented, concat("metadata.", refused, " is not supported by weftd"));
  }
  if (request->csr.size() > kMaxCsr) {
    unreadable_.add(1);
    return status(Code::invalid_argument, concat("the request is larger than ", kMaxCsr, " bytes"));
  }
  const auto csr = identity::Csr::parse_pem(request->csr);
  if (!csr) {
    unreadable_.add(1);
    return status(Code::invalid_argument, csr.error().text);
  }
  // A life beyond what a Duration holds is beyond the maximum too.
  const int64_t most =
      std::chrono::duration_cast<std::chrono::seconds>(options_.rotation.max_leaf_life).count();
  const auto life = std::chrono::seconds(std::clamp<int64_t>(request->validity_seconds, 0, most));
  auto leaf = rotation_.sign(csr->public_key(), {.id = caller}, loop_.wall_now(), life);
  if (!leaf) {
    failures_.add(1);
    log_error("ca", "cannot sign for ", caller.uri(), ": ", leaf.error().text);
    return status(Code::internal, leaf.error().text);
  }
  // A root may only leave the bundle after the last leaf it stands behind; a restart must know when that is.
  // So the state is written before a leaf goes out that ends later than what it says.
  if (rotation_.last_leaf_end() > saved_until_) {
    if (const auto saved = save(); !saved) {
      failures_.add(1);
      log_error("ca", saved.error().text);
      return status(Code::unavailable, "the authority cannot write its state");
    }
  }
  wire::CertificateResponse response;
  for (const identity::Certificate& certificate : rotation_.chain_of(*leaf)) {
    response.chain.push_back(certificate.to_pem());
  }
  response.chain.push_back(rotation_.bundle().to_pem());
  successes_.add(1);
  log_debug("ca", "signed for ", caller.uri(), ", serial ", leaf->serial());
  return wire::encode(response);
}

void Authority::count_unauthenticated() { unauthenticated_.add(1); }

Result<Authority::OwnCertificate> Authority::issue_own(const identity::LeafNames& names) {
  const WallTime now = loop_.wall_now();
  WEFT_TRY(const identity::PrivateKey key, identity::PrivateKey::generate());
  WEFT_TRY(const identity::Certificate leaf,
           rotation_.sign(identity::PublicKey::of(key), names, now, Duration::zero()));
  const WallTime renew_at = now + (leaf.not_after() - now) / 2;
  return OwnCertificate{rotation_.chain_of(leaf), key, renew_at};
}

// ---------------------------------------------------------------- rotating

Result<void> Authority::rotate_issuer() {
  WEFT_CHECK_OK(rotation_.rotate_issuer(loop_.wall_now()));
  log_info("ca", "a new issuer signs from now on");
  WEFT_CHECK_OK(save());
  changed();
  return {};
}

Result<void> Authority::rotate_root() {
  WEFT_CHECK_OK(rotation_.rotate_root(loop_.wall_now()));
  log_info("ca", "a new root is spread to every proxy; it signs once they trust it");
  WEFT_CHECK_OK(save());
  changed();
  return {};
}

void Authority::poke() {
  if (rotation_.phase() == Rotation::Phase::spreading) step();
}

void Authority::step() {
  const bool trusted = everybody_trusts_ && everybody_trusts_();
  const Rotation::Phase before = rotation_.phase();
  const auto moved = rotation_.advance(loop_.wall_now(), trusted);
  if (!moved) log_error("ca", moved.error().text, "; the present certificates stay in use");
  if (moved && *moved) {
    if (rotation_.phase() != before) {
      log_info("ca", "root rotation: ", to_string(before), " -> ", to_string(rotation_.phase()));
    }
    if (const auto saved = save(); !saved) log_error("ca", saved.error().text);
    changed();
  }
  arm();
}

// Tells whoever depends on what changed.
void Authority::changed() {
  const bool other_bundle = bundle_fingerprint_ != rotation_.bundle().fingerprint();
  const bool other_issuer = issuer_serial_ != rotation_.issuer().certificate().serial();
  bundle_fingerprint_ = rotation_.bundle().fingerprint();
  issuer_serial_ = rotation_.issuer().certificate().serial();
  set_expiry_metrics();
  if (other_bundle) {
    roots_ = std::make_shared<const model::Secret>(
        model::Secret{.name = "ROOTCA", .trusted_ca = rotation_.bundle().to_pem()});
    if (bundle_changed_) bundle_changed_();
  }
  if (other_issuer && issuer_changed_) issuer_changed_();
  arm();
}

void Authority::arm() {
  const Duration wait = rotation_.next_step() - loop_.wall_now();
  // The wall clock may be set meanwhile: look again every minute.
  // While a root spreads, it waits for what poke() tells, and for its time to take effect.
  const Duration longest = rotation_.phase() == Rotation::Phase::spreading ? Duration(std::chrono::seconds(1))
                                                                           : std::chrono::minutes(1);
  timer_.arm_after(std::clamp<Duration>(wait, std::chrono::milliseconds(10), longest));
}

void Authority::set_expiry_metrics() {
  const auto seconds = [](WallTime time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
  };
  root_expiry_.set(seconds(rotation_.root().certificate().not_after()));
  chain_expiry_.set(seconds(rotation_.issuer().certificate().not_after()));
}

Result<void> Authority::save() {
  if (options_.state_file.empty()) return {};
  WEFT_CHECK_OK(write_file(options_.state_file, rotation_.save(), kOwnerOnly));
  saved_until_ = rotation_.saved_until();
  return {};
}

}  // namespace weft::control
