#include "http/h1_parser.h"

#include <cstring>
#include <limits>
#include <vector>

#include "base/strings.h"
#include "http/characters.h"
#include "http/sanitize.h"
#include "http/uri.h"

namespace weft::http {
namespace {

// A method longer than this is not a method (RFC 9110 section 9 registers none above 17).
constexpr size_t kMaxMethod = 64;
// A chunk size line without its extensions: at most 16 hexadecimal digits.
constexpr size_t kMaxSizeDigits = 16;

std::string_view trim_whitespace(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::unexpected<Error> H1Parser::refuse(int status, std::string text, std::string_view details) {
  stage_ = Stage::failed;
  refusal_status_ = status;
  refusal_details_ = details;
  error_ = {.kind = Error::Kind::protocol,
            .side = is_response_ ? Error::Side::backend : Error::Side::client,
            .text = std::move(text)};
  if (status == 431 || status == 414) error_.kind = Error::Kind::overflow;
  if (status == 501) error_.kind = Error::Kind::unsupported;
  return std::unexpected(error_);
}

// A line is what CRLF ends; a lone LF or CR ends nothing and is refused, since others take it for an end
// (RFC 9112 section 2.2 allows that leniency; smuggling lives on it). CR inside a line fails the checks of
// the line's own bytes.
H1Parser::Line H1Parser::next_line(const Buffer& input, std::string_view& line, size_t limit) {
  const std::string_view text = input.text().substr(position_);
  const void* found =
      text.size() > scanned_ ? std::memchr(text.data() + scanned_, '\n', text.size() - scanned_) : nullptr;
  if (found == nullptr) {
    scanned_ = text.size();
    return scanned_ > limit ? Line::failed : Line::need_more;
  }
  const auto end = static_cast<size_t>(static_cast<const char*>(found) - text.data());
  scanned_ = 0;
  if (end + 1 > limit) return Line::failed;
  line = text.substr(0, end + 1);
  position_ += end + 1;
  return Line::ready;
}

Result<bool> H1Parser::parse_request(Buffer& input, Request& request) {
  if (stage_ == Stage::failed) return std::unexpected(error_);
  position_ = 0;
  while (stage_ == Stage::start) {
    // Something that is not HTTP (a TLS hello, say) may never send an LF: do not wait for one.
    const std::string_view begin = input.text().substr(position_, 1);
    if (!begin.empty() && begin != "\r" && !is_class(begin[0], kToken)) {
      return refuse(400, concat("a request cannot begin with the byte '", printable(begin), "'"));
    }
    std::string_view line;
    switch (next_line(input, line, limits_.max_start_line)) {
      case Line::need_more:
        input.consume(position_);
        return false;
      case Line::failed:
        return refuse(414, concat("the request line is above ", limits_.max_start_line, " bytes"),
                      "http1.headers_too_large");
      case Line::ready:
        break;
    }
    // One empty line before a request is left over from clients that end a body with it (RFC 9112
    // section 2.2).
    if (line == "\r\n" && !skipped_empty_line_) {
      skipped_empty_line_ = true;
      continue;
    }
    head_bytes_ += line.size();
    WEFT_CHECK_OK(take_start_line(line, request));
    stage_ = Stage::fields;
    request.headers.reserve(16, 1024);
  }
  WEFT_TRY(const bool complete, parse_fields(input, request.headers));
  input.consume(position_);
  position_ = 0;
  if (!complete) return false;
  WEFT_CHECK_OK(finish_request(request));
  stage_ = Stage::body;
  return true;
}

Result<bool> H1Parser::parse_response(Buffer& input, Response& response, Asked asked) {
  if (stage_ == Stage::failed) return std::unexpected(error_);
  is_response_ = true;
  position_ = 0;
  if (stage_ == Stage::start) {
    constexpr std::string_view kBegin = "HTTP/1.";
    const std::string_view begin = input.text().substr(0, kBegin.size());
    if (begin != kBegin.substr(0, begin.size())) {
      return refuse(502, concat("the answer does not begin with HTTP/1. but with '", printable(begin), "'"));
    }
    std::string_view line;
    switch (next_line(input, line, limits_.max_start_line)) {
      case Line::need_more:
        return false;
      case Line::failed:
        return refuse(502, concat("the status line is above ", limits_.max_start_line, " bytes"));
      case Line::ready:
        break;
    }
    head_bytes_ += line.size();
    WEFT_CHECK_OK(take_status_line(line, response));
    stage_ = Stage::fields;
    response.headers.reserve(16, 1024);
  }
  WEFT_TRY(const bool complete, parse_fields(input, response.headers));
  input.consume(position_);
  position_ = 0;
  if (!complete) return false;
  WEFT_CHECK_OK(finish_response(response, asked));
  stage_ = Stage::body;
  return true;
}

Result<void> H1Parser::take_start_line(std::string_view line, Request& request) {
  if (!line.ends_with("\r\n")) return refuse(400, "the request line ends with a bare LF");
  line.remove_suffix(2);
  const size_t method_end = span_of(line, kToken);
  if (method_end == 0 || method_end > kMaxMethod || method_end >= line.size() || line[method_end] != ' ') {
    return refuse(400, concat("no method begins the request line '", printable(line, 80), "'"));
  }
  request.method = line.substr(0, method_end);
  line.remove_prefix(method_end + 1);

  const size_t target_end = span_of(line, kTarget);
  if (target_end < line.size() && line[target_end] != ' ') {
    return refuse(400,
                  concat("the request target holds the byte '", printable(line.substr(target_end, 1)), "'"));
  }
  if (target_end == 0 || target_end == line.size()) {
    return refuse(400, "the request line is not METHOD SP TARGET SP HTTP/1.1");
  }
  const std::string_view target = line.substr(0, target_end);
  const std::string_view version = line.substr(target_end + 1);

  if (version == "HTTP/1.1") {
    version_ = Version::http11;
  } else if (version == "HTTP/1.0") {
    version_ = Version::http10;
  } else if (version.size() == 8 && version.starts_with("HTTP/") && version[6] == '.' && version[5] >= '0' &&
             version[5] <= '9' && version[7] >= '0' && version[7] <= '9') {
    // A higher minor version promises to be readable as 1.1 (RFC 9110 section 2.5).
    if (version[5] != '1') return refuse(505, concat("version ", version, " is not HTTP/1"));
    version_ = Version::http11;
  } else {
    not_http_ = !starts_with_ignoring_case(version, "HTTP/");
    return refuse(400, concat("'", printable(version, 32), "' is not an HTTP version"));
  }
  request.version = version_;
  return take_target(target, request);
}

// RFC 9112 section 3.2: origin, absolute, authority (CONNECT alone) or asterisk (OPTIONS alone) form.
Result<void> H1Parser::take_target(std::string_view target, Request& request) {
  if (request.method == "CONNECT") {
    const auto host = parse_authority(target);
    if (!host || !host->port)
      return refuse(400, concat("CONNECT wants host:port, not '", printable(target, 80), "'"),
                    "http1.invalid_url");
    request.authority = target;
    request.path.clear();
    host_from_target_ = true;
    return {};
  }
  if (target.front() == '/') {
    request.path = target;
    return {};
  }
  if (target == "*") {
    if (request.method != "OPTIONS") return refuse(400, "only OPTIONS may ask for '*'");
    request.path = target;
    return {};
  }
  size_t from = 0;
  if (starts_with_ignoring_case(target, "http://")) {
    from = 7;
  } else if (starts_with_ignoring_case(target, "https://")) {
    from = 8;
  } else {
    return refuse(
        400, concat("the request target '", printable(target, 80), "' is in none of the forms HTTP has"));
  }
  const std::string_view rest = target.substr(from);
  const size_t end = rest.find_first_of("/?");
  const std::string_view authority = rest.substr(0, end);
  if (authority.empty() || !parse_authority(authority)) {
    return refuse(400, concat("the request target names no valid host: '", printable(target, 80), "'"));
  }
  request.scheme = from == 7 ? "http" : "https";
  request.authority = authority;
  host_from_target_ = true;
  if (end == std::string_view::npos) {
    request.path = request.method == "OPTIONS" ? "*" : "/";
  } else {
    request.path = rest[end] == '?' ? concat("/", rest.substr(end)) : std::string(rest.substr(end));
  }
  return {};
}

Result<void> H1Parser::take_status_line(std::string_view line, Response& response) {
  if (!line.ends_with("\r\n")) return refuse(502, "the status line ends with a bare LF");
  line.remove_suffix(2);
  const auto digit = [&](size_t i) { return line[i] >= '0' && line[i] <= '9'; };
  // "HTTP/1.x NNN", then " reason"; the space is often missing where there is no reason.
  const bool fits = line.size() >= 12 && line.starts_with("HTTP/1.") && digit(7) && line[8] == ' ' &&
                    digit(9) && digit(10) && digit(11) && (line.size() == 12 || line[12] == ' ') &&
                    is_field_value(line);
  if (!fits) return refuse(502, concat("'", printable(line, 80), "' is not a status line"));
  version_ = line[7] == '0' ? Version::http10 : Version::http11;
  response.version = version_;
  response.status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  if (response.status < 100) return refuse(502, concat("status ", response.status, " is below 100"));
  response.reason = line.size() > 13 ? line.substr(13) : std::string_view();
  return {};
}

Result<bool> H1Parser::parse_fields(Buffer& input, Headers& headers) {
  for (;;) {
    std::string_view line;
    const size_t left = limits_.max_head > head_bytes_ ? limits_.max_head - head_bytes_ : 0;
    switch (next_line(input, line, left)) {
      case Line::need_more:
        return false;
      case Line::failed:
        return refuse(431, concat("the header section is above ", limits_.max_head, " bytes"),
                      "http1.headers_too_large");
      case Line::ready:
        break;
    }
    head_bytes_ += line.size();
    if (line == "\r\n") return true;
    if (headers.size() >= limits_.max_fields) {
      return refuse(431, concat("the header section has more than ", limits_.max_fields, " fields"),
                    "http1.too_many_headers");
    }
    WEFT_CHECK_OK(take_field(line, headers));
  }
}

Result<void> H1Parser::take_field(std::string_view line, Headers& headers) {
  const int status = is_response_ ? 502 : 400;
  if (!line.ends_with("\r\n")) return refuse(status, "a header line ends with a bare LF");
  line.remove_suffix(2);
  if (line.empty() || line.front() == ' ' || line.front() == '\t') {
    return refuse(status, "a header line is folded (obs-fold), which HTTP/1.1 has given up");
  }
  const size_t name_end = span_of(line, kToken);
  if (name_end == line.size() || line[name_end] != ':' || name_end == 0) {
    const bool space = name_end < line.size() && (line[name_end] == ' ' || line[name_end] == '\t');
    return refuse(status, concat(space ? "whitespace stands between a field's name and its colon: '"
                                       : "a header line is not NAME: VALUE: '",
                                 printable(line, 80), "'"));
  }
  const std::string_view name = line.substr(0, name_end);
  const std::string_view value = trim_whitespace(line.substr(name_end + 1));
  if (!is_field_value(value)) {
    return refuse(status,
                  concat("the value of '", printable(name, 64), "' holds a control character: '",
                         printable(value, 80), "'"),
                  "http1.invalid_characters");
  }
  bool keep = true;
  WEFT_CHECK_OK(take_known_field(name, value, keep));
  if (keep) headers.add(name, value);
  return {};
}

// Takes the fields that this connection's framing and life depend on; they do not go on.
Result<void> H1Parser::take_known_field(std::string_view name, std::string_view value, bool& keep) {
  const int status = is_response_ ? 502 : 400;
  const auto is = [&](std::string_view known) { return equal_ignoring_case(name, known); };
  switch (name.size()) {
    case 2:
      if (is("te")) have_te_ = true;
      return {};
    case 4:
      if (!is("host") || is_response_) return {};
      keep = false;
      if (have_host_) return refuse(400, "there are two Host fields");
      have_host_ = true;
      host_ = value;
      if (!value.empty() && !parse_authority(value)) {
        return refuse(400, concat("Host '", printable(value, 80), "' is not a host"));
      }
      return {};
    case 6:
      if (!is("expect") || is_response_) return {};
      keep = false;
      if (!equal_ignoring_case(value, "100-continue")) {
        return refuse(417, concat("Expect asks for '", printable(value, 80), "', only 100-continue exists"));
      }
      expect_continue_ = true;
      return {};
    case 7:
      if (!is("upgrade")) return {};
      keep = false;
      if (!upgrade_.empty()) upgrade_ += ", ";
      upgrade_ += value;
      return {};
    case 10:
      if (is("keep-alive")) {
        keep = false;
      } else if (is("connection")) {
        keep = false;
        for_each_element(value, [&](std::string_view option) {
          if (equal_ignoring_case(option, "close")) {
            connection_close_ = true;
          } else if (equal_ignoring_case(option, "keep-alive")) {
            connection_keep_alive_ = true;
          } else if (equal_ignoring_case(option, "upgrade")) {
            connection_upgrade_ = true;
          } else {
            nominated_.append(option).push_back(',');
          }
        });
      }
      return {};
    case 14:
      if (is("http2-settings")) keep = false;
      if (!is("content-length")) break;
      keep = false;
      // RFC 9112 section 6.3 lets a recipient mend equal repeats; one that refuses cannot be wrong.
      if (have_length_) return refuse(status, "there are two Content-Length fields");
      have_length_ = true;
      if (const auto length = parse_unsigned(value); length && *length <= uint64_t{1} << 62) {
        length_ = *length;
        return {};
      }
      return refuse(status, concat("Content-Length '", printable(value, 40), "' is not a number"));
    case 16:
      if (is("proxy-connection")) keep = false;
      break;
    case 17:
      if (!is("transfer-encoding")) break;
      keep = false;
      if (transfer_encodings_ < 2) ++transfer_encodings_;
      if (!equal_ignoring_case(value, "chunked")) {
        // Another coding before chunked is legal and unknown here (501); anything else is malformed.
        const size_t comma = value.rfind(',');
        const bool legal = comma != std::string_view::npos && comma > 0 &&
                           equal_ignoring_case(trim_whitespace(value.substr(comma + 1)), "chunked") &&
                           is_token(trim_whitespace(value.substr(0, comma))) &&
                           !equal_ignoring_case(trim_whitespace(value.substr(0, comma)), "chunked") &&
                           !equal_ignoring_case(trim_whitespace(value.substr(0, comma)), "identity");
        return refuse(is_response_ ? 502
                      : legal      ? 501
                                   : 400,
                      concat("Transfer-Encoding '", printable(value, 40), "' is not 'chunked'"),
                      "http1.invalid_transfer_encoding");
      }
      return {};
    default:
      break;
  }
  if (keep && is_framing_look_alike(name)) {
    return refuse(status,
                  concat("the field '", printable(name, 64), "' poses as one that frames the message"));
  }
  return {};
}

Result<void> H1Parser::finish_request(Request& request) {
  if (transfer_encodings_ > 0) {
    if (transfer_encodings_ > 1) {
      return refuse(400, "there are two Transfer-Encoding fields", "http1.invalid_transfer_encoding");
    }
    if (have_length_) {
      return refuse(400, "both Content-Length and Transfer-Encoding are given",
                    "http1.content_length_and_chunked_not_allowed");
    }
    if (version_ == Version::http10) {
      return refuse(400, "Transfer-Encoding does not exist in HTTP/1.0",
                    "http1.transfer_encoding_not_allowed");
    }
  }
  if (!have_host_ && version_ != Version::http10) {
    return refuse(400, "there is no Host field", "missing_host_header");
  }
  // The target's authority wins over Host (RFC 9112 section 3.2.2).
  if (!host_from_target_) request.authority = host_;

  if (!nominated_.empty()) {
    std::vector<std::string_view> names;
    for_each_element(nominated_, [&](std::string_view name) { names.push_back(name); });
    if (auto removed = remove_nominated(request.headers, names); !removed) {
      return refuse(400, std::move(removed).error().text, "http1.connection_header_rejected");
    }
  }
  if (have_te_) keep_te_trailers(request.headers);

  keep_alive_ = !connection_close_ && (version_ == Version::http11 || connection_keep_alive_);
  // 100 Continue does not exist for HTTP/1.0 (RFC 9110 section 10.1.1).
  request.expect_continue = expect_continue_ && version_ == Version::http11;

  // A body with CONNECT has no meaning (RFC 9110 section 9.3.6): its length could hide a second request.
  if (request.is_connect() && (have_length_ || transfer_encodings_ > 0)) {
    return refuse(400, "CONNECT cannot have a body");
  }
  framing_ = Framing::none;
  request.content_length = 0;
  if (transfer_encodings_ > 0) {
    framing_ = Framing::chunked;
    request.content_length = std::nullopt;
  } else if (have_length_) {
    request.content_length = length_;
    left_ = length_;
    if (length_ > 0) framing_ = Framing::length;
  }
  body_ended_ = framing_ == Framing::none;

  // HTTP/2 over Upgrade is gone (RFC 9113 section 3.1); the request is served as it is.
  request.protocol.clear();
  if (connection_upgrade_ && version_ == Version::http11 && !upgrade_.empty() && !request.is_connect() &&
      !equal_ignoring_case(upgrade_, "h2c")) {
    request.protocol = upgrade_;
  }
  return {};
}

// RFC 9112 section 6.3, in its order.
Result<void> H1Parser::finish_response(Response& response, Asked asked) {
  if (!nominated_.empty()) {
    std::vector<std::string_view> names;
    for_each_element(nominated_, [&](std::string_view name) { names.push_back(name); });
    if (auto removed = remove_nominated(response.headers, names); !removed) {
      return refuse(502, std::move(removed).error().text);
    }
  }
  if (have_te_) response.headers.remove("te");
  keep_alive_ = !connection_close_ && (version_ == Version::http11 || connection_keep_alive_);
  framing_ = Framing::none;
  response.content_length = have_length_ ? std::optional<uint64_t>(length_) : std::nullopt;
  const int status = response.status;

  if (status == 101) {
    if (!asked.upgrade) return refuse(502, "the backend switches protocols (101) though nobody asked");
    framing_ = Framing::tunnel;
    // Which of the offered protocols it is; the one hop-by-hop field that stays.
    if (!upgrade_.empty()) response.headers.add("upgrade", upgrade_);
  } else if (asked.connect && status >= 200 && status < 300) {
    framing_ = Framing::tunnel;
    response.content_length = std::nullopt;
  } else if (status < 200 || status == 204) {
    response.content_length = 0;
  } else if (status == 304 || asked.head) {
    // Content-Length is that of the body which is not sent.
  } else if (transfer_encodings_ > 0) {
    if (transfer_encodings_ > 1) return refuse(502, "there are two Transfer-Encoding fields");
    if (have_length_) return refuse(502, "both Content-Length and Transfer-Encoding are given");
    if (version_ == Version::http10) return refuse(502, "Transfer-Encoding does not exist in HTTP/1.0");
    framing_ = Framing::chunked;
  } else if (have_length_) {
    left_ = length_;
    if (length_ > 0) framing_ = Framing::length;
  } else {
    framing_ = Framing::until_close;
    keep_alive_ = false;
  }
  body_ended_ = framing_ == Framing::none;
  return {};
}

H1Parser::Body H1Parser::fail_body(Error error) {
  stage_ = Stage::failed;
  error_ = std::move(error);
  if (error_.kind == Error::Kind::overflow) {
    refusal_status_ = 431;
    refusal_details_ = "http1.headers_too_large";
  }
  return Body::failed;
}

H1Parser::Body H1Parser::poll_body(Buffer& input) {
  if (stage_ == Stage::failed) return Body::failed;
  if (body_ended_) return trailers_.empty() ? Body::end : Body::trailers;
  switch (framing_) {
    case Framing::none:
      body_ended_ = true;
      return Body::end;
    case Framing::length:
      if (left_ == 0) {
        body_ended_ = true;
        return Body::end;
      }
      [[fallthrough]];
    case Framing::until_close:
    case Framing::tunnel:
      return input.empty() ? Body::need_more : Body::data;
    case Framing::chunked:
      return poll_chunked(input);
  }
  return Body::failed;
}

Bytes H1Parser::data(const Buffer& input) const {
  if (body_ended_ || stage_ == Stage::failed) return {};
  switch (framing_) {
    case Framing::none:
      return {};
    case Framing::chunked:
      if (chunk_ != Chunk::data) return {};
      [[fallthrough]];
    case Framing::length:
      return input.bytes().first(static_cast<size_t>(std::min<uint64_t>(left_, input.size())));
    case Framing::until_close:
    case Framing::tunnel:
      return input.bytes();
  }
  return {};
}

void H1Parser::consume(Buffer& input, size_t count) {
  input.consume(count);
  body_bytes_ += count;
  if (framing_ == Framing::length || framing_ == Framing::chunked) left_ -= count;
}

// RFC 9112 section 7.1.
H1Parser::Body H1Parser::poll_chunked(Buffer& input) {
  const auto broken = [&](std::string text) {
    return fail_body({.kind = Error::Kind::protocol,
                      .side = is_response_ ? Error::Side::backend : Error::Side::client,
                      .text = std::move(text)});
  };
  for (;;) {
    position_ = 0;
    std::string_view line;
    switch (chunk_) {
      case Chunk::size: {
        switch (next_line(input, line, kMaxSizeDigits + limits_.max_chunk_extension + 2)) {
          case Line::need_more:
            return Body::need_more;
          case Line::failed:
            return broken("a chunk's size line is too long");
          case Line::ready:
            break;
        }
        if (auto taken = take_chunk_line(line); !taken) return fail_body(std::move(taken).error());
        input.consume(position_);
        chunk_ = left_ == 0 ? Chunk::trailers : Chunk::data;
        break;
      }
      case Chunk::data:
        if (left_ > 0) return input.empty() ? Body::need_more : Body::data;
        chunk_ = Chunk::data_end;
        break;
      case Chunk::data_end:
        if (input.size() > 0 && input.text()[0] != '\r')
          return broken("a chunk is longer than its size says");
        if (input.size() < 2) return Body::need_more;
        if (input.text()[1] != '\n') return broken("a chunk's data does not end with CRLF");
        input.consume(2);
        chunk_ = Chunk::size;
        break;
      case Chunk::trailers: {
        const size_t left = limits_.max_trailers > trailer_bytes_ ? limits_.max_trailers - trailer_bytes_ : 0;
        switch (next_line(input, line, left)) {
          case Line::need_more:
            return Body::need_more;
          case Line::failed:
            return fail_body(
                {.kind = Error::Kind::overflow,
                 .side = is_response_ ? Error::Side::backend : Error::Side::client,
                 .text = concat("the trailer section is above ", limits_.max_trailers, " bytes")});
          case Line::ready:
            break;
        }
        trailer_bytes_ += line.size();
        if (line == "\r\n") {
          input.consume(position_);
          body_ended_ = true;
          return trailers_.empty() ? Body::end : Body::trailers;
        }
        if (!line.ends_with("\r\n")) return broken("a trailer line ends with a bare LF");
        line.remove_suffix(2);
        const size_t name_end = span_of(line, kToken);
        if (name_end == 0 || name_end == line.size() || line[name_end] != ':') {
          return broken(concat("a trailer line is not NAME: VALUE: '", printable(line, 80), "'"));
        }
        const std::string_view name = line.substr(0, name_end);
        const std::string_view value = trim_whitespace(line.substr(name_end + 1));
        if (!is_field_value(value)) return broken("a trailer's value holds a control character");
        if (trailers_.size() >= limits_.max_fields) return broken("the trailer section has too many fields");
        if (is_framing_look_alike(name)) return broken("a trailer poses as a field that frames the message");
        if (!is_forbidden_trailer(name)) trailers_.add(name, value);
        input.consume(position_);
        break;
      }
    }
  }
}

// chunk-size [chunk-ext] CRLF. Extensions are bounded and dropped. The "bad whitespace" that the grammar lets
// stand around ';' is refused: no sender writes it, and parsers differ on it.
Result<void> H1Parser::take_chunk_line(std::string_view line) {
  const int status = is_response_ ? 502 : 400;
  if (!line.ends_with("\r\n")) return refuse(status, "a chunk's size line ends with a bare LF");
  line.remove_suffix(2);
  const size_t digits = span_of(line, kHexDigit);
  if (digits == 0 || digits > kMaxSizeDigits) {
    return refuse(status, concat("'", printable(line, 40), "' is not a chunk size"));
  }
  left_ = 0;
  for (const char c : line.substr(0, digits)) {
    if (left_ > (std::numeric_limits<uint64_t>::max() >> 6))
      return refuse(status, "a chunk size is beyond 2^58");
    left_ = left_ << 4 | static_cast<uint64_t>(hex_value(c));
  }
  const std::string_view extension = line.substr(digits);
  if (extension.empty()) return {};
  if (extension.front() != ';' || !is_field_value(extension)) {
    return refuse(status, concat("'", printable(line, 40), "' is not a chunk size"));
  }
  extension_bytes_ += extension.size();
  if (extension.size() > limits_.max_chunk_extension || extension_bytes_ > limits_.max_chunk_overhead) {
    return refuse(status, "there are too many bytes of chunk extensions");
  }
  return {};
}

H1Parser::Body H1Parser::end_of_input(const Buffer& input) {
  if (stage_ == Stage::failed) return Body::failed;
  if (body_ended_) return trailers_.empty() ? Body::end : Body::trailers;
  if (framing_ == Framing::until_close || framing_ == Framing::tunnel) {
    if (!input.empty()) return Body::data;
    body_ended_ = true;
    return Body::end;
  }
  return fail_body(
      {.kind = Error::Kind::reset,
       .side = is_response_ ? Error::Side::backend : Error::Side::client,
       .text = framing_ == Framing::length
                   ? concat("the connection ended ", left_ - input.size(), " bytes before the body did")
                   : "the connection ended in the middle of a chunked body"});
}

void H1Parser::next_message() {
  stage_ = Stage::start;
  position_ = scanned_ = head_bytes_ = 0;
  skipped_empty_line_ = have_host_ = host_from_target_ = have_length_ = false;
  connection_close_ = connection_keep_alive_ = connection_upgrade_ = expect_continue_ = have_te_ = false;
  transfer_encodings_ = 0;
  length_ = left_ = body_bytes_ = 0;
  host_.clear();
  upgrade_.clear();
  nominated_.clear();
  framing_ = Framing::none;
  chunk_ = Chunk::size;
  keep_alive_ = true;
  body_ended_ = false;
  extension_bytes_ = trailer_bytes_ = 0;
  trailers_.clear();
}

}  // namespace weft::http
