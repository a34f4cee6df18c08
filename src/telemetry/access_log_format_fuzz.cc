// Any format string compiles or is refused, and what it writes about hostile values stays one line.
#include <cstdlib>

#include "telemetry/access_log.h"
#include "telemetry/record_for_test.h"

using namespace weft;
using namespace weft::telemetry;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t cut = input.find('\n');
  const std::string format(input.substr(0, cut));
  if (format.empty()) return 0;  // Envoy's default, which ends in a line feed
  const std::string_view value = cut == input.npos ? std::string_view() : input.substr(cut + 1);

  static FinishedRequest& finished = *new FinishedRequest();
  finished.request.path = value;
  finished.record.server_name = value;
  finished.record.response_code_details = value;
  if (const auto compiled = AccessLogFormat::compile(format)) {
    std::string line;
    compiled->append(finished.record, line);
    for (const char c : line) {
      // The format itself has no line feed here, so neither may the line; other control characters may only
      // be the format's own.
      if (c == '\n') std::abort();
    }
  }
  if (const auto compiled = AccessLogFormat::compile_json({{"a", format}, {"b", "%REQ(:PATH)%"}})) {
    std::string line;
    compiled->append(finished.record, line);
    if (line.find('\n') != line.size() - 1) std::abort();
  }
  return 0;
}
