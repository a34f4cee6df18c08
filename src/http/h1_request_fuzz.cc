// Requests as a hostile client sends them: the same verdict whole and split, and what we write of an accepted
// request reads back as that request.
#include <cstdint>

#include "base/check.h"
#include "base/strings.h"
#include "http/h1_parser.h"
#include "http/h1_writer.h"

namespace {

using namespace weft;
using http::H1Parser;

std::string read_all(Bytes bytes, size_t step) {
  H1Parser parser({.max_head = 4096, .max_start_line = 1024, .max_fields = 32});
  Buffer input;
  http::Request request;
  std::string out;
  bool in_body = false;
  for (size_t at = 0; at < bytes.size(); at += step) {
    input.append(bytes.subspan(at, std::min(step, bytes.size() - at)));
    for (;;) {
      if (!in_body) {
        const auto complete = parser.parse_request(input, request);
        if (!complete) return concat(out, "refused ", parser.refusal_status());
        if (!*complete) break;
        in_body = true;
        out += concat(request.method, ' ', request.authority, ' ', request.path, '\n');
        for (const auto& field : request.headers) out += concat(field.name, '=', field.value, '\n');
        Buffer written;
        http::write_request_head(written, request, !parser.has_body(), {});
        H1Parser again;
        http::Request copy;
        const auto reread = again.parse_request(written, copy);
        WEFT_CHECK(reread && *reread && written.empty());
        WEFT_CHECK(copy.method == request.method && copy.authority == request.authority &&
                   copy.path == request.path);
        WEFT_CHECK(again.has_body() == parser.has_body() || request.is_upgrade());
      }
      const H1Parser::Body body = parser.poll_body(input);
      if (body == H1Parser::Body::need_more) break;
      if (body == H1Parser::Body::failed) return out + "failed";
      if (body == H1Parser::Body::data) {
        const Bytes data = parser.data(input);
        WEFT_CHECK(!data.empty() && data.size() <= input.size());
        out += as_text(data);
        parser.consume(input, data.size());
        continue;
      }
      out += "end\n";
      parser.next_message();
      request = http::Request();
      in_body = false;
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  const std::string whole = read_all(bytes, size);
  WEFT_CHECK(whole == read_all(bytes, 1));
  WEFT_CHECK(whole == read_all(bytes, 7));
  return 0;
}
