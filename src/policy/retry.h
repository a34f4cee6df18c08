// May a request that failed be sent again?
//
// Pure: the caller tells what happened; the answer says yes or no, why, and after how long.
//
//   RetryDecision next = decide_retry(policy, attempt, outcome, budget, random);
//   if (next) co_await sleep(next.back_off);
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "model/route.h"

namespace weft::policy {

// How one attempt ended.
struct AttemptOutcome {
  int status = 0;                     // of the response; 0: none came
  std::optional<int> grpc_status;     // of a gRPC response whose head already told it
  bool rate_limited = false;          // the response carries x-envoy-ratelimited
  bool connect_failure = false;       // no connection came about (refused, timeout, TLS)
  bool refused_stream = false;        // REFUSED_STREAM, or GOAWAY named an earlier stream
  bool reset = false;                 // the connection or stream died before a response head
  bool request_started = true;        // bytes of the request had been written when that happened
  bool provably_unprocessed = false;  // the server cannot have acted on it
  bool stale_connection = false;      // a reused connection closed without a byte of answer
  bool per_try_timeout = false;
  bool idempotent = false;  // the request's method (RFC 9110 section 9.2.2)
  bool replayable = true;   // its body, if any, is still here to be sent again
};

enum class Budget : uint8_t { available, exhausted };

struct RetryDecision {
  enum class Why : uint8_t {
    by_policy,         // a condition of the policy holds
    stale_connection,  // nobody can have seen it; sent again without being counted
    success,           // nothing to mend
    no_policy,
    not_a_condition,  // the policy does not name what happened
    not_safe,         // a default policy, a method that is not idempotent, maybe processed
    attempts_used,
    budget_exhausted,
    not_replayable,
  };
  bool retry = false;
  Why why = Why::no_policy;
  Duration back_off = Duration::zero();
  explicit operator bool() const { return retry; }
};
std::string_view to_string(RetryDecision::Why why);

// `attempt` counts tries so far: 1 after the first one failed. `policy` may be null.
RetryDecision decide_retry(const model::RetryPolicy* policy, uint32_t attempt, const AttemptOutcome& outcome,
                           Budget budget, Random& random);
// Whether the policy's conditions name this outcome, whatever attempts and budget say.
bool is_retriable(const model::RetryPolicy& policy, const AttemptOutcome& outcome);

// Istio's and Envoy's retry_on: names by comma; integers are status codes and set retriable_status_codes.
struct RetryOn {
  uint32_t conditions = 0;
  std::vector<uint32_t> status_codes;
};
Result<RetryOn> parse_retry_on(std::string_view text);
// The names of the bits, by comma, in the order of the bits.
std::string format_retry_on(uint32_t conditions);

}  // namespace weft::policy
