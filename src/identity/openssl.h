// What the rooms identity and tls share of the library's C interface: owners and error text.
// Only their .cc files include this.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace weft::identity {

template <auto Free>
struct FreeWith {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
template <typename T, auto Free>
using Owned = std::unique_ptr<T, FreeWith<Free>>;

using OwnedX509 = Owned<X509, X509_free>;
using OwnedKey = Owned<EVP_PKEY, EVP_PKEY_free>;
using OwnedBio = Owned<BIO, BIO_free>;

// The library's words for its last failure, and clears its queue.
std::string take_library_error();
// `what: the library's words`
std::unexpected<Error> library_failed(Error::Kind kind, std::string_view what);

OwnedBio read_bio(std::string_view bytes);
std::string take_bio(BIO& bio);
WallTime to_wall_time(const ASN1_TIME* time);

}  // namespace weft::identity
