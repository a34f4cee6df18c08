// One form of an HTTP message, whatever version carried it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/headers.h"

namespace weft::http {

enum class Version : uint8_t { http10, http11, http2 };
std::string_view to_string(Version version);  // "HTTP/1.1", as access logs write it

struct Request {
  std::string method;     // as it came: methods are case-sensitive
  std::string scheme;     // "http" or "https"
  std::string authority;  // Host or :authority; may be empty for HTTP/1.0
  std::string path;       // path and query, in origin form ("*" for OPTIONS *)
  std::string
      protocol;  // :protocol of an extended CONNECT (RFC 8441), or the Upgrade token of HTTP/1.1; else empty
  Version version = Version::http11;
  Headers headers;  // without Host, :pseudo, and without hop-by-hop fields of the connection
  bool expect_continue = false;
  // What the body will be. nullopt: unknown until it ends (chunked, or HTTP/2 without content-length).
  std::optional<uint64_t> content_length = 0;

  std::string_view path_without_query() const { return std::string_view(path).substr(0, path.find('?')); }
  std::string_view query() const {
    const size_t at = path.find('?');
    return at == std::string::npos ? std::string_view() : std::string_view(path).substr(at + 1);
  }
  bool is_connect() const { return method == "CONNECT"; }
  bool is_upgrade() const { return !protocol.empty(); }
};

struct Response {
  int status = 200;
  std::string reason;  // HTTP/1 only; empty: the usual phrase is written
  Version version = Version::http11;
  Headers headers;
  std::optional<uint64_t> content_length = 0;

  bool informational() const { return status >= 100 && status < 200 && status != 101; }
};

// RFC 9110 section 9.2.2: safe to send twice.
bool is_idempotent(std::string_view method);
std::string_view reason_phrase(int status);
// application/grpc or application/grpc+..., not grpc-web.
bool is_grpc(const Headers& headers);

}  // namespace weft::http
