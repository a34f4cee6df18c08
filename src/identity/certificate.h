// Certificate: an X.509 certificate that was parsed, and what the mesh wants to know of it.
//
//   auto chain = Certificate::parse_chain_pem(text);      // leaf first
//   if (auto id = chain->front().spiffe_id()) ...
//
// A certificate whose names carry NUL or other bytes that no URI or host name has is refused as a
// whole: such names exist to be read one way by one program and another way by the next.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "identity/key.h"
#include "identity/spiffe_id.h"

struct x509_st;

namespace weft::identity {

// Cheap to copy, immutable, usable from any thread.
class Certificate {
 public:
  static Result<Certificate> parse_der(Bytes der);
  // One or more certificates; text around them is ignored, as everywhere. Fails on none.
  static Result<std::vector<Certificate>> parse_chain_pem(std::string_view pem);
  // Takes a reference of its own.
  static Result<Certificate> from_x509(x509_st* certificate);

  const std::vector<std::string>& uri_names() const { return facts_->uri_names; }
  const std::vector<std::string>& dns_names() const { return facts_->dns_names; }
  const std::vector<std::string>& ip_names() const { return facts_->ip_names; }
  // The one URI name, if it is a SPIFFE ID. A certificate with two URI names is nobody (X509-SVID 2).
  const std::optional<SpiffeId>& spiffe_id() const { return facts_->spiffe_id; }
  // RFC 2253, for people and for Envoy's %DOWNSTREAM_PEER_SUBJECT%.
  const std::string& subject() const { return facts_->subject; }
  const std::string& issuer() const { return facts_->issuer; }
  const std::string& serial() const { return facts_->serial; }            // lower-case hex
  const std::string& fingerprint() const { return facts_->fingerprint; }  // SHA-256 of the DER, hex
  WallTime not_before() const { return facts_->not_before; }
  WallTime not_after() const { return facts_->not_after; }
  bool is_ca() const { return facts_->is_ca; }
  bool is_self_signed() const { return facts_->is_self_signed; }
  bool belongs_to(const PrivateKey& key) const;
  // "spiffe://… (serial 0a1b)" or the subject: whose it is, in one word.
  std::string describe() const;

  std::string to_pem() const;
  std::string to_der() const;
  x509_st* get() const { return facts_->certificate.get(); }

  bool operator==(const Certificate& other) const { return fingerprint() == other.fingerprint(); }

 private:
  struct Facts {
    std::shared_ptr<x509_st> certificate;
    std::vector<std::string> uri_names, dns_names, ip_names;
    std::optional<SpiffeId> spiffe_id;
    std::string subject, issuer, serial, fingerprint;
    WallTime not_before, not_after;
    bool is_ca = false;
    bool is_self_signed = false;
  };
  explicit Certificate(std::shared_ptr<const Facts> facts) : facts_(std::move(facts)) {}
  static Result<void> read_names(Facts& facts);

  std::shared_ptr<const Facts> facts_;
};

std::string to_pem(std::span<const Certificate> chain);

}  // namespace weft::identity
