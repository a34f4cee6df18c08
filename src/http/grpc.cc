#include "http/grpc.h"

#include <array>
#include <charconv>
#include <limits>

#include "base/strings.h"
#include "http/characters.h"

namespace weft::http {
namespace {

constexpr std::array<std::string_view, 17> kNames = {
    "OK",        "CANCELLED",       "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS",  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",    "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED",
};

}  // namespace

std::string GrpcStatus::to_string() const {
  return message.empty() ? std::string(grpc_code_name(code)) : concat(grpc_code_name(code), ": ", message);
}

std::string_view grpc_code_name(int code) {
  return code >= 0 && static_cast<size_t>(code) < kNames.size() ? kNames[static_cast<size_t>(code)]
                                                                : "UNKNOWN";
}

std::optional<int> parse_grpc_code(std::string_view text) {
  if (const auto number = parse_unsigned(text)) {
    return *number < kNames.size() ? std::optional<int>(static_cast<int>(*number)) : std::nullopt;
  }
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (equal_ignoring_case(kNames[i], text)) return static_cast<int>(i);
  }
  return std::nullopt;
}

// gRPC's http-grpc-status-mapping.md.
int grpc_code_of_http_status(int status) {
  switch (status) {
    case 200:
      return GrpcStatus::ok;
    case 400:
      return GrpcStatus::internal;
    case 401:
      return GrpcStatus::unauthenticated;
    case 403:
      return GrpcStatus::permission_denied;
    case 404:
      return GrpcStatus::unimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return GrpcStatus::unavailable;
    default:
      return GrpcStatus::unknown;
  }
}

int http_status_of_grpc_code(int code) {
  switch (code) {
    case GrpcStatus::ok:
      return 200;
    case GrpcStatus::cancelled:
      return 499;
    case GrpcStatus::invalid_argument:
    case GrpcStatus::failed_precondition:
    case GrpcStatus::out_of_range:
      return 400;
    case GrpcStatus::deadline_exceeded:
      return 504;
    case GrpcStatus::not_found:
      return 404;
    case GrpcStatus::already_exists:
    case GrpcStatus::aborted:
      return 409;
    case GrpcStatus::permission_denied:
      return 403;
    case GrpcStatus::unauthenticated:
      return 401;
    case GrpcStatus::resource_exhausted:
      return 429;
    case GrpcStatus::unimplemented:
      return 501;
    case GrpcStatus::unavailable:
      return 503;
    default:
      return 500;
  }
}

GrpcStatus::Code grpc_code_of(Error::Kind kind) {
  switch (kind) {
    case Error::Kind::invalid:
      return GrpcStatus::invalid_argument;
    case Error::Kind::unsupported:
      return GrpcStatus::unimplemented;
    case Error::Kind::not_found:
      return GrpcStatus::not_found;
    case Error::Kind::conflict:
      return GrpcStatus::failed_precondition;
    case Error::Kind::denied:
      return GrpcStatus::permission_denied;
    case Error::Kind::timeout:
      return GrpcStatus::deadline_exceeded;
    case Error::Kind::cancelled:
      return GrpcStatus::cancelled;
    case Error::Kind::overflow:
      return GrpcStatus::resource_exhausted;
    case Error::Kind::closed:
    case Error::Kind::reset:
    case Error::Kind::refused:
    case Error::Kind::unavailable:
    case Error::Kind::io:
      return GrpcStatus::unavailable;
    case Error::Kind::protocol:
    case Error::Kind::internal:
      return GrpcStatus::internal;
  }
  return GrpcStatus::unknown;
}

// Space to '~' without '%' stand for themselves.
std::string encode_grpc_message(std::string_view message) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  out.reserve(message.size());
  for (const char c : message) {
    if (c >= 0x20 && c <= 0x7e && c != '%') {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kDigits[static_cast<uint8_t>(c) >> 4]);
      out.push_back(kDigits[static_cast<uint8_t>(c) & 15]);
    }
  }
  return out;
}

// A decoder must not fail or drop what it cannot decode.
std::string decode_grpc_message(std::string_view encoded) {
  std::string out;
  out.reserve(encoded.size());
  for (size_t i = 0; i < encoded.size(); ++i) {
    if (const int byte = escaped_byte(encoded, i); byte >= 0) {
      out.push_back(static_cast<char>(byte));
      i += 2;
    } else {
      out.push_back(encoded[i]);
    }
  }
  return out;
}

void add_grpc_status(Headers& trailers, const GrpcStatus& status) {
  trailers.set("grpc-status", std::to_string(status.code));
  if (!status.message.empty()) trailers.set("grpc-message", encode_grpc_message(status.message));
}

std::optional<GrpcStatus> read_grpc_status(const Headers& fields) {
  const auto code = fields.get("grpc-status");
  if (!code) return std::nullopt;
  GrpcStatus status;
  if (const auto number = parse_unsigned(*code); number && *number < kNames.size()) {
    status.code = static_cast<int>(*number);
  }
  if (const auto message = fields.get("grpc-message")) status.message = decode_grpc_message(*message);
  return status;
}

Result<Duration> parse_grpc_timeout(std::string_view text) {
  const auto refuse = [&] {
    return fail({.kind = Error::Kind::invalid,
                 .side = Error::Side::client,
                 .text = concat("grpc-timeout '", printable(text, 32),
                                "' is not 1 to 8 digits and a unit of HMSmun")});
  };
  if (text.size() < 2 || text.size() > 9) return refuse();
  const auto number = parse_unsigned(text.substr(0, text.size() - 1));
  if (!number) return refuse();
  const auto count = static_cast<int64_t>(*number);
  switch (text.back()) {
    case 'H':
      // 99999999 hours do not fit into nanoseconds.
      if (count > 2'000'000) return kForever;
      return Duration(std::chrono::hours(count));
    case 'M':
      return Duration(std::chrono::minutes(count));
    case 'S':
      return Duration(std::chrono::seconds(count));
    case 'm':
      return Duration(std::chrono::milliseconds(count));
    case 'u':
      return Duration(std::chrono::microseconds(count));
    case 'n':
      return Duration(count);
    default:
      return refuse();
  }
}

// The finest unit whose number has at most eight digits, rounded up so that a deadline is not cut short.
std::string format_grpc_timeout(Duration timeout) {
  const int64_t ns = std::max<int64_t>(timeout.count(), 0);
  constexpr int64_t kMost = 99'999'999;
  struct Unit {
    char name;
    int64_t ns;
  };
  for (const Unit unit : {Unit{'n', 1}, Unit{'u', 1000}, Unit{'m', 1'000'000}, Unit{'S', 1'000'000'000},
                          Unit{'M', 60'000'000'000}, Unit{'H', 3'600'000'000'000}}) {
    const int64_t count = ns / unit.ns + (ns % unit.ns != 0 ? 1 : 0);
    if (count <= kMost) return concat(count, unit.name);
  }
  return "99999999H";
}

void append_grpc_prefix(Buffer& out, uint32_t size, bool compressed) {
  const std::array<char, 5> prefix = {static_cast<char>(compressed ? 1 : 0), static_cast<char>(size >> 24),
                                      static_cast<char>(size >> 16), static_cast<char>(size >> 8),
                                      static_cast<char>(size)};
  out.append(std::string_view(prefix.data(), prefix.size()));
}

Result<std::optional<std::string>> GrpcMessageReader::next() {
  if (buffer_.size() < 5) return std::nullopt;
  const Bytes bytes = buffer_.bytes();
  const auto at = [&](size_t i) { return static_cast<uint32_t>(std::to_integer<uint8_t>(bytes[i])); };
  if (at(0) > 1) return fail(Error::Kind::protocol, concat("a gRPC message has the flag byte ", at(0)));
  if (at(0) == 1)
    return fail(Error::Kind::unsupported, "a gRPC message is compressed, though we did not accept that");
  const uint32_t size = at(1) << 24 | at(2) << 16 | at(3) << 8 | at(4);
  if (size > max_message_) {
    return fail(Error::Kind::overflow,
                concat("a gRPC message has ", size, " bytes, above the limit of ", max_message_));
  }
  if (buffer_.size() < 5 + size_t{size}) return std::nullopt;
  std::string message(buffer_.text().substr(5, size));
  buffer_.consume(5 + size_t{size});
  if (buffer_.empty()) buffer_.release();
  return message;
}

}  // namespace weft::http
