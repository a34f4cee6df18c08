// HTTP/1.x bytes to messages, without I/O, for input that means us harm.
//
// The problem: two parsers that disagree where a message ends, or where it goes, let a client smuggle a
// second request past the one that checks. So there is one reading of each message here, and whatever has
// a second one is refused with the reason: RFC 9112 to the letter, its leniencies off.
//
//   H1Parser parser(limits);
//   WEFT_TRY(bool complete, parser.parse_request(input, request));   // again when more bytes came
//   while ((step = parser.poll_body(input)) == H1Parser::Body::data) {
//     use(parser.data(input)); parser.consume(input, n);
//   }
//   parser.next_message();
//
// `input` is the connection's read buffer: complete lines are consumed as they come, an incomplete line stays
// in it, and bytes of the body are handed out in place. Where a split falls makes no difference to the
// result.
//
//   start line ─▶ fields ─▶ body: none | length n | chunked ─▶ trailers | until close | tunnel ─▶ end
//        ╲__________╲___________╲__________ any violation ─▶ failed, for good
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "http/limits.h"
#include "http/message.h"

namespace weft::http {

class H1Parser {
 public:
  enum class Body : uint8_t { need_more, data, trailers, end, failed };

  explicit H1Parser(const H1Limits& limits = {}) : limits_(limits) {}

  // True once the head is complete. Fields of the connection are taken out of `request.headers` into the
  // fields of Request and the questions below. An error is final; refusal_status() is what to answer.
  Result<bool> parse_request(Buffer& input, Request& request);

  // What the answer is to: it decides whether a body follows (RFC 9112 section 6.3).
  struct Asked {
    bool head = false;
    bool connect = false;
    bool upgrade = false;
  };
  // Informational heads (1xx but 101) are complete messages: call it again for the next.
  Result<bool> parse_response(Buffer& input, Response& response, Asked asked);

  // ---- questions about the head that was read
  // Whether the peer's side lets the connection go on after this message.
  bool keep_alive() const { return keep_alive_; }
  bool is_chunked() const { return framing_ == Framing::chunked; }
  bool is_tunnel() const { return framing_ == Framing::tunnel; }
  bool is_close_delimited() const { return framing_ == Framing::until_close; }
  bool has_body() const { return framing_ != Framing::none; }
  int refusal_status() const { return refusal_status_; }
  // What was refused did not even claim to be HTTP: its first line ends in no version.
  bool not_http() const { return not_http_; }
  // The word for it that access logs know (Envoy's response code details); static text.
  std::string_view refusal_details() const { return refusal_details_; }

  // ---- the body
  // Moves over framing. `data` means that data(input) is not empty. trailers and end come once a message, and
  // stay until next_message().
  Body poll_body(Buffer& input);
  Bytes data(const Buffer& input) const;
  void consume(Buffer& input, size_t count);
  // The peer sent its last byte: the proper end of a close-delimited body or tunnel, else an error.
  Body end_of_input(const Buffer& input);
  const Headers& trailers() const { return trailers_; }
  const Error& error() const { return error_; }
  // What follows is raw bytes, whatever the head said (after 101, or 2xx to CONNECT).
  void become_tunnel() {
    framing_ = Framing::tunnel;
    body_ended_ = false;
  }
  bool body_ended() const { return body_ended_; }
  // Body bytes that were handed out.
  uint64_t body_bytes() const { return body_bytes_; }

  // Between messages: true if any byte of the next head was read.
  bool in_head() const { return head_bytes_ > 0; }
  void next_message();

 private:
  enum class Framing : uint8_t { none, length, chunked, until_close, tunnel };
  enum class Line : uint8_t { ready, need_more, failed };
  enum class Chunk : uint8_t { size, data, data_end, trailers };
  struct Fields;

  Line next_line(const Buffer& input, std::string_view& line, size_t limit);
  Result<bool> parse_fields(Buffer& input, Headers& headers);
  Result<void> take_start_line(std::string_view line, Request& request);
  Result<void> take_target(std::string_view target, Request& request);
  Result<void> take_status_line(std::string_view line, Response& response);
  Result<void> take_field(std::string_view line, Headers& headers);
  Result<void> take_known_field(std::string_view name, std::string_view value, bool& keep);
  Result<void> finish_request(Request& request);
  Result<void> finish_response(Response& response, Asked asked);
  Result<void> take_chunk_line(std::string_view line);
  Body poll_chunked(Buffer& input);
  Body fail_body(Error error);
  std::unexpected<Error> refuse(int status, std::string text, std::string_view details = "http1.codec_error");

  H1Limits limits_;

  // ---- the head
  enum class Stage : uint8_t { start, fields, body, failed };
  Stage stage_ = Stage::start;
  bool is_response_ = false;
  size_t position_ = 0;    // bytes of `input` that this call has parsed
  size_t scanned_ = 0;     // bytes of the incomplete line that hold no LF
  size_t head_bytes_ = 0;  // of complete lines
  bool skipped_empty_line_ = false;
  bool not_http_ = false;
  Version version_ = Version::http11;
  int refusal_status_ = 400;
  std::string_view refusal_details_ = "http1.codec_error";
  Error error_;

  // What the connection's own fields said.
  bool have_host_ = false;
  bool host_from_target_ = false;
  bool have_length_ = false;
  uint64_t length_ = 0;
  uint8_t transfer_encodings_ = 0;
  bool connection_close_ = false;
  bool connection_keep_alive_ = false;
  bool connection_upgrade_ = false;
  bool expect_continue_ = false;
  bool have_te_ = false;
  std::string host_;
  std::string upgrade_;
  std::string nominated_;  // of Connection, joined by ','

  // ---- the body
  Framing framing_ = Framing::none;
  Chunk chunk_ = Chunk::size;
  bool keep_alive_ = true;
  bool body_ended_ = false;
  uint64_t left_ = 0;  // of the body or of the chunk
  uint64_t body_bytes_ = 0;
  size_t extension_bytes_ = 0;
  size_t trailer_bytes_ = 0;
  Headers trailers_;
};

}  // namespace weft::http
