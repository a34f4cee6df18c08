#include "proxy/detect.h"

#include <algorithm>

#include "base/strings.h"
#include "io/wait.h"
#include "tls/client_hello.h"

namespace weft::proxy {

namespace {

constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// Longer than any method worth guessing by; RFC 9110 methods have at most seven letters.
constexpr size_t kLongestMethod = 32;

bool is_method_character(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

constexpr std::string_view kVersion = " HTTP/1.";

std::string protocol_of(std::string_view line, size_t version) {
  return version != std::string_view::npos && line.substr(version + kVersion.size()).starts_with('0')
             ? "http/1.0"
             : "http/1.1";
}

// "GET /path HTTP/1." is HTTP; "HELO mail" is not: the line must go on as a request line does.
Detected classify_http1(std::string_view text) {
  Detected detected;
  size_t i = 0;
  while (i < text.size() && i <= kLongestMethod && is_method_character(text[i])) ++i;
  if (i > kLongestMethod) {  // no method is so long
    detected.sure = true;
    return detected;
  }
  if (i == text.size()) return detected;
  if (i == 0 || text[i] != ' ') {
    detected.sure = true;
    return detected;
  }
  const size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  // The first one, so that more bytes do not change the answer: a line with two is malformed whichever
  // counts.
  const size_t version = line.find(kVersion);
  if (end == std::string_view::npos) {
    // An unfinished line: a target that starts like one decides once it is long enough.
    const std::string_view target = text.substr(i + 1);
    if (!target.empty() && (target[0] == '/' || target.starts_with("http://") || target[0] == '*')) {
      // The digit that tells 1.0 from 1.1 has to be there too.
      const bool has_version = version != std::string_view::npos && line.size() > version + kVersion.size();
      detected.sure = text.size() > 2048 || has_version;
      if (detected.sure) detected.application_protocols = {protocol_of(line, version)};
    } else {
      detected.sure = text.size() > 2048;
    }
    return detected;
  }
  detected.sure = true;
  if (version != std::string_view::npos) {
    detected.application_protocols = {protocol_of(line, version)};
  }
  return detected;
}

}  // namespace

Detected classify(Bytes first) {
  Detected detected;
  if (first.empty()) return detected;
  const std::string_view text = as_text(first);
  if (static_cast<uint8_t>(first[0]) == 0x16) {  // a TLS handshake record
    const tls::ClientHello hello = tls::parse_client_hello(first);
    if (hello.status == tls::ClientHello::Status::need_more) return detected;
    detected.sure = true;
    if (hello.status == tls::ClientHello::Status::complete) {
      detected.tls = true;
      detected.server_name = to_lower(hello.server_name);
      detected.application_protocols = hello.alpn;
    }
    return detected;
  }
  const size_t shared = std::min(text.size(), kHttp2Preface.size());
  if (text.substr(0, shared) == kHttp2Preface.substr(0, shared)) {
    detected.sure = shared == kHttp2Preface.size();
    if (detected.sure) detected.application_protocols = {"h2c"};
    return detected;
  }
  return classify_http1(text);
}

io::Task<Result<void>> detect(io::Stream& stream, DetectOptions options, ConnectionTraits& traits) {
  constexpr size_t kMost = 64 * 1024;  // a ClientHello may be as long as its extensions make it
  Duration patience = options.timeout > Duration::zero() ? options.timeout : kLongestDetection;
  if (options.go_on_after_timeout) patience = std::min(patience, kLongestDetection);
  const TimePoint deadline = stream.loop().now() + patience;
  Buffer seen;
  Detected detected;
  bool timed_out = false;
  for (;;) {
    const io::IoResult result = stream.try_read(seen.reserve(4096));
    if (result.status == io::IoStatus::ok) {
      seen.commit(result.count);
      detected = classify(seen.bytes());
      if (detected.sure || seen.size() >= kMost) break;
      // The first byte tells TLS from the rest, and the rest may be of no interest, or TLS.
      const bool may_be_tls = static_cast<uint8_t>(seen.bytes()[0]) == 0x16;
      if (may_be_tls ? !options.inspect_tls : !options.inspect_http) break;
      continue;
    }
    if (result.status == io::IoStatus::failed) co_return fail(stream.error());
    if (result.status == io::IoStatus::eof) {
      if (seen.empty()) co_return fail(Error::Kind::closed, "the client left before it sent anything");
      break;
    }
    if (!co_await io::wait_until(stream.readable_event(), deadline)) {
      timed_out = true;
      break;
    }
  }
  stream.unread(seen.bytes());
  if (timed_out && !options.go_on_after_timeout) {
    co_return fail(Error::Kind::timeout, "the client did not say what it speaks in time");
  }
  if (detected.tls && options.inspect_tls) {
    traits.tls = true;
    traits.server_name = std::move(detected.server_name);
    traits.application_protocols = std::move(detected.application_protocols);
  } else if (!detected.tls && options.inspect_http) {
    traits.application_protocols = std::move(detected.application_protocols);
  }
  co_return Result<void>{};
}

}  // namespace weft::proxy
