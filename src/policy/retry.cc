#include "policy/retry.h"

#include <algorithm>

#include "base/strings.h"

namespace weft::policy {

namespace {

using Condition = model::RetryPolicy::Condition;
using Why = RetryDecision::Why;

struct Name {
  std::string_view text;
  uint32_t bit;
};
// In the order of the bits. Envoy's retry-on and retry-grpc-on in one list, as Istio has them.
constexpr Name kNames[] = {
    {"5xx", Condition::on_5xx},
    {"gateway-error", Condition::gateway_error},
    {"connect-failure", Condition::connect_failure},
    {"refused-stream", Condition::refused_stream},
    {"retriable-4xx", Condition::retriable_4xx},
    {"reset", Condition::reset},
    {"reset-before-request", Condition::reset_before_request},
    {"retriable-status-codes", Condition::retriable_status_codes},
    {"retriable-headers", Condition::retriable_headers},
    {"envoy-ratelimited", Condition::envoy_ratelimited},
    {"cancelled", Condition::grpc_cancelled},
    {"deadline-exceeded", Condition::grpc_deadline_exceeded},
    {"internal", Condition::grpc_internal},
    {"resource-exhausted", Condition::grpc_resource_exhausted},
    {"unavailable", Condition::grpc_unavailable},
    {"http3-post-connect-failure", Condition::http3_post_connect_failure},
};

bool failed_without_response(const AttemptOutcome& outcome) {
  return outcome.connect_failure || outcome.refused_stream || outcome.reset || outcome.per_try_timeout ||
         outcome.stale_connection;
}

bool grpc_condition_holds(uint32_t on, int status) {
  switch (status) {
    case 1:
      return on & Condition::grpc_cancelled;
    case 4:
      return on & Condition::grpc_deadline_exceeded;
    case 8:
      return on & Condition::grpc_resource_exhausted;
    case 13:
      return on & Condition::grpc_internal;
    case 14:
      return on & Condition::grpc_unavailable;
  }
  return false;
}

// The client would get a 5xx of ours for it, so 5xx and gateway-error name it too (as Envoy counts it).
bool is_retriable_failure(uint32_t on, const AttemptOutcome& outcome) {
  if (on & (Condition::on_5xx | Condition::gateway_error)) return true;
  if ((on & Condition::connect_failure) && outcome.connect_failure) return true;
  if ((on & Condition::refused_stream) && outcome.refused_stream) return true;
  const bool was_reset =
      outcome.reset || outcome.stale_connection || outcome.per_try_timeout || outcome.refused_stream;
  if ((on & Condition::reset) && (was_reset || outcome.connect_failure)) return true;
  return (on & Condition::reset_before_request) && was_reset && !outcome.request_started;
}

bool is_retriable_response(const model::RetryPolicy& policy, const AttemptOutcome& outcome) {
  const uint32_t on = policy.on;
  const int status = outcome.status;
  // A limiter said no: asking again is what it asked us not to do, unless the policy says so.
  if (outcome.rate_limited) return on & Condition::envoy_ratelimited;
  if ((on & Condition::on_5xx) && status >= 500 && status < 600) return true;
  if ((on & Condition::gateway_error) && status >= 502 && status <= 504) return true;
  if ((on & Condition::retriable_4xx) && status == 409) return true;
  if ((on & Condition::retriable_status_codes) &&
      std::ranges::find(policy.status_codes, static_cast<uint32_t>(status)) != policy.status_codes.end()) {
    return true;
  }
  return outcome.grpc_status && grpc_condition_holds(on, *outcome.grpc_status);
}

// Before the n-th retry: uniform below base × 2^(n-1), at most max (full jitter).
Duration back_off(const model::RetryPolicy& policy, uint32_t attempt, Random& random) {
  const uint64_t most = static_cast<uint64_t>(std::max<int64_t>(policy.back_off_max.count(), 1));
  uint64_t bound = static_cast<uint64_t>(std::max<int64_t>(policy.back_off_base.count(), 1));
  for (uint32_t i = 1; i < attempt && bound < most; ++i) bound *= 2;
  return Duration(static_cast<int64_t>(random.below(std::min(bound, most))));
}

RetryDecision no(Why why) { return {.retry = false, .why = why}; }

// A connection that had idled was closed as our request reached it. Nobody answered, so nobody need have
// seen it; sent again once, at once, whatever policy there is.
bool is_lost_race(const AttemptOutcome& outcome) {
  return outcome.stale_connection && (outcome.provably_unprocessed || outcome.idempotent);
}

}  // namespace

std::string_view to_string(Why why) {
  switch (why) {
    case Why::by_policy:
      return "by policy";
    case Why::stale_connection:
      return "the connection had idled out";
    case Why::success:
      return "success";
    case Why::no_policy:
      return "no retry policy";
    case Why::not_a_condition:
      return "not a condition of the policy";
    case Why::not_safe:
      return "not idempotent and maybe processed";
    case Why::attempts_used:
      return "attempts used up";
    case Why::budget_exhausted:
      return "retry budget exhausted";
    case Why::not_replayable:
      return "the body is not kept";
  }
  return {};
}

bool is_retriable(const model::RetryPolicy& policy, const AttemptOutcome& outcome) {
  if (failed_without_response(outcome)) return is_retriable_failure(policy.on, outcome);
  return is_retriable_response(policy, outcome);
}

RetryDecision decide_retry(const model::RetryPolicy* policy, uint32_t attempt, const AttemptOutcome& outcome,
                           Budget budget, Random& random) {
  const bool retriable = policy && is_retriable(*policy, outcome);
  if (!retriable && !is_lost_race(outcome)) {
    if (!failed_without_response(outcome) && outcome.status < 400 && outcome.grpc_status.value_or(0) == 0) {
      return no(Why::success);
    }
    return no(policy ? Why::not_a_condition : Why::no_policy);
  }
  if (!outcome.replayable) return no(Why::not_replayable);
  if (is_lost_race(outcome) && attempt == 1) return {.retry = true, .why = Why::stale_connection};
  if (!retriable) return no(policy ? Why::not_a_condition : Why::no_policy);
  if (policy->is_default && !outcome.provably_unprocessed && !outcome.idempotent) return no(Why::not_safe);
  if (attempt > policy->attempts) return no(Why::attempts_used);
  if (budget == Budget::exhausted) return no(Why::budget_exhausted);
  return {.retry = true, .why = Why::by_policy, .back_off = back_off(*policy, attempt, random)};
}

Result<RetryOn> parse_retry_on(std::string_view text) {
  RetryOn on;
  for (const std::string_view part : split(text, ',')) {
    const std::string_view name = trim(part);
    if (name.empty()) continue;
    if (const auto code = parse_unsigned(name)) {
      if (*code < 100 || *code > 599) {
        return fail(Error::Kind::invalid, concat("retryOn: ", *code, " is not an HTTP status (100 to 599)"));
      }
      on.conditions |= Condition::retriable_status_codes;
      on.status_codes.push_back(static_cast<uint32_t>(*code));
      continue;
    }
    const auto* known = std::ranges::find(kNames, name, &Name::text);
    if (known == std::end(kNames)) {
      std::vector<std::string_view> names;
      for (const auto& each : kNames) names.push_back(each.text);
      std::string message = concat("retryOn: '", printable(name), "' is not a retry condition");
      if (const auto near = nearest(name, names)) message.append(concat("; did you mean '", *near, "'?"));
      return fail(Error::Kind::invalid, std::move(message));
    }
    on.conditions |= known->bit;
  }
  return on;
}

std::string format_retry_on(uint32_t conditions) {
  std::vector<std::string> names;
  for (const auto& name : kNames) {
    if (conditions & name.bit) names.emplace_back(name.text);
  }
  return join(names, ",");
}

}  // namespace weft::policy
