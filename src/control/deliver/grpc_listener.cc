#include "control/deliver/grpc_listener.h"

#include <utility>

#include "base/log.h"
#include "tls/stream.h"

namespace weft::control {
namespace {

// Descriptors ran out, or the like: trying again at once would only burn time.
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);

bool from_this_machine(const SocketAddress& address) { return address.is_unix() || address.ip.is_loopback(); }

}  // namespace

GrpcListener::GrpcListener(io::Loop& loop, const net::GrpcServer& grpc)
    : loop_(loop), grpc_(grpc), accepting_(loop), tasks_(loop) {}

void GrpcListener::stop_accepting() {
  accepting_.cancel_all();
  acceptors_.clear();
}

Result<SocketAddress> GrpcListener::listen_plaintext(const SocketAddress& address) {
  return listen(address, false);
}
Result<SocketAddress> GrpcListener::listen_tls(const SocketAddress& address) { return listen(address, true); }

Result<SocketAddress> GrpcListener::listen(const SocketAddress& address, bool secure) {
  WEFT_TRY(auto acceptor, loop_.listen(address, {}));
  acceptors_.push_back(std::move(acceptor));
  io::Acceptor& listening = *acceptors_.back();
  accepting_.spawn(accept_loop(listening, secure, !secure && from_this_machine(listening.address())));
  return listening.address();
}

io::Task<void> GrpcListener::accept_loop(io::Acceptor& acceptor, bool secure, bool believe) {
  for (;;) {
    auto stream = co_await acceptor.accept();
    if (!stream) {
      log_warning("xds", "accepting on ", acceptor.address().to_string(), ": ", stream.error().text);
      co_await io::sleep_for(loop_, kAcceptPause);
      continue;
    }
    tasks_.spawn(serve(std::move(*stream), secure, believe));
  }
}

io::Task<void> GrpcListener::serve(std::unique_ptr<io::Stream> stream, bool secure, bool believe) {
  Transport transport{.secure = secure, .believe = believe, .certificate = {}};
  if (secure) {
    if (!context_) co_return;
    const SocketAddress peer = stream->peer_address();
    auto tls = co_await tls::TlsStream::accept(std::move(stream), context_, loop_.now() + handshake_timeout);
    if (!tls) {
      log_debug("xds", "TLS with ", peer.to_string(), ": ", tls.error().text);
      co_return;
    }
    transport.certificate = (*tls)->peer().spiffe_id();
    stream = std::move(*tls);
  }
  net::ServerOptions options;
  options.h2 = http::H2Limits::between_sidecars();
  options.secure = secure;
  options.context = &transport;
  options.drain = &drain_;
  const net::GrpcServer& grpc = grpc_;
  co_await net::serve_http2(std::move(stream), options,
                            [&grpc](net::ServerExchange& exchange) { return grpc.serve(exchange); });
}

}  // namespace weft::control
