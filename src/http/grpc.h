// gRPC's framing over HTTP/2, without I/O: the five bytes before a message, the status after the last one,
// and the timeout before the first (gRPC over HTTP/2, PROTOCOL-HTTP2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "http/headers.h"
#include "http/message.h"

namespace weft::http {

struct GrpcStatus {
  enum Code : int {
    ok = 0,
    cancelled = 1,
    unknown = 2,
    invalid_argument = 3,
    deadline_exceeded = 4,
    not_found = 5,
    already_exists = 6,
    permission_denied = 7,
    resource_exhausted = 8,
    failed_precondition = 9,
    aborted = 10,
    out_of_range = 11,
    unimplemented = 12,
    internal = 13,
    unavailable = 14,
    data_loss = 15,
    unauthenticated = 16,
  };
  int code = unknown;
  std::string message;

  bool is_ok() const { return code == ok; }
  std::string to_string() const;  // "UNAVAILABLE: no healthy endpoint"
};

std::string_view grpc_code_name(int code);  // "UNAVAILABLE"
std::optional<int> parse_grpc_code(std::string_view name_or_number);
// What a gRPC client makes of an HTTP status that came without grpc-status, and back.
int grpc_code_of_http_status(int status);
int http_status_of_grpc_code(int code);
GrpcStatus::Code grpc_code_of(Error::Kind kind);

// grpc-message is percent-encoded UTF-8.
std::string encode_grpc_message(std::string_view message);
std::string decode_grpc_message(std::string_view encoded);
// Adds grpc-status and, if there is one, grpc-message.
void add_grpc_status(Headers& trailers, const GrpcStatus& status);
// The status in trailers (or in a trailers-only head); nullopt if there is none, code unknown if malformed.
std::optional<GrpcStatus> read_grpc_status(const Headers& fields);

// "100m" is 100 milliseconds: at most eight digits and one of H M S m u n.
Result<Duration> parse_grpc_timeout(std::string_view text);
std::string format_grpc_timeout(Duration timeout);

// The five bytes before a message of that size.
void append_grpc_prefix(Buffer& out, uint32_t size, bool compressed = false);

// Takes a body apart into messages.
//
//   reader.feed(bytes);
//   while (auto message = reader.next()) ...   // Result<std::optional<std::string>>
class GrpcMessageReader {
 public:
  explicit GrpcMessageReader(size_t max_message = 64 * 1024 * 1024) : max_message_(max_message) {}
  void feed(Bytes bytes) { buffer_.append(bytes); }
  // nullopt: more bytes are needed. Errors: too big (overflow), compressed (unsupported), bad flag
  // (protocol).
  Result<std::optional<std::string>> next();
  // True when no half message is left: the stream may end here.
  bool at_boundary() const { return buffer_.empty(); }

 private:
  size_t max_message_;
  Buffer buffer_;
};

}  // namespace weft::http
