#include "identity/certificate.h"

#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "base/address.h"
#include "base/check.h"
#include "base/strings.h"
#include "identity/openssl.h"

namespace weft::identity {

namespace {

std::string name_text(const X509_NAME* name) {
  const OwnedBio bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  return take_bio(*bio);
}

std::string_view bytes_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<size_t>(ASN1_STRING_length(string))};
}

// IA5 without controls and space: all that URIs and host names are made of.
bool is_clean(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string ip_text(std::string_view raw) {
  if (raw.size() == 4) {
    uint32_t value = 0;
    for (const char c : raw) value = value << 8 | static_cast<uint8_t>(c);
    return IpAddress::v4(value).to_string();
  }
  std::array<uint8_t, 16> bytes{};
  std::copy_n(raw.begin(), std::min<size_t>(raw.size(), 16), bytes.begin());
  return IpAddress::v6(bytes).to_string();
}

}  // namespace

Result<void> Certificate::read_names(Facts& facts) {
  int critical = 0;
  const Owned<GENERAL_NAMES, GENERAL_NAMES_free> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(facts.certificate.get(), NID_subject_alt_name, &critical, nullptr)));
  if (!names) {
    // -1 is absent; anything else is there twice or does not parse.
    if (critical == -1) return {};
    return library_failed(Error::Kind::invalid, "the certificate's subject alternative names do not parse");
  }
  for (size_t i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    std::vector<std::string>* list = nullptr;
    if (name->type == GEN_URI) list = &facts.uri_names;
    if (name->type == GEN_DNS) list = &facts.dns_names;
    if (list != nullptr) {
      const std::string_view text = bytes_of(name->d.ia5);
      if (!is_clean(text)) {
        return fail(Error::Kind::invalid, concat("the certificate has the name '", printable(text, 120),
                                                 "', which no URI or host has"));
      }
      list->emplace_back(text);
    } else if (name->type == GEN_IPADD) {
      const std::string_view raw = bytes_of(name->d.iPAddress);
      if (raw.size() != 4 && raw.size() != 16) {
        return fail(Error::Kind::invalid,
                    concat("the certificate has an IP address of ", raw.size(), " bytes"));
      }
      facts.ip_names.push_back(ip_text(raw));
    }
  }
  return {};
}

Result<Certificate> Certificate::from_x509(X509* certificate) {
  X509_up_ref(certificate);
  auto facts = std::make_shared<Facts>();
  facts->certificate = std::shared_ptr<X509>(certificate, X509_free);
  WEFT_CHECK_OK(read_names(*facts));
  if (facts->uri_names.size() == 1) {
    if (auto id = SpiffeId::parse(facts->uri_names[0])) facts->spiffe_id = std::move(*id);
  }
  facts->subject = name_text(X509_get_subject_name(certificate));
  facts->issuer = name_text(X509_get_issuer_name(certificate));
  facts->serial = to_lower(hex_encode(bytes_of(X509_get0_serialNumber(certificate))));
  std::array<uint8_t, SHA256_DIGEST_LENGTH> digest{};
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) {
    return library_failed(Error::Kind::invalid, "the certificate has no encoding");
  }
  facts->fingerprint = to_lower(hex_encode({reinterpret_cast<const char*>(digest.data()), digest.size()}));
  facts->not_before = to_wall_time(X509_get0_notBefore(certificate));
  facts->not_after = to_wall_time(X509_get0_notAfter(certificate));
  facts->is_ca = X509_check_ca(certificate) == 1;
  facts->is_self_signed = (X509_get_extension_flags(certificate) & EXFLAG_SS) != 0;
  ERR_clear_error();
  return Certificate(std::move(facts));
}

Result<Certificate> Certificate::parse_der(Bytes der) {
  const auto* start = reinterpret_cast<const uint8_t*>(der.data());
  const uint8_t* at = start;
  const OwnedX509 certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (!certificate) return library_failed(Error::Kind::invalid, "not a certificate in DER form");
  if (at != start + der.size()) return fail(Error::Kind::invalid, "bytes follow the certificate");
  return from_x509(certificate.get());
}

Result<std::vector<Certificate>> Certificate::parse_chain_pem(std::string_view pem) {
  const OwnedBio bio = read_bio(pem);
  std::vector<Certificate> chain;
  for (;;) {
    const OwnedX509 certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!certificate) break;
    auto parsed = from_x509(certificate.get());
    if (!parsed) return fail(std::move(parsed).error().within(concat("certificate ", chain.size() + 1)));
    chain.push_back(std::move(*parsed));
  }
  const uint32_t code = ERR_peek_last_error();
  const bool ended = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
  if (!ended) {
    return library_failed(Error::Kind::invalid, concat("certificate ", chain.size() + 1, " does not parse"));
  }
  ERR_clear_error();
  if (chain.empty()) return fail(Error::Kind::invalid, "no certificate in PEM form (BEGIN CERTIFICATE)");
  return chain;
}

bool Certificate::belongs_to(const PrivateKey& key) const {
  const bool same = X509_check_private_key(get(), key.get()) == 1;
  ERR_clear_error();
  return same;
}

std::string Certificate::describe() const {
  if (spiffe_id()) return spiffe_id()->uri();
  if (!dns_names().empty()) return dns_names()[0];
  return subject().empty() ? concat("serial ", serial()) : subject();
}

std::string Certificate::to_pem() const {
  const OwnedBio bio(BIO_new(BIO_s_mem()));
  WEFT_CHECK(bio && PEM_write_bio_X509(bio.get(), get()) == 1);
  return take_bio(*bio);
}

std::string Certificate::to_der() const {
  uint8_t* der = nullptr;
  const int size = i2d_X509(get(), &der);
  WEFT_CHECK(size > 0);
  std::string out(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

std::string to_pem(std::span<const Certificate> chain) {
  std::string out;
  for (const Certificate& certificate : chain) out += certificate.to_pem();
  return out;
}

}  // namespace weft::identity
