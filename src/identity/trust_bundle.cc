#include "identity/trust_bundle.h"

#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/strings.h"
#include "identity/openssl.h"

namespace weft::identity {

namespace {

std::string fingerprint_of(const std::vector<Certificate>& sorted) {
  std::string all;
  for (const Certificate& root : sorted) all += root.fingerprint();
  std::array<uint8_t, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const uint8_t*>(all.data()), all.size(), digest.data());
  return to_lower(hex_encode({reinterpret_cast<const char*>(digest.data()), digest.size()}));
}

std::string date(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day ymd(day);
  const std::chrono::hh_mm_ss hms(seconds - day);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(ymd.year()),
                static_cast<unsigned>(ymd.month()), static_cast<unsigned>(ymd.day()),
                static_cast<int>(hms.hours().count()), static_cast<int>(hms.minutes().count()),
                static_cast<int>(hms.seconds().count()));
  return text;
}

std::string reason(int code, const Certificate& failed, WallTime now) {
  switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return concat("the certificate of ", failed.describe(), " expired at ", date(failed.not_after()),
                    ", it is ", date(now));
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return concat("the certificate of ", failed.describe(), " is valid only from ",
                    date(failed.not_before()), ", it is ", date(now), "; compare the clocks");
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return concat("the certificate of ", failed.describe(), ", issued by '", failed.issuer(),
                    "', leads to no trusted root");
    case X509_V_ERR_INVALID_PURPOSE:
      return concat("the certificate of ", failed.describe(), " may not be used so (extended key usage)");
    default:
      return concat("the certificate of ", failed.describe(), ": ", X509_verify_cert_error_string(code));
  }
}

}  // namespace

Result<TrustBundle> TrustBundle::parse_pem(std::string_view pem) {
  auto roots = Certificate::parse_chain_pem(pem);
  if (!roots) return fail(std::move(roots).error().within("trust bundle"));
  return make(std::move(*roots));
}

Result<TrustBundle> TrustBundle::make(std::vector<Certificate> roots) {
  if (roots.empty()) return fail(Error::Kind::invalid, "a trust bundle needs a root");
  for (const Certificate& root : roots) {
    if (!root.is_ca()) {
      return fail(Error::Kind::invalid, concat("trust bundle: the certificate of ", root.describe(),
                                               " is not an authority's (basicConstraints CA:TRUE)"));
    }
  }
  const auto by_fingerprint = [](const Certificate& a, const Certificate& b) {
    return a.fingerprint() < b.fingerprint();
  };
  std::sort(roots.begin(), roots.end(), by_fingerprint);
  roots.erase(std::unique(roots.begin(), roots.end()), roots.end());

  TrustBundle bundle;
  bundle.store_ = std::shared_ptr<X509_STORE>(X509_STORE_new(), X509_STORE_free);
  WEFT_CHECK(bundle.store_ != nullptr);
  for (const Certificate& root : roots) {
    if (X509_STORE_add_cert(bundle.store_.get(), root.get()) != 1) {
      return library_failed(Error::Kind::invalid, concat("trust bundle: ", root.describe()));
    }
  }
  bundle.fingerprint_ = fingerprint_of(roots);
  bundle.roots_ = std::move(roots);
  return bundle;
}

TrustBundle TrustBundle::joined_with(const TrustBundle& other) const {
  std::vector<Certificate> all = roots_;
  all.insert(all.end(), other.roots_.begin(), other.roots_.end());
  auto joined = make(std::move(all));
  WEFT_CHECK(joined.has_value());  // each was an authority's already
  return std::move(*joined);
}

Result<void> TrustBundle::verify(std::span<const Certificate> chain, WallTime now, Purpose purpose) const {
  if (chain.empty()) return fail(Error::Kind::denied, "no certificate to verify");
  // A leaf that could sign others is no workload's (X509-SVID 5.2).
  if (chain[0].is_ca()) {
    return fail(Error::Kind::denied,
                concat("the certificate of ", chain[0].describe(), " is an authority's"));
  }
  const Owned<STACK_OF(X509), +[](STACK_OF(X509) * s) { sk_X509_free(s); }> between(sk_X509_new_null());
  const Owned<X509_STORE_CTX, X509_STORE_CTX_free> context(X509_STORE_CTX_new());
  WEFT_CHECK(between && context);
  for (const Certificate& certificate : chain.subspan(1)) sk_X509_push(between.get(), certificate.get());
  if (X509_STORE_CTX_init(context.get(), store_.get(), chain[0].get(), between.get()) != 1 ||
      X509_STORE_CTX_set_purpose(context.get(), purpose == Purpose::client ? X509_PURPOSE_SSL_CLIENT
                                                                           : X509_PURPOSE_SSL_SERVER) != 1) {
    return library_failed(Error::Kind::internal, "cannot verify a certificate");
  }
  X509_STORE_CTX_set_time_posix(
      context.get(), 0, std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
  // A user's bundle may hold an intermediate alone: whom they list, they trust.
  X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(context.get()), X509_V_FLAG_PARTIAL_CHAIN);
  if (X509_verify_cert(context.get()) == 1) return {};

  const int code = X509_STORE_CTX_get_error(context.get());
  X509* failed = X509_STORE_CTX_get_current_cert(context.get());
  ERR_clear_error();
  auto whose = failed != nullptr ? Certificate::from_x509(failed) : Result<Certificate>(chain[0]);
  return fail(Error::Kind::denied, reason(code, whose ? *whose : chain[0], now));
}

}  // namespace weft::identity
