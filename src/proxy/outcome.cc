#include "proxy/outcome.h"

#include "base/strings.h"

namespace weft::proxy {

Outcome Outcome::make(int status, std::string_view details, std::initializer_list<telemetry::Flag> flags,
                      std::string body, std::string text) {
  Outcome outcome;
  outcome.status = status;
  outcome.details = details;
  for (telemetry::Flag flag : flags) outcome.flags.set(flag);
  outcome.body = std::move(body);
  outcome.text = std::move(text);
  return outcome;
}

int grpc_status_of_http(int status) {
  switch (status) {
    case 400:
      return 13;  // INTERNAL
    case 401:
      return 16;  // UNAUTHENTICATED
    case 403:
      return 7;  // PERMISSION_DENIED
    case 404:
      return 12;  // UNIMPLEMENTED
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;  // UNAVAILABLE
    default:
      return status == 200 ? 0 : 2;
  }
}

Reply reply_to(const Outcome& outcome, bool grpc) {
  Reply reply;
  if (grpc && outcome.location.empty()) {
    const int code = outcome.grpc_status >= 0 ? outcome.grpc_status : grpc_status_of_http(outcome.status);
    reply.head.status = 200;
    reply.head.headers.add("content-type", "application/grpc");
    reply.head.headers.add("grpc-status", std::to_string(code));
    if (!outcome.body.empty()) reply.head.headers.add("grpc-message", outcome.body);
    reply.head.content_length = 0;
    return reply;
  }
  reply.head.status = outcome.status;
  if (!outcome.location.empty()) reply.head.headers.add("location", outcome.location);
  if (outcome.overloaded) reply.head.headers.add("x-envoy-overloaded", "true");
  reply.body = outcome.body;
  reply.head.content_length = reply.body.size();
  if (!reply.body.empty()) reply.head.headers.add("content-type", "text/plain");
  return reply;
}

}  // namespace weft::proxy
