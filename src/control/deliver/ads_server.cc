#include "control/deliver/ads_server.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "io/wait.h"

namespace weft::control {
namespace {

using Code = http::GrpcStatus::Code;

// Between so many proxies others of the loop get their turn.
constexpr int kPushesATurn = 8;

http::GrpcStatus status_of(const Error& error) {
  return {error.kind == Error::Kind::denied ? Code::permission_denied : http::grpc_code_of(error.kind),
          error.text};
}

std::string_view lower_name(wire::ResourceType type) {
  switch (type) {
    case wire::ResourceType::listener:
      return "lds";
    case wire::ResourceType::route:
      return "rds";
    case wire::ResourceType::cluster:
      return "cds";
    case wire::ResourceType::endpoint:
      return "eds";
    case wire::ResourceType::secret:
      return "sds";
  }
  return "other";
}

// What of a first request says who asks.
Result<ProxyNode> node_of(AdsSession::Mode mode, std::string_view message) {
  std::optional<wire::Node> node;
  if (mode == AdsSession::Mode::delta) {
    WEFT_TRY(wire::DeltaDiscoveryRequest request, wire::decode_delta_request(as_bytes(message)));
    node = std::move(request.node);
  } else {
    WEFT_TRY(wire::DiscoveryRequest request, wire::decode_request(as_bytes(message)));
    node = std::move(request.node);
  }
  if (!node) return fail(Error::Kind::invalid, "the first request of a stream must name its node");
  return parse_proxy_node(*node);
}

http::GrpcStatus leaving() { return {Code::unavailable, "weftd is ending; call again"}; }

}  // namespace

AdsServer::AdsServer(io::Loop& loop, Publisher& publisher, const Callers& callers,
                     telemetry::Registry& registry, telemetry::Shard& metrics)
    : loop_(loop),
      publisher_(publisher),
      callers_(callers),
      pushed_(loop),
      metrics_(metrics),
      connected_(registry.gauge("pilot_xds", "Proxies connected.")),
      pushes_(registry.counter("pilot_xds_pushes", "Responses sent.")),
      push_bytes_(registry.histogram("pilot_xds_config_size_bytes", "Size of responses.",
                                     {1, 10000, 1000000, 4000000, 10000000, 40000000})),
      rejects_(registry.counter("pilot_total_xds_rejects", "Responses that proxies refused.")),
      refused_(registry.counter("weft_xds_refused_streams_total", "Streams that were not served.")),
      convergence_(metrics.histogram(registry.histogram(
          "pilot_proxy_convergence_time", "Seconds from a change to its acceptance by a proxy.",
          {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 3, 5, 10, 20, 30}))),
      tasks_(loop) {
  tasks_.spawn(push_each());
}

AdsServer::~AdsServer() = default;

void AdsServer::add_to(net::GrpcServer& grpc) {
  grpc.handle(std::string(wire::kAdsStreamPath), [this](net::GrpcServerStream& stream) {
    return serve(stream, AdsSession::Mode::state_of_the_world);
  });
  grpc.handle(std::string(wire::kAdsDeltaPath),
              [this](net::GrpcServerStream& stream) { return serve(stream, AdsSession::Mode::delta); });
}

// ---------------------------------------------------------------- one stream

io::Task<void> AdsServer::serve(net::GrpcServerStream& stream, AdsSession::Mode mode) {
  const auto refuse = [&](http::GrpcStatus status, std::string_view who) {
    metrics_.counter(refused_, telemetry::label_text({{"code", http::grpc_code_name(status.code)}})).add(1);
    log_warning("xds", who, " is not served: ", status.message);
    stream.finish(status);
  };
  const net::ConnectionInfo& from = stream.exchange().connection();
  const std::string address = from.peer.to_string();
  auto caller = callers_.identify(stream.request(), from);
  if (!caller) co_return refuse({Code::unauthenticated, caller.error().text}, address);

  // A client that never says anything must not hold its place.
  io::Timer patience(loop_, [&stream] { stream.exchange().reset(Error::Kind::timeout); });
  patience.arm_after(first_request_timeout);
  auto first = co_await stream.read();
  patience.cancel();
  if (!first || !*first) co_return;

  auto node = node_of(mode, **first);
  if (!node) co_return refuse({Code::invalid_argument, node.error().text}, address);
  if (const auto fine = check_claims(*caller, *node, publisher_.world().get()); !fine) {
    co_return refuse(status_of(fine.error()), node->id);
  }
  Connection connection(loop_, ++numbers_, std::move(*node), std::move(*caller), mode, encoded_);
  connection.peer = from.peer;
  connection.connected_at = loop_.wall_now();
  co_await follow(stream, connection, std::move(**first));
}

io::Task<void> AdsServer::follow(net::GrpcServerStream& stream, Connection& connection, std::string first) {
  telemetry::Gauge& connected =
      metrics_.gauge(connected_, telemetry::label_text({{"version", WEFT_VERSION}}));
  // Whatever ends this coroutine, its cancellation too, takes the connection off the list.
  struct Listed {
    AdsServer& server;
    std::list<Connection*>::iterator place;
    telemetry::Gauge& gauge;
    ~Listed() {
      const std::string id = (*place)->node.short_id();
      server.connections_.erase(place);
      gauge.add(-1);
      log_info("xds", id, " is gone");
      if (server.progress_) server.progress_();
    }
  };
  connected.add(1);
  const Listed listed{*this, connections_.insert(connections_.end(), &connection), connected};
  log_info("xds", connection.node.short_id(), " connected from ", connection.peer.to_string(), " (",
           connection.session.mode() == AdsSession::Mode::delta ? "delta" : "state of the world",
           ", proof: ", to_string(connection.caller.proof), ")");
  connection.session.on_reject(
      [this, &connection](wire::ResourceType type, const wire::Refusal& error, size_t resources) {
        metrics_.counter(rejects_, telemetry::label_text({{"type", lower_name(type)}})).add(1);
        log_warning("xds", connection.node.short_id(), " refused ", resources, " ", wire::short_name(type),
                    " resources: ", printable(error.message, 2000));
      });
  if (draining_) {
    connection.end_in_order(leaving());
  } else {
    offer(connection);
  }

  io::TaskGroup halves(loop_);
  halves.spawn(read_requests(stream, connection, std::move(first)));
  halves.spawn(write_responses(stream, connection));
  co_await connection.finished.wait();
  halves.cancel_all();
  stream.finish(connection.ended.value_or(http::GrpcStatus{Code::ok, ""}));
}

io::Task<void> AdsServer::read_requests(net::GrpcServerStream& stream, Connection& connection,
                                        std::string first) {
  for (Result<std::optional<std::string>> message = std::move(first); message && *message;
       message = co_await stream.read()) {
    if (const auto taken = take(connection, **message); !taken) {
      log_warning("xds", connection.node.short_id(), ": ", taken.error().text);
      connection.end(status_of(taken.error()));
      co_return;
    }
    connection.changed.notify();
  }
  connection.finished.notify();
}

Result<void> AdsServer::take(Connection& connection, std::string_view message) {
  if (connection.session.mode() == AdsSession::Mode::delta) {
    WEFT_TRY(const wire::DeltaDiscoveryRequest request, wire::decode_delta_request(as_bytes(message)));
    return connection.session.receive(request);
  }
  WEFT_TRY(const wire::DiscoveryRequest request, wire::decode_request(as_bytes(message)));
  return connection.session.receive(request);
}

io::Task<void> AdsServer::write_responses(net::GrpcServerStream& stream, Connection& connection) {
  stream.send_head();
  for (;;) {
    while (!connection.ended) {
      auto message = connection.session.next(loop_.now());
      if (!message) break;
      const std::string type = telemetry::label_text({{"type", lower_name(connection.session.last_type())}});
      metrics_.counter(pushes_, type).add(1);
      metrics_.histogram(push_bytes_, type).observe(static_cast<double>(message->size()));
      if (const auto written = co_await stream.write(*message); !written) {
        connection.finished.notify();
        co_return;
      }
    }
    note_progress(connection);
    if (connection.ended) {
      connection.finished.notify();
      co_return;
    }
    co_await io::wait_until(connection.changed, connection.session.wake_at());
  }
}

// ---------------------------------------------------------------- all of them

translate::ProxyId AdsServer::proxy_id(const ProxyNode& node) const {
  translate::ProxyId id;
  id.namespace_name = node.namespace_name;
  id.name = node.pod;
  // Istio's own build of Envoy names its version; another one has none of Istio's filters.
  id.stock_envoy = node.raw.user_agent_name == "envoy" && node.raw.metadata.text("ISTIO_VERSION").empty();
  const auto workload = publisher_.world()->find_workload(node.namespace_name, node.pod);
  if (node.grpc_client) {
    id.kind = translate::ProxyId::Kind::grpc_client;
    return id;
  }
  const bool gateway = workload ? workload->gateway : node.type == ProxyNode::Type::router;
  id.kind = gateway ? translate::ProxyId::Kind::gateway : translate::ProxyId::Kind::sidecar;
  return id;
}

void AdsServer::offer(Connection& connection) {
  if (!publisher_.world() || connection.offered == publisher_.generation()) return;
  if (const auto fine = check_claims(connection.caller, connection.node, publisher_.world().get()); !fine) {
    log_warning("xds", connection.node.short_id(), " is no longer served: ", fine.error().text);
    connection.end(status_of(fine.error()));
    return;
  }
  const Secrets secrets = connection.caller.proof == Caller::Proof::none ? Secrets::without : Secrets::with;
  connection.offered = publisher_.generation();
  connection.snapshot = publisher_.snapshot_for(proxy_id(connection.node), secrets);
  connection.session.offer(connection.snapshot, connection.offered);
  connection.changed.notify();
}

void AdsServer::drain() {
  draining_ = true;
  for (Connection* connection : connections_) connection->end_in_order(leaving());
}

void AdsServer::push() { pushed_.notify(); }

io::Task<void> AdsServer::push_each() {
  for (;;) {
    co_await pushed_.wait();
    std::vector<uint64_t> numbers;
    for (const Connection* connection : connections_) numbers.push_back(connection->number);
    int turn = 0;
    for (const uint64_t number : numbers) {
      // It may have gone while others had their turn.
      const auto found = std::ranges::find(connections_, number, &Connection::number);
      if (found == connections_.end()) continue;
      offer(**found);
      if (++turn % kPushesATurn == 0) co_await io::sleep_for(loop_, Duration::zero());
    }
    encoded_.sweep();
  }
}

void AdsServer::note_progress(Connection& connection) {
  const uint64_t settled = connection.settled();
  if (!connection.session.has_rejected()) connection.accepted = settled;
  const bool further = settled != std::exchange(connection.noted_settled, settled);
  const auto published = further ? publisher_.published_at(settled) : std::nullopt;
  if (published) convergence_.observe(std::chrono::duration<double>(loop_.now() - *published).count());
  if (progress_) progress_();
}

const Connection* AdsServer::find(std::string_view proxy) const {
  for (auto place = connections_.rbegin(); place != connections_.rend(); ++place) {
    if ((*place)->node.short_id() == proxy || (*place)->node.id == proxy) return *place;
  }
  return nullptr;
}

}  // namespace weft::control
