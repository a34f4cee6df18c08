// PrivateKey: the secret half of an identity. Ours are ECDSA P-256; a user's may be RSA or P-384 too.
//
//   auto key = PrivateKey::generate();
//   write_file(path, key->to_pem());
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct evp_pkey_st;

namespace weft::identity {

// Cheap to copy, immutable, usable from any thread.
class PrivateKey {
 public:
  static Result<PrivateKey> generate();
  // PKCS#8, SEC1 or PKCS#1, not encrypted. ECDSA P-256, P-384, P-521, Ed25519, or RSA of 2048 bits or more.
  static Result<PrivateKey> parse_pem(std::string_view pem);

  std::string to_pem() const;  // PKCS#8
  // "ECDSA P-256", "RSA 2048": for people.
  std::string describe() const;
  evp_pkey_st* get() const { return key_.get(); }

 private:
  explicit PrivateKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
  std::shared_ptr<evp_pkey_st> key_;
};

// Why a public key (or the public half of a private one) may not be used; nothing if it may.
Result<void> check_key_strength(const evp_pkey_st* key);
std::string describe_key(const evp_pkey_st* key);

}  // namespace weft::identity
