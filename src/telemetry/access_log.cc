#include "telemetry/access_log.h"

#include "base/json.h"
#include "base/strings.h"
#include "telemetry/log_operator.h"

namespace weft::telemetry {

const std::string_view kIstioTextFormat =
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% "
    "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
    "\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" "
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% "
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% "
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

const std::string_view kEnvoyTextFormat =
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% "
    "%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
    "\"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" "
    "\"%UPSTREAM_HOST%\"\n";

const std::vector<std::pair<std::string, std::string>>& istio_json_fields() {
  static const std::vector<std::pair<std::string, std::string>> kFields = {
      {"start_time", "%START_TIME%"},
      {"method", "%REQ(:METHOD)%"},
      {"path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"},
      {"protocol", "%PROTOCOL%"},
      {"response_code", "%RESPONSE_CODE%"},
      {"response_flags", "%RESPONSE_FLAGS%"},
      {"response_code_details", "%RESPONSE_CODE_DETAILS%"},
      {"connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"},
      {"upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"},
      {"bytes_received", "%BYTES_RECEIVED%"},
      {"bytes_sent", "%BYTES_SENT%"},
      {"duration", "%DURATION%"},
      {"upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"},
      {"x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"},
      {"user_agent", "%REQ(USER-AGENT)%"},
      {"request_id", "%REQ(X-REQUEST-ID)%"},
      {"authority", "%REQ(:AUTHORITY)%"},
      {"upstream_host", "%UPSTREAM_HOST%"},
      {"upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"},
      {"upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"},
      {"downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"},
      {"downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"},
      {"requested_server_name", "%REQUESTED_SERVER_NAME%"},
      {"route_name", "%ROUTE_NAME%"},
  };
  return kFields;
}

namespace {

constexpr char kHex[] = "0123456789abcdef";

// Looks at every character without a branch, so that the compiler takes sixteen at a time: nearly always
// there is nothing to escape.
bool is_plain_text(std::string_view value) {
  unsigned special = 0;
  for (const char c : value) {
    const auto u = static_cast<unsigned char>(c);
    special |= unsigned{u < 0x20} | unsigned{u == 0x7f} | unsigned{u == '"'} | unsigned{u == '\\'};
  }
  return special == 0;
}

// A text line: whatever could end the line, the quotes or an escape is written as \xNN.
void append_for_text(std::string& out, std::string_view value) {
  if (is_plain_text(value)) {
    out.append(value);
    return;
  }
  size_t plain = 0;
  for (size_t i = 0; i < value.size(); ++i) {
    const auto c = static_cast<unsigned char>(value[i]);
    if (c >= 0x20 && c != 0x7f && c != '"' && c != '\\') continue;
    out.append(value.substr(plain, i - plain)).append("\\x");
    out.push_back(kHex[c >> 4]);
    out.push_back(kHex[c & 15]);
    plain = i + 1;
  }
  out.append(value.substr(plain));
}

// Header values hold no control characters (RFC 9110 section 5.5): a value from a client must not end ours.
void append_for_header(std::string& out, std::string_view value) {
  for (const char c : value) {
    const auto u = static_cast<unsigned char>(c);
    if (u >= 0x20 && u != 0x7f) out.push_back(c);
  }
}

// JSON wants UTF-8; a log collector drops lines that are not. Other bytes are written as \u00NN.
bool is_plain_json(std::string_view value) {
  unsigned special = 0;
  for (const char c : value) special |= unsigned{static_cast<unsigned char>(c) >= 0x80};
  return special == 0 && is_plain_text(value);
}

void append_for_json(std::string& out, std::string_view value) {
  if (is_plain_json(value)) {
    out.append(value);
    return;
  }
  for (const char c : value) {
    const auto u = static_cast<unsigned char>(c);
    if (u < 0x20 || u >= 0x7f) {
      out.append("\\u00");
      out.push_back(kHex[u >> 4]);
      out.push_back(kHex[u & 15]);
    } else {
      if (c == '"' || c == '\\') out.push_back('\\');
      out.push_back(c);
    }
  }
}

}  // namespace

// ---- compiling

Result<void> AccessLogFormat::compile_into(std::string_view text) {
  const size_t before = parts_.size();
  std::string literal;
  for (size_t at = 0; at < text.size();) {
    const size_t percent = text.find('%', at);
    literal.append(text.substr(at, percent - at));
    if (percent == text.npos) break;
    if (text.substr(percent).starts_with("%%")) {
      literal.push_back('%');
      at = percent + 2;
      continue;
    }
    auto found = LogOperator::parse(text.substr(percent));
    if (!found) {
      return fail(std::move(found).error().within(concat("access log format, character ", percent + 1)));
    }
    parts_.push_back({.literal = std::move(literal), .op = static_cast<int32_t>(operators_.size())});
    literal.clear();
    operators_.push_back(std::move(found->op));
    at = percent + found->length;
  }
  if (!literal.empty() || parts_.size() == before) parts_.push_back({.literal = std::move(literal)});
  return {};
}

Result<AccessLogFormat> AccessLogFormat::compile(std::string_view text, LogContext context, Use use) {
  AccessLogFormat format;
  format.use_ = use;
  format.context_ = std::move(context);
  WEFT_CHECK_OK(format.compile_into(text.empty() && use == Use::log ? kEnvoyTextFormat : text));
  return format;
}

Result<AccessLogFormat> AccessLogFormat::compile_json(
    const std::vector<std::pair<std::string, std::string>>& fields, LogContext context) {
  AccessLogFormat format;
  format.json_ = true;
  format.context_ = std::move(context);
  for (const auto& [name, text] : fields) {
    const size_t first = format.parts_.size();
    auto compiled = format.compile_into(text);
    if (!compiled) return fail(std::move(compiled).error().within(concat("field '", printable(name), "'")));
    auto& begin = format.parts_[first];
    const bool alone = format.parts_.size() == first + 1 && begin.op >= 0 && begin.literal.empty();
    for (size_t i = first; i < format.parts_.size(); ++i) {
      auto& part = format.parts_[i];
      part.quoted = !alone;
      part.literal = json_escape(part.literal);
    }
    // The name, and for text of several pieces the quotes around them, are literals as well.
    const std::string key = concat(first == 0 ? "{" : ",", "\"", json_escape(name), "\":", alone ? "" : "\"");
    format.parts_[first].literal.insert(0, key);
    if (!alone) format.parts_.push_back({.literal = "\""});
  }
  format.parts_.push_back({.literal = fields.empty() ? "{}\n" : "}\n"});
  return format;
}

Result<AccessLogFormat> AccessLogFormat::compile(const model::AccessLog& log, LogContext context) {
  if (!log.json_fields.empty()) return compile_json(log.json_fields, std::move(context));
  return compile(log.text_format, std::move(context));
}

// ---- writing

void AccessLogFormat::append(const RequestRecord& record, std::string& out) const {
  LogValue value;
  for (const auto& part : parts_) {
    out.append(part.literal);
    if (part.op < 0) continue;
    operators_[static_cast<size_t>(part.op)].read(record, context_.hostname, value);
    if (json_) {
      append_json(value, part.quoted, out);
    } else if (use_ == Use::header) {
      append_for_header(out, value.text());
    } else if (value.missing()) {
      out.push_back('-');
    } else if (value.is_ours()) {
      out.append(value.text());
    } else {
      append_for_text(out, value.text());
    }
  }
}

void AccessLogFormat::append_json(const LogValue& value, bool inside_text, std::string& out) {
  if (value.missing()) {
    out.append(inside_text ? "-" : "null");
  } else if (inside_text) {
    append_for_json(out, value.text());
  } else if (value.is_number()) {
    out.append(value.text());
  } else {
    out.push_back('"');
    append_for_json(out, value.text());
    out.push_back('"');
  }
}

bool wants(const model::AccessLog& log, const RequestRecord& record) {
  using Filter = model::AccessLog::Filter;
  switch (log.filter) {
    case Filter::none:
      return true;
    case Filter::no_route_only:
      return record.flags.has(Flag::no_route_found);
    case Filter::status_5xx:
      return record.response_code >= 500;
    case Filter::not_health_check: {
      if (!record.request) return true;
      const auto agent = record.request->headers.get("user-agent");
      const bool probe = agent && (agent->starts_with("kube-probe/") || agent->starts_with("Envoy/HC"));
      return !probe;
    }
  }
  return true;
}

}  // namespace weft::telemetry
