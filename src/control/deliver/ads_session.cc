#include "control/deliver/ads_session.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"

namespace weft::control {
namespace {

using wire::ResourceType;

// Make before break: what others refer to comes first.
constexpr ResourceType kOrder[] = {ResourceType::cluster, ResourceType::endpoint, ResourceType::secret,
                                   ResourceType::listener, ResourceType::route};
constexpr std::string_view kWildcard = "*";
// The version of what the proxy may or may not have: it was part of a refused response.
constexpr std::string_view kUnsure = "?";

// Calls `use` with the snapshot's map of a type.
template <typename Use>
decltype(auto) with_map(const model::Snapshot& snapshot, ResourceType type, Use use) {
  switch (type) {
    case ResourceType::listener:
      return use(snapshot.listeners);
    case ResourceType::route:
      return use(snapshot.routes);
    case ResourceType::cluster:
      return use(snapshot.clusters);
    case ResourceType::endpoint:
      return use(snapshot.endpoints);
    case ResourceType::secret:
      break;
  }
  return use(snapshot.secrets);
}

std::string endpoints_of(const model::Cluster& cluster) {
  if (cluster.discovery != model::Discovery::eds) return {};
  return cluster.eds_service_name.empty() ? cluster.name : cluster.eds_service_name;
}
template <typename Resource>
std::string endpoints_of(const Resource&) {
  return {};
}

}  // namespace

AdsSession::AdsSession(Mode mode, EncodedResources& encoded, Limits limits)
    : mode_(mode), encoded_(encoded), limits_(limits) {}

// ---------------------------------------------------------------- what comes in

void AdsSession::offer(std::shared_ptr<const model::Snapshot> snapshot, uint64_t generation) {
  newest_ = std::move(snapshot);
  newest_generation_ = generation;
}

Result<void> AdsSession::receive(const wire::DiscoveryRequest& request) {
  if (mode_ != Mode::state_of_the_world) return fail(Error::Kind::protocol, "not a delta request");
  const auto type = wire::resource_type(request.type_url);
  if (!type) return {};  // a type that is not served here is never answered; the proxy goes on without
  Type& state = of(*type);
  if (!request.nonce.empty() && !state.status.nonce_sent.empty()) {
    if (request.nonce != state.status.nonce_sent) return {};  // overtaken by a newer response of ours
    if (state.in_flight) answered(*type, request.error);
  }
  return subscribe(*type, request.names);
}

// State of the world: each request lists everything that is wanted.
Result<void> AdsSession::subscribe(ResourceType type, const std::vector<std::string>& names) {
  Type& state = of(type);
  if (names.size() > limits_.max_subscriptions) {
    return fail(Error::Kind::overflow, concat("more than ", limits_.max_subscriptions, " names of one type"));
  }
  std::set<std::string> wanted(names.begin(), names.end());
  const bool star = wanted.erase(std::string(kWildcard)) > 0;
  // Without names the old wildcard is meant, for the two types that have it, as long as no name was ever
  // given.
  state.ever_named = state.ever_named || !names.empty();
  const bool wildcard = star || (is_whole(type) && !state.ever_named);
  if (!state.requested || wildcard != state.wildcard) state.answer_due = wildcard;
  state.requested = true;
  state.wildcard = wildcard;
  for (const std::string& name : wanted) {
    if (!state.names.contains(name)) state.due.insert(name);
  }
  std::erase_if(state.due, [&](const std::string& name) { return !wanted.contains(name); });
  state.names = std::move(wanted);
  forget_unwanted(state);
  state.changes_valid = false;
  return {};
}

Result<void> AdsSession::receive(const wire::DeltaDiscoveryRequest& request) {
  if (mode_ != Mode::delta) return fail(Error::Kind::protocol, "not a state-of-the-world request");
  const auto type = wire::resource_type(request.type_url);
  if (!type) return {};
  Type& state = of(*type);
  if (state.in_flight && request.nonce == state.status.nonce_sent) answered(*type, request.error);

  if (request.subscribe.size() + state.names.size() > limits_.max_subscriptions ||
      request.initial_versions.size() > limits_.max_subscriptions) {
    return fail(Error::Kind::overflow, concat("more than ", limits_.max_subscriptions, " names of one type"));
  }
  const bool first = !std::exchange(state.requested, true);
  if (first && request.subscribe.empty() && is_whole(*type)) state.wildcard = state.answer_due = true;
  if (first) {
    for (const auto& [name, version] : request.initial_versions) {
      SentResource& known = state.known[name];
      known.version = version.empty() ? std::string(kUnsure) : version;
      known.state = SentResource::State::accepted;
    }
  }
  for (const std::string& name : request.subscribe) {
    if (name == kWildcard) {
      state.wildcard = state.answer_due = true;
      continue;
    }
    state.names.insert(name);
    // Asking again for what one has means: send it again. What an earlier stream brought needs no answer.
    if (!first || !state.known.contains(name)) state.due.insert(name);
  }
  for (const std::string& name : request.unsubscribe) {
    if (name == kWildcard) {
      state.wildcard = state.answer_due = false;
      continue;
    }
    if (state.names.erase(name) == 0) continue;
    state.due.erase(name);
    // Under a wildcard the proxy must be told whether the resource is still its own.
    if (state.wildcard) state.due.insert(name);
  }
  forget_unwanted(state);
  state.changes_valid = false;
  return {};
}

// What a proxy no longer asks for it has dropped.
void AdsSession::forget_unwanted(Type& state) {
  if (state.wildcard) return;
  std::erase_if(state.known, [&](const auto& known) { return !state.names.contains(known.first); });
  std::erase_if(state.rejected, [&](const std::string& name) { return !state.names.contains(name); });
}

void AdsSession::answered(ResourceType type, const std::optional<wire::Refusal>& error) {
  Type& state = of(type);
  state.in_flight = false;
  state.changes_valid = false;
  if (error) {
    refused(type, *error);
  } else {
    accepted(state);
  }
  state.flight.clear();
}

void AdsSession::accepted(Type& state) {
  state.status.nonce_acked = state.status.nonce_sent;
  state.status.version_acked = state.status.version_sent;
  state.status.error.clear();
  state.whole_rejected = false;
  for (const Item& item : state.flight) {
    const auto known = state.known.find(item.name);
    if (known == state.known.end() || known->second.version == kUnsure) continue;
    known->second.state = SentResource::State::accepted;
    known->second.error.clear();
  }
}

void AdsSession::refused(ResourceType type, const wire::Refusal& error) {
  Type& state = of(type);
  ++state.status.rejects;
  state.status.error = error.message.empty() ? std::string("refused without a reason") : error.message;
  if (on_reject_) on_reject_(type, error, state.flight.size());
  if (type == ResourceType::cluster) awaited_endpoints_.clear();

  if (mode_ == Mode::state_of_the_world && is_whole(type)) {
    state.whole_rejected = true;  // what is known stays as sent: nothing goes out before something changes
    return;
  }
  if (state.flight.size() == 1) {
    const auto known = state.known.find(state.flight.front().name);
    if (known != state.known.end()) {
      known->second.state = SentResource::State::rejected;
      known->second.error = state.status.error;
      state.rejected.insert(known->first);
    }
    return;
  }
  std::vector<std::string> halves[2];
  for (size_t i = 0; i < state.flight.size(); ++i) {
    const Item& item = state.flight[i];
    if (!state.wildcard && !state.names.contains(item.name)) continue;  // unsubscribed meanwhile
    state.known[item.name].version = kUnsure;
    halves[i * 2 / state.flight.size()].push_back(item.name);
  }
  for (std::vector<std::string>& half : halves) {
    if (!half.empty()) state.probes.push_back(std::move(half));
  }
}

// ---------------------------------------------------------------- what is to be sent

// Of these types a state-of-the-world response is the whole list.
bool AdsSession::is_whole(ResourceType type) const {
  return type == ResourceType::listener || type == ResourceType::cluster;
}

// What the proxy wants, and has not, of the target.
void AdsSession::find_changes(ResourceType type) {
  Type& state = of(type);
  if (std::exchange(state.changes_valid, true)) return;
  state.updates.clear();
  state.removals.clear();
  if (!state.requested || !target_) return;

  with_map(*target_, type, [&](const auto& map) {
    const auto consider = [&](const std::string& name, const auto& resource) {
      const auto known = state.known.find(name);
      const bool due = state.due.contains(name);
      if (known != state.known.end() && !due && known->second.resource == resource &&
          known->second.version != kUnsure) {
        return;
      }
      Encoded encoded = encoded_.of(resource);
      if (known != state.known.end() && !due && known->second.version == encoded.version) {
        known->second.resource = resource;
        return;
      }
      state.updates.push_back({name, std::move(encoded), resource, endpoints_of(*resource)});
    };
    if (state.wildcard) {
      for (const auto& [name, resource] : map) consider(name, resource);
    } else {
      for (const std::string& name : state.names) {
        if (const auto found = map.find(name); found != map.end()) consider(name, found->second);
      }
    }
    for (const auto& [name, known] : state.known) {
      if (!known.version.empty() && !map.contains(name)) state.removals.push_back({name, {}, nullptr, {}});
    }
    // Delta answers for what is asked for and is not there, once.
    if (mode_ == Mode::delta) {
      for (const std::string& name : state.due) {
        const auto known = state.known.find(name);
        const bool listed = known != state.known.end() && !known->second.version.empty();
        if (!listed && !map.contains(name)) state.removals.push_back({name, {}, nullptr, {}});
      }
    }
  });
}

bool AdsSession::updates_settled(ResourceType type) {
  Type& state = of(type);
  if (!state.requested) return true;
  find_changes(type);
  return state.updates.empty() && !state.in_flight && state.probes.empty() && !state.answer_due;
}

bool AdsSession::settled(ResourceType type) {
  if (!updates_settled(type)) return false;
  return of(type).removals.empty() || never_removes(type);
}

bool AdsSession::all_settled() {
  const bool asked = std::ranges::any_of(types_, [](const Type& state) { return state.requested; });
  return asked && std::ranges::all_of(kOrder, [this](ResourceType type) { return settled(type); });
}

bool AdsSession::rejected(ResourceType type) const {
  return of(type).whole_rejected || !of(type).rejected.empty();
}

// What the proxy no longer needs stays with it all the same: by state of the world routes, endpoints and
// secrets cannot be taken away; and a proxy that refused a listener or a route goes on with the old one,
// which needs what it refers to.
bool AdsSession::never_removes(ResourceType type) const {
  if (type == ResourceType::listener) return false;
  if (mode_ == Mode::state_of_the_world && !is_whole(type)) return true;
  return rejected(ResourceType::listener) || rejected(ResourceType::route);
}

// True while a new cluster that was sent has not asked for its endpoints.
bool AdsSession::endpoints_awaited() {
  const Type& endpoints = of(ResourceType::endpoint);
  if (endpoints.wildcard) awaited_endpoints_.clear();
  std::erase_if(awaited_endpoints_, [&](const std::string& name) { return endpoints.names.contains(name); });
  return !awaited_endpoints_.empty();
}

bool AdsSession::may_update(ResourceType type) {
  if (type == ResourceType::route) {
    find_changes(ResourceType::listener);
    const Type& listeners = of(ResourceType::listener);
    if (listeners.requested && !listeners.updates.empty()) return false;
  }
  if (type != ResourceType::listener && type != ResourceType::route) return true;
  return updates_settled(ResourceType::cluster) && updates_settled(ResourceType::endpoint) &&
         updates_settled(ResourceType::secret) && !endpoints_awaited();
}

bool AdsSession::may_remove(ResourceType type) {
  if (never_removes(type)) return false;
  switch (type) {
    case ResourceType::listener:
      return true;
    case ResourceType::route:
      return settled(ResourceType::listener);
    case ResourceType::cluster:
    case ResourceType::secret:
      return settled(ResourceType::listener) && settled(ResourceType::route);
    case ResourceType::endpoint:
      return settled(ResourceType::cluster);
  }
  return true;
}

// Takes up the newest snapshot once the one before is through.
void AdsSession::adopt(TimePoint now) {
  if (target_ && all_settled()) settled_ = target_generation_;
  if (!newest_ || target_generation_ == newest_generation_) return;
  if (target_ && settled_ != target_generation_ && now < target_since_ + limits_.patience) return;
  target_ = newest_;
  target_generation_ = newest_generation_;
  target_since_ = now;
  for (Type& state : types_) state.changes_valid = false;
  std::erase_if(awaited_endpoints_,
                [this](const std::string& name) { return !target_->endpoints.contains(name); });
  if (all_settled()) settled_ = target_generation_;
}

std::optional<std::string> AdsSession::next(TimePoint now) {
  for (;;) {
    probe_dropped_ = false;
    adopt(now);
    if (auto message = first_due(now)) return message;
    // Half of a refused response that meanwhile went away stands in nobody's way any more.
    if (!probe_dropped_) return std::nullopt;
  }
}

std::optional<std::string> AdsSession::first_due(TimePoint now) {
  wake_at_ = TimePoint::max();
  if (!target_) return std::nullopt;
  const bool patient = now < target_since_ + limits_.patience;
  bool held_back = false;
  for (const ResourceType type : kOrder) {
    Type& state = of(type);
    if (!state.requested || state.in_flight) continue;
    find_changes(type);
    const bool updates_open = !patient || may_update(type);
    held_back = held_back || !updates_open;
    if (auto message = response(type, updates_open)) {
      last_type_ = type;
      return message;
    }
  }
  // Steps that wait for a proxy, and a newer snapshot that waits for them, go on when patience ends.
  if (patient && (held_back || target_generation_ != newest_generation_)) {
    wake_at_ = target_since_ + limits_.patience;
  }
  return std::nullopt;
}

std::optional<std::string> AdsSession::response(ResourceType type, bool updates_open) {
  Type& state = of(type);
  const bool removals_open = may_remove(type);
  const bool answer_due = updates_open && state.answer_due;

  if (mode_ == Mode::state_of_the_world && is_whole(type)) {
    const bool changed =
        (updates_open && !state.updates.empty()) || (removals_open && !state.removals.empty());
    if (!changed && !answer_due) return std::nullopt;
    return send_whole(type, removals_open);
  }
  std::vector<Change> changes;
  if (updates_open) changes = state.updates;
  if (removals_open) changes.insert(changes.end(), state.removals.begin(), state.removals.end());
  while (updates_open && !state.probes.empty()) {
    const std::vector<std::string> probe = std::move(state.probes.front());
    state.probes.pop_front();
    std::vector<Change> probed;
    for (const Change& change : changes) {
      if (std::ranges::find(probe, change.name) != probe.end()) probed.push_back(change);
    }
    if (!probed.empty()) return send_parts(type, std::move(probed));
    probe_dropped_ = true;
  }
  if (changes.empty() && !answer_due) return std::nullopt;
  return send_parts(type, std::move(changes));
}

// ---------------------------------------------------------------- what goes out

std::string AdsSession::next_nonce(Type& state) {
  ++state.status.responses;
  state.status.nonce_sent = std::to_string(++nonces_);
  state.status.version_sent = target_->version;
  state.in_flight = true;
  state.answer_due = false;
  state.changes_valid = false;
  return state.status.nonce_sent;
}

void AdsSession::remember(Type& state, const Change& change) {
  state.due.erase(change.name);
  state.rejected.erase(change.name);
  state.flight.push_back({change.name, change.is_removal()});
  if (!change.endpoints.empty()) {
    Type& endpoints = of(ResourceType::endpoint);
    const bool subscribed = endpoints.wildcard || endpoints.names.contains(change.endpoints);
    if (subscribed) {
      endpoints.due.insert(change.endpoints);
      endpoints.changes_valid = false;
    } else {
      awaited_endpoints_.insert(change.endpoints);
    }
  }
  if (change.is_removal() && !state.names.contains(change.name)) {
    state.known.erase(change.name);
    return;
  }
  state.known[change.name] = {
      SentResource::State::sent, change.encoded.version, change.encoded.any, change.resource, {}};
}

std::string AdsSession::send_whole(ResourceType type, bool removals_open) {
  Type& state = of(type);
  wire::DiscoveryResponse message;
  message.type_url = wire::type_url(type);
  message.version = target_->version;
  message.control_plane = "weftd";

  if (removals_open) {
    for (const Change& gone : state.removals) {
      state.known.erase(gone.name);
      state.rejected.erase(gone.name);
    }
  }
  for (const Change& update : state.updates) remember(state, update);
  for (auto& [name, known] : state.known) {
    if (known.any) message.resources.push_back({name, known.version, known.any});
  }
  message.nonce = next_nonce(state);
  return wire::encode(message);
}

std::string AdsSession::send_parts(ResourceType type, std::vector<Change> changes) {
  Type& state = of(type);
  std::vector<wire::Resource> resources;
  std::vector<std::string> removed;
  size_t size = 0;
  for (const Change& change : changes) {
    // What does not fit follows after the ACK: memory stays bounded by one response a proxy.
    const size_t more = change.is_removal() ? change.name.size() : change.encoded.any->size();
    if (size > 0 && size + more > limits_.max_response) break;
    size += more;
    if (change.is_removal()) {
      removed.push_back(change.name);
    } else {
      resources.push_back({change.name, change.encoded.version, change.encoded.any});
    }
    remember(state, change);
  }
  const std::string nonce = next_nonce(state);
  const std::string url(wire::type_url(type));
  if (mode_ == Mode::delta) {
    return wire::encode(wire::DeltaDiscoveryResponse{.system_version = target_->version,
                                                     .resources = std::move(resources),
                                                     .type_url = url,
                                                     .removed = std::move(removed),
                                                     .nonce = nonce,
                                                     .control_plane = "weftd"});
  }
  return wire::encode(wire::DiscoveryResponse{.version = target_->version,
                                              .resources = std::move(resources),
                                              .type_url = url,
                                              .nonce = nonce,
                                              .control_plane = "weftd"});
}

// ---------------------------------------------------------------- what others may know

bool AdsSession::has_rejected() const {
  return std::ranges::any_of(kOrder, [this](ResourceType type) { return rejected(type); });
}

TypeStatus AdsSession::status(ResourceType type) const {
  const Type& state = of(type);
  TypeStatus status = state.status;
  status.requested = state.requested;
  status.wildcard = state.wildcard;
  status.subscribed = state.wildcard ? state.known.size() : state.names.size();
  return status;
}

const std::map<std::string, SentResource>& AdsSession::sent(ResourceType type) const {
  return of(type).known;
}

}  // namespace weft::control
