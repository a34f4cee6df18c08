// What the tests of this room share: a raw peer that speaks bytes, and handlers that behave.
#pragma once

#include <string>

#include "base/strings.h"
#include "io/manual_loop.h"
#include "io/pipe.h"
#include "io/task_group.h"
#include "net/server_connection.h"

namespace weft::net {

// The end of a pipe that a test writes to and reads from as text.
class RawPeer {
 public:
  RawPeer(io::ManualLoop& loop, std::unique_ptr<io::Stream> stream)
      : loop_(loop), stream_(std::move(stream)) {}

  void send(std::string_view text) {
    while (!text.empty()) {
      const io::IoResult result = stream_->try_write(as_bytes(text));
      if (result.status != io::IoStatus::ok) break;
      text.remove_prefix(result.count);
    }
    loop_.run_until_idle();
  }
  // All that has come and was not taken.
  std::string take() {
    loop_.run_until_idle();
    read();
    return std::exchange(received_, {});
  }
  bool closed() {
    loop_.run_until_idle();
    read();
    return ended_ || failed_;
  }
  bool was_reset() {
    loop_.run_until_idle();
    read();
    return failed_;
  }
  void finish() {
    stream_->shutdown_write();
    loop_.run_until_idle();
  }
  void vanish() {
    stream_.reset();
    loop_.run_until_idle();
  }
  void abort() {
    stream_->abort();
    loop_.run_until_idle();
  }
  io::Stream& stream() { return *stream_; }

 private:
  void read() {
    std::byte bytes[4096];
    for (;;) {
      const io::IoResult result = stream_->try_read(bytes);
      if (result.status == io::IoStatus::ok) {
        received_.append(as_text(Bytes(bytes, result.count)));
        continue;
      }
      if (result.status == io::IoStatus::eof) ended_ = true;
      if (result.status == io::IoStatus::failed) failed_ = true;
      return;
    }
  }

  io::ManualLoop& loop_;
  std::unique_ptr<io::Stream> stream_;
  std::string received_;
  bool ended_ = false;
  bool failed_ = false;
};

// Moves one body to the other side, as a proxy does.
inline io::Task<void> relay_body(Exchange& from, Exchange& to) {
  for (;;) {
    switch (from.poll()) {
      case Incoming::data: {
        const size_t taken = to.write(from.data());
        from.consume(taken);
        if (taken == 0) co_await to.outgoing();
        break;
      }
      case Incoming::trailers:
        to.finish(&from.trailers());
        co_return;
      case Incoming::end:
        to.finish(nullptr);
        co_return;
      case Incoming::failed:
        to.reset(from.error().kind);
        co_return;
      case Incoming::head:
        co_return;
      case Incoming::blocked:
        co_await from.incoming();
        break;
    }
  }
}

// Says what it was asked, then the body: "GET /path [body] +trailer=value".
inline io::Task<void> echo(ServerExchange& exchange) {
  http::Request& request = exchange.request();
  std::string text = concat(request.method, ' ', request.path);
  auto body = co_await read_body(exchange, 1 << 24);
  if (!body) co_return;
  text += concat(" [", *body, "]");
  if (exchange.poll() == Incoming::trailers) {
    for (const auto& field : exchange.trailers()) text += concat(" +", field.name, "=", field.value);
  }
  co_await reply_all(exchange, {}, text);
}

}  // namespace weft::net
