#include "identity/csr.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/strings.h"
#include "identity/openssl.h"

namespace weft::identity {

namespace {

using OwnedRequest = Owned<X509_REQ, X509_REQ_free>;

void free_extensions(STACK_OF(X509_EXTENSION) * list) {
  sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
}
using OwnedExtensions = Owned<STACK_OF(X509_EXTENSION), free_extensions>;

std::vector<std::string> uris_of(X509_REQ& request) {
  std::vector<std::string> uris;
  const OwnedExtensions extensions(X509_REQ_get_extensions(&request));
  if (!extensions) return uris;
  const Owned<GENERAL_NAMES, GENERAL_NAMES_free> names(
      static_cast<GENERAL_NAMES*>(X509V3_get_d2i(extensions.get(), NID_subject_alt_name, nullptr, nullptr)));
  if (!names) return uris;
  for (size_t i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.uniformResourceIdentifier)),
                      static_cast<size_t>(ASN1_STRING_length(name->d.uniformResourceIdentifier)));
  }
  return uris;
}

}  // namespace

PublicKey PublicKey::of(const PrivateKey& key) {
  EVP_PKEY_up_ref(key.get());
  return PublicKey(std::shared_ptr<EVP_PKEY>(key.get(), EVP_PKEY_free));
}

Result<std::string> make_csr(const PrivateKey& key, const SpiffeId& id) {
  const OwnedRequest request(X509_REQ_new());
  const std::string value = concat("URI:", id.uri());
  const Owned<X509_EXTENSION, X509_EXTENSION_free> names(
      X509V3_EXT_nconf_nid(nullptr, nullptr, NID_subject_alt_name, value.c_str()));
  const OwnedExtensions extensions(sk_X509_EXTENSION_new_null());
  if (!request || !names || !extensions) return library_failed(Error::Kind::internal, "cannot make a CSR");
  // The stack owns what it holds.
  X509_EXTENSION* copy = X509_EXTENSION_dup(names.get());
  if (copy == nullptr || sk_X509_EXTENSION_push(extensions.get(), copy) == 0 ||
      X509_REQ_add_extensions(request.get(), extensions.get()) != 1 ||
      X509_REQ_set_pubkey(request.get(), key.get()) != 1 ||
      X509_REQ_sign(request.get(), key.get(), EVP_sha256()) <= 0) {
    return library_failed(Error::Kind::internal, "cannot make a CSR");
  }
  const OwnedBio bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_X509_REQ(bio.get(), request.get()) != 1) {
    return library_failed(Error::Kind::internal, "cannot write a CSR");
  }
  return take_bio(*bio);
}

Result<Csr> Csr::parse_pem(std::string_view pem) {
  const OwnedBio bio = read_bio(pem);
  const OwnedRequest request(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
  if (!request) {
    return library_failed(Error::Kind::invalid,
                          "not a certificate request in PEM form (BEGIN CERTIFICATE REQUEST)");
  }
  OwnedKey key(X509_REQ_get_pubkey(request.get()));
  if (!key) return library_failed(Error::Kind::invalid, "the certificate request has no usable public key");
  if (auto strong = check_key_strength(key.get()); !strong) {
    return fail(std::move(strong).error().within("certificate request"));
  }
  if (X509_REQ_verify(request.get(), key.get()) != 1) {
    return library_failed(Error::Kind::denied, "the certificate request is not signed by its own key");
  }
  Csr csr(PublicKey(std::shared_ptr<EVP_PKEY>(key.release(), EVP_PKEY_free)));
  csr.wished_uris_ = uris_of(*request);
  ERR_clear_error();
  return csr;
}

}  // namespace weft::identity
