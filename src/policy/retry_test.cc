#include "policy/retry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::policy {
namespace {

using Why = RetryDecision::Why;
using testing::HasSubstr;

model::RetryPolicy policy(std::string_view on, uint32_t attempts = 2) {
  const auto parsed = parse_retry_on(on).value();
  model::RetryPolicy policy;
  policy.on = parsed.conditions;
  policy.status_codes = parsed.status_codes;
  policy.attempts = attempts;
  return policy;
}

RetryDecision decide(const model::RetryPolicy* policy, const AttemptOutcome& outcome, uint32_t attempt = 1,
                     Budget budget = Budget::available) {
  Random random(1);
  return decide_retry(policy, attempt, outcome, budget, random);
}

TEST(Retry, retries_what_the_policy_names_and_nothing_else) {
  struct Case {
    const char* on;
    AttemptOutcome outcome;
    bool retried;
  };
  const AttemptOutcome refused_connection{.connect_failure = true, .provably_unprocessed = true};
  const AttemptOutcome refused_stream{.refused_stream = true, .provably_unprocessed = true};
  const AttemptOutcome reset{.reset = true};
  const AttemptOutcome reset_early{.reset = true, .request_started = false};
  const AttemptOutcome slow{.per_try_timeout = true};
  const auto status = [](int code) { return AttemptOutcome{.status = code}; };
  const auto grpc = [](int code) { return AttemptOutcome{.status = 200, .grpc_status = code}; };
  const AttemptOutcome limited{.status = 503, .rate_limited = true};
  const Case cases[] = {
      {"5xx", status(500), true},
      {"5xx", status(599), true},
      {"5xx", status(404), false},
      {"5xx", reset, true},
      {"5xx", refused_connection, true},
      {"5xx", slow, true},
      {"gateway-error", status(500), false},
      {"gateway-error", status(502), true},
      {"gateway-error", status(504), true},
      {"gateway-error", reset, true},
      {"connect-failure", refused_connection, true},
      {"connect-failure", reset, false},
      {"connect-failure", status(503), false},
      {"refused-stream", refused_stream, true},
      {"refused-stream", reset, false},
      {"reset", reset, true},
      {"reset", slow, true},
      {"reset", refused_stream, true},
      {"reset", status(503), false},
      {"reset-before-request", reset_early, true},
      {"reset-before-request", reset, false},
      {"retriable-4xx", status(409), true},
      {"retriable-4xx", status(404), false},
      {"418,429", status(429), true},
      {"418,429", status(503), false},
      {"unavailable", grpc(14), true},
      {"unavailable", grpc(13), false},
      {"cancelled,deadline-exceeded,internal,resource-exhausted", grpc(1), true},
      {"cancelled,deadline-exceeded,internal,resource-exhausted", grpc(4), true},
      {"cancelled,deadline-exceeded,internal,resource-exhausted", grpc(13), true},
      {"cancelled,deadline-exceeded,internal,resource-exhausted", grpc(8), true},
      {"cancelled,deadline-exceeded,internal,resource-exhausted", grpc(14), false},
      {"5xx", limited, false},
      {"envoy-ratelimited", limited, true},
  };
  for (const auto& c : cases) {
    const auto wanted = policy(c.on);
    EXPECT_EQ(decide(&wanted, c.outcome).retry, c.retried) << c.on << ", status " << c.outcome.status;
  }
}

TEST(Retry, ends_with_the_attempts_and_the_budget) {
  const auto two = policy("5xx", 2);
  const AttemptOutcome bad{.status = 503};
  EXPECT_TRUE(decide(&two, bad, 2));
  EXPECT_EQ(decide(&two, bad, 3).why, Why::attempts_used);
  EXPECT_EQ(decide(&two, bad, 1, Budget::exhausted).why, Why::budget_exhausted);
  const auto off = policy("5xx", 0);
  EXPECT_EQ(decide(&off, bad).why, Why::attempts_used);
}

TEST(Retry, a_success_needs_no_retry) {
  const auto any = policy("5xx,unavailable");
  EXPECT_EQ(decide(&any, {.status = 200, .grpc_status = 0}).why, Why::success);
  EXPECT_EQ(decide(nullptr, {.status = 200}).why, Why::success);
}

TEST(Retry, a_default_policy_repeats_only_what_is_safe) {
  auto standard = policy("connect-failure,refused-stream,unavailable,cancelled,503");
  standard.is_default = true;
  AttemptOutcome post{.status = 503};
  EXPECT_EQ(decide(&standard, post).why, Why::not_safe);
  post.idempotent = true;
  EXPECT_TRUE(decide(&standard, post));
  EXPECT_TRUE(decide(&standard, {.connect_failure = true, .provably_unprocessed = true}));
  EXPECT_TRUE(decide(&standard, {.refused_stream = true, .provably_unprocessed = true}));

  standard.is_default = false;
  post.idempotent = false;
  EXPECT_TRUE(decide(&standard, post)) << "a user who asks for it gets it";
}

TEST(Retry, a_body_that_is_gone_cannot_be_sent_again) {
  const auto any = policy("5xx");
  EXPECT_EQ(decide(&any, {.status = 503, .replayable = false}).why, Why::not_replayable);
}

TEST(Retry, a_connection_that_idled_out_is_replaced_once_without_a_policy) {
  const AttemptOutcome unseen{.reset = true, .provably_unprocessed = true, .stale_connection = true};
  const AttemptOutcome maybe{.reset = true, .stale_connection = true};
  AttemptOutcome get = maybe;
  get.idempotent = true;
  EXPECT_TRUE(decide(nullptr, unseen));
  EXPECT_TRUE(decide(nullptr, get));
  EXPECT_FALSE(decide(nullptr, maybe));
  EXPECT_FALSE(decide(nullptr, unseen, 2));
  EXPECT_EQ(decide(nullptr, unseen).why, Why::stale_connection);
  EXPECT_EQ(decide(nullptr, unseen).back_off, Duration::zero());
}

TEST(Retry, without_a_policy_nothing_else_is_retried) {
  EXPECT_EQ(decide(nullptr, {.status = 503, .idempotent = true}).why, Why::no_policy);
  EXPECT_EQ(decide(nullptr, {.connect_failure = true, .provably_unprocessed = true}).why, Why::no_policy);
}

TEST(Retry, backs_off_within_a_bound_that_doubles) {
  auto wanted = policy("5xx", 100);
  wanted.back_off_base = 25ms;
  wanted.back_off_max = 250ms;
  Random random(1);
  const AttemptOutcome bad{.status = 503};
  for (uint32_t attempt = 1; attempt <= 70; ++attempt) {
    Duration most = 250ms;
    if (attempt == 1) most = 25ms;
    if (attempt == 2) most = 50ms;
    if (attempt == 3) most = 100ms;
    if (attempt == 4) most = 200ms;
    Duration longest = Duration::zero();
    for (int i = 0; i < 200; ++i) {
      const auto next = decide_retry(&wanted, attempt, bad, Budget::available, random);
      ASSERT_LT(next.back_off, most);
      longest = std::max(longest, next.back_off);
    }
    EXPECT_GT(longest, most * 8 / 10) << "jitter fills the whole range";
  }
}

// ---- retry_on

TEST(RetryOn, reads_names_and_codes) {
  const auto on = parse_retry_on("connect-failure, refused-stream,503,,retriable-status-codes");
  ASSERT_TRUE(on);
  EXPECT_EQ(on->conditions, model::RetryPolicy::connect_failure | model::RetryPolicy::refused_stream |
                                model::RetryPolicy::retriable_status_codes);
  EXPECT_THAT(on->status_codes, testing::ElementsAre(503));
  EXPECT_EQ(parse_retry_on("")->conditions, 0u);
}

TEST(RetryOn, complains_by_name_and_suggests) {
  EXPECT_THAT(parse_retry_on("gatway-error").error().text, HasSubstr("did you mean 'gateway-error'?"));
  EXPECT_THAT(parse_retry_on("5xx,99").error().text, HasSubstr("99 is not an HTTP status"));
  EXPECT_FALSE(parse_retry_on("600"));
}

TEST(RetryOn, writes_what_it_reads) {
  const std::string all =
      "5xx,gateway-error,connect-failure,refused-stream,retriable-4xx,reset,reset-before-request,"
      "retriable-status-codes,retriable-headers,envoy-ratelimited,cancelled,deadline-exceeded,internal,"
      "resource-exhausted,unavailable,http3-post-connect-failure";
  EXPECT_EQ(format_retry_on(parse_retry_on(all)->conditions), all);
  EXPECT_EQ(format_retry_on(0), "");
}

}  // namespace
}  // namespace weft::policy
