// A scripted client against AdsSession: every rule of the protocol that a proxy may rely on.
#include "control/deliver/ads_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"

namespace weft::control {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using wire::ResourceType;

constexpr TimePoint kStart{};

// ---------------------------------------------------------------- what is delivered

struct World {
  model::Snapshot snapshot;
  int version = 0;

  World& cluster(const std::string& name, Duration connect_timeout = std::chrono::seconds(5)) {
    auto cluster = std::make_shared<model::Cluster>();
    cluster->name = name;
    cluster->discovery = model::Discovery::eds;
    cluster->connect_timeout = connect_timeout;
    snapshot.clusters.insert_or_assign(name, std::move(cluster));
    return endpoints(name, 1);
  }
  World& endpoints(const std::string& name, uint16_t port) {
    auto set = std::make_shared<model::EndpointSet>();
    set->cluster = name;
    set->endpoints.push_back({.address = {.ip = IpAddress::loopback(), .port = port}});
    snapshot.endpoints.insert_or_assign(name, std::move(set));
    return *this;
  }
  World& listener(const std::string& name, uint16_t port = 80) {
    auto listener = std::make_shared<model::Listener>();
    listener->name = name;
    listener->address = {.ip = IpAddress::any(), .port = port};
    snapshot.listeners.insert_or_assign(name, std::move(listener));
    return *this;
  }
  World& route(const std::string& name, const std::string& host = "a") {
    auto routes = std::make_shared<model::RouteConfig>();
    routes->name = name;
    auto& virtual_host = routes->virtual_hosts.emplace_back();
    virtual_host.name = host;
    virtual_host.domains = {host};
    snapshot.routes.insert_or_assign(name, std::move(routes));
    return *this;
  }
  World& without_cluster(const std::string& name) {
    snapshot.clusters.erase(name);
    snapshot.endpoints.erase(name);
    return *this;
  }
  std::shared_ptr<const model::Snapshot> make() {
    snapshot.version = concat("v", ++version);
    return std::make_shared<model::Snapshot>(snapshot);
  }
};

// ---------------------------------------------------------------- delta client

struct DeltaAnswer {
  ResourceType type = ResourceType::cluster;
  std::vector<std::string> names;
  std::vector<std::string> removed;
  std::map<std::string, std::string> versions;
  std::string nonce;
};

class DeltaTest : public testing::Test {
 protected:
  void offer(World& world) { session.offer(world.make(), ++generation); }

  std::optional<DeltaAnswer> next() {
    const auto bytes = session.next(now);
    if (!bytes) return std::nullopt;
    const auto response = wire::decode_delta_response(as_bytes(*bytes));
    EXPECT_TRUE(response) << (response ? "" : response.error().text);
    DeltaAnswer answer;
    answer.type = *wire::resource_type(response->type_url);
    for (const wire::Resource& resource : response->resources) {
      answer.names.push_back(resource.name);
      answer.versions.emplace(resource.name, resource.version);
    }
    answer.removed = response->removed;
    answer.nonce = response->nonce;
    return answer;
  }

  Result<void> ask(ResourceType type, std::vector<std::string> subscribe,
                   std::vector<std::string> unsubscribe = {},
                   std::map<std::string, std::string> initial = {}) {
    return session.receive(wire::DeltaDiscoveryRequest{.type_url = std::string(wire::type_url(type)),
                                                       .subscribe = std::move(subscribe),
                                                       .unsubscribe = std::move(unsubscribe),
                                                       .initial_versions = std::move(initial)});
  }
  void ack(const DeltaAnswer& answer) {
    EXPECT_TRUE(session.receive(wire::DeltaDiscoveryRequest{
        .type_url = std::string(wire::type_url(answer.type)), .nonce = answer.nonce}));
  }
  void nack(const DeltaAnswer& answer, std::string why = "no") {
    EXPECT_TRUE(
        session.receive(wire::DeltaDiscoveryRequest{.type_url = std::string(wire::type_url(answer.type)),
                                                    .nonce = answer.nonce,
                                                    .error = wire::Refusal{.message = std::move(why)}}));
  }
  // Takes and acknowledges everything there is, subscribing to endpoints of clusters and routes as it goes.
  std::vector<std::string> drain() {
    std::vector<std::string> log;
    while (auto answer = next()) {
      std::string line(wire::short_name(answer->type));
      for (const std::string& name : answer->names) line += " +" + name;
      for (const std::string& name : answer->removed) line += " -" + name;
      log.push_back(line);
      if (answer->type == ResourceType::cluster) {
        EXPECT_TRUE(ask(ResourceType::endpoint, answer->names, answer->removed));
      }
      ack(*answer);
    }
    return log;
  }
  void connect(World& world) {
    offer(world);
    EXPECT_TRUE(ask(ResourceType::cluster, {}));
    EXPECT_TRUE(ask(ResourceType::listener, {}));
    EXPECT_TRUE(ask(ResourceType::route, {"80"}));
    drain();
  }

  EncodedResources encoded;
  AdsSession session{AdsSession::Mode::delta, encoded};
  TimePoint now = kStart;
  uint64_t generation = 0;
};

TEST_F(DeltaTest, sends_nothing_before_it_is_asked) {
  World world;
  world.cluster("a");
  offer(world);
  EXPECT_FALSE(next());
  EXPECT_EQ(session.settled_generation(), 0u);
}

TEST_F(DeltaTest, first_request_without_names_means_all_listeners_or_clusters) {
  World world;
  world.cluster("a").cluster("b");
  offer(world);
  ASSERT_TRUE(ask(ResourceType::cluster, {}));
  const auto answer = next();
  ASSERT_TRUE(answer);
  EXPECT_THAT(answer->names, ElementsAre("a", "b"));
}

TEST_F(DeltaTest, a_wildcard_with_nothing_behind_it_is_answered_all_the_same) {
  World world;
  offer(world);
  ASSERT_TRUE(ask(ResourceType::listener, {}));
  const auto answer = next();
  ASSERT_TRUE(answer);
  EXPECT_THAT(answer->names, IsEmpty());
  ack(*answer);
  EXPECT_FALSE(next());
}

TEST_F(DeltaTest, first_request_without_names_of_other_types_asks_for_nothing) {
  World world;
  world.cluster("a").route("80");
  offer(world);
  ASSERT_TRUE(ask(ResourceType::endpoint, {}));
  ASSERT_TRUE(ask(ResourceType::route, {}));
  EXPECT_FALSE(next());
}

TEST_F(DeltaTest, answers_before_the_first_snapshot_once_there_is_one) {
  ASSERT_TRUE(ask(ResourceType::cluster, {}));
  EXPECT_FALSE(next());
  World world;
  world.cluster("a");
  offer(world);
  ASSERT_TRUE(next());
}

TEST_F(DeltaTest, sends_only_what_changed) {
  World world;
  world.cluster("a").cluster("b");
  connect(world);
  world.cluster("b", std::chrono::seconds(7));
  offer(world);
  const auto answer = next();
  ASSERT_TRUE(answer);
  EXPECT_THAT(answer->names, ElementsAre("b"));
  EXPECT_THAT(answer->removed, IsEmpty());
}

TEST_F(DeltaTest, a_cluster_that_changed_gets_its_endpoints_again) {
  World world;
  world.cluster("a").cluster("b").route("80");
  connect(world);
  world.cluster("b", std::chrono::seconds(7)).route("80", "b");
  offer(world);
  const auto clusters = next();
  ASSERT_TRUE(clusters);
  EXPECT_THAT(clusters->names, ElementsAre("b"));
  const auto endpoints = next();
  ASSERT_TRUE(endpoints) << "the proxy is subscribed to them and will not ask again";
  EXPECT_EQ(endpoints->type, ResourceType::endpoint);
  EXPECT_THAT(endpoints->names, ElementsAre("b"));
  EXPECT_FALSE(next());
  ack(*clusters);
  ack(*endpoints);
  EXPECT_EQ(next()->type, ResourceType::route);
}

TEST_F(DeltaTest, equal_resources_behind_other_pointers_are_not_sent_again) {
  World world;
  world.cluster("a").listener("l");
  connect(world);
  world.cluster("a").listener("l");
  offer(world);
  EXPECT_FALSE(next());
  EXPECT_EQ(session.settled_generation(), 2u);
}

TEST_F(DeltaTest, one_response_of_a_type_is_under_way_at_a_time) {
  World world;
  world.cluster("a");
  connect(world);
  world.endpoints("a", 2);
  offer(world);
  const auto first = next();
  ASSERT_TRUE(first);
  now += std::chrono::seconds(2);
  world.endpoints("a", 3);
  offer(world);
  EXPECT_FALSE(next());
  ack(*first);
  const auto second = next();
  ASSERT_TRUE(second);
  EXPECT_THAT(second->names, ElementsAre("a"));
  EXPECT_NE(first->nonce, second->nonce);
}

TEST_F(DeltaTest, an_old_nonce_acknowledges_nothing) {
  World world;
  world.cluster("a");
  connect(world);
  world.endpoints("a", 2);
  offer(world);
  auto answer = *next();
  answer.nonce = "stale";
  ack(answer);
  EXPECT_NE(session.settled_generation(), generation);
  EXPECT_NE(session.status(ResourceType::endpoint).nonce_acked,
            session.status(ResourceType::endpoint).nonce_sent);
}

TEST_F(DeltaTest, clusters_and_endpoints_come_before_what_uses_them) {
  World world;
  world.cluster("a").listener("l").route("80", "a");
  connect(world);
  world.cluster("b").listener("l", 81).route("80", "b");
  offer(world);
  EXPECT_THAT(drain(), ElementsAre("CDS +b", "EDS +b", "LDS +l", "RDS +80"));
  EXPECT_EQ(session.settled_generation(), 2u);
}

TEST_F(DeltaTest, routes_wait_until_the_new_cluster_has_asked_for_endpoints) {
  World world;
  world.cluster("a").route("80", "a");
  connect(world);
  world.cluster("b").route("80", "b");
  offer(world);
  const auto clusters = next();
  ASSERT_TRUE(clusters);
  EXPECT_FALSE(next());
  ack(*clusters);
  EXPECT_FALSE(next()) << "the route must not come before the cluster can serve";
  ASSERT_TRUE(ask(ResourceType::endpoint, {"b"}));
  const auto endpoints = next();
  ASSERT_TRUE(endpoints);
  EXPECT_EQ(endpoints->type, ResourceType::endpoint);
  EXPECT_FALSE(next());
  ack(*endpoints);
  const auto routes = next();
  ASSERT_TRUE(routes);
  EXPECT_EQ(routes->type, ResourceType::route);
}

TEST_F(DeltaTest, patience_with_a_silent_proxy_ends) {
  World world;
  world.cluster("a").route("80", "a");
  connect(world);
  world.cluster("b").route("80", "b");
  offer(world);
  ASSERT_TRUE(next());
  EXPECT_FALSE(next());
  EXPECT_EQ(session.wake_at(), now + std::chrono::seconds(1));
  now = session.wake_at();
  const auto routes = next();
  ASSERT_TRUE(routes);
  EXPECT_EQ(routes->type, ResourceType::route);
}

TEST_F(DeltaTest, clusters_go_only_after_routes_have_left_them) {
  World world;
  world.cluster("a").cluster("b").listener("l").route("80", "a");
  connect(world);
  world.without_cluster("a").route("80", "b");
  offer(world);
  EXPECT_THAT(drain(), ElementsAre("RDS +80", "CDS -a"));
  EXPECT_EQ(session.settled_generation(), 2u);
}

TEST_F(DeltaTest, what_is_removed_is_named) {
  World world;
  world.cluster("a").listener("l").listener("m");
  connect(world);
  world.snapshot.listeners.erase("m");
  offer(world);
  EXPECT_THAT(drain(), ElementsAre("LDS -m"));
}

TEST_F(DeltaTest, a_newer_version_waits_until_the_one_before_is_through) {
  World world;
  world.cluster("a").route("80", "a");
  connect(world);
  world.cluster("b").route("80", "b");
  offer(world);
  auto clusters = next();
  ASSERT_TRUE(clusters);
  world.without_cluster("b").route("80", "a");
  offer(world);
  ack(*clusters);
  ASSERT_TRUE(ask(ResourceType::endpoint, {"b"}));
  EXPECT_THAT(drain(), ElementsAre("EDS +b", "RDS +80", "RDS +80", "CDS -b"));
  EXPECT_EQ(session.settled_generation(), 3u);
}

TEST_F(DeltaTest, names_that_do_not_exist_are_said_to_be_absent_once_and_come_when_they_do) {
  World world;
  offer(world);
  ASSERT_TRUE(ask(ResourceType::route, {"80"}));
  const auto absent = next();
  ASSERT_TRUE(absent);
  EXPECT_THAT(absent->names, IsEmpty());
  EXPECT_THAT(absent->removed, ElementsAre("80"));
  ack(*absent);
  EXPECT_FALSE(next());
  world.route("80");
  offer(world);
  const auto there = next();
  ASSERT_TRUE(there);
  EXPECT_THAT(there->names, ElementsAre("80"));
}

TEST_F(DeltaTest, asking_again_sends_again) {
  World world;
  world.route("80");
  offer(world);
  ASSERT_TRUE(ask(ResourceType::route, {"80"}));
  ack(*next());
  EXPECT_FALSE(next());
  ASSERT_TRUE(ask(ResourceType::route, {"80"}));
  const auto again = next();
  ASSERT_TRUE(again);
  EXPECT_THAT(again->names, ElementsAre("80"));
}

TEST_F(DeltaTest, what_is_unsubscribed_is_not_sent) {
  World world;
  world.route("80").route("81");
  offer(world);
  ASSERT_TRUE(ask(ResourceType::route, {"80", "81"}));
  ack(*next());
  ASSERT_TRUE(ask(ResourceType::route, {}, {"80"}));
  world.route("80", "b").route("81", "b");
  offer(world);
  const auto answer = next();
  ASSERT_TRUE(answer);
  EXPECT_THAT(answer->names, ElementsAre("81"));
}

TEST_F(DeltaTest, a_name_unsubscribed_under_a_wildcard_is_told_anew) {
  World world;
  world.listener("l");
  offer(world);
  ASSERT_TRUE(ask(ResourceType::listener, {"*", "l", "gone"}));
  const auto first = next();
  ASSERT_TRUE(first);
  EXPECT_THAT(first->names, ElementsAre("l"));
  EXPECT_THAT(first->removed, ElementsAre("gone"));
  ack(*first);
  ASSERT_TRUE(ask(ResourceType::listener, {}, {"l", "gone"}));
  const auto second = next();
  ASSERT_TRUE(second);
  EXPECT_THAT(second->names, ElementsAre("l"));
  EXPECT_THAT(second->removed, ElementsAre("gone"));
}

TEST_F(DeltaTest, the_wildcard_may_be_given_up) {
  World world;
  world.listener("l").listener("m");
  offer(world);
  ASSERT_TRUE(ask(ResourceType::listener, {"*", "m"}));
  ack(*next());
  ASSERT_TRUE(ask(ResourceType::listener, {}, {"*"}));
  world.listener("l", 81).listener("m", 82);
  offer(world);
  const auto answer = next();
  ASSERT_TRUE(answer);
  EXPECT_THAT(answer->names, ElementsAre("m"));
}

TEST_F(DeltaTest, after_a_reconnect_only_what_differs_is_sent) {
  World world;
  world.cluster("a").cluster("b").cluster("c");
  offer(world);
  ASSERT_TRUE(ask(ResourceType::cluster, {}));
  const auto all = *next();

  AdsSession again(AdsSession::Mode::delta, encoded);
  world.cluster("b", std::chrono::seconds(9)).without_cluster("c");
  again.offer(world.make(), 2);
  std::map<std::string, std::string> had = all.versions;
  ASSERT_TRUE(again.receive(
      wire::DeltaDiscoveryRequest{.type_url = std::string(wire::kClusterUrl), .initial_versions = had}));
  std::vector<std::string> updated, removed;
  while (const auto bytes = again.next(now)) {
    const auto response = *wire::decode_delta_response(as_bytes(*bytes));
    for (const wire::Resource& resource : response.resources) updated.push_back(resource.name);
    removed.insert(removed.end(), response.removed.begin(), response.removed.end());
    ASSERT_TRUE(again.receive(
        wire::DeltaDiscoveryRequest{.type_url = std::string(wire::kClusterUrl), .nonce = response.nonce}));
  }
  EXPECT_THAT(updated, ElementsAre("b"));
  EXPECT_THAT(removed, ElementsAre("c"));
}

TEST_F(DeltaTest, after_a_reconnect_named_resources_it_still_has_are_not_sent) {
  World world;
  world.route("80").route("81");
  offer(world);
  ASSERT_TRUE(ask(ResourceType::route, {"80", "81"}));
  const auto all = *next();
  AdsSession again(AdsSession::Mode::delta, encoded);
  again.offer(world.make(), 2);
  ASSERT_TRUE(again.receive(wire::DeltaDiscoveryRequest{.type_url = std::string(wire::kRouteUrl),
                                                        .subscribe = {"80", "81"},
                                                        .initial_versions = all.versions}));
  EXPECT_FALSE(again.next(now));
}

TEST_F(DeltaTest, a_refused_resource_is_found_and_the_others_still_arrive) {
  World world;
  for (const char* name : {"a", "b", "c", "d", "e"}) world.cluster(name);
  offer(world);
  ASSERT_TRUE(ask(ResourceType::cluster, {}));
  std::set<std::string> accepted;
  int rounds = 0;
  while (auto answer = next()) {
    ASSERT_LT(++rounds, 12);
    if (std::ranges::find(answer->names, "c") != answer->names.end()) {
      nack(*answer, "c is bad");
    } else {
      accepted.insert(answer->names.begin(), answer->names.end());
      ack(*answer);
    }
  }
  EXPECT_THAT(accepted, UnorderedElementsAre("a", "b", "d", "e"));
  EXPECT_EQ(session.sent(ResourceType::cluster).at("c").state, SentResource::State::rejected);
  EXPECT_EQ(session.sent(ResourceType::cluster).at("c").error, "c is bad");
  EXPECT_TRUE(session.has_rejected());
  EXPECT_GE(session.status(ResourceType::cluster).rejects, 1u);
}

TEST_F(DeltaTest, a_refused_resource_is_sent_again_when_it_changes_and_not_before) {
  World world;
  world.cluster("a");
  offer(world);
  ASSERT_TRUE(ask(ResourceType::cluster, {}));
  nack(*next());
  EXPECT_FALSE(next());
  offer(world);
  EXPECT_FALSE(next());
  world.cluster("a", std::chrono::seconds(9));
  offer(world);
  const auto mended = next();
  ASSERT_TRUE(mended);
  EXPECT_THAT(mended->names, ElementsAre("a"));
  ack(*mended);
  EXPECT_FALSE(session.has_rejected());
}

TEST_F(DeltaTest, refused_resources_that_went_away_hold_nothing_up) {
  World world;
  world.listener("l").listener("m");
  offer(world);
  ASSERT_TRUE(ask(ResourceType::listener, {"l", "m"}));
  nack(*next());
  ASSERT_TRUE(ask(ResourceType::listener, {}, {"l", "m"}));
  world.cluster("a");
  offer(world);
  ASSERT_TRUE(ask(ResourceType::cluster, {}));
  EXPECT_TRUE(next());
  EXPECT_EQ(session.wake_at(), TimePoint::max());
}

TEST_F(DeltaTest, clusters_stay_while_a_refused_route_may_still_use_them) {
  World world;
  world.cluster("a").cluster("b").route("80", "a");
  connect(world);
  world.without_cluster("a").route("80", "b");
  offer(world);
  const auto routes = next();
  ASSERT_TRUE(routes);
  ASSERT_EQ(routes->type, ResourceType::route);
  nack(*routes);
  EXPECT_FALSE(next()) << "the proxy goes on with the old route, which needs cluster a";
  world.route("80", "c");
  offer(world);
  EXPECT_THAT(drain(), ElementsAre("RDS +80", "CDS -a"));
}

TEST_F(DeltaTest, a_big_response_is_cut_in_parts) {
  AdsSession::Limits limits;
  limits.max_response = 200;
  AdsSession small(AdsSession::Mode::delta, encoded, limits);
  World world;
  for (int i = 0; i < 20; ++i) world.cluster(concat("cluster-", i));
  small.offer(world.make(), 1);
  ASSERT_TRUE(small.receive(wire::DeltaDiscoveryRequest{.type_url = std::string(wire::kClusterUrl)}));
  std::set<std::string> names;
  int responses = 0;
  while (const auto bytes = small.next(now)) {
    ++responses;
    const auto response = *wire::decode_delta_response(as_bytes(*bytes));
    for (const wire::Resource& resource : response.resources) names.insert(resource.name);
    EXPECT_FALSE(small.next(now)) << "the next part waits for the ACK";
    ASSERT_TRUE(small.receive(
        wire::DeltaDiscoveryRequest{.type_url = std::string(wire::kClusterUrl), .nonce = response.nonce}));
  }
  EXPECT_EQ(names.size(), 20u);
  EXPECT_GT(responses, 5);
}

TEST_F(DeltaTest, resources_are_encoded_once_for_all_sessions) {
  World world;
  world.cluster("a").cluster("b");
  const auto snapshot = world.make();
  for (int i = 0; i < 10; ++i) {
    AdsSession one(AdsSession::Mode::delta, encoded);
    one.offer(snapshot, 1);
    ASSERT_TRUE(one.receive(wire::DeltaDiscoveryRequest{.type_url = std::string(wire::kClusterUrl)}));
    ASSERT_TRUE(one.next(now));
  }
  EXPECT_EQ(encoded.encodings(), 2u);
}

TEST_F(DeltaTest, unknown_types_are_passed_over) {
  World world;
  offer(world);
  EXPECT_TRUE(session.receive(wire::DeltaDiscoveryRequest{.type_url = "type.googleapis.com/some.Other"}));
  EXPECT_FALSE(next());
}

TEST_F(DeltaTest, too_many_names_end_the_stream) {
  AdsSession::Limits limits;
  limits.max_subscriptions = 3;
  AdsSession small(AdsSession::Mode::delta, encoded, limits);
  EXPECT_TRUE(small.receive(
      wire::DeltaDiscoveryRequest{.type_url = std::string(wire::kRouteUrl), .subscribe = {"a", "b", "c"}}));
  EXPECT_FALSE(small.receive(
      wire::DeltaDiscoveryRequest{.type_url = std::string(wire::kRouteUrl), .subscribe = {"d"}}));
}

TEST_F(DeltaTest, a_request_of_the_other_mode_ends_the_stream) {
  EXPECT_FALSE(session.receive(wire::DiscoveryRequest{.type_url = std::string(wire::kRouteUrl)}));
}

// ---------------------------------------------------------------- state-of-the-world client

struct WholeAnswer {
  ResourceType type = ResourceType::cluster;
  size_t count = 0;
  std::string version;
  std::string nonce;
};

class WholeTest : public testing::Test {
 protected:
  void offer(World& world) { session.offer(world.make(), ++generation); }
  std::optional<WholeAnswer> next() {
    const auto bytes = session.next(now);
    if (!bytes) return std::nullopt;
    const auto response = wire::decode_response(as_bytes(*bytes));
    EXPECT_TRUE(response) << (response ? "" : response.error().text);
    return WholeAnswer{*wire::resource_type(response->type_url), response->resources.size(),
                       response->version, response->nonce};
  }
  void ask(ResourceType type, std::vector<std::string> names, std::string nonce = "",
           std::string version = "") {
    EXPECT_TRUE(session.receive(wire::DiscoveryRequest{.version = std::move(version),
                                                       .names = std::move(names),
                                                       .type_url = std::string(wire::type_url(type)),
                                                       .nonce = std::move(nonce)}));
  }
  void ack(const WholeAnswer& answer, std::vector<std::string> names = {}) {
    ask(answer.type, std::move(names), answer.nonce, answer.version);
  }
  void nack(const WholeAnswer& answer, std::vector<std::string> names = {}) {
    EXPECT_TRUE(session.receive(wire::DiscoveryRequest{.names = std::move(names),
                                                       .type_url = std::string(wire::type_url(answer.type)),
                                                       .nonce = answer.nonce,
                                                       .error = wire::Refusal{.message = "no"}}));
  }

  EncodedResources encoded;
  AdsSession session{AdsSession::Mode::state_of_the_world, encoded};
  TimePoint now = kStart;
  uint64_t generation = 0;
};

TEST_F(WholeTest, clusters_come_all_and_again_all_when_one_changes) {
  World world;
  world.cluster("a").cluster("b");
  offer(world);
  ask(ResourceType::cluster, {});
  const auto first = next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->count, 2u);
  ack(*first);
  EXPECT_FALSE(next());
  world.cluster("a", std::chrono::seconds(9));
  offer(world);
  const auto second = next();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->count, 2u);
}

TEST_F(WholeTest, a_deleted_cluster_is_absent_from_the_list) {
  World world;
  world.cluster("a").cluster("b");
  offer(world);
  ask(ResourceType::cluster, {});
  ack(*next());
  world.without_cluster("b");
  offer(world);
  const auto second = next();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->count, 1u);
}

TEST_F(WholeTest, a_cluster_in_use_stays_in_the_list_until_routes_have_left_it) {
  World world;
  world.cluster("a").cluster("b").route("80", "a");
  offer(world);
  ask(ResourceType::cluster, {});
  ask(ResourceType::endpoint, {"a", "b"});
  ask(ResourceType::route, {"80"});
  std::map<ResourceType, std::vector<std::string>> names = {{ResourceType::endpoint, {"a", "b", "c"}},
                                                            {ResourceType::route, {"80"}}};
  while (const auto answer = next()) ack(*answer, names[answer->type]);
  world.without_cluster("a").cluster("c").route("80", "c");
  offer(world);
  std::vector<std::string> log;
  while (const auto answer = next()) {
    log.push_back(concat(wire::short_name(answer->type), " ", answer->count));
    ack(*answer, names[answer->type]);
  }
  EXPECT_THAT(log, ElementsAre("CDS 3", "EDS 1", "RDS 1", "CDS 2"));
}

TEST_F(WholeTest, an_empty_list_of_listeners_is_sent) {
  World world;
  offer(world);
  ask(ResourceType::listener, {});
  const auto answer = next();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->count, 0u);
}

TEST_F(WholeTest, of_endpoints_only_what_changed_or_is_new_is_sent) {
  World world;
  world.cluster("a").cluster("b");
  offer(world);
  ask(ResourceType::endpoint, {"a"});
  const auto first = next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->count, 1u);
  ack(*first, {"a", "b"});
  const auto second = next();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->count, 1u);
  ack(*second, {"a", "b"});
  EXPECT_FALSE(next());
}

TEST_F(WholeTest, a_cluster_that_changed_gets_its_endpoints_again) {
  World world;
  world.cluster("a").cluster("b");
  offer(world);
  ask(ResourceType::cluster, {});
  ask(ResourceType::endpoint, {"a", "b"});
  ack(*next());
  ack(*next(), {"a", "b"});
  world.cluster("a", std::chrono::seconds(7));
  offer(world);
  ack(*next());
  const auto endpoints = next();
  ASSERT_TRUE(endpoints);
  EXPECT_EQ(endpoints->type, ResourceType::endpoint);
  EXPECT_EQ(endpoints->count, 1u);
}

TEST_F(WholeTest, missing_endpoints_are_waited_for) {
  World world;
  offer(world);
  ask(ResourceType::endpoint, {"a"});
  EXPECT_FALSE(next());
  world.cluster("a");
  offer(world);
  ASSERT_TRUE(next());
}

TEST_F(WholeTest, requests_that_a_newer_response_overtook_are_ignored) {
  World world;
  world.route("80").route("81");
  offer(world);
  ask(ResourceType::route, {"80"});
  const auto first = next();
  ASSERT_TRUE(first);
  ack(*first, {"80"});
  world.route("80", "b");
  offer(world);
  const auto second = next();
  ASSERT_TRUE(second);
  ask(ResourceType::route, {"80", "81"}, first->nonce, first->version);
  EXPECT_FALSE(next());
  ack(*second, {"80", "81"});
  const auto third = next();
  ASSERT_TRUE(third);
  EXPECT_EQ(third->count, 1u);
}

TEST_F(WholeTest, an_old_nonce_on_a_new_stream_is_no_answer) {
  World world;
  world.cluster("a");
  offer(world);
  ask(ResourceType::cluster, {}, "17", "v9");
  ASSERT_TRUE(next());
}

TEST_F(WholeTest, names_once_given_and_then_none_means_none) {
  World world;
  world.listener("l").listener("m");
  offer(world);
  ask(ResourceType::listener, {"l"});
  const auto first = next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->count, 1u);
  ack(*first, {});
  world.listener("l", 81);
  offer(world);
  EXPECT_FALSE(next());
}

TEST_F(WholeTest, a_star_is_a_wildcard) {
  World world;
  world.listener("l").listener("m");
  offer(world);
  ask(ResourceType::listener, {"*"});
  const auto first = next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->count, 2u);
}

TEST_F(WholeTest, a_refused_list_waits_for_the_next_change) {
  World world;
  world.cluster("a").cluster("b");
  offer(world);
  ask(ResourceType::cluster, {});
  nack(*next());
  EXPECT_TRUE(session.has_rejected());
  EXPECT_EQ(session.status(ResourceType::cluster).error, "no");
  EXPECT_FALSE(next());
  offer(world);
  EXPECT_FALSE(next());
  world.cluster("a", std::chrono::seconds(9));
  offer(world);
  const auto mended = next();
  ASSERT_TRUE(mended);
  EXPECT_EQ(mended->count, 2u);
  ack(*mended);
  EXPECT_FALSE(session.has_rejected());
}

TEST_F(WholeTest, a_refused_route_does_not_hold_up_the_others) {
  World world;
  world.route("80").route("81").route("82");
  offer(world);
  const std::vector<std::string> names = {"80", "81", "82"};
  ask(ResourceType::route, names);
  const auto all = next();
  ASSERT_TRUE(all);
  EXPECT_EQ(all->count, 3u);
  nack(*all, names);
  size_t accepted = 0;
  bool refused_one = false;
  while (const auto answer = next()) {
    if (answer->count == 1 && !std::exchange(refused_one, true)) {
      nack(*answer, names);
    } else {
      accepted += answer->count;
      ack(*answer, names);
    }
  }
  EXPECT_EQ(accepted, 2u);
  EXPECT_TRUE(session.has_rejected());
}

TEST_F(WholeTest, routes_are_never_taken_away) {
  World world;
  world.route("80");
  offer(world);
  ask(ResourceType::route, {"80"});
  ack(*next(), {"80"});
  world.snapshot.routes.clear();
  offer(world);
  EXPECT_FALSE(next());
  EXPECT_EQ(session.settled_generation(), 2u);
}

}  // namespace
}  // namespace weft::control
