#include "wire/access_log_wire.h"

#include <algorithm>

#include "base/result.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/access_loggers/stream/v3/stream.pb.h"
#include "wire/parts.h"

namespace weft::wire {

namespace {

using envoy::extensions::access_loggers::file::v3::FileAccessLog;
using envoy::extensions::access_loggers::stream::v3::StderrAccessLog;
using envoy::extensions::access_loggers::stream::v3::StdoutAccessLog;
using model::AccessLog;
using wire::read;
using wire::write;

constexpr char kFileLog[] = "envoy.access_loggers.file";
constexpr char kNoRoute[] = "NR";
constexpr uint32_t kServerError = 500;

void write_filter(AccessLog::Filter from, accesslog_pb::AccessLog& to) {
  switch (from) {
    case AccessLog::Filter::none:
      break;
    case AccessLog::Filter::no_route_only:
      to.mutable_filter()->mutable_response_flag_filter()->add_flags(kNoRoute);
      break;
    case AccessLog::Filter::not_health_check:
      to.mutable_filter()->mutable_not_health_check_filter();
      break;
    case AccessLog::Filter::status_5xx: {
      auto& comparison = *to.mutable_filter()->mutable_status_code_filter()->mutable_comparison();
      comparison.set_op(accesslog_pb::ComparisonFilter::GE);
      comparison.mutable_value()->set_default_value(kServerError);
      comparison.mutable_value()->set_runtime_key("access_log.server_error");
      break;
    }
  }
}

Read<AccessLog::Filter> read_filter(const accesslog_pb::AccessLogFilter& from, const Place& at) {
  switch (from.filter_specifier_case()) {
    case accesslog_pb::AccessLogFilter::kResponseFlagFilter:
      if (from.response_flag_filter().flags_size() == 1 && from.response_flag_filter().flags(0) == kNoRoute) {
        return AccessLog::Filter::no_route_only;
      }
      return not_supported(at("response_flag_filter"), "other than [NR]");
    case accesslog_pb::AccessLogFilter::kNotHealthCheckFilter:
      return AccessLog::Filter::not_health_check;
    case accesslog_pb::AccessLogFilter::kStatusCodeFilter: {
      const auto& comparison = from.status_code_filter().comparison();
      if (comparison.op() == accesslog_pb::ComparisonFilter::GE &&
          comparison.value().default_value() == kServerError) {
        return AccessLog::Filter::status_5xx;
      }
      return not_supported(at("status_code_filter"), "other than GE 500");
    }
    case accesslog_pb::AccessLogFilter::FILTER_SPECIFIER_NOT_SET:
      break;
  }
  return refuse(at, "says nothing");
}

void write_format(const AccessLog& from, core_pb::SubstitutionFormatString& to) {
  if (from.json_fields.empty()) {
    to.mutable_text_format_source()->set_inline_string(from.text_format);
    return;
  }
  auto& fields = *to.mutable_json_format()->mutable_fields();
  for (const auto& [name, format] : from.json_fields) fields[name].set_string_value(format);
}

Read<> read_format(const core_pb::SubstitutionFormatString& from, AccessLog& to, const Place& at) {
  switch (from.format_case()) {
    case core_pb::SubstitutionFormatString::kTextFormat:
      to.text_format = from.text_format();
      return {};
    case core_pb::SubstitutionFormatString::kTextFormatSource:
      if (from.text_format_source().has_inline_string()) {
        to.text_format = from.text_format_source().inline_string();
      } else if (from.text_format_source().has_inline_bytes()) {
        to.text_format = from.text_format_source().inline_bytes();
      } else {
        return not_supported(at("text_format_source"), "other than inline_string");
      }
      return {};
    case core_pb::SubstitutionFormatString::kJsonFormat:
      for (const auto& [name, format] : from.json_format().fields()) {
        if (!format.has_string_value()) return not_supported(at("json_format", name), "other than text");
        to.json_fields.emplace_back(name, format.string_value());
      }
      // An Envoy prints them sorted, too.
      std::ranges::sort(to.json_fields);
      if (to.json_fields.empty()) return refuse(at("json_format"), "has no fields");
      return {};
    case core_pb::SubstitutionFormatString::FORMAT_NOT_SET:
      break;
  }
  return refuse(at, "has none of text_format, text_format_source and json_format");
}

Read<AccessLog> read(const accesslog_pb::AccessLog& from, const Place& at) {
  AccessLog log;
  if (from.has_filter()) {
    WEFT_TRY(log.filter, read_filter(from.filter(), at("filter")));
  }
  const Place config = at("typed_config");
  const auto& any = from.typed_config();
  if (holds<FileAccessLog>(any)) {
    WEFT_TRY(const auto file, unpack<FileAccessLog>(any, config));
    if (file.path().empty()) return refuse(config("path"), "is empty");
    log.path = file.path();
    if (file.has_format()) log.text_format = file.format();
    if (file.has_log_format()) {
      WEFT_CHECK_OK(read_format(file.log_format(), log, config("log_format")));
    }
  } else if (holds<StdoutAccessLog>(any)) {
    log.path = "/dev/stdout";
    WEFT_TRY(const auto stream, unpack<StdoutAccessLog>(any, config));
    if (stream.has_log_format()) {
      WEFT_CHECK_OK(read_format(stream.log_format(), log, config("log_format")));
    }
  } else if (holds<StderrAccessLog>(any)) {
    log.path = "/dev/stderr";
    WEFT_TRY(const auto stream, unpack<StderrAccessLog>(any, config));
    if (stream.has_log_format()) {
      WEFT_CHECK_OK(read_format(stream.log_format(), log, config("log_format")));
    }
  } else {
    return not_supported(at, printable(from.name()));
  }
  return log;
}

}  // namespace

void write(const std::vector<AccessLog>& from, AccessLogMessages& to) {
  for (const AccessLog& log : from) {
    auto& message = *to.Add();
    message.set_name(kFileLog);
    write_filter(log.filter, message);
    FileAccessLog file;
    file.set_path(log.path);
    if (!log.text_format.empty() || !log.json_fields.empty()) write_format(log, *file.mutable_log_format());
    pack(file, *message.mutable_typed_config());
  }
}

Read<std::vector<AccessLog>> read_access_logs(const AccessLogMessages& from, std::string_view field,
                                              const Place& at) {
  std::vector<AccessLog> logs;
  for (int i = 0; i < from.size(); ++i) {
    WEFT_TRY(AccessLog log, read(from[i], at(field, static_cast<size_t>(i))));
    logs.push_back(std::move(log));
  }
  return logs;
}

}  // namespace weft::wire
