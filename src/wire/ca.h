// istio.v1.auth.IstioCertificateService: how a workload gets its certificate signed.
//
//   call("/istio.v1.auth.IstioCertificateService/CreateCertificate", encode(CertificateRequest{.csr = pem}));
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/value.h"

namespace weft::wire {

inline constexpr std::string_view kCreateCertificatePath =
    "/istio.v1.auth.IstioCertificateService/CreateCertificate";

struct CertificateRequest {
  std::string csr;               // PEM
  int64_t validity_seconds = 0;  // what is asked for; 0: the CA's default
  Value metadata;
  bool operator==(const CertificateRequest&) const = default;
};

struct CertificateResponse {
  std::vector<std::string> chain;  // PEM: leaf, intermediates, and the root last
  bool operator==(const CertificateResponse&) const = default;
};

std::string encode(const CertificateRequest& request);
std::string encode(const CertificateResponse& response);
Result<CertificateRequest> decode_certificate_request(Bytes message);
Result<CertificateResponse> decode_certificate_response(Bytes message);

}  // namespace weft::wire
