#include "telemetry/trace_context.h"

#include <vector>

#include "base/strings.h"

namespace weft::telemetry {

namespace {

constexpr char kHex[] = "0123456789abcdef";

// Exactly the given digits; W3C wants lower case (section 3.2), B3 is read as it comes.
enum class Case : uint8_t { lower, either };
std::optional<uint64_t> parse_hex(std::string_view text, Case wanted) {
  if (text.empty() || text.size() > 16) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    uint64_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<uint64_t>(c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F' && wanted == Case::either) {
      digit = static_cast<uint64_t>(c - 'A' + 10);
    } else {
      return std::nullopt;
    }
    value = value << 4 | digit;
  }
  return value;
}

void append_hex(std::string& out, uint64_t value, int digits) {
  for (int i = digits - 1; i >= 0; --i) out.push_back(kHex[(value >> (4 * i)) & 15]);
}

uint64_t not_zero(Random& random) {
  uint64_t value;
  do {
    value = random.next();
  } while (value == 0);
  return value;
}

// 16 or 32 digits, not all zero.
bool read_b3_trace_id(std::string_view text, TraceContext& context) {
  if (text.size() != 16 && text.size() != 32) return false;
  const auto low = parse_hex(text.substr(text.size() - 16), Case::either);
  const auto high = text.size() == 32 ? parse_hex(text.substr(0, 16), Case::either) : 0;
  if (!low || !high || (*low | *high) == 0) return false;
  context.trace_low = *low;
  context.trace_high = *high;
  return true;
}

bool read_b3_span_id(std::string_view text, uint64_t& span) {
  const auto value = text.size() == 16 ? parse_hex(text, Case::either) : std::nullopt;
  if (!value || *value == 0) return false;
  span = *value;
  return true;
}

std::optional<TraceContext::Sampled> read_b3_sampled(std::string_view text) {
  using Sampled = TraceContext::Sampled;
  if (text == "1" || text == "true") return Sampled::yes;
  if (text == "0" || text == "false") return Sampled::no;
  if (text == "d") return Sampled::debug;
  return std::nullopt;
}

std::optional<TraceContext> read_b3_multi(const http::Headers& headers) {
  const auto trace = headers.get("x-b3-traceid"), span = headers.get("x-b3-spanid");
  if (!trace || !span) return std::nullopt;
  TraceContext context;
  context.forms = TraceContext::b3_multi;
  if (!read_b3_trace_id(*trace, context) || !read_b3_span_id(*span, context.span)) return std::nullopt;
  if (const auto parent = headers.get("x-b3-parentspanid")) read_b3_span_id(*parent, context.parent);
  if (const auto sampled = headers.get("x-b3-sampled")) {
    context.sampled = read_b3_sampled(*sampled).value_or(TraceContext::Sampled::unknown);
  }
  if (headers.get("x-b3-flags") == "1") context.sampled = TraceContext::Sampled::debug;
  return context;
}

}  // namespace

TraceContext TraceContext::start(Random& random, Sampled sampled) {
  TraceContext context;
  context.trace_high = not_zero(random);
  context.trace_low = not_zero(random);
  context.span = not_zero(random);
  context.sampled = sampled;
  context.w3c_flags = context.is_sampled() ? 1 : 0;
  return context;
}

// ---- reading

std::optional<TraceContext> TraceContext::read(const http::Headers& headers) {
  std::optional<TraceContext> found;
  const auto take = [&](std::optional<TraceContext> context) {
    if (!context) return;
    if (found) {
      found->forms |= context->forms;
    } else {
      found = context;
    }
  };
  // A traceparent that comes twice is as good as none (W3C section 3.2.1).
  if (headers.count("traceparent") == 1) take(parse_traceparent(*headers.get("traceparent")));
  if (const auto b3 = headers.get("b3")) take(parse_b3(*b3));
  take(read_b3_multi(headers));
  return found;
}

// version-traceid-parentid-flags. Later versions may be longer, after another '-'.
std::optional<TraceContext> TraceContext::parse_traceparent(std::string_view text) {
  text = trim(text);
  if (text.size() < 55 || text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  const auto version = parse_hex(text.substr(0, 2), Case::lower);
  if (!version || *version == 0xff) return std::nullopt;
  if (text.size() > 55 && (*version == 0 || text[55] != '-')) return std::nullopt;
  const auto high = parse_hex(text.substr(3, 16), Case::lower);
  const auto low = parse_hex(text.substr(19, 16), Case::lower);
  const auto span = parse_hex(text.substr(36, 16), Case::lower);
  const auto flags = parse_hex(text.substr(53, 2), Case::lower);
  if (!high || !low || !span || !flags || (*high | *low) == 0 || *span == 0) return std::nullopt;
  TraceContext context;
  context.trace_high = *high;
  context.trace_low = *low;
  context.span = *span;
  context.w3c_flags = static_cast<uint8_t>(*flags);
  context.sampled = *flags & 1 ? Sampled::yes : Sampled::no;
  context.forms = w3c;
  return context;
}

// traceid-spanid[-sampled[-parentid]]. A lone "0" only says "do not sample": no trace to continue.
std::optional<TraceContext> TraceContext::parse_b3(std::string_view text) {
  const auto parts = split(trim(text), '-');
  if (parts.size() < 2 || parts.size() > 4) return std::nullopt;
  TraceContext context;
  context.forms = b3_single;
  if (!read_b3_trace_id(parts[0], context) || !read_b3_span_id(parts[1], context.span)) return std::nullopt;
  if (parts.size() > 2) {
    const auto sampled = read_b3_sampled(parts[2]);
    if (!sampled) return std::nullopt;
    context.sampled = *sampled;
  }
  if (parts.size() > 3 && !read_b3_span_id(parts[3], context.parent)) return std::nullopt;
  return context;
}

// ---- writing

TraceContext TraceContext::child(Random& random) const {
  TraceContext below = *this;
  below.parent = span;
  below.span = not_zero(random);
  return below;
}

void TraceContext::write(http::Headers& headers) const {
  if (forms == 0 || (forms & w3c)) headers.set("traceparent", traceparent());
  if (forms & b3_single) headers.set("b3", b3());
  if (!(forms & b3_multi)) return;
  headers.set("x-b3-traceid", trace_id());
  headers.set("x-b3-spanid", span_id());
  headers.remove("x-b3-parentspanid");
  if (parent != 0) {
    std::string id;
    append_hex(id, parent, 16);
    headers.set("x-b3-parentspanid", id);
  }
  if (sampled == Sampled::debug) {
    headers.set("x-b3-flags", "1");
  } else if (sampled != Sampled::unknown) {
    headers.set("x-b3-sampled", is_sampled() ? "1" : "0");
  }
}

std::string TraceContext::trace_id() const {
  std::string id;
  append_hex(id, trace_high, 16);
  append_hex(id, trace_low, 16);
  return id;
}

std::string TraceContext::span_id() const {
  std::string id;
  append_hex(id, span, 16);
  return id;
}

std::string TraceContext::traceparent() const {
  const unsigned flags = (w3c_flags & ~1u) | (is_sampled() ? 1u : 0u);
  std::string out = concat("00-", trace_id(), "-", span_id(), "-");
  append_hex(out, flags & 0xff, 2);
  return out;
}

std::string TraceContext::b3() const {
  std::string out = concat(trace_id(), "-", span_id());
  switch (sampled) {
    case Sampled::unknown:
      return out;
    case Sampled::no:
      out.append("-0");
      break;
    case Sampled::yes:
      out.append("-1");
      break;
    case Sampled::debug:
      out.append("-d");
      break;
  }
  if (parent != 0) {
    out.push_back('-');
    append_hex(out, parent, 16);
  }
  return out;
}

// ---- request ids

std::string make_request_id(Random& random) {
  // RFC 9562 section 5.4: version 4 in the seventh byte, variant 10 in the ninth.
  const uint64_t high = (random.next() & ~uint64_t{0xf000}) | 0x4000;
  const uint64_t low = (random.next() >> 2) | (uint64_t{1} << 63);
  std::string id(36, '-');
  char* place = id.data();
  const auto write = [&place](uint64_t value, int digits) {
    for (int i = digits - 1; i >= 0; --i) *place++ = kHex[(value >> (4 * i)) & 15];
    ++place;  // the dash, or the end
  };
  write(high >> 32, 8);
  write(high >> 16, 4);
  write(high, 4);
  write(low >> 48, 4);
  write(low, 12);
  return id;
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !parse_hex(text.substr(i, 1), Case::either)) return false;
  }
  return true;
}

}  // namespace weft::telemetry
