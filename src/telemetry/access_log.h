// Access log lines in Envoy's format language, compiled once.
//
//   auto format = AccessLogFormat::compile(kIstioTextFormat);
//   format->append(record, line);        // line ends in '\n'
//
// What a client or backend sent is escaped: control characters, quotes and backslashes cannot end a line or
// a field. A missing value is "-" in text and null in JSON. An operator that is not known is an error that
// names it: a log that silently lacks a field is worse than none.
//
// The same language fills in the %...% of header values: compile with Use::header.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/listener.h"
#include "telemetry/log_operator.h"
#include "telemetry/record.h"

namespace weft::telemetry {

// What never changes while the process lives.
struct LogContext {
  std::string hostname;
};

extern const std::string_view kIstioTextFormat;
extern const std::string_view kEnvoyTextFormat;
const std::vector<std::pair<std::string, std::string>>& istio_json_fields();

class AccessLogFormat {
 public:
  enum class Use : uint8_t {
    log,     // escaped; missing is "-"
    header,  // of a header value: control characters dropped; missing is ""
  };

  // Empty text is Envoy's default. Errors name the operator and its place.
  static Result<AccessLogFormat> compile(std::string_view text, LogContext context = {}, Use use = Use::log);
  // One JSON object a line, fields in this order. A value that is one operator keeps its type (number, null).
  static Result<AccessLogFormat> compile_json(const std::vector<std::pair<std::string, std::string>>& fields,
                                              LogContext context = {});
  static Result<AccessLogFormat> compile(const model::AccessLog& log, LogContext context = {});

  // Appends; allocates only where `out` must grow.
  void append(const RequestRecord& record, std::string& out) const;

 private:
  AccessLogFormat() = default;
  struct Part {
    std::string literal;  // before the operator
    int32_t op = -1;      // index into operators_; -1: none
    bool quoted = false;  // JSON: the part of a string
  };
  static void append_json(const LogValue& value, bool inside_text, std::string& out);
  Result<void> compile_into(std::string_view text);

  Use use_ = Use::log;
  bool json_ = false;
  LogContext context_;
  std::vector<Part> parts_;
  std::vector<LogOperator> operators_;
};

// Whether the log's filter lets this record be written.
bool wants(const model::AccessLog& log, const RequestRecord& record);

}  // namespace weft::telemetry
