// Answers as a hostile backend sends them: no crash, the same verdict whole and split.
#include <cstdint>

#include "base/check.h"
#include "base/strings.h"
#include "http/h1_parser.h"

namespace {

using namespace weft;
using http::H1Parser;

std::string read_all(Bytes bytes, size_t step, H1Parser::Asked asked) {
  H1Parser parser({.max_head = 4096, .max_start_line = 1024, .max_fields = 32});
  Buffer input;
  http::Response response;
  std::string out;
  bool in_body = false;
  for (size_t at = 0; at < bytes.size(); at += step) {
    input.append(bytes.subspan(at, std::min(step, bytes.size() - at)));
    for (;;) {
      if (!in_body) {
        const auto complete = parser.parse_response(input, response, asked);
        if (!complete) return out + "refused";
        if (!*complete) break;
        in_body = true;
        out += concat(response.status, '\n');
        for (const auto& field : response.headers) out += concat(field.name, '=', field.value, '\n');
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
      response = http::Response();
      in_body = false;
    }
  }
  if (in_body) (void)parser.end_of_input(input);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const H1Parser::Asked asked{
      .head = (data[0] & 1) != 0, .connect = (data[0] & 2) != 0, .upgrade = (data[0] & 4) != 0};
  const Bytes bytes(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  const std::string whole = read_all(bytes, size, asked);
  WEFT_CHECK(whole == read_all(bytes, 1, asked));
  WEFT_CHECK(whole == read_all(bytes, 5, asked));
  return 0;
}
