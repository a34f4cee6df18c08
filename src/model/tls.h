// Transport security of a filter chain or a cluster.
#pragma once

#include <string>
#include <vector>

#include "model/match.h"

namespace weft::model {

// Where a key and certificate, or a set of roots, come from.
struct SecretRef {
  enum class Source : uint8_t {
    none,
    workload,  // SDS through the node's own agent: "default" and "ROOTCA" are the workload's identity and the
               // mesh's roots
    ads,       // an SDS resource of that name from the control plane ("kubernetes://web-tls")
    files,     // paths below; read again when they change
    inline_,   // PEM text below
    provider,  // a gRPC client library's certificate provider "default"; weftd sends it, weft-proxy refuses
               // it
  };
  Source source = Source::none;
  std::string name;
  std::string certificate;  // path or PEM, by source
  std::string key;
  std::string ca;  // path or PEM of trusted roots
  bool operator==(const SecretRef&) const = default;
};

enum class TlsVersion : uint8_t { automatic, tls12, tls13 };

struct TlsCommon {
  std::vector<std::string> alpn;
  TlsVersion min_version = TlsVersion::tls12;
  TlsVersion max_version = TlsVersion::tls13;
  std::vector<std::string> cipher_suites;  // TLS 1.2; empty is the built-in list
  SecretRef certificate;                   // our own; none: anonymous (client only)
  SecretRef roots;                         // none: do not verify
  // Any of these must match one URI or DNS SAN of the peer; empty accepts whatever the roots signed.
  std::vector<StringMatch> subject_alt_names;
  bool operator==(const TlsCommon&) const = default;
};

struct DownstreamTls {
  TlsCommon common;
  bool require_client_certificate = false;
  // Roots are given but a client without certificate may pass (OPTIONAL_MUTUAL).
  bool operator==(const DownstreamTls&) const = default;
};

struct UpstreamTls {
  TlsCommon common;
  std::string sni;
  bool auto_host_sni = false;        // SNI from the request's authority
  bool auto_san_validation = false;  // and verify that name
  bool operator==(const UpstreamTls&) const = default;
};

}  // namespace weft::model
