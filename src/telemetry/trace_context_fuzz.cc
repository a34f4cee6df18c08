// What parses is written and parsed again to the same; nothing else happens.
#include <cstdlib>

#include "telemetry/trace_context.h"

using namespace weft;
using namespace weft::telemetry;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (const auto context = TraceContext::parse_traceparent(input)) {
    if (TraceContext::parse_traceparent(context->traceparent()) != context) std::abort();
  }
  if (const auto context = TraceContext::parse_b3(input)) {
    const auto again = TraceContext::parse_b3(context->b3());
    // A parent behind no sampling state cannot be written: the form has no place for it.
    if (!again || again->trace_low != context->trace_low || again->span != context->span) std::abort();
  }
  http::Headers headers;
  const size_t cut = input.find('\n');
  headers.add("x-b3-traceid", input.substr(0, cut));
  headers.add("x-b3-spanid", cut == input.npos ? input : input.substr(cut + 1));
  headers.add("traceparent", input);
  headers.add("b3", input);
  if (auto context = TraceContext::read(headers)) context->write(headers);
  is_uuid(input);
  return 0;
}
