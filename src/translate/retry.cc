#include <array>

#include "base/strings.h"
#include "translate/routes.h"

namespace weft::translate {

namespace {

using Retry = model::RetryPolicy;

constexpr std::array<std::pair<std::string_view, uint32_t>, 16> kConditions{{
    {"5xx", Retry::on_5xx},
    {"gateway-error", Retry::gateway_error},
    {"connect-failure", Retry::connect_failure},
    {"refused-stream", Retry::refused_stream},
    {"retriable-4xx", Retry::retriable_4xx},
    {"reset", Retry::reset},
    {"reset-before-request", Retry::reset_before_request},
    {"retriable-status-codes", Retry::retriable_status_codes},
    {"retriable-headers", Retry::retriable_headers},
    {"envoy-ratelimited", Retry::envoy_ratelimited},
    {"cancelled", Retry::grpc_cancelled},
    {"deadline-exceeded", Retry::grpc_deadline_exceeded},
    {"internal", Retry::grpc_internal},
    {"resource-exhausted", Retry::grpc_resource_exhausted},
    {"unavailable", Retry::grpc_unavailable},
    {"http3-post-connect-failure", Retry::http3_post_connect_failure},
}};

constexpr uint32_t kDefaultOn = Retry::connect_failure | Retry::refused_stream | Retry::grpc_unavailable |
                                Retry::grpc_cancelled | Retry::retriable_status_codes;

void parse_conditions(std::string_view text, Retry& out) {
  out.on = 0;
  for (const auto part : split(text, ',')) {
    const auto word = trim(part);
    if (const auto code = parse_unsigned(word); code && *code >= 100 && *code <= 999) {
      out.status_codes.push_back(static_cast<uint32_t>(*code));
      out.on |= Retry::retriable_status_codes;
      continue;
    }
    for (const auto& [name, bit] : kConditions) {
      if (word == name) out.on |= bit;
    }
  }
}

}  // namespace

std::optional<Retry> retry_policy(const std::optional<objects::HttpRetry>& retry, bool consistent_hash,
                                  const MeshOptions& options) {
  Retry out;
  out.on = kDefaultOn;
  out.attempts = options.default_retry_attempts;
  out.host_selection_attempts = 5;
  // A hash that names one host must not be led away from it.
  out.avoid_previous_hosts = !consistent_hash;
  out.is_default = !retry;
  if (!retry) return out.attempts == 0 ? std::nullopt : std::optional(out);
  if (retry->attempts <= 0) return std::nullopt;
  out.attempts = static_cast<uint32_t>(retry->attempts);
  if (!retry->retry_on.empty()) parse_conditions(retry->retry_on, out);
  if (retry->per_try_timeout) out.per_try_timeout = *retry->per_try_timeout;
  if (retry->retry_ignore_previous_hosts) out.avoid_previous_hosts = *retry->retry_ignore_previous_hosts;
  if (retry->backoff) {
    out.back_off_base = *retry->backoff;
    out.back_off_max = 10 * *retry->backoff;  // as Envoy: ten times the base where no maximum is given
  }
  return out;
}

}  // namespace weft::translate
