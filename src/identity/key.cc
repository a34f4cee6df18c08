#include "identity/key.h"

#include <openssl/ec_key.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/check.h"
#include "base/strings.h"
#include "identity/openssl.h"

namespace weft::identity {

namespace {

int curve_of(const EVP_PKEY* key) {
  const EC_KEY* ec = EVP_PKEY_get0_EC_KEY(key);
  return ec == nullptr ? 0 : EC_GROUP_get_curve_name(EC_KEY_get0_group(ec));
}

// Says no instead of asking the terminal for a passphrase.
int no_passphrase(char*, int, int, void*) { return -1; }

}  // namespace

Result<void> check_key_strength(const EVP_PKEY* key) {
  switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_EC: {
      const int curve = curve_of(key);
      if (curve == NID_X9_62_prime256v1 || curve == NID_secp384r1 || curve == NID_secp521r1) return {};
      return fail(Error::Kind::unsupported, "an EC key must be on P-256, P-384 or P-521");
    }
    case EVP_PKEY_ED25519:
      return {};
    case EVP_PKEY_RSA:
      if (EVP_PKEY_bits(key) >= 2048) return {};
      return fail(Error::Kind::unsupported,
                  concat("an RSA key must have at least 2048 bits, this one has ", EVP_PKEY_bits(key)));
    default:
      return fail(Error::Kind::unsupported, "a key must be ECDSA, Ed25519 or RSA");
  }
}

std::string describe_key(const EVP_PKEY* key) {
  switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_EC:
      switch (curve_of(key)) {
        case NID_X9_62_prime256v1:
          return "ECDSA P-256";
        case NID_secp384r1:
          return "ECDSA P-384";
        case NID_secp521r1:
          return "ECDSA P-521";
        default:
          return "ECDSA";
      }
    case EVP_PKEY_ED25519:
      return "Ed25519";
    case EVP_PKEY_RSA:
      return concat("RSA ", EVP_PKEY_bits(key));
    default:
      return "unknown";
  }
}

Result<PrivateKey> PrivateKey::generate() {
  const Owned<EC_KEY, EC_KEY_free> ec(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  OwnedKey key(EVP_PKEY_new());
  if (!ec || !key || EC_KEY_generate_key(ec.get()) != 1 || EVP_PKEY_set1_EC_KEY(key.get(), ec.get()) != 1) {
    return library_failed(Error::Kind::internal, "cannot generate a key");
  }
  return PrivateKey(std::shared_ptr<EVP_PKEY>(key.release(), EVP_PKEY_free));
}

Result<PrivateKey> PrivateKey::parse_pem(std::string_view pem) {
  const OwnedBio bio = read_bio(pem);
  OwnedKey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (!key) {
    ERR_clear_error();
    const bool encrypted = pem.find("ENCRYPTED") != std::string_view::npos;
    return fail(Error::Kind::invalid,
                encrypted ? "the private key is encrypted; decrypt it (openssl pkey -in FILE) first"
                          : "not a private key in PEM form (BEGIN PRIVATE KEY)");
  }
  if (auto strong = check_key_strength(key.get()); !strong) return fail(std::move(strong).error());
  return PrivateKey(std::shared_ptr<EVP_PKEY>(key.release(), EVP_PKEY_free));
}

std::string PrivateKey::to_pem() const {
  const OwnedBio bio(BIO_new(BIO_s_mem()));
  WEFT_CHECK(bio && PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr,
                                                  nullptr) == 1);
  return take_bio(*bio);
}

std::string PrivateKey::describe() const { return describe_key(key_.get()); }

}  // namespace weft::identity
