// gRPC over an Exchange: messages in, messages out, and a status at the end. Messages are bytes here;
// wire/ turns them into protobufs.
//
// Client:
//   GrpcChannel channel(loop, connector, {.authority = "istiod.istio-system.svc:15012"});
//   auto reply = co_await channel.unary("/istio.v1.auth.IstioCertificateService/CreateCertificate", bytes,
//   {}); auto stream = co_await
//   channel.open("/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources", {});
//   co_await (*stream)->write(request);
//   for (;;) { auto message = co_await (*stream)->read(); if (!message || !*message) break; ... }
//
// Server:
//   GrpcServer server;
//   server.handle("/pkg.Service/Method", [&store](GrpcServerStream& stream) { return serve_method(store,
//   stream); });
//   ... serve_http2(std::move(io), options, [&server](ServerExchange& e) { return server.serve(e); })
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "base/result.h"
#include "http/grpc.h"
#include "io/loop.h"
#include "io/task.h"
#include "net/exchange.h"
#include "net/pool.h"
#include "net/server_connection.h"

namespace weft::net {

struct GrpcCallOptions {
  Duration timeout = kForever;  // of the whole call; sent as grpc-timeout
  http::Headers metadata;
  size_t max_message = 64 * 1024 * 1024;
};

// The client's end of one call. One reader and one writer at a time.
class GrpcStream {
 public:
  GrpcStream(io::Loop& loop, std::unique_ptr<ClientExchange> exchange, TimePoint deadline,
             size_t max_message);
  ~GrpcStream();  // cancels the call if it has not ended

  // The next message; nullopt: the server ended the call, status() is known. An error: the stream broke,
  // or its deadline passed (Kind::timeout).
  io::Task<Result<std::optional<std::string>>> read();
  // Waits until the message is in the outgoing buffers (flow control).
  io::Task<Result<void>> write(std::string_view message);
  // Half-close: no more messages from us.
  void close_writing();
  // What the server said at the end; code unknown before that.
  const http::GrpcStatus& status() const { return status_; }
  const http::Headers& initial_metadata() const { return initial_metadata_; }
  const http::Headers& trailing_metadata() const { return trailing_metadata_; }
  void cancel();

 private:
  std::unique_ptr<ClientExchange> exchange_;
  TimePoint deadline_;
  http::GrpcMessageReader reader_;
  http::GrpcStatus status_;
  http::Headers initial_metadata_;
  http::Headers trailing_metadata_;
  bool head_read_ = false;
  bool ended_ = false;
  bool expired_ = false;
  bool write_closed_ = false;
  io::Timer timer_;
};

// Calls to one server over a pool of one HTTP/2 connection that is made again when it is lost.
class GrpcChannel {
 public:
  struct Options {
    std::string authority;
    bool secure = false;  // :scheme https
    Duration connect_timeout = std::chrono::seconds(10);
    Duration keepalive_interval = std::chrono::seconds(30);
    http::H2Limits h2 = http::H2Limits::between_sidecars();
  };

  GrpcChannel(io::Loop& loop, Pool::Connector connector, Options options);

  // One request, one reply. A status that is not OK is an Error whose text holds code and message;
  // `status`, if given, gets it as values.
  io::Task<Result<std::string>> unary(std::string path, std::string request, GrpcCallOptions options,
                                      http::GrpcStatus* status = nullptr);
  io::Task<Result<std::unique_ptr<GrpcStream>>> open(std::string path, GrpcCallOptions options);

 private:
  io::Loop& loop_;
  Options options_;
  Pool pool_;
};

// The server's end of one call.
class GrpcServerStream {
 public:
  GrpcServerStream(io::Loop& loop, ServerExchange& exchange, TimePoint deadline, size_t max_message);

  const http::Request& request() const { return exchange_.request(); }
  ServerExchange& exchange() { return exchange_; }
  // What the client allows the call (grpc-timeout); TimePoint::max() if it did not say.
  TimePoint deadline() const { return deadline_; }

  // nullopt: the client has no more to say. An error: it cancelled, broke, or the deadline passed.
  io::Task<Result<std::optional<std::string>>> read();
  // Waits until the message is in the outgoing buffers. The head goes out with the first message.
  io::Task<Result<void>> write(std::string_view message);
  // Sends the head now, before there is a message.
  void send_head();
  // Ends the call. A handler that returns without it ends with OK if it wrote, else INTERNAL.
  void finish(const http::GrpcStatus& status);
  bool finished() const { return finished_; }
  // To be sent with the head.
  http::Headers& initial_metadata() { return initial_metadata_; }

 private:
  ServerExchange& exchange_;
  TimePoint deadline_;
  http::GrpcMessageReader reader_;
  http::Headers initial_metadata_;
  bool head_sent_ = false;
  bool finished_ = false;
  bool expired_ = false;
  io::Timer timer_;
};

class GrpcServer {
 public:
  using Method = std::function<io::Task<void>(GrpcServerStream&)>;
  using UnaryMethod = std::function<io::Task<std::expected<std::string, http::GrpcStatus>>(
      std::string request, ServerExchange&)>;

  void handle(std::string path, Method method);
  void handle_unary(std::string path, UnaryMethod method);
  bool serves(std::string_view path) const;
  // Answers one exchange: UNIMPLEMENTED for paths nobody handles, 415 for what is not gRPC.
  io::Task<void> serve(ServerExchange& exchange) const;
  size_t max_message = 64 * 1024 * 1024;

 private:
  std::unordered_map<std::string, Method> methods_;
  std::unordered_map<std::string, UnaryMethod> unary_methods_;
};

}  // namespace weft::net
