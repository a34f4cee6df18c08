#include "net/http_client.h"

#include "base/strings.h"
#include "http/uri.h"
#include "io/task_group.h"
#include "io/wait.h"
#include "net/client_connection.h"
#include "net/deadline.h"

namespace weft::net {
namespace {

// The body goes out while the answer comes in, or both ends could wait for each other.
io::Task<void> send_body(ClientExchange& exchange, const std::string& body) {
  Bytes left = as_bytes(body);
  for (;;) {
    left = left.subspan(exchange.write(left));
    if (left.empty()) break;
    co_await exchange.outgoing();
  }
  exchange.finish(nullptr);
}

io::Task<Result<HttpReply>> run_call(io::Loop& loop, HttpCall& call) {
  Pool::Connected connected;
  if (call.connector) {
    WEFT_CO_TRY(connected, co_await call.connector());
  } else {
    WEFT_CO_TRY(connected.stream, co_await loop.connect(call.address, {.timeout = call.timeout}));
  }
  const bool http2 = call.http2 || connected.alpn == "h2";
  auto connection = http2 ? make_http2_client(std::move(connected.stream), {})
                          : make_http1_client(std::move(connected.stream), {.max_requests = 1});
  http::Request head;
  head.method = call.method;
  head.scheme = call.scheme;
  head.authority = !call.authority.empty()  ? call.authority
                   : call.address.is_unix() ? "localhost"
                                            : call.address.to_string();
  head.path = call.path;
  head.headers = call.headers;
  head.content_length = call.body.size();
  const auto exchange = connection->start(head, call.body.empty());
  io::TaskGroup sending(loop);
  if (!call.body.empty()) sending.spawn(send_body(*exchange, call.body));
  HttpReply reply;
  for (;;) {
    switch (exchange->poll()) {
      case Incoming::head:
        if (!exchange->response().informational()) {
          reply.status = exchange->response().status;
          reply.headers = exchange->response().headers;
        }
        exchange->accept_head();
        break;
      case Incoming::data:
        if (reply.body.size() + exchange->data().size() > call.max_body) {
          co_return fail({.kind = Error::Kind::overflow,
                          .side = Error::Side::backend,
                          .text = concat("the answer's body is above ", call.max_body, " bytes")});
        }
        reply.body += as_text(exchange->data());
        exchange->consume(exchange->data().size());
        break;
      case Incoming::trailers:
        reply.trailers = exchange->trailers();
        [[fallthrough]];
      case Incoming::end:
        co_return reply;
      case Incoming::failed:
        co_return fail(exchange->error());
      case Incoming::blocked:
        co_await exchange->incoming();
        break;
    }
  }
}

io::Task<void> run_into(io::Loop& loop, HttpCall& call, Result<HttpReply>& result, io::Event& done) {
  result = co_await run_call(loop, call);
  done.notify();
}

}  // namespace

io::Task<Result<HttpReply>> http_call(io::Loop& loop, HttpCall call) {
  const std::string what =
      concat(call.method, ' ', call.scheme, "://",
             call.authority.empty() ? call.address.to_string() : call.authority, call.path);
  Result<HttpReply> result =
      fail({.kind = Error::Kind::timeout,
            .side = Error::Side::backend,
            .text = concat("no complete answer within ",
                           duration_cast<std::chrono::milliseconds>(call.timeout).count(), " ms")});
  {
    io::Event done(loop);
    io::TaskGroup running(loop);
    const TimePoint deadline = time_after(loop.now(), call.timeout);
    running.spawn(run_into(loop, call, result, done));
    (void)co_await io::wait_until(done, deadline);
  }
  if (!result) co_return fail(std::move(result).error().within(what));
  co_return result;
}

Result<HttpCall> parse_http_url(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (!starts_with_ignoring_case(url, kScheme)) {
    return fail(Error::Kind::invalid, concat("'", printable(url, 120), "' does not begin with http://"));
  }
  const std::string_view rest = url.substr(kScheme.size());
  const size_t slash = std::min(rest.find_first_of("/?"), rest.size());
  HttpCall call;
  WEFT_TRY(const auto where, http::parse_authority(rest.substr(0, slash)));
  call.authority = rest.substr(0, slash);
  WEFT_TRY(call.address.ip, IpAddress::parse(where.host == "localhost" ? "127.0.0.1" : where.host));
  call.address.port = where.port.value_or(80);
  call.path = slash == rest.size() ? "/" : std::string(rest.substr(slash));
  if (call.path.front() == '?') call.path.insert(0, "/");
  if (const size_t fragment = call.path.find('#'); fragment != std::string::npos) call.path.resize(fragment);
  return call;
}

}  // namespace weft::net
