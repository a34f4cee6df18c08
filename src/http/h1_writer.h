// HTTP/1.1 messages to bytes. What is written is what H1Parser reads back as the same message.
//
//   const H1Framing framing = write_request_head(out, request, end, {});
//   append_chunk(out, bytes); ... append_last_chunk(out, &trailers);
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "http/message.h"

namespace weft::http {

// How the body must follow the head that was written.
enum class H1Framing : uint8_t {
  none,         // no body
  length,       // content_length bytes, as they are
  chunked,      // append_chunk, append_last_chunk
  until_close,  // as it is; closing the connection ends it (HTTP/1.0 clients)
};

struct RequestStyle {
  bool close = false;  // ask the server to close after its answer
};
// `end`: no body follows. Expect is not written: the server's side answers 100 Continue itself.
// A request with `protocol` is written as an Upgrade.
H1Framing write_request_head(Buffer& out, const Request& request, bool end, RequestStyle style);

struct ResponseStyle {
  Version client = Version::http11;
  bool head = false;          // the request was HEAD: fields as for GET, no body
  bool connect = false;       // the request was CONNECT: a 2xx has no framing
  bool close = false;         // write Connection: close
  bool keep_alive = false;    // write Connection: keep-alive (HTTP/1.0 clients that asked)
  std::string_view protocol;  // what was asked by Upgrade, for 101
};
// Where the result is until_close, Connection: close was written.
H1Framing write_response_head(Buffer& out, const Response& response, bool end, ResponseStyle style);

// `bytes` must not be empty: an empty chunk is the last one.
void append_chunk(Buffer& out, Bytes bytes);
void append_chunk_head(Buffer& out, size_t size);
void append_last_chunk(Buffer& out, const Headers* trailers);
// The most that a chunk's framing adds.
inline constexpr size_t kChunkOverhead = 20;

}  // namespace weft::http
