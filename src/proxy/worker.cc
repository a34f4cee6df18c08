#include "proxy/worker.h"

#include "base/strings.h"

namespace weft::proxy {

namespace {

constexpr Duration kExpiryInterval = std::chrono::seconds(60);
constexpr Duration kIdleSeries = std::chrono::minutes(10);

// Makes the figures that a worker keeps pointers to, all with the same labels.
struct Figures {
  telemetry::Registry& registry;
  telemetry::Shard& shard;
  std::string labels;

  telemetry::Counter* counter(const char* name, const char* help) const {
    return &shard.counter(registry.lasting_counter(name, help), labels);
  }
  telemetry::Gauge* gauge(const char* name, const char* help) const {
    return &shard.gauge(registry.gauge(name, help), labels);
  }
};

Worker::Counts make_counts(const Figures& make) {
  return {
      .connections_total = make.counter("envoy_listener_downstream_cx_total", "Connections accepted."),
      .connections_active = make.gauge("envoy_listener_downstream_cx_active", "Connections that are open."),
      .no_filter_chain =
          make.counter("envoy_listener_no_filter_chain_match", "Connections that met no filter chain."),
      .tls_errors = make.counter("envoy_listener_ssl_connection_error", "TLS handshakes that failed."),
      .rbac_allowed =
          make.counter("envoy_http_rbac_allowed", "Requests and connections that policy let pass."),
      .rbac_denied = make.counter("envoy_http_rbac_denied", "Requests and connections that policy refused."),
      .shadow_allowed =
          make.counter("envoy_http_rbac_shadow_allowed", "What a dry-run policy would have let pass."),
      .shadow_denied =
          make.counter("envoy_http_rbac_shadow_denied", "What a dry-run policy would have refused."),
      .audited = make.counter("weft_rbac_audited_total", "What an AUDIT policy matched."),
      .retries = make.counter("envoy_cluster_upstream_rq_retry", "Requests sent again."),
      .timeouts = make.counter("envoy_cluster_upstream_rq_timeout", "Requests that ran into their timeout."),
      .overflows = make.counter("envoy_cluster_upstream_rq_pending_overflow",
                                "Requests refused since a limit of the connection pool was reached."),
  };
}

}  // namespace

Worker::Worker(io::Loop& loop, net::Resolver& resolver, std::shared_ptr<const Self> self,
               telemetry::Registry& registry)
    : counts(),
      loop_(loop),
      self_(std::move(self)),
      registry_(registry),
      shard_(registry.make_shard()),
      metrics_(registry, shard_),
      backends_(loop, resolver),
      expiry_(loop, [this] { expire_metrics(); }),
      copies_(loop),
      connections_(loop) {
  counts = make_counts({registry, shard_, {}});
  expiry_.arm_after(kExpiryInterval);
}

const HttpCounts& Worker::http_counts(std::string_view stat_prefix) {
  const auto known = http_counts_.find(stat_prefix);
  if (known != http_counts_.end()) return known->second;
  const Figures make{registry_, shard_, telemetry::label_text({{"http_conn_manager_prefix", stat_prefix}})};
  HttpCounts counted = {
      .connections_total = make.counter("envoy_http_downstream_cx_total", "Connections that speak HTTP."),
      .connections_active = make.gauge("envoy_http_downstream_cx_active", "Those of them that are open."),
      .protocol_errors =
          make.counter("envoy_http_downstream_cx_protocol_error", "Times that a client broke the protocol."),
      .requests_total = make.counter("envoy_http_downstream_rq_total", "HTTP requests received."),
      .requests_active = make.gauge("envoy_http_downstream_rq_active", "HTTP requests under way."),
      .header_timeouts = make.counter("envoy_http_downstream_rq_header_timeout",
                                      "Requests whose head was not complete in time."),
      .responses = {},
  };
  const telemetry::Family by_class =
      registry_.lasting_counter("envoy_http_downstream_rq_xx", "HTTP answers by the class of their status.");
  for (int i = 0; i < 5; ++i) {
    counted.responses[i] =
        &shard_.counter(by_class, telemetry::label_text({{"http_conn_manager_prefix", stat_prefix},
                                                         {"response_code_class", concat(i + 1, "xx")}}));
  }
  return http_counts_.emplace(stat_prefix, counted).first->second;
}

void Worker::set_config(std::shared_ptr<const Config> config) {
  config_ = std::move(config);
  backends_.update(config_);
}

telemetry::LogWriter::Ring& Worker::ring(telemetry::LogWriter& writer) {
  auto& ring = rings_[&writer];
  if (ring == nullptr) ring = &writer.make_ring();
  return *ring;
}

std::shared_ptr<net::Drain> Worker::drain(const std::string& listener) {
  auto& drain = drains_[listener];
  if (!drain) drain = std::make_shared<net::Drain>();
  return drain;
}

void Worker::retire(const std::string& listener) {
  std::erase_if(retired_, [](const auto& drain) { return drain.expired(); });
  const auto it = drains_.find(listener);
  if (it == drains_.end()) return;
  it->second->start();
  retired_.push_back(it->second);
  drains_.erase(it);
}

void Worker::drain_all() {
  for (auto& [name, drain] : drains_) drain->start();
}

void Worker::expire_all() {
  for (auto& [name, drain] : drains_) drain->expire();
  for (const auto& retired : retired_) {
    if (const auto drain = retired.lock()) drain->expire();
  }
}

void Worker::expire_metrics() {
  metrics_.expire(loop_.now(), kIdleSeries);
  expiry_.arm_after(kExpiryInterval);
}

}  // namespace weft::proxy
