#include "wire/ca.h"

#include "istio_ca.pb.h"
#include "wire/parts.h"

namespace weft::wire {

namespace {

template <typename Message>
Result<Message> parse_message(Bytes bytes, std::string_view what) {
  Message message;
  if (!parse(message, as_text(bytes))) {
    return fail(Error::Kind::protocol, concat(what, " is not well-formed protobuf"));
  }
  return message;
}

}  // namespace

std::string encode(const CertificateRequest& request) {
  istio::v1::auth::IstioCertificateRequest to;
  to.set_csr(request.csr);
  to.set_validity_duration(request.validity_seconds);
  if (!request.metadata.is_null()) write(request.metadata, *to.mutable_metadata());
  return serialize(to);
}

std::string encode(const CertificateResponse& response) {
  istio::v1::auth::IstioCertificateResponse to;
  for (const auto& certificate : response.chain) to.add_cert_chain(certificate);
  return serialize(to);
}

Result<CertificateRequest> decode_certificate_request(Bytes message) {
  WEFT_TRY(const auto from,
           parse_message<istio::v1::auth::IstioCertificateRequest>(message, "IstioCertificateRequest"));
  CertificateRequest request;
  request.csr = from.csr();
  request.validity_seconds = from.validity_duration();
  if (from.has_metadata()) request.metadata = read(from.metadata());
  return request;
}

Result<CertificateResponse> decode_certificate_response(Bytes message) {
  WEFT_TRY(const auto from,
           parse_message<istio::v1::auth::IstioCertificateResponse>(message, "IstioCertificateResponse"));
  return CertificateResponse{.chain = {from.cert_chain().begin(), from.cert_chain().end()}};
}

}  // namespace weft::wire
