// TrustBundle: the roots that somebody believes, and whether a chain leads to one of them.
//
//   auto bundle = TrustBundle::parse_pem(roots);
//   auto verified = bundle->verify(chain, now, Purpose::client);   // chain: leaf first
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "identity/certificate.h"

struct x509_store_st;

namespace weft::identity {

// What the leaf is used for: its extended key usage must allow it.
enum class Purpose : uint8_t { server, client };

// Immutable, cheap to copy, usable from any thread.
class TrustBundle {
 public:
  // At least one certificate; each must be an authority's. Doubles are dropped.
  static Result<TrustBundle> parse_pem(std::string_view pem);
  static Result<TrustBundle> make(std::vector<Certificate> roots);
  // Both sets together: what everybody must hold while a root is rotated.
  TrustBundle joined_with(const TrustBundle& other) const;

  // The error says which certificate failed and why, as an operator can act on it.
  Result<void> verify(std::span<const Certificate> chain, WallTime now, Purpose purpose) const;

  const std::vector<Certificate>& roots() const { return roots_; }
  std::string to_pem() const { return identity::to_pem(roots_); }
  // The same for the same set of roots, whatever their order. Hex.
  const std::string& fingerprint() const { return fingerprint_; }
  bool operator==(const TrustBundle& other) const { return fingerprint_ == other.fingerprint_; }

 private:
  TrustBundle() = default;
  std::vector<Certificate> roots_;
  std::string fingerprint_;
  std::shared_ptr<x509_store_st> store_;
};

}  // namespace weft::identity
