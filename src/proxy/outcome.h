// Outcome: how a request that we answer ourselves ended, as one value; one function maps it to a reply.
//
// Whatever happens on the way (no route, a denial, no healthy endpoint, a timeout) becomes an Outcome.
// reply_to() turns it into status, body and gRPC status; the same value sets the response flags and
// details of the access log. So a new failure cannot forget one of the three.
#pragma once

#include <string>
#include <string_view>

#include "http/message.h"
#include "telemetry/record.h"

namespace weft::proxy {

// Details that more than one place needs.
inline constexpr std::string_view kMissingHost = "missing_host_header";

struct Outcome {
  int status = 500;
  std::string details;  // Envoy's %RESPONSE_CODE_DETAILS%
  telemetry::Flags flags;
  std::string body;      // for the client: never says which policy or endpoint
  std::string text;      // for the operator: the cause and what to do
  std::string location;  // redirects
  std::string denial_policy, denial_rule;
  int grpc_status = -1;     // -1: by the HTTP status (gRPC's own mapping)
  bool overloaded = false;  // adds x-envoy-overloaded

  static Outcome make(int status, std::string_view details, std::initializer_list<telemetry::Flag> flags,
                      std::string body, std::string text = {});
};

// The reply to a request; gRPC requests get 200 with grpc-status in a trailers-only head.
struct Reply {
  http::Response head;
  std::string body;
};
Reply reply_to(const Outcome& outcome, bool grpc);

// gRPC's mapping of HTTP status codes (doc/http-grpc-status-mapping.md).
int grpc_status_of_http(int status);

}  // namespace weft::proxy
