#include "proxy/proxy.h"

#include <malloc.h>

#include <fstream>

#include "base/log.h"
#include "base/strings.h"
#include "proxy/mesh_headers.h"
#include "proxy/transport.h"
#include "wire/node_metadata.h"

namespace weft::proxy {

namespace meta = wire::node_metadata;

namespace {

// Reading a configuration takes a few times the memory that holding it does, and malloc keeps what is freed
// below anything that stays. So it is given back to the kernel, some time after each change.
constexpr Duration kMemorySettles = std::chrono::milliseconds(200);

// The labels of istio_* metrics about ourselves, by Istio's rules for canonical name and revision.
std::shared_ptr<const Self> describe_self(const wire::Node& node, std::string_view trust_domain) {
  auto self = std::make_shared<Self>();
  const wire::Value& metadata = node.metadata;
  const wire::Value* labels = metadata.find(meta::kLabels);
  const auto label = [&](std::string_view name) { return labels ? labels->text(name) : std::string_view(); };
  const auto first_of = [](std::initializer_list<std::string_view> values) {
    for (std::string_view value : values) {
      if (!value.empty()) return std::string(value);
    }
    return std::string();
  };
  model::WorkloadInfo& workload = self->workload;
  workload.workload = first_of({metadata.text(meta::kWorkloadName), metadata.text(meta::kName), "unknown"});
  workload.workload_namespace = first_of({metadata.text(meta::kNamespace), "unknown"});
  workload.canonical_service = first_of({label("service.istio.io/canonical-name"),
                                         label("app.kubernetes.io/name"), label("app"), workload.workload});
  workload.canonical_revision = first_of({label("service.istio.io/canonical-revision"),
                                          label("app.kubernetes.io/version"), label("version"), "latest"});
  workload.app = first_of({label("app"), "unknown"});
  workload.version = first_of({label("version"), "unknown"});
  workload.cluster = first_of({metadata.text(meta::kClusterId), "Kubernetes"});
  const std::string_view account = metadata.text(meta::kServiceAccount);
  if (!account.empty()) {
    if (auto id = identity::SpiffeId::make(trust_domain, workload.workload_namespace, account))
      self->principal = id->uri();
  }
  workload.principal = self->principal;
  self->description = describe_peer(workload);
  return self;
}

std::string trust_domain_of(const wire::Node& node) {
  const std::string_view stated = node.metadata.text(meta::kTrustDomain);
  return stated.empty() ? "cluster.local" : std::string(stated);
}

model::Snapshot static_snapshot(const wire::Bootstrap& bootstrap) {
  model::Snapshot snapshot;
  for (const auto& listener : bootstrap.listeners) snapshot.listeners[listener->name] = listener;
  for (const auto& cluster : bootstrap.clusters) snapshot.clusters[cluster->name] = cluster;
  for (const auto& secret : bootstrap.secrets) snapshot.secrets[secret->name] = secret;
  snapshot.version = "static";
  return snapshot;
}

}  // namespace

Proxy::Proxy(io::Loop& main, wire::Bootstrap bootstrap, Options options)
    : main_(main),
      bootstrap_(std::move(bootstrap)),
      options_(std::move(options)),
      started_(main.wall_now()),
      resolver_(net::make_system_resolver()),
      give_back_memory_(main, [] { malloc_trim(0); }),
      tasks_(main) {}

Proxy::~Proxy() = default;

Result<std::unique_ptr<Proxy>> Proxy::make(io::Loop& main, std::vector<io::Loop*> workers,
                                           wire::Bootstrap bootstrap, Options options) {
  std::unique_ptr<Proxy> proxy(new Proxy(main, std::move(bootstrap), std::move(options)));
  WEFT_CHECK_OK(proxy->start(std::move(workers)));
  return proxy;
}

Result<void> Proxy::start(std::vector<io::Loop*> workers) {
  self_ = describe_self(bootstrap_.node, trust_domain_of(bootstrap_.node));
  compiler_ = std::make_unique<ConfigCompiler>(logs_, options_.hostname, main_.random().next());
  compiler_->on_ejection([](const balance::EjectionEvent& event) { log_info("outlier", event.to_string()); });
  for (io::Loop* loop : workers) {
    workers_.push_back(std::make_unique<Worker>(*loop, *resolver_, self_, registry_));
    bound_.emplace_back();
  }
  telemetry::add_istio_build(registry_, registry_.make_shard(), "proxy", WEFT_VERSION);

  admin_ = std::make_unique<net::HttpServer>(main_);
  add_admin_pages(*admin_, *this);
  if (bootstrap_.admin) {
    auto bound = admin_->listen(*bootstrap_.admin);
    if (!bound) return fail(std::move(bound).error().within("admin"));
    admin_address_ = *bound;
  }
  WEFT_CHECK_OK(start_control_plane_clients());
  take_snapshot(std::make_shared<const model::Snapshot>(static_snapshot(bootstrap_)));
  if (!bootstrap_.ads) {
    // Static configuration that does not compile is a reason not to start: nobody will send a better one.
    if (!compiler_->problems().empty()) {
      const auto& problem = compiler_->problems().front();
      return fail(Error::Kind::invalid, concat(problem.resource, ": ", problem.text));
    }
  }
  return {};
}

// A connection to a static cluster by its own TLS settings. It needs no certificate of the workload's, for
// the control plane is whom we get that from.
io::Task<Result<net::Pool::Connected>> Proxy::connect_control_plane(
    std::shared_ptr<const model::Cluster> cluster) {
  if (cluster->fixed_endpoints.endpoints.empty()) {
    co_return fail(Error::Kind::unavailable, concat("the cluster '", cluster->name, "' has no endpoint"));
  }
  const auto& endpoints = cluster->fixed_endpoints.endpoints;
  const model::Endpoint& endpoint = endpoints[main_.random().below(endpoints.size())];
  SocketAddress address = endpoint.address;
  if (!endpoint.hostname.empty() && !address.is_unix()) {
    WEFT_CO_TRY(auto addresses,
                co_await resolver_->resolve(endpoint.hostname, main_, net::Resolver::Family::any, 5s));
    address.ip = addresses.front();
  }
  io::ConnectOptions options;
  options.timeout = cluster->connect_timeout;
  const TimePoint deadline = main_.now() + cluster->connect_timeout;
  WEFT_CO_TRY(auto stream, co_await main_.connect(address, options));
  if (!cluster->tls) co_return net::Pool::Connected{std::move(stream), "h2"};
  Secrets secrets;
  secrets.workload = workload_identity_;
  WEFT_CO_TRY(auto context, make_client_context(*cluster->tls, {"h2"}, secrets));
  WEFT_CO_TRY(Secured secured, co_await connect_tls(std::move(stream), std::move(context), deadline));
  co_return net::Pool::Connected{std::move(secured.stream), "h2"};
}

net::Pool::Connector Proxy::control_plane_connector(const std::string& cluster) {
  std::shared_ptr<const model::Cluster> found;
  for (const auto& candidate : bootstrap_.clusters) {
    if (candidate->name == cluster) found = candidate;
  }
  return [this, found]() -> io::Task<Result<net::Pool::Connected>> { return connect_control_plane(found); };
}

// The token of the file, where there is one; else what the bootstrap's initial_metadata says.
void Proxy::add_credentials(http::Headers& metadata) const {
  if (bootstrap_.ads) {
    for (const auto& [key, value] : bootstrap_.ads->metadata) metadata.set(key, value);
  }
  const std::string_view file = bootstrap_.node.metadata.text(meta::kTokenFile);
  if (file.empty()) return;
  std::ifstream stream{std::string(file)};
  std::string token;
  if (std::getline(stream, token)) {
    metadata.set("authorization", concat("Bearer ", trim(token)));
  } else {
    log_warning("identity", "cannot read the token file ", file);
  }
}

Result<void> Proxy::start_control_plane_clients() {
  if (!bootstrap_.ads) return {};
  const auto exists = [&](std::string_view name) {
    return std::any_of(bootstrap_.clusters.begin(), bootstrap_.clusters.end(),
                       [&](const auto& cluster) { return cluster->name == name; });
  };
  const wire::Bootstrap::Ads& ads = *bootstrap_.ads;
  if (!exists(ads.cluster)) {
    return fail(Error::Kind::invalid, concat("ads_config names the cluster '", ads.cluster,
                                             "', which static_resources.clusters does not have"));
  }
  net::GrpcChannel::Options channel;
  channel.authority = ads.authority.empty() ? ads.cluster : ads.authority;
  ads_channel_ = std::make_unique<net::GrpcChannel>(main_, control_plane_connector(ads.cluster), channel);

  const wire::Value& metadata = bootstrap_.node.metadata;
  const bool has_identity =
      !metadata.text(meta::kServiceAccount).empty() && !metadata.text(meta::kNamespace).empty();

  AdsClient::Options options;
  options.node = bootstrap_.node;
  options.node.user_agent_name = "weft-proxy";
  options.node.user_agent_version = WEFT_VERSION;
  options.delta = ads.delta;
  options.listeners = bootstrap_.listeners_by_ads;
  options.clusters = bootstrap_.clusters_by_ads;
  if (has_identity) options.secrets = {"ROOTCA"};
  ads_ = std::make_unique<AdsClient>(
      main_, *ads_channel_, std::move(options), static_snapshot(bootstrap_),
      [this](http::Headers& call) { add_credentials(call); },
      [this](std::shared_ptr<const model::Snapshot> snapshot) { take_snapshot(std::move(snapshot)); });
  tasks_.spawn(ads_->run());

  if (!has_identity) return {};
  const std::string_view stated = metadata.text(meta::kCaCluster);
  const std::string ca_cluster = stated.empty() ? ads.cluster : std::string(stated);
  if (!exists(ca_cluster)) {
    return fail(Error::Kind::invalid, concat("node.metadata.", meta::kCaCluster, " names the cluster '",
                                             ca_cluster, "', which static_resources.clusters does not have"));
  }
  auto id = identity::SpiffeId::make(trust_domain_of(bootstrap_.node), metadata.text(meta::kNamespace),
                                     metadata.text(meta::kServiceAccount));
  if (!id) return fail(std::move(id).error().within("node.metadata"));
  ca_channel_ = std::make_unique<net::GrpcChannel>(main_, control_plane_connector(ca_cluster), channel);
  IdentityClient::Options wanted{.id = *id};
  if (const wire::Value* seconds = metadata.find(meta::kLeafSeconds)) {
    if (const double* number = std::get_if<double>(&seconds->held)) {
      wanted.wanted_life = std::chrono::seconds(static_cast<int64_t>(*number));
    }
  }
  identity_ = std::make_unique<IdentityClient>(
      main_, *ca_channel_, std::move(wanted), [this](http::Headers& call) { add_credentials(call); },
      [this](std::shared_ptr<const WorkloadIdentity> fresh) {
        workload_identity_ = std::move(fresh);
        ++secrets_generation_;
        compile();
      });
  tasks_.spawn(identity_->run());
  return {};
}

void Proxy::take_snapshot(std::shared_ptr<const model::Snapshot> snapshot) {
  const bool secrets_changed = !snapshot_ || snapshot_->secrets != snapshot->secrets;
  snapshot_ = std::move(snapshot);
  if (secrets_changed) ++secrets_generation_;
  if (identity_) {
    if (const auto* roots = model::Snapshot::find(snapshot_->secrets, "ROOTCA"))
      identity_->set_roots(roots->trusted_ca);
  }
  compile();
}

void Proxy::compile() {
  if (!snapshot_) return;
  Secrets secrets;
  secrets.workload = workload_identity_;
  secrets.by_name = &snapshot_->secrets;
  secrets.generation = secrets_generation_;
  const std::shared_ptr<const Config> config = compiler_->compile(snapshot_, secrets);
  for (const auto& problem : compiler_->problems()) {
    log_error("config", problem.resource, ": ", problem.text);
  }
  config_updated_ = main_.wall_now();
  for (const auto& worker : workers_) {
    worker->loop().post([w = worker.get(), config] { w->set_config(config); });
  }
  place_listeners(config);
  if (!give_back_memory_.armed()) give_back_memory_.arm_after(kMemorySettles);
}

// Each worker has its own socket on each address (SO_REUSEPORT). The first one binds, so that a port 0 is
// chosen once and an address in use is known before anybody takes connections.
void Proxy::place_listeners(const std::shared_ptr<const Config>& config) {
  if (draining_) return;
  for (auto it = listeners_.begin(); it != listeners_.end();) {
    const auto found = config->listeners.find(it->first);
    const bool kept = found != config->listeners.end() && found->second->model->bind_to_port &&
                      found->second->model->address == it->second.config->model->address;
    if (kept) {
      ++it;
      continue;
    }
    for (size_t i = 0; i < workers_.size(); ++i) {
      workers_[i]->loop().post([worker = workers_[i].get(), &bound = bound_[i], name = it->first] {
        bound.erase(name);
        worker->retire(name);
      });
    }
    it = listeners_.erase(it);
  }
  for (const auto& [name, compiled] : config->listeners) {
    if (!compiled->model->bind_to_port) continue;
    auto& state = listeners_[name];
    const bool is_new = state.config == nullptr || !state.error.empty();
    const bool changed = state.config != compiled;
    state.config = compiled;
    if (is_new) {
      state.error.clear();
      tasks_.spawn(bind_listener(name, compiled));
    } else if (changed) {
      for (size_t i = 0; i < workers_.size(); ++i) {
        workers_[i]->loop().post([&bound = bound_[i], name, compiled] {
          if (const auto it = bound.find(name); it != bound.end()) it->second->update(compiled);
        });
      }
    }
  }
}

io::Task<void> Proxy::bind_listener(std::string name, std::shared_ptr<const CompiledListener> compiled) {
  const bool several = workers_.size() > 1;
  struct Answer {
    explicit Answer(io::Loop& loop) : given(loop) {}
    io::Event given;
    Result<SocketAddress> address = fail(Error::Kind::internal, "not bound");
  };
  // Held by the coroutine alone; the worker's answer comes back through the main loop.
  const auto answer = std::make_unique<Answer>(main_);
  ++binding_;
  workers_[0]->loop().post(
      [this, &answer = *answer, &bound = bound_[0], worker = workers_[0].get(), name, compiled, several] {
        auto made = Listener::make(*worker, compiled, several);
        Result<SocketAddress> address = fail(Error::Kind::internal, "");
        if (made) {
          address = (*made)->address();
          bound.insert_or_assign(name, std::move(*made));
        } else {
          address = fail(std::move(made).error());
        }
        main_.post([&answer, address = std::move(address)]() mutable {
          answer.address = std::move(address);
          answer.given.notify();
        });
      });
  co_await answer->given.wait();
  --binding_;
  const auto it = listeners_.find(name);
  if (it == listeners_.end()) {  // it left the configuration meanwhile
    workers_[0]->loop().post([&bound = bound_[0], name] { bound.erase(name); });
    co_return;
  }
  ListenerState& state = it->second;
  if (!answer->address) {
    state.error = answer->address.error().text;
    log_error("listener", state.error);
    co_return;
  }
  state.address = *answer->address;
  log_info("listener", name, " listens on ", state.address.to_string());
  for (size_t i = 0; i < workers_.size(); ++i) {
    workers_[i]->loop().post([worker = workers_[i].get(), &bound = bound_[i], name, newest = state.config,
                              address = state.address, first = i == 0] {
      if (first) {
        if (const auto found = bound.find(name); found != bound.end()) found->second->update(newest);
        return;
      }
      auto made = Listener::make(*worker, newest, true, address);
      if (made) {
        bound.insert_or_assign(name, std::move(*made));
      } else {
        log_error("listener", made.error().text);
      }
    });
  }
}

bool Proxy::ready() const {
  if (draining_ || health_failed_ || binding_ > 0) return false;
  if (ads_ && !ads_->initialised()) return false;
  if (identity_ && !identity_->current()) return false;
  return true;
}

void Proxy::drain() {
  if (draining_) return;
  draining_ = true;
  log_info("proxy", "draining: no new connections, what is under way finishes");
  for (size_t i = 0; i < workers_.size(); ++i) {
    workers_[i]->loop().post([worker = workers_[i].get(), &bound = bound_[i]] {
      for (auto& [name, listener] : bound) listener->stop_accepting();
      worker->drain_all();
    });
  }
}

int64_t Proxy::open_connections() const {
  int64_t open = 0;
  for (const auto& worker : workers_) open += worker->counts.connections_active->value();
  return open;
}

void Proxy::expire() {
  for (const auto& worker : workers_) {
    worker->loop().post([w = worker.get()] { w->expire_all(); });
  }
}

}  // namespace weft::proxy
