#include "proxy/config/ads_client.h"

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "wire/from_wire.h"

namespace weft::proxy {

using wire::ResourceType;

namespace {

// Names in an inline or fetched secret reference that the control plane is to be asked for.
void add_secret(const model::SecretRef& ref, std::set<std::string>& names) {
  if (ref.source == model::SecretRef::Source::ads) names.insert(ref.name);
}

void add_secrets(const model::TlsCommon& tls, std::set<std::string>& names) {
  add_secret(tls.certificate, names);
  add_secret(tls.roots, names);
}

template <typename Visit>
void each_chain(const model::Listener& listener, Visit visit) {
  for (const model::FilterChain& chain : listener.chains) visit(chain);
  if (listener.default_chain) visit(*listener.default_chain);
}

const std::string* rds_name(const model::FilterChain& chain) {
  const auto* http = std::get_if<std::shared_ptr<const model::HttpManager>>(&chain.terminal);
  return http != nullptr && *http && !(*http)->rds_name.empty() ? &(*http)->rds_name : nullptr;
}

const std::string& eds_name(const model::Cluster& cluster) {
  return cluster.eds_service_name.empty() ? cluster.name : cluster.eds_service_name;
}

}  // namespace

AdsClient::AdsClient(io::Loop& loop, net::GrpcChannel& channel, Options options, model::Snapshot fixed,
                     Credentials credentials, Publish publish)
    : loop_(loop),
      channel_(channel),
      options_(std::move(options)),
      fixed_(std::move(fixed)),
      credentials_(std::move(credentials)),
      publish_(std::move(publish)),
      received_(fixed_),
      publish_work_(loop, [this] { publish_now(); }),
      warming_timer_(loop, [this] { schedule_publish(); }) {
  want_names();
}

bool AdsClient::follows(ResourceType type) const {
  if (type == ResourceType::listener) return options_.listeners;
  if (type == ResourceType::cluster) return options_.clusters;
  return true;
}

io::Task<void> AdsClient::run() {
  constexpr Duration kFirstDelay = 100ms;
  constexpr Duration kLongestDelay = 10s;
  Duration delay = kFirstDelay;
  for (;;) {
    net::GrpcCallOptions call;
    call.metadata = options_.metadata;
    if (credentials_) credentials_(call.metadata);
    auto stream = co_await channel_.open(
        std::string(options_.delta ? wire::kAdsDeltaPath : wire::kAdsStreamPath), std::move(call));
    if (stream) {
      ++connections_;
      node_sent_ = false;
      for (Type& type : types_) {
        type.subscribed.clear();
        type.subscribed_once = false;
        type.answered.clear();
      }
      const TimePoint opened = loop_.now();
      auto ended = co_await follow(**stream);
      if (connected_)
        log_warning("xds",
                    "lost the control plane: ", ended ? "it ended the stream" : ended.error().to_string());
      connected_ = false;
      if (loop_.now() - opened > 1s) delay = kFirstDelay;
    } else {
      ++connect_failures_;
      log_warning("xds", "cannot reach the control plane, the last configuration stays in force: ",
                  stream.error().to_string());
    }
    const auto jitter = Duration(static_cast<int64_t>(
        loop_.random().unit() *
        static_cast<double>(std::chrono::duration_cast<std::chrono::nanoseconds>(delay).count())));
    co_await io::sleep_for(loop_, delay / 2 + jitter);
    delay = std::min(delay * 3 / 2, kLongestDelay);
  }
}

io::Task<Result<void>> AdsClient::follow(net::GrpcStream& stream) {
  WEFT_CO_CHECK_OK(co_await send_subscriptions(stream));
  for (;;) {
    WEFT_CO_TRY(std::optional<std::string> message, co_await stream.read());
    if (!message) {
      co_return fail(Error::Kind::closed, concat("the control plane ended the stream: status ",
                                                 stream.status().code, " ", stream.status().message));
    }
    if (!connected_) {
      connected_ = true;
      log_info("xds", "following the control plane");
    }
    if (options_.delta) {
      WEFT_CO_CHECK_OK(co_await handle_delta(stream, std::move(*message)));
    } else {
      WEFT_CO_CHECK_OK(co_await handle_sotw(stream, std::move(*message)));
    }
    want_names();
    WEFT_CO_CHECK_OK(co_await send_subscriptions(stream));
  }
}

// Tells the server what changed in what we want: everything, on a new stream.
io::Task<Result<void>> AdsClient::send_subscriptions(net::GrpcStream& stream) {
  for (ResourceType type : {ResourceType::cluster, ResourceType::endpoint, ResourceType::listener,
                            ResourceType::route, ResourceType::secret}) {
    if (!follows(type)) continue;
    Type& state = types_[index(type)];
    const bool first = !state.subscribed_once;
    if (wildcard(type)) {
      if (!first) continue;
    } else if (state.wanted == state.subscribed || (first && state.wanted.empty())) {
      continue;
    }

    std::string encoded;
    if (options_.delta) {
      wire::DeltaDiscoveryRequest request;
      request.type_url = wire::type_url(type);
      if (!node_sent_) request.node = options_.node;
      std::set_difference(state.wanted.begin(), state.wanted.end(), state.subscribed.begin(),
                          state.subscribed.end(), std::back_inserter(request.subscribe));
      std::set_difference(state.subscribed.begin(), state.subscribed.end(), state.wanted.begin(),
                          state.wanted.end(), std::back_inserter(request.unsubscribe));
      if (wildcard(type)) request.subscribe = {"*"};
      if (first) request.initial_versions = state.versions;
      for (const std::string& name : request.unsubscribe) state.answered.erase(name);
      encoded = wire::encode(request);
    } else {
      wire::DiscoveryRequest request;
      request.type_url = wire::type_url(type);
      if (!node_sent_) request.node = options_.node;
      request.names.assign(state.wanted.begin(), state.wanted.end());
      request.version = state.status.version;
      encoded = wire::encode(request);
    }
    node_sent_ = true;
    state.subscribed = state.wanted;
    state.subscribed_once = true;
    WEFT_CO_CHECK_OK(co_await stream.write(encoded));
  }
  co_return Result<void>{};
}

io::Task<Result<void>> AdsClient::handle_delta(net::GrpcStream& stream, std::string message) {
  WEFT_CO_TRY(wire::DeltaDiscoveryResponse response, wire::decode_delta_response(as_bytes(message)));
  wire::DeltaDiscoveryRequest answer;
  answer.type_url = response.type_url;
  answer.nonce = response.nonce;
  const auto type = wire::resource_type(response.type_url);
  if (!type) {
    answer.error =
        wire::Refusal{12, concat("weft-proxy does not know the type ", printable(response.type_url))};
  } else {
    TypeStatus& status = types_[index(*type)].status;
    if (auto applied = apply(*type, response.resources, response.removed, false); applied) {
      status.version = response.system_version;
    } else {
      answer.error = wire::Refusal{3, applied.error().text};
    }
  }
  co_return co_await stream.write(wire::encode(answer));
}

io::Task<Result<void>> AdsClient::handle_sotw(net::GrpcStream& stream, std::string message) {
  WEFT_CO_TRY(wire::DiscoveryResponse response, wire::decode_response(as_bytes(message)));
  wire::DiscoveryRequest answer;
  answer.type_url = response.type_url;
  answer.nonce = response.nonce;
  const auto type = wire::resource_type(response.type_url);
  if (!type) {
    answer.error =
        wire::Refusal{12, concat("weft-proxy does not know the type ", printable(response.type_url))};
  } else {
    Type& state = types_[index(*type)];
    if (auto applied = apply(*type, response.resources, {}, true); applied) {
      state.status.version = response.version;
    } else {
      answer.error = wire::Refusal{3, applied.error().text};
    }
    answer.version = state.status.version;
    answer.names.assign(state.subscribed.begin(), state.subscribed.end());
  }
  co_return co_await stream.write(wire::encode(answer));
}

namespace {

// What a response would change, decoded before anything is changed.
template <typename T>
using Changes = std::vector<std::pair<std::string, std::shared_ptr<const T>>>;

const std::string& name_of(const model::Listener& r) { return r.name; }
const std::string& name_of(const model::RouteConfig& r) { return r.name; }
const std::string& name_of(const model::Cluster& r) { return r.name; }
const std::string& name_of(const model::EndpointSet& r) { return r.cluster; }
const std::string& name_of(const model::Secret& r) { return r.name; }

template <typename T, typename Decode>
Result<Changes<T>> decode_all(const std::vector<wire::Resource>& resources, std::string_view want_url,
                              Decode decode) {
  Changes<T> changes;
  std::string faults;
  for (const wire::Resource& resource : resources) {
    auto decoded = [&]() -> Result<std::shared_ptr<const T>> {
      WEFT_TRY(wire::OpenedAny opened, wire::open_any(*resource.any));
      if (opened.type_url != want_url) {
        return fail(Error::Kind::invalid,
                    concat("holds a ", printable(opened.type_url), " where a ", want_url, " belongs"));
      }
      return decode(opened.message);
    }();
    if (!decoded) {
      if (!faults.empty()) faults.append("; ");
      if (!resource.name.empty()) faults.append(resource.name).append(": ");
      faults.append(decoded.error().text);
      continue;
    }
    std::string name = name_of(**decoded);
    changes.emplace_back(std::move(name), std::move(*decoded));
  }
  if (!faults.empty()) return fail(Error::Kind::invalid, std::move(faults));
  return changes;
}

template <typename T>
void take(model::ResourceMap<T>& map, Changes<T>&& changes, const std::vector<std::string>& removed,
          bool replace_all, const model::ResourceMap<T>& fixed) {
  if (replace_all) map = fixed;
  for (const std::string& name : removed) {
    if (!fixed.contains(name)) map.erase(name);
  }
  for (auto& [name, resource] : changes) {
    if (!fixed.contains(name)) map.insert_or_assign(std::move(name), std::move(resource));
  }
}

}  // namespace

// All of it or nothing. State of the world: listeners and clusters that are absent are gone; the other types
// are never removed by absence (xDS protocol, "deleting resources").
Result<void> AdsClient::apply(ResourceType type, const std::vector<wire::Resource>& resources,
                              const std::vector<std::string>& removed, bool sotw) {
  Type& state = types_[index(type)];
  std::vector<std::string> names;
  const auto apply_to = [&]<typename T>(model::ResourceMap<T>& map, const model::ResourceMap<T>& fixed,
                                        auto decode) -> Result<void> {
    WEFT_TRY(Changes<T> changes, decode_all<T>(resources, wire::type_url(type), decode));
    for (const auto& change : changes) names.push_back(change.first);
    take(map, std::move(changes), removed, sotw && wildcard(type), fixed);
    return {};
  };
  const Result<void> applied = [&]() -> Result<void> {
    switch (type) {
      case ResourceType::listener:
        return apply_to(received_.listeners, fixed_.listeners, wire::decode_listener);
      case ResourceType::route:
        return apply_to(received_.routes, fixed_.routes, wire::decode_routes);
      case ResourceType::cluster:
        return apply_to(received_.clusters, fixed_.clusters, wire::decode_cluster);
      case ResourceType::endpoint:
        return apply_to(received_.endpoints, fixed_.endpoints, wire::decode_endpoints);
      case ResourceType::secret:
        return apply_to(received_.secrets, fixed_.secrets, wire::decode_secret);
    }
    return fail(Error::Kind::internal, "unknown resource type");
  }();
  if (!applied) {
    ++state.status.rejected;
    state.status.last_error = applied.error().text;
    log_warning("xds", "refused ", wire::short_name(type),
                " update, the last accepted one stays in force: ", applied.error().text);
    return applied;
  }
  ++state.status.accepted;
  state.status.last_update = loop_.wall_now();
  for (const std::string& name : removed) {
    state.versions.erase(name);
    state.answered.insert(name);
  }
  for (size_t i = 0; i < names.size(); ++i) {
    state.answered.insert(names[i]);
    state.versions[names[i]] = resources[i].version;
  }
  if (type == ResourceType::listener) heard_listeners_ = true;
  if (type == ResourceType::cluster) heard_clusters_ = true;
  schedule_publish();
  return {};
}

// The names that listeners and clusters mention are the ones to ask for.
void AdsClient::want_names() {
  std::set<std::string> endpoints, routes, secrets = options_.secrets;
  for (const auto& [name, cluster] : received_.clusters) {
    if (cluster->discovery == model::Discovery::eds) endpoints.insert(eds_name(*cluster));
    if (cluster->tls) add_secrets(cluster->tls->common, secrets);
    if (cluster->mesh_tls) add_secrets(cluster->mesh_tls->common, secrets);
  }
  for (const auto& [name, listener] : received_.listeners) {
    each_chain(*listener, [&](const model::FilterChain& chain) {
      if (const std::string* rds = rds_name(chain)) routes.insert(*rds);
      if (chain.tls) add_secrets(chain.tls->common, secrets);
    });
  }
  types_[index(ResourceType::endpoint)].wanted = std::move(endpoints);
  types_[index(ResourceType::route)].wanted = std::move(routes);
  types_[index(ResourceType::secret)].wanted = std::move(secrets);

  // What nobody mentions any more is forgotten with its subscription.
  const auto forget = [&]<typename T>(ResourceType type, model::ResourceMap<T>& map,
                                      const model::ResourceMap<T>& fixed) {
    Type& state = types_[index(type)];
    std::erase_if(map, [&](const auto& item) {
      return !state.wanted.contains(item.first) && !fixed.contains(item.first);
    });
    std::erase_if(state.versions, [&](const auto& item) { return !state.wanted.contains(item.first); });
  };
  forget(ResourceType::endpoint, received_.endpoints, fixed_.endpoints);
  forget(ResourceType::route, received_.routes, fixed_.routes);
  forget(ResourceType::secret, received_.secrets, fixed_.secrets);
}

void AdsClient::schedule_publish() { loop_.defer(publish_work_); }

bool AdsClient::warm(const model::Cluster& cluster) const {
  if (cluster.discovery != model::Discovery::eds) return true;
  return received_.endpoints.contains(eds_name(cluster));
}

bool AdsClient::warm(const model::Listener& listener) const {
  bool ready = true;
  each_chain(listener, [&](const model::FilterChain& chain) {
    if (const std::string* rds = rds_name(chain); rds && !received_.routes.contains(*rds)) ready = false;
  });
  return ready;
}

// Builds what is warm into a snapshot. What is not keeps its last published version, for a while.
void AdsClient::publish_now() {
  const bool patience_over =
      warming_since_ != TimePoint{} && loop_.now() - warming_since_ >= options_.warming_timeout;
  auto snapshot = std::make_shared<model::Snapshot>(received_);
  bool all_warm = true;
  const auto hold_back = [&]<typename T>(model::ResourceMap<T>& map, const model::ResourceMap<T>* before) {
    for (auto it = map.begin(); it != map.end();) {
      if (warm(*it->second) || patience_over) {
        ++it;
        continue;
      }
      all_warm = false;
      std::shared_ptr<const T> old;
      if (before != nullptr) {
        if (const auto found = before->find(it->first); found != before->end()) old = found->second;
      }
      if (old) {
        it->second = std::move(old);
        ++it;
      } else {
        it = map.erase(it);
      }
    }
  };
  hold_back(snapshot->clusters, published_ ? &published_->clusters : nullptr);
  hold_back(snapshot->listeners, published_ ? &published_->listeners : nullptr);

  if (all_warm || patience_over) {
    warming_since_ = TimePoint{};
    warming_timer_.cancel();
  } else if (warming_since_ == TimePoint{}) {
    warming_since_ = loop_.now();
    warming_timer_.arm_after(options_.warming_timeout);
  }
  const bool heard = (heard_listeners_ || !options_.listeners) && (heard_clusters_ || !options_.clusters);
  const bool has_secrets =
      std::all_of(options_.secrets.begin(), options_.secrets.end(),
                  [&](const std::string& name) { return received_.secrets.contains(name); });
  if (heard && all_warm && has_secrets) initialised_ = true;
  snapshot->version = std::to_string(++publications_);
  published_ = std::move(snapshot);
  publish_(published_);
}

}  // namespace weft::proxy
