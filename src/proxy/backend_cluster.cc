#include "proxy/backend_cluster.h"

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "net/resolve.h"
#include "proxy/mesh_headers.h"
#include "proxy/transport.h"

namespace weft::proxy {

namespace {

constexpr Duration kSweepInterval = std::chrono::seconds(1);

net::PoolOptions pool_options(const model::Cluster& cluster, Carriage carriage, bool tls) {
  net::PoolOptions options;
  switch (carriage) {
    case Carriage::http1:
      options.protocol = net::PoolOptions::Protocol::http1;
      break;
    case Carriage::http2:
      options.protocol = net::PoolOptions::Protocol::http2;
      break;
    case Carriage::mesh:
      options.protocol = net::PoolOptions::Protocol::by_alpn;
      break;
    case Carriage::tcp:
      break;
  }
  if (carriage == Carriage::mesh) options.client.h2 = http::H2Limits::between_sidecars();
  options.client.max_requests = cluster.max_requests_per_connection;
  options.client.max_concurrent_streams = cluster.max_concurrent_streams;
  options.client.secure = tls;
  if (cluster.max_connection_duration)
    options.client.max_connection_duration = *cluster.max_connection_duration;
  options.connect_timeout = cluster.connect_timeout;
  if (cluster.idle_timeout) options.idle_timeout = *cluster.idle_timeout;
  return options;
}

// What must be the same for connections made before a change of the cluster to serve after it.
bool same_transport(const model::Cluster& a, const model::Cluster& b) {
  return a.tls == b.tls && a.mesh_tls == b.mesh_tls && a.protocol == b.protocol &&
         a.max_requests_per_connection == b.max_requests_per_connection && a.idle_timeout == b.idle_timeout &&
         a.connect_timeout == b.connect_timeout && a.max_concurrent_streams == b.max_concurrent_streams &&
         a.max_connection_duration == b.max_connection_duration && a.bind_source == b.bind_source;
}

}  // namespace

BackendCluster::BackendCluster(io::Loop& loop, net::Resolver& resolver,
                               std::shared_ptr<const CompiledCluster> config)
    : loop_(loop),
      resolver_(resolver),
      resolved_(loop),
      sweep_timer_(loop, [this] { sweep(); }),
      tasks_(loop) {
  update(std::move(config));
  sweep_timer_.arm_after(kSweepInterval);
}

BackendCluster::~BackendCluster() = default;

void BackendCluster::update(std::shared_ptr<const CompiledCluster> config) {
  const bool first = !config_;
  const bool rebuilt = !first && config->model != config_->model && *config->model != *config_->model;
  const bool transport_changed = rebuilt && !same_transport(*config->model, *config_->model);
  const bool trust_changed = !first && config->trust_generation != config_->trust_generation;
  config_ = std::move(config);

  if (first || rebuilt) {
    std::vector<std::shared_ptr<balance::Host>> before;
    if (balancer_) before = balancer_->hosts();
    auto fresh = std::make_unique<balance::Balancer>(config_->model, config_->outlier, loop_.random());
    balancer_ = std::move(fresh);
    apply_endpoints();
    // The new balancer made new hosts; those of the same address take over their pools.
    for (const auto& old : before) {
      const auto same = std::find_if(balancer_->hosts().begin(), balancer_->hosts().end(),
                                     [&](const auto& host) { return host->address() == old->address(); });
      if (same != balancer_->hosts().end() && !transport_changed &&
          (*same)->endpoint().mesh_tls == old->endpoint().mesh_tls) {
        (*same)->attachment = old->attachment;
      } else {
        release(old);
      }
    }
    for (auto& [address, host] : original_hosts_) release(host);
    original_hosts_.clear();
    if (config_->model->discovery == model::Discovery::strict_dns ||
        config_->model->discovery == model::Discovery::logical_dns) {
      resolving_ = true;
      tasks_.cancel_all();
      tasks_.spawn(resolve_names());
    }
  } else {
    apply_endpoints();
  }
  if (trust_changed) {
    // New requests get connections made under the new trust; those in use finish.
    for (const auto& host : balancer_->hosts()) {
      auto* pools = static_cast<HostPools*>(host->attachment.get());
      if (pools == nullptr) continue;
      for (auto& pool : pools->pools) {
        if (pool) pool->close_connections();
      }
    }
  }
}

void BackendCluster::apply_endpoints() {
  const model::EndpointSet* endpoints = nullptr;
  switch (config_->model->discovery) {
    case model::Discovery::eds:
      endpoints = config_->endpoints.get();
      break;
    case model::Discovery::fixed:
      endpoints = &config_->model->fixed_endpoints;
      break;
    case model::Discovery::strict_dns:
    case model::Discovery::logical_dns:
      endpoints = resolved_endpoints_.get();
      break;
    case model::Discovery::original_dst:
      return;
  }
  static const model::EndpointSet kNone;
  for (auto& host : balancer_->update(endpoints ? *endpoints : kNone)) release(std::move(host));
}

// The host left: what is in flight on it finishes, its idle connections close.
void BackendCluster::release(std::shared_ptr<balance::Host> host) {
  auto* pools = static_cast<HostPools*>(host->attachment.get());
  if (pools == nullptr) return;
  for (auto& pool : pools->pools) {
    if (pool) pool->drain();
  }
  leaving_.push_back(std::move(host));
}

io::Task<void> BackendCluster::resolve_names() {
  for (;;) {
    auto found = std::make_shared<model::EndpointSet>();
    bool failed = false;
    for (const model::Endpoint& named : config_->model->fixed_endpoints.endpoints) {
      const std::string name = named.hostname;
      if (name.empty() || IpAddress::parse(name)) {
        model::Endpoint endpoint = named;
        if (auto ip = IpAddress::parse(name)) endpoint.address.ip = *ip;
        found->endpoints.push_back(std::move(endpoint));
        continue;
      }
      auto addresses = co_await resolver_.resolve(name, loop_, net::Resolver::Family::any, 5s);
      if (!addresses) {
        failed = true;
        log_warning("dns", config_->model->name, ": ", addresses.error().to_string());
        continue;
      }
      for (const IpAddress& ip : *addresses) {
        model::Endpoint endpoint = named;
        endpoint.address.ip = ip;
        found->endpoints.push_back(std::move(endpoint));
        if (config_->model->discovery == model::Discovery::logical_dns) break;
      }
    }
    // A failed look-up keeps what an earlier one found.
    if (!failed || resolved_endpoints_ == nullptr || !found->endpoints.empty()) {
      if (!failed || !found->endpoints.empty()) resolved_endpoints_ = std::move(found);
      apply_endpoints();
    }
    resolving_ = false;
    resolved_.notify();
    co_await io::sleep_for(loop_, std::max<Duration>(config_->model->dns_refresh, 1s));
  }
}

std::expected<std::shared_ptr<balance::Host>, PickFailure> BackendCluster::pick(
    const policy::Permit&, const balance::PickContext& context,
    const std::optional<SocketAddress>& destination) {
  if (!config_->awaits_secret.empty()) return std::unexpected(PickFailure::awaits_secret);
  if (config_->model->discovery == model::Discovery::original_dst) {
    if (!destination) return std::unexpected(PickFailure::no_hosts);
    SocketAddress address = *destination;
    if (config_->model->original_dst_port_override)
      address.port = *config_->model->original_dst_port_override;
    auto& host = original_hosts_[address];
    if (!host) {
      model::Endpoint endpoint;
      endpoint.address = address;
      host = std::make_shared<balance::Host>(std::move(endpoint),
                                             std::make_shared<balance::HostHealth>(address));
    }
    return host;
  }
  balance::Pick picked = balancer_->pick(context);
  if (picked.host) return std::move(picked.host);
  return std::unexpected(picked.why == balance::Pick::Why::no_healthy ? PickFailure::no_healthy
                                                                      : PickFailure::no_hosts);
}

HostPools& BackendCluster::pools_of(balance::Host& host) {
  if (!host.attachment) host.attachment = std::make_shared<HostPools>();
  return *static_cast<HostPools*>(host.attachment.get());
}

net::Pool& BackendCluster::pool(const std::shared_ptr<balance::Host>& host, Carriage carriage) {
  HostPools& pools = pools_of(*host);
  auto& pool = pools.pools[static_cast<size_t>(carriage)];
  if (!pool) {
    const bool tls = config_->model->tls.has_value() || speaks_mesh_tls(*host);
    const bool mesh_tls = speaks_mesh_tls(*host);
    pool = std::make_unique<net::Pool>(
        loop_,
        [this, address = host->address(), mesh_tls, carriage]() -> io::Task<Result<net::Pool::Connected>> {
          return open(address, mesh_tls, carriage);
        },
        pool_options(*config_->model, carriage, tls), config_->limits);
    HostPools* counts = &pools;
    pool->on_connect([counts](bool ok, const Error*) {
      if (ok) {
        ++counts->connects;
      } else {
        ++counts->connect_failures;
      }
    });
  }
  return *pool;
}

io::Task<Result<net::Pool::Connected>> BackendCluster::open(SocketAddress address, bool mesh_tls,
                                                            Carriage carriage) {
  io::ConnectOptions options;
  options.timeout = config_->model->connect_timeout;
  options.source = config_->model->bind_source;
  const TimePoint deadline = loop_.now() + config_->model->connect_timeout;
  const auto& tls = mesh_tls ? config_->mesh_tls : config_->tls;
  const bool wants_tls = mesh_tls || config_->model->tls.has_value();
  std::shared_ptr<const tls::ClientContext> context = tls ? tls->context(carriage) : nullptr;
  if (wants_tls && !context) {
    co_return fail(Error::Kind::unavailable,
                   concat("the secret '", config_->awaits_secret, "' has not come yet"));
  }
  auto stream = co_await loop_.connect(address, options);
  if (!stream) co_return fail(std::move(stream).error().within(address.to_string()));
  if (!wants_tls) co_return net::Pool::Connected{std::move(*stream), ""};
  auto secured = co_await connect_tls(std::move(*stream), std::move(context), deadline);
  if (!secured) co_return fail(std::move(secured).error().within(address.to_string()));
  std::string alpn = secured->alpn == kMeshAlpn || secured->alpn == "istio-h2" ? "h2" : secured->alpn;
  co_return net::Pool::Connected{std::move(secured->stream), std::move(alpn)};
}

io::Task<Result<std::unique_ptr<io::Stream>>> BackendCluster::connect(std::shared_ptr<balance::Host> host,
                                                                      Carriage carriage) {
  WEFT_CO_TRY(net::Pool::Connected connected,
              co_await open(host->address(), speaks_mesh_tls(*host), carriage));
  co_return std::move(connected.stream);
}

void BackendCluster::report(balance::Host& host, balance::AttemptResult result) {
  if (config_->outlier) config_->outlier->report(host.health(), result, loop_.now());
}

// Forgets hosts that have drained, and addresses that original_dst no longer sends to.
void BackendCluster::sweep() {
  const auto finished = [](const std::shared_ptr<balance::Host>& host) {
    if (host->active_requests > 0 || host->active_connections > 0) return false;
    auto* pools = static_cast<HostPools*>(host->attachment.get());
    if (pools == nullptr) return true;
    return std::all_of(std::begin(pools->pools), std::end(pools->pools), [](const auto& pool) {
      return !pool || pool->counts().open + pool->counts().pending == 0;
    });
  };
  std::erase_if(leaving_, finished);
  std::erase_if(original_hosts_, [&](const auto& entry) { return finished(entry.second); });
  if (config_->outlier) config_->outlier->sweep(loop_.now());
  sweep_timer_.arm_after(kSweepInterval);
}

void Backends::update(std::shared_ptr<const Config> config) {
  config_ = std::move(config);
  for (auto it = used_.begin(); it != used_.end();) {
    const auto found = config_->clusters.find(it->first);
    if (found == config_->clusters.end()) {
      it = used_.erase(it);  // requests on it hold it until they have ended
      continue;
    }
    if (&it->second->config() != found->second.get()) it->second->update(found->second);
    ++it;
  }
}

std::shared_ptr<BackendCluster> Backends::find(std::string_view name) {
  if (const auto it = used_.find(name); it != used_.end()) return it->second;
  if (!config_) return nullptr;
  const auto found = config_->clusters.find(name);
  if (found == config_->clusters.end()) return nullptr;
  auto made = std::make_shared<BackendCluster>(loop_, resolver_, found->second);
  return used_.emplace(std::string(name), std::move(made)).first->second;
}

}  // namespace weft::proxy
