#include "wire/http_options.h"

#include "base/result.h"
#include "envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case.pb.h"
#include "wire/parts.h"

namespace weft::wire {

using PreserveCase =
    envoy::extensions::http::header_formatters::preserve_case::v3::PreserveCaseFormatterConfig;

void write_preserve_case(core_pb::Http1ProtocolOptions& to) {
  auto& formatter = *to.mutable_header_key_format()->mutable_stateful_formatter();
  formatter.set_name("preserve_case");
  pack(PreserveCase(), *formatter.mutable_typed_config());
}

Read<bool> read_preserve_case(const core_pb::Http1ProtocolOptions& from, const Place& at) {
  if (!from.has_header_key_format()) return false;
  const Place format = at("header_key_format");
  if (!holds<PreserveCase>(from.header_key_format().stateful_formatter().typed_config())) {
    return not_supported(format("stateful_formatter"),
                         printable(from.header_key_format().stateful_formatter().name()));
  }
  return true;
}

}  // namespace weft::wire
