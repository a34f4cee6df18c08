#include "identity/issuer.h"

#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "identity/openssl.h"

namespace weft::identity {

namespace {

// Random and positive, of 128 bits (RFC 5280 4.1.2.2 asks for at most 20 bytes).
bool set_serial(X509& certificate) {
  std::array<uint8_t, 16> bytes{};
  RAND_bytes(bytes.data(), bytes.size());
  bytes[0] = static_cast<uint8_t>((bytes[0] & 0x7f) | 0x40);
  const Owned<BIGNUM, BN_free> number(BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(&certificate)) != nullptr;
}

bool set_times(X509& certificate, WallTime from, WallTime to) {
  const auto seconds = [](WallTime t) {
    return std::chrono::duration_cast<std::chrono::seconds>(t.time_since_epoch()).count();
  };
  return ASN1_TIME_set_posix(X509_getm_notBefore(&certificate), seconds(from)) != nullptr &&
         ASN1_TIME_set_posix(X509_getm_notAfter(&certificate), seconds(to)) != nullptr;
}

bool set_name(X509_NAME* name, std::string_view common_name) {
  return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, reinterpret_cast<const uint8_t*>("weft"), 4, -1,
                                    0) == 1 &&
         X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                    reinterpret_cast<const uint8_t*>(common_name.data()),
                                    static_cast<ossl_ssize_t>(common_name.size()), -1, 0) == 1;
}

// `value` in the library's own notation. Nothing from outside is put into one: see add_names.
bool add_extension(X509& certificate, X509& issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
  const Owned<X509_EXTENSION, X509_EXTENSION_free> extension(
      X509V3_EXT_nconf_nid(nullptr, &context, nid, value));
  return extension && X509_add_ext(&certificate, extension.get(), -1) == 1;
}

bool push_text(GENERAL_NAMES& list, int type, std::string_view text) {
  Owned<GENERAL_NAME, GENERAL_NAME_free> name(GENERAL_NAME_new());
  Owned<ASN1_IA5STRING, ASN1_IA5STRING_free> value(ASN1_IA5STRING_new());
  if (!name || !value ||
      ASN1_STRING_set(value.get(), text.data(), static_cast<ossl_ssize_t>(text.size())) != 1) {
    return false;
  }
  GENERAL_NAME_set0_value(name.get(), type, value.release());
  return sk_GENERAL_NAME_push(&list, name.release()) != 0;
}

bool push_ip(GENERAL_NAMES& list, const IpAddress& ip) {
  Owned<GENERAL_NAME, GENERAL_NAME_free> name(GENERAL_NAME_new());
  Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> value(ASN1_OCTET_STRING_new());
  const size_t from = ip.is_v4() ? 12 : 0;
  if (!name || !value ||
      ASN1_STRING_set(value.get(), ip.bytes().data() + from, static_cast<ossl_ssize_t>(16 - from)) != 1) {
    return false;
  }
  GENERAL_NAME_set0_value(name.get(), GEN_IPADD, value.release());
  return sk_GENERAL_NAME_push(&list, name.release()) != 0;
}

bool add_names(X509& certificate, const LeafNames& names) {
  const Owned<GENERAL_NAMES, GENERAL_NAMES_free> list(GENERAL_NAMES_new());
  bool ok = list != nullptr;
  if (names.id) ok = ok && push_text(*list, GEN_URI, names.id->uri());
  for (const std::string& dns : names.dns) ok = ok && push_text(*list, GEN_DNS, dns);
  for (const IpAddress& ip : names.ips) ok = ok && push_ip(*list, ip);
  // Critical, because the subject is empty (RFC 5280 4.2.1.6).
  return ok && X509_add1_ext_i2d(&certificate, NID_subject_alt_name, list.get(), 1, X509V3_ADD_DEFAULT) == 1;
}

Result<Certificate> finish(X509& certificate, const PrivateKey& signer) {
  // Ed25519 brings its own hash.
  const EVP_MD* hash = EVP_PKEY_id(signer.get()) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256();
  if (X509_sign(&certificate, signer.get(), hash) <= 0) {
    return library_failed(Error::Kind::internal, "cannot sign a certificate");
  }
  return Certificate::from_x509(&certificate);
}

// A CA certificate for `key`: signed by `parent`, or by itself.
Result<Certificate> make_authority(std::string_view name, const PrivateKey& key, const Issuer* parent,
                                   WallTime now, Duration life) {
  const OwnedX509 made(X509_new());
  if (!made || name.empty() || name.size() > 64) {
    return fail(Error::Kind::invalid, "an authority's name must have 1 to 64 bytes");
  }
  X509& x = *made;
  X509& issuer = parent != nullptr ? *parent->certificate().get() : x;
  WallTime end = now + life;
  if (parent != nullptr) end = std::min(end, parent->certificate().not_after());
  if (X509_set_version(&x, X509_VERSION_3) != 1 || !set_serial(x) ||
      !set_times(x, now - Issuer::kBackdating, end) || !set_name(X509_get_subject_name(&x), name) ||
      X509_set_issuer_name(&x, X509_get_subject_name(&issuer)) != 1 || X509_set_pubkey(&x, key.get()) != 1 ||
      !add_extension(x, issuer, NID_basic_constraints,
                     parent ? "critical,CA:TRUE,pathlen:0" : "critical,CA:TRUE") ||
      !add_extension(x, issuer, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !add_extension(x, issuer, NID_subject_key_identifier, "hash") ||
      (parent != nullptr && !add_extension(x, issuer, NID_authority_key_identifier, "keyid:always"))) {
    return library_failed(Error::Kind::internal, "cannot make an authority's certificate");
  }
  return finish(x, parent != nullptr ? parent->key() : key);
}

}  // namespace

Result<Issuer> Issuer::make_root(std::string_view name, WallTime now, Duration life) {
  WEFT_TRY(PrivateKey key, PrivateKey::generate());
  WEFT_TRY(Certificate certificate, make_authority(name, key, nullptr, now, life));
  return Issuer({std::move(certificate)}, std::move(key));
}

Result<Issuer> Issuer::make_intermediate(std::string_view name, WallTime now, Duration life) const {
  WEFT_TRY(PrivateKey fresh, PrivateKey::generate());
  WEFT_TRY(Certificate certificate, make_authority(name, fresh, this, now, life));
  std::vector<Certificate> chain{std::move(certificate)};
  chain.insert(chain.end(), chain_.begin(), chain_.end());
  return Issuer(std::move(chain), std::move(fresh));
}

Result<Issuer> Issuer::load(std::string_view chain_pem, std::string_view key_pem) {
  auto chain = Certificate::parse_chain_pem(chain_pem);
  if (!chain) return fail(std::move(chain).error().within("issuer certificate"));
  auto key = PrivateKey::parse_pem(key_pem);
  if (!key) return fail(std::move(key).error().within("issuer key"));
  const Certificate& own = chain->front();
  if (!own.is_ca()) {
    return fail(Error::Kind::invalid, concat("the first certificate, of ", own.describe(),
                                             ", is not an authority's (basicConstraints CA:TRUE)"));
  }
  if (!own.belongs_to(*key)) {
    return fail(Error::Kind::invalid,
                concat("the issuer key does not belong to the certificate of ", own.describe()));
  }
  for (size_t i = 0; i + 1 < chain->size(); ++i) {
    if (X509_check_issued((*chain)[i + 1].get(), (*chain)[i].get()) != X509_V_OK) {
      return fail(Error::Kind::invalid,
                  concat("certificate ", i + 2, " of the issuer's chain did not sign certificate ", i + 1,
                         "; the issuer must come first, its root last"));
    }
  }
  return Issuer(std::move(*chain), std::move(*key));
}

Result<Certificate> Issuer::sign(const PublicKey& key, const LeafNames& names, WallTime now,
                                 Duration life) const {
  if (!names.id && names.dns.empty() && names.ips.empty()) {
    return fail(Error::Kind::invalid, "a certificate needs a name");
  }
  if (life <= Duration::zero())
    return fail(Error::Kind::invalid, "a certificate's life must be longer than 0s");
  if (now >= certificate().not_after()) {
    return fail(Error::Kind::unavailable, concat("the issuer ", certificate().describe(),
                                                 " has expired; rotate it before anything is signed"));
  }
  const OwnedX509 made(X509_new());
  if (!made) return library_failed(Error::Kind::internal, "cannot make a certificate");
  X509& x = *made;
  X509& issuer = *certificate().get();
  const WallTime end = std::min(now + life, certificate().not_after());
  const WallTime start = std::max(now - kBackdating, certificate().not_before());
  if (X509_set_version(&x, X509_VERSION_3) != 1 || !set_serial(x) || !set_times(x, start, end) ||
      X509_set_issuer_name(&x, X509_get_subject_name(&issuer)) != 1 || X509_set_pubkey(&x, key.get()) != 1 ||
      !add_extension(x, issuer, NID_basic_constraints, "critical,CA:FALSE") ||
      !add_extension(x, issuer, NID_key_usage, "critical,digitalSignature") ||
      !add_extension(x, issuer, NID_ext_key_usage, "serverAuth,clientAuth") ||
      !add_extension(x, issuer, NID_authority_key_identifier, "keyid") || !add_names(x, names)) {
    return library_failed(Error::Kind::internal, "cannot make a certificate");
  }
  return finish(x, key_);
}

std::vector<Certificate> Issuer::chain_of(const Certificate& leaf) const {
  std::vector<Certificate> chain{leaf};
  for (const Certificate& authority : chain_) {
    if (!authority.is_self_signed()) chain.push_back(authority);
  }
  return chain;
}

}  // namespace weft::identity
