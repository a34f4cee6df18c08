// The programs' own log (not the access log): one line a fact, to standard error or where set_sink says.
//
//   log_info("xds", "connected to ", address.to_string());
//   2026-11-24T21:40:12.004Z info  xds  connected to 127.0.0.1:15012
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/strings.h"

namespace weft {

enum class LogLevel : int { trace, debug, info, warning, error, off };

LogLevel log_level();
// From any thread; takes effect at once.
void set_log_level(LogLevel level);
Result<LogLevel> parse_log_level(std::string_view text);
std::string_view to_string(LogLevel level);

void log_line(LogLevel level, std::string_view component, std::string_view text);

template <typename... Parts>
void log_at(LogLevel level, std::string_view component, const Parts&... parts) {
  if (level >= log_level()) log_line(level, component, concat(parts...));
}
template <typename... Parts>
void log_debug(std::string_view component, const Parts&... parts) {
  log_at(LogLevel::debug, component, parts...);
}
template <typename... Parts>
void log_info(std::string_view component, const Parts&... parts) {
  log_at(LogLevel::info, component, parts...);
}
template <typename... Parts>
void log_warning(std::string_view component, const Parts&... parts) {
  log_at(LogLevel::warning, component, parts...);
}
template <typename... Parts>
void log_error(std::string_view component, const Parts&... parts) {
  log_at(LogLevel::error, component, parts...);
}

}  // namespace weft
