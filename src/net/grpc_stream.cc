#include "net/grpc_stream.h"

#include <algorithm>

#include "base/strings.h"
#include "net/deadline.h"

namespace weft::net {
namespace {

Error deadline_error() {
  return {.kind = Error::Kind::timeout, .side = Error::Side::backend, .text = "the gRPC deadline passed"};
}

// Writes prefix and message as the windows allow. `expired` is set by the owner's timer, which notifies
// outgoing.
io::Task<Result<void>> write_message(Exchange& exchange, std::string_view message, const bool& expired) {
  Buffer prefix;
  http::append_grpc_prefix(prefix, static_cast<uint32_t>(message.size()));
  for (Bytes left : {prefix.bytes(), as_bytes(message)}) {
    while (!left.empty()) {
      if (expired) co_return fail(deadline_error());
      const size_t taken = exchange.write(left);
      left = left.subspan(taken);
      if (!left.empty()) co_await exchange.outgoing();
    }
  }
  // A dead exchange takes everything and drops it.
  if (exchange.poll() == Incoming::failed) co_return fail(exchange.error());
  co_return Result<void>();
}

}  // namespace

// ------------------------------------------------------------------ client

GrpcStream::GrpcStream(io::Loop& loop, std::unique_ptr<ClientExchange> exchange, TimePoint deadline,
                       size_t max_message)
    : exchange_(std::move(exchange)), deadline_(deadline), reader_(max_message), timer_(loop, [this] {
        expired_ = true;
        exchange_->incoming_event().notify();
        exchange_->outgoing_event().notify();
      }) {
  timer_.arm_at(deadline_);
}

GrpcStream::~GrpcStream() = default;  // an exchange that has not ended is reset by its own destructor

io::Task<Result<std::optional<std::string>>> GrpcStream::read() {
  for (;;) {
    WEFT_CO_TRY(auto message, reader_.next());
    if (message) co_return message;
    if (ended_) {
      if (!reader_.at_boundary())
        co_return fail(Error::Kind::protocol, "the gRPC stream ended inside a message");
      co_return std::nullopt;
    }
    if (expired_) {
      status_ = {http::GrpcStatus::deadline_exceeded, "deadline exceeded"};
      exchange_->reset(Error::Kind::cancelled);
      co_return fail(deadline_error());
    }
    switch (exchange_->poll()) {
      case Incoming::head: {
        http::Response& head = exchange_->response();
        if (!head.informational()) {
          head_read_ = true;
          initial_metadata_ = head.headers;
          if (const auto status = http::read_grpc_status(head.headers)) {
            status_ = *status;  // trailers-only
          } else if (head.status != 200) {
            status_ = {http::grpc_code_of_http_status(head.status), concat("HTTP status ", head.status)};
          } else if (!http::is_grpc(head.headers)) {
            status_ = {http::GrpcStatus::unknown, "the answer is not gRPC"};
          }
        }
        exchange_->accept_head();
        break;
      }
      case Incoming::data:
        if (head_read_ && http::is_grpc(initial_metadata_)) reader_.feed(exchange_->data());
        exchange_->consume(exchange_->data().size());
        break;
      case Incoming::trailers:
        trailing_metadata_ = exchange_->trailers();
        if (const auto status = http::read_grpc_status(trailing_metadata_)) status_ = *status;
        [[fallthrough]];
      case Incoming::end:
        ended_ = true;
        timer_.cancel();
        if (status_.code == http::GrpcStatus::unknown && status_.message.empty()) {
          status_.message = "the server ended the call without a status";
        }
        break;
      case Incoming::failed: {
        Error error = exchange_->error();
        status_ = {http::grpc_code_of(error.kind), error.text};
        co_return fail(std::move(error));
      }
      case Incoming::blocked:
        co_await exchange_->incoming();
        break;
    }
  }
}

io::Task<Result<void>> GrpcStream::write(std::string_view message) {
  if (write_closed_) co_return fail(Error::Kind::internal, "write after close_writing");
  if (ended_) co_return fail(Error::Kind::closed, concat("the server ended the call: ", status_.to_string()));
  co_return co_await write_message(*exchange_, message, expired_);
}

void GrpcStream::close_writing() {
  if (std::exchange(write_closed_, true)) return;
  exchange_->finish(nullptr);
}

void GrpcStream::cancel() { exchange_->reset(Error::Kind::cancelled); }

GrpcChannel::GrpcChannel(io::Loop& loop, Pool::Connector connector, Options options)
    : loop_(loop),
      options_(std::move(options)),
      pool_(loop, std::move(connector),
            {.protocol = PoolOptions::Protocol::http2,
             .client = {.h2 = options_.h2,
                        .keepalive_interval = options_.keepalive_interval,
                        .secure = options_.secure},
             .connect_timeout = options_.connect_timeout},
            nullptr) {}

io::Task<Result<std::unique_ptr<GrpcStream>>> GrpcChannel::open(std::string path, GrpcCallOptions options) {
  http::Request head;
  head.method = "POST";
  head.scheme = options_.secure ? "https" : "http";
  head.authority = options_.authority;
  head.path = std::move(path);
  head.content_length = std::nullopt;
  head.headers = std::move(options.metadata);
  head.headers.set("content-type", "application/grpc");
  head.headers.set("te", "trailers");
  const TimePoint deadline = time_after(loop_.now(), options.timeout);
  if (options.timeout != kForever)
    head.headers.set("grpc-timeout", http::format_grpc_timeout(options.timeout));
  WEFT_CO_TRY(auto exchange, co_await pool_.send(head, false, deadline));
  co_return std::make_unique<GrpcStream>(loop_, std::move(exchange), deadline, options.max_message);
}

io::Task<Result<std::string>> GrpcChannel::unary(std::string path, std::string request,
                                                 GrpcCallOptions options, http::GrpcStatus* status) {
  WEFT_CO_TRY(auto stream, co_await open(path, std::move(options)));
  // A server may refuse without reading: its status tells more than the failed write.
  const auto written = co_await stream->write(request);
  stream->close_writing();
  WEFT_CO_TRY(auto reply, co_await stream->read());
  if (reply) {
    WEFT_CO_TRY(const auto more, co_await stream->read());
    if (more) co_return fail(Error::Kind::protocol, concat(path, ": two messages came where one was due"));
  }
  if (status != nullptr) *status = stream->status();
  if (!stream->status().is_ok()) {
    Error error = {.kind = Error::Kind::unavailable,
                   .side = Error::Side::backend,
                   .text = concat(path, ": ", stream->status().to_string())};
    switch (stream->status().code) {
      case http::GrpcStatus::invalid_argument:
        error.kind = Error::Kind::invalid;
        break;
      case http::GrpcStatus::deadline_exceeded:
        error.kind = Error::Kind::timeout;
        break;
      case http::GrpcStatus::not_found:
        error.kind = Error::Kind::not_found;
        break;
      case http::GrpcStatus::permission_denied:
      case http::GrpcStatus::unauthenticated:
        error.kind = Error::Kind::denied;
        break;
      case http::GrpcStatus::unimplemented:
        error.kind = Error::Kind::unsupported;
        break;
      case http::GrpcStatus::resource_exhausted:
        error.kind = Error::Kind::overflow;
        break;
      case http::GrpcStatus::internal:
        error.kind = Error::Kind::internal;
        break;
      default:
        error.retryable = stream->status().code == http::GrpcStatus::unavailable;
        break;
    }
    co_return fail(std::move(error));
  }
  if (!reply) co_return fail(Error::Kind::protocol, concat(path, ": OK came without a message"));
  co_return std::move(*reply);
}

// ------------------------------------------------------------------ server

GrpcServerStream::GrpcServerStream(io::Loop& loop, ServerExchange& exchange, TimePoint deadline,
                                   size_t max_message)
    : exchange_(exchange), deadline_(deadline), reader_(max_message), timer_(loop, [this] {
        expired_ = true;
        exchange_.incoming_event().notify();
        exchange_.outgoing_event().notify();
      }) {
  timer_.arm_at(deadline_);
}

io::Task<Result<std::optional<std::string>>> GrpcServerStream::read() {
  for (;;) {
    WEFT_CO_TRY(auto message, reader_.next());
    if (message) co_return message;
    if (expired_) co_return fail(deadline_error());
    switch (exchange_.poll()) {
      case Incoming::data:
        reader_.feed(exchange_.data());
        exchange_.consume(exchange_.data().size());
        break;
      case Incoming::trailers:
      case Incoming::end:
        if (!reader_.at_boundary())
          co_return fail(Error::Kind::protocol, "the gRPC stream ended inside a message");
        co_return std::nullopt;
      case Incoming::failed:
        co_return fail(exchange_.error());
      case Incoming::head:
      case Incoming::blocked:
        co_await exchange_.incoming();
        break;
    }
  }
}

void GrpcServerStream::send_head() {
  if (std::exchange(head_sent_, true)) return;
  http::Response head;
  head.content_length = std::nullopt;
  head.headers = initial_metadata_;
  head.headers.set("content-type", "application/grpc");
  exchange_.send_head(head, false);
}

io::Task<Result<void>> GrpcServerStream::write(std::string_view message) {
  if (finished_) co_return fail(Error::Kind::internal, "write after finish");
  send_head();
  co_return co_await write_message(exchange_, message, expired_);
}

void GrpcServerStream::finish(const http::GrpcStatus& status) {
  if (std::exchange(finished_, true)) return;
  timer_.cancel();
  if (!head_sent_) {  // trailers-only
    head_sent_ = true;
    http::Response head;
    head.content_length = std::nullopt;
    head.headers = initial_metadata_;
    head.headers.set("content-type", "application/grpc");
    http::add_grpc_status(head.headers, status);
    exchange_.send_head(head, true);
    return;
  }
  http::Headers trailers;
  http::add_grpc_status(trailers, status);
  exchange_.finish(&trailers);
}

void GrpcServer::handle(std::string path, Method method) {
  methods_.insert_or_assign(std::move(path), std::move(method));
}

void GrpcServer::handle_unary(std::string path, UnaryMethod method) {
  unary_methods_.insert_or_assign(std::move(path), std::move(method));
}

bool GrpcServer::serves(std::string_view path) const {
  const std::string key(path);
  return methods_.contains(key) || unary_methods_.contains(key);
}

io::Task<void> GrpcServer::serve(ServerExchange& exchange) const {
  const http::Request& request = exchange.request();
  if (request.method != "POST" || !http::is_grpc(request.headers)) {
    reply(exchange, 415, "text/plain", "this port speaks gRPC: POST with content-type application/grpc\n");
    co_return;
  }
  io::Loop& loop = exchange.incoming_event().loop();
  TimePoint deadline = TimePoint::max();
  std::optional<http::GrpcStatus> refusal;
  if (const auto timeout = request.headers.get("grpc-timeout")) {
    if (const auto parsed = http::parse_grpc_timeout(*timeout)) {
      deadline = time_after(loop.now(), *parsed);
    } else {
      refusal = {http::GrpcStatus::internal, parsed.error().text};
    }
  }
  GrpcServerStream stream(loop, exchange, deadline, max_message);
  const std::string path(request.path_without_query());
  if (refusal) {
    stream.finish(*refusal);
  } else if (const auto method = methods_.find(path); method != methods_.end()) {
    co_await method->second(stream);
    if (!stream.finished()) {
      stream.finish(exchange.head_sent()
                        ? http::GrpcStatus{http::GrpcStatus::ok, ""}
                        : http::GrpcStatus{http::GrpcStatus::internal, "the method gave no answer"});
    }
  } else if (const auto unary = unary_methods_.find(path); unary != unary_methods_.end()) {
    auto message = co_await stream.read();
    if (!message) {
      stream.finish({http::grpc_code_of(message.error().kind), message.error().text});
      co_return;
    }
    if (!*message) {
      stream.finish({http::GrpcStatus::invalid_argument, "no message came"});
      co_return;
    }
    auto answer = co_await unary->second(std::move(**message), exchange);
    if (!answer) {
      stream.finish(answer.error());
      co_return;
    }
    const auto written = co_await stream.write(*answer);
    stream.finish(written ? http::GrpcStatus{http::GrpcStatus::ok, ""}
                          : http::GrpcStatus{http::grpc_code_of(written.error().kind), written.error().text});
  } else {
    stream.finish({http::GrpcStatus::unimplemented, concat("no method ", printable(path))});
  }
}

}  // namespace weft::net
