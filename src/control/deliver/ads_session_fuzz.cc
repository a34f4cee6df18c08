// AdsSession under any order of subscriptions, acknowledgements, refusals and changes. Whatever a client
// does, a response is well formed, one of a type is under way at a time, and a client that comes to
// acknowledge everything comes to rest.
#include <cstdint>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/strings.h"
#include "control/deliver/ads_session.h"

namespace {

using namespace weft;
using namespace weft::control;
using wire::ResourceType;

void require(bool holds) {
  if (!holds) std::abort();
}

class Script {
 public:
  Script(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool more() const { return at_ < size_; }
  unsigned below(unsigned bound) { return more() ? data_[at_++] % bound : 0; }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

struct Client {
  std::map<ResourceType, std::string> unanswered;  // type to nonce
};

std::string name_of(unsigned number) { return concat("r", number); }

class Play {
 public:
  explicit Play(Script script) : script_(script) {}

  void run() {
    offer();
    while (script_.more()) step();
    // From now on the client behaves: everything is acknowledged.
    for (int round = 0; round < 1000; ++round) {
      now_ += std::chrono::seconds(2);
      take_all();
      if (client_.unanswered.empty()) {
        if (!session_.next(now_)) break;
        std::abort();  // take_all() left something behind
      }
      for (const auto& [type, nonce] : std::map(client_.unanswered)) answer(type, false);
    }
    require(client_.unanswered.empty());
  }

 private:
  void offer() {
    auto snapshot = std::make_shared<model::Snapshot>();
    snapshot->version = concat("v", ++generation_);
    const unsigned count = script_.below(5);
    for (unsigned i = 0; i < count; ++i) {
      const std::string name = name_of(script_.below(6));
      auto cluster = std::make_shared<model::Cluster>();
      cluster->name = name;
      cluster->discovery = model::Discovery::eds;
      cluster->connect_timeout = std::chrono::seconds(1 + script_.below(3));
      snapshot->clusters.insert_or_assign(name, std::move(cluster));
      auto endpoints = std::make_shared<model::EndpointSet>();
      endpoints->cluster = name;
      snapshot->endpoints.insert_or_assign(name, std::move(endpoints));
      if (script_.below(2) == 0) continue;
      auto routes = std::make_shared<model::RouteConfig>();
      routes->name = name;
      snapshot->routes.insert_or_assign(name, std::move(routes));
      auto listener = std::make_shared<model::Listener>();
      listener->name = name;
      listener->address.port = static_cast<uint16_t>(1 + script_.below(3));
      snapshot->listeners.insert_or_assign(name, std::move(listener));
    }
    session_.offer(std::move(snapshot), generation_);
  }

  ResourceType any_type() { return wire::kResourceTypes[script_.below(5)]; }

  void ask(ResourceType type, std::string nonce, bool refuse) {
    wire::DeltaDiscoveryRequest request{.type_url = std::string(wire::type_url(type)),
                                        .nonce = std::move(nonce)};
    if (refuse) request.error = wire::Refusal{.message = "no"};
    const unsigned changes = script_.below(4);
    for (unsigned i = 0; i < changes; ++i) {
      const unsigned which = script_.below(7);
      const std::string name = which == 6 ? "*" : name_of(which);
      (script_.below(3) == 0 ? request.unsubscribe : request.subscribe).push_back(name);
    }
    require(session_.receive(request).has_value());
  }

  void take_all() {
    for (int i = 0; i < 100; ++i) {
      const auto bytes = session_.next(now_);
      if (!bytes) return;
      const auto response = wire::decode_delta_response(as_bytes(*bytes));
      require(response.has_value());
      const auto type = wire::resource_type(response->type_url);
      require(type.has_value());
      require(!client_.unanswered.contains(*type));
      client_.unanswered[*type] = response->nonce;
    }
    std::abort();  // a client that acknowledges nothing is sent at most one response a type
  }

  void answer(ResourceType type, bool refuse) {
    const std::string nonce = client_.unanswered[type];
    client_.unanswered.erase(type);
    wire::DeltaDiscoveryRequest request{.type_url = std::string(wire::type_url(type)), .nonce = nonce};
    if (refuse) request.error = wire::Refusal{.message = "no"};
    require(session_.receive(request).has_value());
  }

  void step() {
    switch (script_.below(6)) {
      case 0:
        offer();
        return;
      case 1:
        ask(any_type(), "", false);
        return;
      case 2:
        ask(any_type(), "stale", script_.below(2) == 0);
        return;
      case 3:
        take_all();
        return;
      case 4:
        now_ += std::chrono::milliseconds(script_.below(200) * 10);
        return;
      default: {
        const ResourceType type = any_type();
        if (client_.unanswered.contains(type)) answer(type, script_.below(2) == 0);
        return;
      }
    }
  }

  Script script_;
  EncodedResources encoded_;
  AdsSession session_{AdsSession::Mode::delta, encoded_};
  Client client_;
  TimePoint now_{};
  uint64_t generation_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Play(Script(data, size)).run();
  return 0;
}
