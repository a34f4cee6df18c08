// The conditions of retries.retryOn, as Istio takes them.
#pragma once

#include <optional>
#include <string>

#include "objects/checks.h"

namespace weft::objects {

// Comma-separated: Envoy's HTTP and gRPC conditions, and HTTP statuses.
std::optional<Problem> check_retry_on(const std::string& text);

}  // namespace weft::objects
