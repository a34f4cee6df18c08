#include "proxy/listener.h"

#include "base/log.h"
#include "base/strings.h"
#include "proxy/connection.h"
#include "proxy/detect.h"
#include "proxy/mesh_headers.h"
#include "proxy/recording.h"
#include "proxy/serve_request.h"
#include "proxy/serve_tcp.h"

namespace weft::proxy {

namespace {

constexpr std::string_view kNoFilterChain = "filter_chain_not_found";
constexpr Duration kHandshakeTimeout = std::chrono::seconds(15);

// Counts an open connection, on every way out.
class OpenConnection {
 public:
  explicit OpenConnection(Worker& worker) : worker_(worker) {
    worker_.counts.connections_total->add(1);
    worker_.counts.connections_active->add(1);
  }
  ~OpenConnection() { worker_.counts.connections_active->add(-1); }
  OpenConnection(const OpenConnection&) = delete;
  OpenConnection& operator=(const OpenConnection&) = delete;

 private:
  Worker& worker_;
};

// A connection that ended before a request or a byte of it could be served: one line in the listener's log.
void record_refused(Connection& connection, std::string_view details, std::string_view failure,
                    std::string_view policy = {}, std::string_view rule = {}) {
  telemetry::RequestRecord record;
  record.kind = telemetry::RequestRecord::Kind::tcp;
  record.start = connection.worker.loop().wall_now();
  record.downstream_local = connection.traits.destination;
  record.downstream_direct_remote = record.downstream_remote = connection.traits.source;
  record.connection_id = connection.id;
  record.server_name = connection.traits.server_name;
  if (connection.mutual_tls()) record.downstream_peer = &connection.peer_names;
  record.listener_name = connection.listener->model->name;
  if (details == kNoFilterChain) {  // Envoy has these as requests without a route
    record.flags.set(telemetry::Flag::no_route_found);
    record.response_code_details = details;
  } else {
    record.connection_termination_details = details;
  }
  record.upstream_transport_failure = failure;
  record.denial_policy = policy;
  record.denial_rule = rule;
  if (connection.chain != nullptr) record.filter_chain_name = connection.chain->model->name;
  write_access_logs(connection, record);
  log_debug("listener", connection.listener->model->name, ": ", connection.traits.source.to_string(), " -> ",
            connection.traits.destination.to_string(), ": ", details, " ", failure);
}

// Of one connection manager's connections.
class OpenHttpConnection {
 public:
  explicit OpenHttpConnection(const HttpCounts& counts) : counts_(counts) {
    counts_.connections_total->add(1);
    counts_.connections_active->add(1);
  }
  ~OpenHttpConnection() { counts_.connections_active->add(-1); }
  OpenHttpConnection(const OpenHttpConnection&) = delete;
  OpenHttpConnection& operator=(const OpenHttpConnection&) = delete;

 private:
  const HttpCounts& counts_;
};

net::ServerOptions server_options(const Connection& connection) {
  const model::HttpManager& http = *connection.chain->http();
  net::ServerOptions options;
  options.h1.max_head = size_t{http.max_request_headers_kb} * 1024;
  options.h1.max_fields = http.max_headers_count;
  options.h2 = connection.mesh_peer ? http::H2Limits::between_sidecars() : http::H2Limits{};
  options.h2.max_header_list = size_t{http.max_request_headers_kb} * 1024;
  options.h2.max_fields = http.max_headers_count;
  if (http.http2_max_concurrent_streams > 0)
    options.h2.max_concurrent_streams = http.http2_max_concurrent_streams;
  if (http.http2_initial_stream_window > 0) options.h2.stream_window = http.http2_initial_stream_window;
  if (http.http2_initial_connection_window > 0)
    options.h2.connection_window = http.http2_initial_connection_window;
  if (http.request_headers_timeout > Duration::zero()) options.header_timeout = http.request_headers_timeout;
  options.idle_timeout = http.idle_timeout > Duration::zero() ? http.idle_timeout : kForever;
  if (http.max_connection_duration) options.max_connection_duration = *http.max_connection_duration;
  options.max_requests = http.max_requests_per_connection;
  options.linger = http.delayed_close_timeout;
  options.secure = connection.tls && !connection.mesh_peer;
  options.allow_http10 = http.accept_http_10;
  options.server_name = http.server_name;
  options.context = &connection;
  options.drain = connection.drain.get();
  return options;
}

io::Task<void> serve_http(std::unique_ptr<io::Stream> stream, Connection& connection,
                          net::ServerObserver& observer) {
  net::ServerOptions options = server_options(connection);
  options.observer = &observer;
  Connection* const of = &connection;
  net::Handler handler = [of](net::ServerExchange& exchange) { return serve_request(exchange, *of); };
  using Codec = model::HttpManager::Codec;
  const Codec codec = connection.chain->http()->codec;
  if (codec == Codec::http2 || connection.alpn == "h2" || connection.alpn == "istio-h2" ||
      connection.mesh_peer) {
    return net::serve_http2(std::move(stream), options, std::move(handler));
  }
  if (codec == Codec::http1) return net::serve_http1(std::move(stream), options, std::move(handler));
  return net::serve_http(std::move(stream), options, std::move(handler));
}

}  // namespace

std::shared_ptr<const CompiledListener> listener_for(const Config& config, const SocketAddress& destination,
                                                     model::Direction direction) {
  std::shared_ptr<const CompiledListener> wildcard;
  for (const auto& [name, listener] : config.listeners) {
    const model::Listener& model = *listener->model;
    if (model.bind_to_port || model.direction != direction) continue;
    if (model.address.port == destination.port && model.address.ip == destination.ip) return listener;
    for (const SocketAddress& address : model.additional_addresses) {
      if (address.port == destination.port && address.ip == destination.ip) return listener;
    }
    if (model.address.port == destination.port && model.address.ip.is_unspecified()) wildcard = listener;
  }
  return wildcard;
}

io::Task<void> serve_connection(std::unique_ptr<io::Stream> stream, Worker& worker,
                                std::shared_ptr<const CompiledListener> listener) {
  const OpenConnection counted(worker);
  ConnectionTraits traits;
  traits.source = stream->peer_address();
  traits.destination = stream->local_address();
  bool redirected = false;
  if (listener->model->original_dst_filter || listener->model->use_original_dst) {
    if (const auto original = stream->original_destination(); original && *original != traits.destination) {
      traits.destination = *original;
      redirected = true;
    }
  }
  // Hand over by original destination.
  if (listener->model->use_original_dst) {
    const auto& config = worker.config();
    if (redirected) {
      if (auto better = listener_for(*config, traits.destination, listener->model->direction))
        listener = std::move(better);
    }
  }

  Connection connection(worker, listener);
  connection.id = worker.next_connection_id();
  connection.traits = std::move(traits);
  connection.redirected = redirected;
  const model::Listener& model = *listener->model;

  // Detect what it speaks, where a chain of this port asks.
  const Inspection needed =
      listener->needs_detection ? needed_inspection(model, connection.traits) : Inspection{};
  if (needed.any()) {
    DetectOptions options;
    options.inspect_tls = needed.tls;
    options.inspect_http = needed.http;
    options.timeout = model.detection_timeout;
    options.go_on_after_timeout =
        model.continue_on_detection_timeout || model.detection_timeout == Duration::zero();
    if (auto detected = co_await detect(*stream, options, connection.traits); !detected) {
      record_refused(connection, "detection", detected.error().text);
      co_return;
    }
  }

  // Filter chain.
  const model::FilterChain* chosen = match_filter_chain(model, connection.traits);
  connection.chain = chosen ? listener->find(chosen) : nullptr;
  if (connection.chain == nullptr) {
    worker.counts.no_filter_chain->add(1);
    record_refused(connection, kNoFilterChain, "");
    stream->abort();
    co_return;
  }

  // TLS.
  if (chosen->tls) {
    if (!connection.chain->tls) {
      record_refused(connection, "tls_secret_missing",
                     concat("the secret '", connection.chain->awaits_secret, "' has not come yet"));
      stream->abort();
      co_return;
    }
    auto secured = co_await accept_tls(std::move(stream), connection.chain->tls,
                                       worker.loop().now() + kHandshakeTimeout);
    if (!secured) {
      worker.counts.tls_errors->add(1);
      record_refused(connection, "tls_handshake_failed", secured.error().text);
      co_return;
    }
    stream = std::move(secured->stream);
    connection.tls = true;
    connection.alpn = std::move(secured->alpn);
    connection.tls_version = std::move(secured->tls_version);
    connection.cipher = std::move(secured->cipher);
    connection.peer = std::move(secured->peer);
    connection.peer_names = {.uris = connection.peer.uris,
                             .dns_names = connection.peer.dns_names,
                             .subject = connection.peer.subject,
                             .issuer = connection.peer.issuer,
                             .serial = connection.peer.serial,
                             .fingerprint_256 = connection.peer.fingerprint};
    connection.mesh_peer = connection.mutual_tls() && connection.alpn == kMeshAlpn;
  }

  // Authorise the connection itself; HTTP requests are authorised again, one by one.
  auto permit = connection.chain->connection_authorizer->authorize_connection(connection.facts());
  note_findings(connection, permit ? permit->findings() : permit.error().findings);
  if (!permit) {
    worker.counts.rbac_denied->add(1);
    record_refused(connection, permit.error().details(), permit.error().text, permit.error().policy,
                   permit.error().rule);
    stream->abort();
    co_return;
  }

  if (connection.chain->http() != nullptr) {
    connection.http_counts = &worker.http_counts(connection.chain->http()->stat_prefix);
    const OpenHttpConnection counted_http(*connection.http_counts);
    RefusalRecorder observer(connection);
    co_await serve_http(std::move(stream), connection, observer);
  } else {
    co_await serve_tcp(std::move(stream), connection, std::move(*permit));
  }
}

Listener::Listener(Worker& worker, std::shared_ptr<const CompiledListener> config)
    : worker_(worker), config_(std::move(config)), accepting_(worker.loop()) {}

Listener::~Listener() = default;

Result<std::unique_ptr<Listener>> Listener::make(Worker& worker,
                                                 std::shared_ptr<const CompiledListener> config,
                                                 bool reuse_port, std::optional<SocketAddress> bound) {
  std::unique_ptr<Listener> listener(new Listener(worker, std::move(config)));
  const model::Listener& model = *listener->config_->model;
  io::ListenOptions options;
  options.reuse_port = reuse_port;
  options.transparent = model.transparent;
  std::vector<SocketAddress> addresses = {bound.value_or(model.address)};
  addresses.insert(addresses.end(), model.additional_addresses.begin(), model.additional_addresses.end());
  for (const SocketAddress& address : addresses) {
    auto acceptor = worker.loop().listen(address, options);
    if (!acceptor) {
      return fail(
          std::move(acceptor).error().within(concat("listener ", model.name, " on ", address.to_string())));
    }
    listener->acceptors_.push_back(std::move(*acceptor));
    listener->accepting_.spawn(listener->accept_loop(*listener->acceptors_.back()));
  }
  return listener;
}

SocketAddress Listener::address() const {
  return acceptors_.empty() ? config_->model->address : acceptors_.front()->address();
}

void Listener::stop_accepting() {
  accepting_.cancel_all();
  acceptors_.clear();
}

io::Task<void> Listener::accept_loop(io::Acceptor& acceptor) {
  for (;;) {
    auto stream = co_await acceptor.accept();
    if (!stream) {
      log_warning("listener", config_->model->name, ": ", stream.error().to_string());
      if (stream.error().kind == Error::Kind::closed) co_return;
      continue;
    }
    worker_.connections().spawn(serve_connection(std::move(*stream), worker_, config_));
  }
}

}  // namespace weft::proxy
