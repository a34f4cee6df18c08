// The mesh's certificate authority: keeps Rotation (rotation.h) on disk, moves it on with time, and signs
// what callers ask for through istio.v1.auth.IstioCertificateService.
//
//   auto authority = Authority::make(loop, {.state_file = "/var/lib/weft/ca.json"}).value();
//   grpc.handle_unary(wire::kCreateCertificatePath, …  authority->create_certificate(request, caller) …);
//   authority->on_bundle([&] { publisher.publish("ca"); });
//
// The names in a certificate are those of the identity the caller proved, never those of its CSR.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "control/authority/rotation.h"
#include "http/grpc.h"
#include "identity/spiffe_id.h"
#include "io/loop.h"
#include "model/snapshot.h"
#include "telemetry/metrics.h"

namespace weft::control {

class Authority {
 public:
  struct Options {
    std::string state_file;  // mode 0600; empty: kept in memory alone
    std::string trust_domain = "cluster.local";
    Rotation::Options rotation;
  };

  // Reads the state there is, or makes a new root. A state that cannot be read is an error, never replaced:
  // a new root would cut off every workload that is running.
  static Result<std::unique_ptr<Authority>> make(io::Loop& loop, Options options,
                                                 telemetry::Registry& registry, telemetry::Shard& metrics);

  // The SDS resource "ROOTCA". Another pointer after each change of the bundle.
  const std::shared_ptr<const model::Secret>& roots() const { return roots_; }
  const Rotation& rotation() const { return rotation_; }
  const std::string& trust_domain() const { return options_.trust_domain; }

  // `message` is the CertificateRequest as it came; the answer is a CertificateResponse.
  std::expected<std::string, http::GrpcStatus> create_certificate(std::string_view message,
                                                                  const identity::SpiffeId& caller);
  // A caller without an identity asked.
  void count_unauthenticated();

  // A key and chain for weftd itself, known to others under `names`.
  struct OwnCertificate {
    std::vector<identity::Certificate> chain;  // leaf first, no root
    identity::PrivateKey key;
    WallTime renew_at;
  };
  Result<OwnCertificate> issue_own(const identity::LeafNames& names);

  Result<void> rotate_issuer();
  Result<void> rotate_root();

  // Asked whether every connected proxy has acknowledged roots(); called again after poke().
  void ask_trust(std::move_only_function<bool()> everybody_trusts) {
    everybody_trusts_ = std::move(everybody_trusts);
  }
  // A proxy acknowledged something, came or went.
  void poke();
  // The bundle changed: roots() is new.
  void on_bundle(std::move_only_function<void()> callback) { bundle_changed_ = std::move(callback); }
  // Another issuer signs now: weftd's own certificate should follow.
  void on_issuer(std::move_only_function<void()> callback) { issuer_changed_ = std::move(callback); }

 private:
  Authority(io::Loop& loop, Options options, Rotation rotation, telemetry::Registry& registry,
            telemetry::Shard& metrics);
  Result<void> save();
  void step();
  void changed();
  void arm();
  void set_expiry_metrics();

  io::Loop& loop_;
  Options options_;
  Rotation rotation_;
  std::string issuer_serial_;
  std::string bundle_fingerprint_;
  WallTime saved_until_{};
  std::shared_ptr<const model::Secret> roots_;
  std::move_only_function<bool()> everybody_trusts_;
  std::move_only_function<void()> bundle_changed_;
  std::move_only_function<void()> issuer_changed_;
  io::Timer timer_;

  telemetry::Counter& requests_;
  telemetry::Counter& successes_;
  telemetry::Counter& unauthenticated_;
  telemetry::Counter& unreadable_;
  telemetry::Counter& failures_;
  telemetry::Gauge& root_expiry_;
  telemetry::Gauge& chain_expiry_;
};

}  // namespace weft::control
