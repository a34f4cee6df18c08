#include "proxy/serve_tcp.h"

#include "base/strings.h"
#include "io/wait.h"
#include "proxy/recording.h"

namespace weft::proxy {

using telemetry::Flag;

namespace {

constexpr size_t kBuffer = 64 * 1024;

// One direction of a byte relay.
class BytePump {
 public:
  BytePump(io::Stream& from, io::Stream& to) : from_(from), to_(to) {}

  // Moves what can be moved; false when nothing moved.
  bool pump() {
    bool moved = false;
    for (;;) {
      if (!buffer_.empty()) {
        const io::IoResult written = to_.try_write(buffer_.bytes());
        if (written.status == io::IoStatus::failed) {
          failed_ = true;
          return moved;
        }
        if (written.status != io::IoStatus::ok) return moved;
        bytes_ += written.count;
        buffer_.consume(written.count);
        moved = true;
        if (!buffer_.empty()) return moved;
      }
      if (ended_) {
        if (!finished_) {
          to_.shutdown_write();
          finished_ = true;
        }
        return moved;
      }
      const io::IoResult read = from_.try_read(buffer_.reserve(grown_ ? kBuffer : 4096));
      switch (read.status) {
        case io::IoStatus::ok:
          buffer_.commit(read.count);
          grown_ = grown_ || read.count >= 4096;
          moved = true;
          break;
        case io::IoStatus::eof:
          ended_ = true;
          break;
        case io::IoStatus::failed:
          failed_ = true;
          return moved;
        case io::IoStatus::blocked:
          buffer_.release();
          return moved;
      }
    }
  }
  bool finished() const { return finished_; }
  bool failed() const { return failed_; }
  uint64_t bytes() const { return bytes_; }

 private:
  io::Stream& from_;
  io::Stream& to_;
  Buffer buffer_;
  uint64_t bytes_ = 0;
  bool grown_ = false;  // a bulk sender gets large reads
  bool ended_ = false, finished_ = false, failed_ = false;
};

std::string_view pick_tcp_cluster(const model::TcpProxy& proxy, uint64_t random) {
  if (proxy.clusters.empty()) return {};
  uint64_t place = proxy.total_weight == 0 ? 0 : random % proxy.total_weight;
  for (const auto& [name, weight] : proxy.clusters) {
    if (place < weight) return name;
    place -= weight;
  }
  return proxy.clusters.back().first;
}

// The connection's entry in log and metrics, written on every way out.
class TcpRecording {
 public:
  explicit TcpRecording(Connection& connection)
      : connection_(connection), start_(connection.worker.loop().now()) {
    record.kind = telemetry::RequestRecord::Kind::tcp;
    record.start = connection.worker.loop().wall_now();
    record.downstream_local = connection.traits.destination;
    record.downstream_direct_remote = record.downstream_remote = connection.traits.source;
    record.connection_id = connection.id;
    record.server_name = connection.traits.server_name;
    record.downstream_tls_version = connection.tls_version;
    record.downstream_tls_cipher = connection.cipher;
    if (connection.mutual_tls()) record.downstream_peer = &connection.peer_names;
    record.filter_chain_name = connection.chain->model->name;
    record.listener_name = connection.listener->model->name;
  }
  ~TcpRecording() {
    record.duration = connection_.worker.loop().now() - start_;
    // One that reached no backend came and went with the flags that say why.
    if (!opened_ && !record.flags.none()) {
      opened(nullptr, record.flags);
      if (opened_) metrics_->connection_closed(record.flags);
    } else if (opened_) {
      metrics_->tcp_bytes(record.bytes_received - told_received_, record.bytes_sent - told_sent_);
      metrics_->connection_closed(record.flags);
    }
    write_access_logs(connection_, record);
  }
  TcpRecording(const TcpRecording&) = delete;
  TcpRecording& operator=(const TcpRecording&) = delete;

  telemetry::RequestRecord record;
  std::string cluster_name, failure;
  std::shared_ptr<BackendCluster> cluster;

  void opened(balance::Host* host, const telemetry::Flags& flags = {}) {
    if (!connection_.chain->reports_metrics && !connection_.chain->model->istio_stats) return;
    metrics_ = peer_metrics(connection_, cluster.get(), host, "");
    metrics_->connection_opened(flags);
    opened_ = true;
  }
  void report_bytes() {
    if (!opened_) return;
    metrics_->tcp_bytes(record.bytes_received - told_received_, record.bytes_sent - told_sent_);
    told_received_ = record.bytes_received;
    told_sent_ = record.bytes_sent;
  }
  void failed(Flag flag, std::string_view details, std::string text) {
    record.flags.set(flag);
    record.connection_termination_details = details;
    failure = std::move(text);
    record.upstream_transport_failure = failure;
  }

 private:
  Connection& connection_;
  TimePoint start_;
  std::shared_ptr<telemetry::PeerMetrics> metrics_;
  bool opened_ = false;
  uint64_t told_received_ = 0, told_sent_ = 0;
};

// Sends the events of a stream to one Event while it lives: the stream may outlive that.
class EventsTo {
 public:
  EventsTo(io::Stream& stream, io::Event& wake) : stream_(stream) { forward(&wake); }
  ~EventsTo() { forward(nullptr); }
  EventsTo(const EventsTo&) = delete;
  EventsTo& operator=(const EventsTo&) = delete;

 private:
  void forward(io::Event* wake) {
    stream_.readable_event().forward_to(wake);
    stream_.writable_event().forward_to(wake);
  }
  io::Stream& stream_;
};

// Counts a connection against its host and its cluster's limit while it lives.
class ConnectionSlot {
 public:
  ConnectionSlot(std::shared_ptr<net::Limits> limits, std::shared_ptr<balance::Host> host)
      : limits_(std::move(limits)), host_(std::move(host)) {
    taken_ = !limits_ ||
             net::Limits::take(limits_->connections, limits_->max_connections, limits_->connection_overflows);
    if (taken_) ++host_->active_connections;
  }
  ~ConnectionSlot() {
    if (!taken_) return;
    --host_->active_connections;
    if (limits_) limits_->connections.fetch_sub(1, std::memory_order_relaxed);
  }
  ConnectionSlot(const ConnectionSlot&) = delete;
  ConnectionSlot& operator=(const ConnectionSlot&) = delete;
  bool taken() const { return taken_; }

 private:
  std::shared_ptr<net::Limits> limits_;
  std::shared_ptr<balance::Host> host_;
  bool taken_ = false;
};

}  // namespace

io::Task<void> serve_tcp(std::unique_ptr<io::Stream> client, Connection& connection, policy::Permit permit) {
  Worker& worker = connection.worker;
  io::Loop& loop = worker.loop();
  const model::TcpProxy& proxy = *connection.chain->tcp();
  TcpRecording recording(connection);

  recording.cluster_name = pick_tcp_cluster(proxy, loop.random().next());
  recording.record.cluster_name = recording.cluster_name;
  recording.cluster = worker.backends().find(recording.cluster_name);
  if (!recording.cluster) {
    recording.failed(Flag::no_cluster_found, "cluster_not_found",
                     concat("the cluster '", recording.cluster_name, "' does not exist"));
    client->abort();
    co_return;
  }
  BackendCluster& cluster = *recording.cluster;
  recording.record.cluster = &cluster.model();
  const TimePoint patience = loop.now() + cluster.model().connect_timeout;
  while (cluster.resolving() && loop.now() < patience) co_await io::sleep_for(loop, 2ms);

  // Connect, to another endpoint where one refuses: no byte has been sent, so nothing is sent twice.
  std::unique_ptr<io::Stream> backend;
  std::shared_ptr<balance::Host> host;
  std::optional<ConnectionSlot> slot;
  std::vector<std::shared_ptr<balance::Host>> tried;
  for (int attempt = 0; !backend; ++attempt) {
    std::vector<const balance::Host*> avoid;
    for (const auto& before : tried) avoid.push_back(before.get());
    auto picked = cluster.pick(permit, {.avoid = avoid}, connection.original_destination());
    if (!picked) {
      recording.failed(Flag::no_healthy_upstream, "no_healthy_upstream",
                       concat(recording.cluster_name, " has no endpoint"));
      client->abort();
      co_return;
    }
    host = std::move(*picked);
    recording.record.upstream_host = host->address();
    slot.emplace(cluster.limits(), host);
    if (!slot->taken()) {
      recording.failed(Flag::upstream_overflow, "upstream_overflow",
                       concat(recording.cluster_name, " has maxConnections open"));
      client->abort();
      co_return;
    }
    auto connected = co_await cluster.connect(host, Carriage::tcp);
    if (connected) {
      backend = std::move(*connected);
      break;
    }
    cluster.report(*host, balance::AttemptResult::local_origin_failure);
    if (attempt >= 2 || cluster.model().discovery == model::Discovery::original_dst) {
      recording.failed(Flag::upstream_connection_failure, "", connected.error().text);
      recording.record.flags.set(Flag::upstream_retry_limit_exceeded);  // Envoy's for TCP too
      client->abort();
      co_return;
    }
    slot.reset();
    tried.push_back(host);
  }
  cluster.report(*host, balance::AttemptResult::connected);
  recording.record.upstream_local = backend->local_address();
  recording.opened(host.get());

  // Relay until both directions have ended.
  io::Event wake(loop);
  const EventsTo client_events(*client, wake);
  const EventsTo backend_events(*backend, wake);
  BytePump up(*client, *backend);
  BytePump down(*backend, *client);
  TimePoint last_report = loop.now();
  const TimePoint oldest =
      proxy.max_connection_duration ? loop.now() + *proxy.max_connection_duration : TimePoint::max();
  for (;;) {
    up.pump();
    down.pump();
    recording.record.bytes_received = up.bytes();
    recording.record.bytes_sent = down.bytes();
    if (loop.now() - last_report >= 5s) {
      recording.report_bytes();
      last_report = loop.now();
    }
    if (up.finished() && down.finished()) break;
    if (up.failed() || down.failed()) {
      if (backend->error().text.empty()) recording.record.flags.set(Flag::downstream_connection_termination);
      client->abort();
      backend->abort();
      break;
    }
    const TimePoint idle =
        proxy.idle_timeout > Duration::zero() ? loop.now() + proxy.idle_timeout : TimePoint::max();
    if (!co_await io::wait_until(wake, std::min(idle, oldest))) {
      const bool old = loop.now() >= oldest;
      if (old) recording.record.flags.set(Flag::duration_timeout);
      recording.record.connection_termination_details = old ? "max_connection_duration" : "idle_timeout";
      client->abort();
      backend->abort();
      break;
    }
  }
}

}  // namespace weft::proxy
