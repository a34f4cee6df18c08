#include "objects/retry_on.h"

#include <algorithm>

#include "base/strings.h"

namespace weft::objects {

std::optional<Problem> check_retry_on(const std::string& text) {
  static const std::vector<std::string_view> kConditions = {
      "5xx",
      "gateway-error",
      "reset",
      "reset-before-request",
      "connect-failure",
      "envoy-ratelimited",
      "retriable-4xx",
      "refused-stream",
      "retriable-status-codes",
      "retriable-headers",
      "http3-post-connect-failure",
      "cancelled",
      "deadline-exceeded",
      "internal",
      "resource-exhausted",
      "unavailable",
  };
  for (const std::string_view part : split(text, ',')) {
    const std::string_view condition = trim(part);
    if (std::find(kConditions.begin(), kConditions.end(), condition) != kConditions.end()) continue;
    const auto status = parse_unsigned(condition);
    if (status && *status >= 100 && *status <= 599) continue;
    const std::string hint = did_you_mean(condition, kConditions);
    return Problem{concat(quoted(condition), " is not a condition to retry on"),
                   hint.empty() ? "write conditions such as 5xx, reset, connect-failure, or a status" : hint};
  }
  return std::nullopt;
}

}  // namespace weft::objects
