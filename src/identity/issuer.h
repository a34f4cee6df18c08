// Issuer: a certificate authority: the root, or an intermediate that the root signed.
//
//   auto root = Issuer::make_root("weft root", now, 24h * 3650);
//   auto issuer = root->make_intermediate("weft issuer", now, 24h * 90);
//   auto leaf = issuer->sign(csr.public_key(), {.id = id}, now, 1h);
//   reply = to_pem(issuer->chain_of(*leaf));               // leaf, then intermediates, no root
//
// Rotation is having two: a new root is first added to everybody's TrustBundle, then used to sign.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "base/result.h"
#include "identity/certificate.h"
#include "identity/csr.h"
#include "identity/key.h"

namespace weft::identity {

// Whom a leaf names. A workload has an id; a gateway or webhook that others know by host has DNS names.
struct LeafNames {
  std::optional<SpiffeId> id;
  std::vector<std::string> dns;
  std::vector<IpAddress> ips;
};

// Immutable, cheap to copy, usable from any thread.
class Issuer {
 public:
  // Clocks differ by a little: what is signed now is valid from this long ago.
  static constexpr Duration kBackdating = std::chrono::minutes(2);

  static Result<Issuer> make_root(std::string_view name, WallTime now, Duration life);
  // From what was stored: this issuer's certificate, then those up to and perhaps including the root.
  static Result<Issuer> load(std::string_view chain_pem, std::string_view key_pem);
  Result<Issuer> make_intermediate(std::string_view name, WallTime now, Duration life) const;

  // Client and server use both. The end is cut at the issuer's own; fails where that has passed.
  Result<Certificate> sign(const PublicKey& key, const LeafNames& names, WallTime now, Duration life) const;

  const Certificate& certificate() const { return chain_.front(); }
  const PrivateKey& key() const { return key_; }
  bool is_root() const { return certificate().is_self_signed(); }
  // What a peer needs to get from `leaf` to a root it trusts, the root left out.
  std::vector<Certificate> chain_of(const Certificate& leaf) const;
  // What load() takes.
  std::string chain_pem() const { return to_pem(chain_); }

 private:
  Issuer(std::vector<Certificate> chain, PrivateKey key) : chain_(std::move(chain)), key_(std::move(key)) {}

  std::vector<Certificate> chain_;  // this issuer first
  PrivateKey key_;
};

}  // namespace weft::identity
