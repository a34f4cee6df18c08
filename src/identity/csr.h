// Csr: a request for a certificate, from a workload (make_csr) and at the authority (Csr::parse_pem).
//
//   auto pem = make_csr(key, id);                          // in weft-proxy
//   auto csr = Csr::parse_pem(pem);                        // in weftd
//   auto leaf = issuer.sign(csr->public_key(), {.id = caller}, now, life);
//
// What a request says of names is only a wish: the authority signs the identity it proved itself.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "identity/key.h"
#include "identity/spiffe_id.h"

namespace weft::identity {

// The public half of a key, strong enough to be certified.
class PublicKey {
 public:
  static PublicKey of(const PrivateKey& key);
  evp_pkey_st* get() const { return key_.get(); }
  std::string describe() const { return describe_key(key_.get()); }

 private:
  friend class Csr;
  explicit PublicKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
  std::shared_ptr<evp_pkey_st> key_;
};

// PEM of a request for `id`, signed by `key`.
Result<std::string> make_csr(const PrivateKey& key, const SpiffeId& id);

class Csr {
 public:
  // The signature is checked: the caller holds the key. So is the key's strength.
  static Result<Csr> parse_pem(std::string_view pem);

  const PublicKey& public_key() const { return key_; }
  // For messages only.
  const std::vector<std::string>& wished_uris() const { return wished_uris_; }

 private:
  explicit Csr(PublicKey key) : key_(std::move(key)) {}
  PublicKey key_;
  std::vector<std::string> wished_uris_;
};

}  // namespace weft::identity
