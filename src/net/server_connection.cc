#include "net/server_connection.h"

#include "base/strings.h"
#include "http/grpc.h"
#include "io/wait.h"
#include "net/http1_server.h"
#include "net/http2_server.h"

namespace weft::net {

// ------------------------------------------------------------------ drain

// A member may leave, or be destroyed, while it is told.
template <typename Tell>
void Drain::tell_each(Tell tell) {
  io::ListNode told;
  while (members_.linked()) {
    auto& member = static_cast<Member&>(*members_.next);
    member.insert_before(told);
    tell(member);
  }
  while (told.linked()) told.next->insert_before(members_);
}

void Drain::start() {
  if (std::exchange(started_, true)) return;
  tell_each([](Member& member) { member.drain_started(); });
}

void Drain::expire() {
  start();
  if (std::exchange(expired_, true)) return;
  tell_each([](Member& member) { member.drain_expired(); });
}

size_t Drain::size() const {
  size_t count = 0;
  for (const io::ListNode* node = members_.next; node != &members_; node = node->next) ++count;
  return count;
}

void Drain::join(Member& member) {
  member.insert_before(members_);
  if (started_) member.drain_started();
  if (expired_) member.drain_expired();
}

// ------------------------------------------------------------------ serve

io::Task<void> serve_http1(std::unique_ptr<io::Stream> stream, ServerOptions options, Handler handler) {
  Http1Server server(std::move(stream), std::move(options), std::move(handler));
  co_await server.run();
}

io::Task<void> serve_http2(std::unique_ptr<io::Stream> stream, ServerOptions options, Handler handler) {
  Http2Server server(std::move(stream), std::move(options), std::move(handler));
  co_await server.run();
}

io::Task<void> serve_http(std::unique_ptr<io::Stream> stream, ServerOptions options, Handler handler) {
  constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  std::string begin;
  const TimePoint deadline = stream->loop().now() + options.header_timeout;
  // "PRI" cannot begin an HTTP/1 request that we would serve, so the first difference decides.
  while (begin.size() < kPreface.size() && kPreface.starts_with(begin)) {
    char bytes[kPreface.size()];
    const auto room = std::as_writable_bytes(std::span(bytes, kPreface.size() - begin.size()));
    auto got = co_await io::read_some(*stream, room, deadline);
    if (!got || *got == 0) break;
    begin.append(bytes, *got);
  }
  stream->unread(as_bytes(begin));
  if (begin == kPreface) {
    co_await serve_http2(std::move(stream), std::move(options), std::move(handler));
  } else {
    co_await serve_http1(std::move(stream), std::move(options), std::move(handler));
  }
}

// ------------------------------------------------------------------ conveniences

void reply(ServerExchange& exchange, int status, std::string_view content_type, std::string_view body) {
  if (exchange.head_sent()) return;
  http::Response head;
  head.status = status;
  head.content_length = body.size();
  if (!content_type.empty()) head.headers.add("content-type", content_type);
  const bool head_only = exchange.request().method == "HEAD";
  exchange.send_head(head, body.empty() || head_only);
  if (body.empty() || head_only) return;
  // What does not fit at once is what reply_all() is for.
  WEFT_BUG_IF(exchange.write(as_bytes(body)) != body.size());
  exchange.finish(nullptr);
}

io::Task<void> reply_all(ServerExchange& exchange, http::Response head, std::string body) {
  if (exchange.head_sent()) co_return;
  head.content_length = body.size();
  const bool head_only = exchange.request().method == "HEAD";
  exchange.send_head(head, body.empty() || head_only);
  if (body.empty() || head_only) co_return;
  Bytes left = as_bytes(body);
  for (;;) {
    left = left.subspan(exchange.write(left));
    if (left.empty()) break;
    co_await exchange.outgoing();
  }
  exchange.finish(nullptr);
}

io::Task<Result<std::string>> read_body(Exchange& exchange, size_t limit) {
  std::string body;
  for (;;) {
    switch (exchange.poll()) {
      case Incoming::data: {
        const Bytes data = exchange.data();
        if (body.size() + data.size() > limit) {
          co_return fail(Error::Kind::overflow, concat("the body is above ", limit, " bytes"));
        }
        body.append(as_text(data));
        exchange.consume(data.size());
        break;
      }
      case Incoming::trailers:
      case Incoming::end:
        co_return body;
      case Incoming::failed:
        co_return fail(exchange.error());
      case Incoming::head:
        co_return body;
      case Incoming::blocked:
        co_await exchange.incoming();
        break;
    }
  }
}

}  // namespace weft::net
