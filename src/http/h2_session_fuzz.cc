// Frames as a hostile peer sends them, to a server and to a client that has requests open. The first byte
// chooses. Every request that comes out must be one that HTTP/1 can carry.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "http/characters.h"
#include "http/h1_parser.h"
#include "http/h1_writer.h"
#include "http/h2_session.h"

namespace {

using namespace weft;
using http::H2Session;

class Peer final : public H2Session::Listener {
 public:
  H2Session* session = nullptr;

  void on_request(int32_t stream, http::Request&& head, bool end) override {
    WEFT_CHECK(http::is_token(head.method) && !head.authority.empty());
    Buffer written;
    http::write_request_head(written, head, end, {});
    http::H1Parser parser({.max_head = 1 << 20, .max_start_line = 1 << 20, .max_fields = 1000});
    http::Request copy;
    const auto reread = parser.parse_request(written, copy);
    WEFT_CHECK(!reread || (*reread && written.empty() && copy.path == head.path));
    open.push_back(stream);
    http::Response response;
    response.content_length = std::nullopt;
    session->submit_response(stream, response, false);
    session->write(stream, as_bytes("hello"));
    if (stream % 3 == 0) {
      session->reset(stream, http::H2Code::cancel);
    } else {
      http::Headers trailers;
      trailers.add("x", "1");
      session->finish(stream, stream % 5 == 0 ? &trailers : nullptr);
    }
  }
  void on_response(int32_t, void*, http::Response&&, bool) override {}
  void on_data(int32_t stream, void*, Bytes bytes) override { session->consume(stream, bytes.size()); }
  void on_end(int32_t, void*, http::Headers*) override {}
  void on_closed(int32_t, void*, http::H2Code) override {}
  std::vector<int32_t> open;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const bool server = (data[0] & 1) != 0;
  const size_t step = 1 + data[0] / 2;
  http::H2Limits limits;
  limits.max_header_list = 4096;
  Peer peer;
  H2Session session(server ? H2Session::Role::server : H2Session::Role::client, limits, peer);
  peer.session = &session;
  Buffer out;
  if (server) {
    (void)session.feed(as_bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), TimePoint());
  } else {
    http::Request request;
    request.method = "POST";
    request.authority = "a";
    request.path = "/";
    for (int i = 0; i < 3; ++i) session.submit_request(request, i == 0, nullptr);
  }
  session.gather(out, 1 << 20);
  Bytes bytes(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  TimePoint now{};
  while (!bytes.empty()) {
    const size_t count = std::min(step, bytes.size());
    now += std::chrono::milliseconds(1);
    if (!session.feed(bytes.first(count), now)) break;
    bytes = bytes.subspan(count);
    out.clear();
    session.gather(out, 1 << 16);
  }
  out.clear();
  session.gather(out, 1 << 20);
  return 0;
}
