// Trace context of a request: W3C traceparent, B3 in one header or several; and request ids.
//
//   TraceContext context = TraceContext::read(request.headers).value_or(TraceContext::start(random,
//   sampled)); TraceContext ours = context.child(random); ours.write(request.headers);     // in the forms in
//   which it came; traceparent if none did
//
// What does not parse is treated as absent, as the standards ask: a bad header must not fail a request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "http/headers.h"

namespace weft::telemetry {

struct TraceContext {
  enum class Sampled : uint8_t { unknown, no, yes, debug };
  enum Form : uint8_t { w3c = 1, b3_single = 2, b3_multi = 4 };

  uint64_t trace_high = 0, trace_low = 0;  // high may be 0 in B3 (64-bit trace ids)
  uint64_t span = 0;
  uint64_t parent = 0;  // B3; 0: none
  Sampled sampled = Sampled::unknown;
  uint8_t w3c_flags = 0;
  uint8_t forms = 0;  // in which headers it came

  static TraceContext start(Random& random, Sampled sampled);
  // traceparent wins over b3, b3 over x-b3-*. nullopt: none that is valid.
  static std::optional<TraceContext> read(const http::Headers& headers);
  static std::optional<TraceContext> parse_traceparent(std::string_view text);
  static std::optional<TraceContext> parse_b3(std::string_view text);

  // The same trace, a new span below this one.
  TraceContext child(Random& random) const;
  void write(http::Headers& headers) const;
  bool is_sampled() const { return sampled == Sampled::yes || sampled == Sampled::debug; }

  std::string trace_id() const;  // 32 hex digits
  std::string span_id() const;   // 16
  std::string traceparent() const;
  std::string b3() const;
  bool operator==(const TraceContext&) const = default;
};

// A random (version 4) UUID, RFC 9562.
std::string make_request_id(Random& random);
bool is_uuid(std::string_view text);

}  // namespace weft::telemetry
