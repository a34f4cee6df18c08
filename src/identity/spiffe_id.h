// SpiffeId: who a workload is. spiffe://<trust domain>/<path>
//
//   auto id = SpiffeId::parse("spiffe://cluster.local/ns/shop/sa/cart");
//   id->name_space();        // "shop"
//   id->principal();         // "cluster.local/ns/shop/sa/cart", as Istio's policies write it
//
// The grammar is the SPIFFE-ID standard's, to the letter: what it does not allow is no identity.
// Mesh workloads have the path /ns/<namespace>/sa/<service account>; others may have another.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::identity {

class SpiffeId {
 public:
  static Result<SpiffeId> parse(std::string_view uri);
  // Of the mesh's form. Fails where a part could not stand in a SPIFFE ID.
  static Result<SpiffeId> make(std::string_view trust_domain, std::string_view name_space,
                               std::string_view service_account);

  const std::string& uri() const { return uri_; }
  std::string_view principal() const { return std::string_view(uri_).substr(kScheme.size()); }
  std::string_view trust_domain() const { return principal().substr(0, domain_size_); }
  std::string_view path() const { return principal().substr(domain_size_); }  // with its slash, or empty
  // Empty where the path is not the mesh's form.
  std::string_view name_space() const;
  std::string_view service_account() const;

  bool operator==(const SpiffeId& other) const { return uri_ == other.uri_; }
  auto operator<=>(const SpiffeId& other) const { return uri_ <=> other.uri_; }

 private:
  static constexpr std::string_view kScheme = "spiffe://";
  SpiffeId() = default;

  std::string uri_;
  size_t domain_size_ = 0;
};

}  // namespace weft::identity
