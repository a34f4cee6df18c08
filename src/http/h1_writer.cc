#include "http/h1_writer.h"

#include <charconv>

#include "base/strings.h"
#include "http/characters.h"
#include "http/sanitize.h"

namespace weft::http {
namespace {

void append_number(Buffer& out, uint64_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(std::string_view(digits, static_cast<size_t>(end - digits)));
}

// A value that came over the wire was checked by who read it; one from configuration was not. A CR or LF in
// it would begin a field of its own, so it becomes a space (RFC 9110 section 5.5).
void append_value(Buffer& out, std::string_view value) {
  if (is_field_value(value)) [[likely]] {
    out.append(value);
    return;
  }
  for (const char c : value) out.push_back(is_value_byte(static_cast<uint8_t>(c)) ? c : ' ');
}

void append_field(Buffer& out, std::string_view name, std::string_view value) {
  out.append(name);
  out.append(": ");
  append_value(out, value);
  out.append("\r\n");
}

bool writes_itself(std::string_view name) {
  return is_hop_by_hop(name) || (name.size() == 14 && equal_ignoring_case(name, "content-length"));
}

void append_fields(Buffer& out, const Headers& headers) {
  out.reserve(headers.text_size() + 4 * headers.size() + 128);
  for (const Headers::Field& field : headers) {
    if (writes_itself(field.name) || !is_token(field.name)) continue;
    append_field(out, field.name, field.value);
  }
}

bool method_has_content(std::string_view method) {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

}  // namespace

H1Framing write_request_head(Buffer& out, const Request& request, bool end, RequestStyle style) {
  out.reserve(request.path.size() + request.authority.size() + 64);
  out.append(request.method);
  out.push_back(' ');
  out.append(request.is_connect() ? request.authority : request.path);
  out.append(" HTTP/1.1\r\nHost: ");
  append_value(out, request.authority);
  out.append("\r\n");
  append_fields(out, request.headers);

  H1Framing framing = H1Framing::none;
  if (request.is_connect()) {
    framing = H1Framing::none;
  } else if (end || request.content_length == 0) {
    if (method_has_content(request.method)) out.append("Content-Length: 0\r\n");
  } else if (request.content_length) {
    out.append("Content-Length: ");
    append_number(out, *request.content_length);
    out.append("\r\n");
    framing = H1Framing::length;
  } else if (!request.is_upgrade()) {
    out.append("Transfer-Encoding: chunked\r\n");
    framing = H1Framing::chunked;
  }
  if (request.is_upgrade()) {
    out.append("Connection: Upgrade\r\n");
    append_field(out, "Upgrade", request.protocol);
  } else if (style.close) {
    out.append("Connection: close\r\n");
  } else if (request.headers.has("te")) {
    out.append("Connection: TE\r\n");  // RFC 9110 section 10.1.4
  }
  out.append("\r\n");
  return framing;
}

H1Framing write_response_head(Buffer& out, const Response& response, bool end, ResponseStyle style) {
  const std::string_view reason =
      response.reason.empty() ? reason_phrase(response.status) : std::string_view(response.reason);
  out.append("HTTP/1.1 ");
  append_number(out, static_cast<uint64_t>(response.status));
  out.push_back(' ');
  append_value(out, reason);
  out.append("\r\n");
  append_fields(out, response.headers);

  const int status = response.status;
  const bool tunnel = status == 101 || (style.connect && status >= 200 && status < 300);
  H1Framing framing = H1Framing::none;
  const auto append_length = [&](uint64_t length) {
    out.append("Content-Length: ");
    append_number(out, length);
    out.append("\r\n");
  };
  if (tunnel || status < 200 || status == 204) {
    framing = H1Framing::none;
  } else if (status == 304) {
    if (response.content_length.value_or(0) > 0) append_length(*response.content_length);
  } else if (style.head) {
    if (response.content_length) append_length(*response.content_length);
  } else if (end) {
    append_length(0);
  } else if (response.content_length) {
    append_length(*response.content_length);
    if (*response.content_length > 0) framing = H1Framing::length;
  } else if (style.client == Version::http10) {
    framing = H1Framing::until_close;
  } else {
    out.append("Transfer-Encoding: chunked\r\n");
    framing = H1Framing::chunked;
  }

  if (status == 101) {
    out.append("Connection: Upgrade\r\n");
    const auto chosen = response.headers.get("upgrade");
    append_field(out, "Upgrade", chosen ? *chosen : style.protocol);
  } else if (status >= 200 && !tunnel) {
    if (style.close || framing == H1Framing::until_close) {
      out.append("Connection: close\r\n");
    } else if (style.keep_alive) {
      out.append("Connection: keep-alive\r\n");
    }
  }
  out.append("\r\n");
  return framing;
}

void append_chunk_head(Buffer& out, size_t size) {
  char digits[18];
  char* const end = std::to_chars(digits, digits + 16, size, 16).ptr;
  end[0] = '\r';
  end[1] = '\n';
  out.append(std::string_view(digits, static_cast<size_t>(end - digits) + 2));
}

void append_chunk(Buffer& out, Bytes bytes) {
  out.reserve(bytes.size() + kChunkOverhead);
  append_chunk_head(out, bytes.size());
  out.append(bytes);
  out.append("\r\n");
}

void append_last_chunk(Buffer& out, const Headers* trailers) {
  out.append("0\r\n");
  if (trailers != nullptr) {
    for (const Headers::Field& field : *trailers) {
      if (is_token(field.name) && !is_forbidden_trailer(field.name))
        append_field(out, field.name, field.value);
    }
  }
  out.append("\r\n");
}

}  // namespace weft::http
