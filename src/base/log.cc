#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>

namespace weft {

namespace {
std::atomic<LogLevel> threshold{LogLevel::info};
}

LogLevel log_level() { return threshold.load(std::memory_order_relaxed); }
void set_log_level(LogLevel level) { threshold.store(level, std::memory_order_relaxed); }

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::trace:
      return "trace";
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
    case LogLevel::off:
      return "off";
  }
  return "off";
}

Result<LogLevel> parse_log_level(std::string_view text) {
  for (LogLevel level : {LogLevel::trace, LogLevel::debug, LogLevel::info, LogLevel::warning, LogLevel::error,
                         LogLevel::off}) {
    if (text == to_string(level)) return level;
  }
  if (text == "warn") return LogLevel::warning;
  if (text == "critical") return LogLevel::error;
  return fail(Error::Kind::invalid, concat("'", printable(text, 32),
                                           "' is not a log level (trace, debug, info, warning, error, off)"));
}

// One write() a line, so that lines of several threads do not mix.
void log_line(LogLevel level, std::string_view component, std::string_view text) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  char head[64];
  const int length =
      std::snprintf(head, sizeof head, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %-7s ", parts.tm_year + 1900,
                    parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                    now.tv_nsec / 1'000'000, std::string(to_string(level)).c_str());
  std::string line(head, static_cast<size_t>(length));
  line.append(component).append("  ");
  for (char c : text) line.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  line.push_back('\n');
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace weft
