// Who signs, whom everybody trusts meanwhile, and how that changes without a failed request.
//
// A root (self-signed) signs an issuer, the issuer signs leaves. Chains carry leaf and issuer, so a new
// issuer may sign at once. A new root may not: whoever has not heard of it would refuse its leaves. So:
//
//   steady ──rotate_root()──▶ spreading ──everybody trusts both──▶ retiring ──old leaves ended──▶ steady
//             new root joins              new root's issuer signs              old root leaves
//             the bundle                  from now on                          the bundle
//
// How the bundle reaches proxies: as the xDS Secret "ROOTCA" (type secret, validation context) over ADS,
// which weft-proxy subscribes to and acknowledges; and, for everybody else, in the last element of
// CreateCertificate's cert_chain, which holds all roots of the bundle, at each renewal.
// `spreading` ends when every proxy of the mesh is connected and has acknowledged the bundle with both roots,
// and in any case after one life of a leaf, by which time everybody has renewed. `retiring` ends when the
// last leaf that the old root signed has ended.
//
//   Rotation rotation = Rotation::make(options, now).value();
//   bundle = rotation.bundle();          // PEM of all roots to trust now
//   leaf = rotation.sign(key, names, now, life);
//   rotation.rotate_root(now);
//   while (rotation.advance(now, all_trust)) publish(rotation.bundle());
//
// It is a value: save() and load() keep it over a restart. No clock, no files here (authority.h has them).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "identity/issuer.h"
#include "identity/trust_bundle.h"

namespace weft::control {

class Rotation {
 public:
  struct Options {
    std::string name = "cluster.local";  // in the subjects
    Duration root_life = std::chrono::hours(24 * 3650);
    Duration issuer_life = std::chrono::hours(24 * 90);
    Duration leaf_life = std::chrono::hours(24);  // what a request gets that asks for nothing
    Duration max_leaf_life = std::chrono::hours(24 * 90);
  };
  enum class Phase : uint8_t { steady, spreading, retiring };

  static Result<Rotation> make(Options options, WallTime now);
  static Result<Rotation> load(std::string_view saved, Options options);
  // Holds private keys: to be kept from everybody's eyes. It stays good for leaves that end by saved_until():
  // before a later one goes out, it must be saved again.
  std::string save() const;
  WallTime saved_until() const { return last_leaf_end_ + options_.leaf_life; }
  WallTime last_leaf_end() const { return last_leaf_end_; }

  const identity::TrustBundle& bundle() const { return bundle_; }
  Phase phase() const { return phase_; }
  const identity::Issuer& root() const { return root_; }
  const identity::Issuer& issuer() const { return issuer_; }
  const Options& options() const { return options_; }
  // Of the next root while it spreads, of the last while it retires.
  const std::optional<identity::Issuer>& other_root() const { return other_root_; }

  // `wanted` 0 is the default life. Never longer than max_leaf_life.
  Result<identity::Certificate> sign(const identity::PublicKey& key, const identity::LeafNames& names,
                                     WallTime now, Duration wanted);
  // The leaf, then the issuers, no root.
  std::vector<identity::Certificate> chain_of(const identity::Certificate& leaf) const {
    return issuer_.chain_of(leaf);
  }

  Result<void> rotate_issuer(WallTime now);
  // Error::Kind::conflict while another rotation is under way.
  Result<void> rotate_root(WallTime now);
  // Takes the next step if its time has come, and renews what is near its end. True: something changed.
  // `everybody_trusts`: each connected proxy has acknowledged the bundle as it is.
  Result<bool> advance(WallTime now, bool everybody_trusts);
  // When advance() may have something to do though no proxy said anything.
  WallTime next_step() const;

 private:
  Rotation(Options options, identity::Issuer root, identity::Issuer issuer, identity::TrustBundle bundle)
      : options_(std::move(options)),
        root_(std::move(root)),
        issuer_(std::move(issuer)),
        bundle_(std::move(bundle)) {}
  Result<void> make_bundle();
  WallTime issuer_renewal() const;
  WallTime root_renewal() const;
  Duration spread_limit() const { return options_.leaf_life; }

  Options options_;
  identity::Issuer root_;
  identity::Issuer issuer_;
  std::optional<identity::Issuer> other_root_;
  identity::TrustBundle bundle_;
  Phase phase_ = Phase::steady;
  WallTime phase_since_{};
  WallTime last_leaf_end_{};  // of the leaves that the present root signed
  WallTime retire_at_{};      // phase retiring: when the last leaf of the other root has ended
};

std::string_view to_string(Rotation::Phase phase);

}  // namespace weft::control
