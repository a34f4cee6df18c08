#include "balance/balancer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>
#include <string>

#include "balance/hash.h"

namespace weft::balance {
namespace {

using model::LbPolicy;

model::Endpoint endpoint(int number, uint32_t weight = 1, uint32_t priority = 0, bool healthy = true) {
  model::Endpoint endpoint;
  endpoint.address = SocketAddress::parse("10.0." + std::to_string(number / 256) + "." +
                                          std::to_string(number % 256) + ":8080")
                         .value();
  endpoint.weight = weight;
  endpoint.priority = priority;
  endpoint.healthy = healthy;
  return endpoint;
}

model::EndpointSet hosts(int count) {
  model::EndpointSet set;
  for (int i = 1; i <= count; ++i) set.endpoints.push_back(endpoint(i));
  return set;
}

// A balancer with everything it needs around it.
struct Bench {
  Random random{1};
  model::Cluster cluster;
  std::shared_ptr<OutlierDetector> detector;
  std::unique_ptr<Balancer> made;

  explicit Bench(LbPolicy lb, model::EndpointSet set, uint32_t panic_percent = 0) {
    cluster.lb = lb;
    cluster.panic_threshold_percent = panic_percent;
    cluster.maglev_table = 65537;
    model::OutlierDetection outlier;
    outlier.consecutive_5xx = 1;
    outlier.max_ejection_percent = 100;
    detector = std::make_shared<OutlierDetector>("c", outlier, 1);
    made = std::make_unique<Balancer>(std::make_shared<model::Cluster>(cluster), detector, random);
    made->update(set);
  }
  Balancer& operator*() { return *made; }
  Balancer* operator->() { return made.get(); }

  std::map<std::string, int> count(int picks) {
    std::map<std::string, int> counts;
    for (int i = 0; i < picks; ++i) ++counts[made->pick().host->address().to_string()];
    return counts;
  }
  void eject(size_t host) {
    detector->report(made->hosts()[host]->health(), AttemptResult::server_error, TimePoint(1s));
  }
};

std::string name(int number) { return endpoint(number).address.to_string(); }

// Four standard deviations of a binomial draw: fails once in 16,000 with a random seed, never with a fixed
// one.
double tolerance(int n, double p) { return 4 * std::sqrt(n * p * (1 - p)); }

TEST(Balancer, says_that_there_is_no_host) {
  Bench bench(LbPolicy::round_robin, {});
  const Pick pick = bench->pick();
  EXPECT_EQ(pick.host, nullptr);
  EXPECT_EQ(pick.why, Pick::Why::no_hosts);
}

TEST(Balancer, round_robin_takes_turns) {
  Bench bench(LbPolicy::round_robin, hosts(3));
  for (const auto& [host, count] : bench.count(300)) EXPECT_EQ(count, 100) << host;
}

TEST(Balancer, weighted_round_robin_keeps_the_ratio_exactly) {
  Bench bench(LbPolicy::round_robin, {.endpoints = {endpoint(1, 9), endpoint(2, 1)}});
  const auto counts = bench.count(1000);
  EXPECT_NEAR(counts.at(name(1)), 900, 1);
  EXPECT_NEAR(counts.at(name(2)), 100, 1);
}

TEST(Balancer, weighted_round_robin_spreads_the_light_host) {
  Bench bench(LbPolicy::round_robin, {.endpoints = {endpoint(1, 4), endpoint(2, 1)}});
  int since = 0;
  for (int i = 0; i < 100; ++i) {
    since = bench->pick().host->address().to_string() == name(2) ? 0 : since + 1;
    EXPECT_LE(since, 8);
  }
}

TEST(Balancer, random_and_idle_least_request_follow_weights) {
  for (const auto lb : {LbPolicy::random, LbPolicy::least_request}) {
    Bench bench(lb, {.endpoints = {endpoint(1, 90), endpoint(2, 10)}});
    const auto counts = bench.count(20000);
    EXPECT_NEAR(counts.at(name(1)), 18000, tolerance(20000, 0.9));
    EXPECT_NEAR(counts.at(name(2)), 2000, tolerance(20000, 0.1));
  }
}

TEST(Balancer, least_request_picks_the_less_loaded) {
  Bench bench(LbPolicy::least_request, hosts(2));
  bench->hosts()[0]->active_requests = 10;
  const auto counts = bench.count(4000);
  // The busy one only where both draws fall on it.
  EXPECT_NEAR(counts.at(name(1)), 1000, tolerance(4000, 0.25));
}

TEST(Balancer, least_request_measures_load_by_weight) {
  Bench bench(LbPolicy::least_request, {.endpoints = {endpoint(1, 10), endpoint(2, 1)}});
  bench->hosts()[0]->active_requests = 15;  // 1.5 for its weight
  bench->hosts()[1]->active_requests = 2;   // 2
  int light = 0;
  for (int i = 0; i < 1000; ++i) light += bench->pick().host->address().to_string() == name(2);
  EXPECT_LT(light, 40);
}

TEST(Balancer, least_request_evens_out_load) {
  Bench bench(LbPolicy::least_request, hosts(10));
  std::vector<ActiveRequest> open;
  for (int i = 0; i < 1000; ++i) open.emplace_back(bench->pick().host);
  for (const auto& host : bench->hosts()) EXPECT_NEAR(host->active_requests, 100, 5);
  open.clear();
  for (const auto& host : bench->hosts()) EXPECT_EQ(host->active_requests, 0u);
}

TEST(Balancer, same_hash_same_host) {
  for (const auto lb : {LbPolicy::ring_hash, LbPolicy::maglev}) {
    Bench bench(lb, hosts(10));
    for (uint64_t key = 0; key < 100; ++key) {
      const uint64_t hash = hash64(std::to_string(key));
      EXPECT_EQ(bench->pick({.hash = hash}).host, bench->pick({.hash = hash}).host);
    }
  }
}

TEST(Balancer, hashing_does_not_depend_on_the_order_of_hosts) {
  auto turned = hosts(10);
  std::ranges::reverse(turned.endpoints);
  for (const auto lb : {LbPolicy::ring_hash, LbPolicy::maglev}) {
    Bench one(lb, hosts(10)), other(lb, turned);
    for (uint64_t key = 0; key < 1000; ++key) {
      const uint64_t hash = hash64(std::to_string(key));
      ASSERT_EQ(one->pick({.hash = hash}).host->address(), other->pick({.hash = hash}).host->address());
    }
  }
}

TEST(Balancer, hashing_moves_few_keys_when_a_host_leaves) {
  for (const auto lb : {LbPolicy::ring_hash, LbPolicy::maglev}) {
    Bench bench(lb, hosts(10));
    std::vector<SocketAddress> before;
    for (uint64_t key = 0; key < 10000; ++key) {
      before.push_back(bench->pick({.hash = hash64(std::to_string(key))}).host->address());
    }
    const SocketAddress gone = endpoint(10).address;
    bench->update(hosts(9));
    int moved = 0;
    for (uint64_t key = 0; key < 10000; ++key) {
      const auto now = bench->pick({.hash = hash64(std::to_string(key))}).host->address();
      if (before[key] != gone && now != before[key]) ++moved;
    }
    // A ring of about 1024 points gives those who stay 114 each instead of 103; maglev gives up a little of
    // stability for evenness.
    EXPECT_LE(moved, lb == LbPolicy::ring_hash ? 1200 : 500);
  }
}

TEST(Balancer, maglev_is_even_and_follows_weights) {
  Bench even(LbPolicy::maglev, hosts(10));
  const auto counts = even.count(50000);
  for (const auto& [host, count] : counts) EXPECT_NEAR(count, 5000, tolerance(50000, 0.1)) << host;
  Bench weighted(LbPolicy::maglev, {.endpoints = {endpoint(1, 9), endpoint(2, 1)}});
  EXPECT_NEAR(weighted.count(20000).at(name(2)), 2000, tolerance(20000, 0.1));
}

TEST(Balancer, ring_follows_weights_roughly) {
  Bench bench(LbPolicy::ring_hash, {.endpoints = {endpoint(1, 9), endpoint(2, 1)}});
  EXPECT_NEAR(bench.count(20000).at(name(2)), 2000, 1000);
}

TEST(Balancer, hashes_as_xxhash_does) {
  EXPECT_EQ(hash64(""), 0xef46db3751d8e999u);
  EXPECT_EQ(hash64("abc"), 0x44bc2cf5ad770999u);
}

TEST(Balancer, avoids_hosts_that_were_tried) {
  for (const auto lb : {LbPolicy::round_robin, LbPolicy::least_request, LbPolicy::random, LbPolicy::ring_hash,
                        LbPolicy::maglev}) {
    Bench bench(lb, hosts(3));
    for (int i = 0; i < 200; ++i) {
      const Pick first = bench->pick({.hash = hash64(std::to_string(i))});
      const Host* tried[2] = {first.host.get(), nullptr};
      const Pick second = bench->pick({.hash = hash64(std::to_string(i)), .avoid = {tried, 1}});
      EXPECT_NE(second.host, first.host);
      tried[1] = second.host.get();
      const Pick third = bench->pick({.hash = hash64(std::to_string(i)), .avoid = tried});
      EXPECT_NE(third.host, first.host);
      EXPECT_NE(third.host, second.host);
    }
  }
}

TEST(Balancer, takes_a_tried_host_where_there_is_no_other) {
  Bench bench(LbPolicy::least_request, hosts(1));
  const Host* tried[] = {bench->hosts()[0].get()};
  EXPECT_EQ(bench->pick({.avoid = tried}).host, bench->hosts()[0]);
}

// ---- health

TEST(Balancer, leaves_out_unhealthy_and_ejected_hosts) {
  Bench bench(LbPolicy::round_robin, {.endpoints = {endpoint(1), endpoint(2, 1, 0, false), endpoint(3)}});
  EXPECT_EQ(bench.count(100).size(), 2u);
  bench.eject(0);
  const auto counts = bench.count(100);
  ASSERT_EQ(counts.size(), 1u);
  EXPECT_EQ(counts.begin()->first, name(3));
  EXPECT_EQ(bench->healthy_count(), 1u);
}

TEST(Balancer, without_panic_no_healthy_host_is_no_host) {
  Bench bench(LbPolicy::round_robin, hosts(2), 0);
  bench.eject(0);
  bench.eject(1);
  const Pick pick = bench->pick();
  EXPECT_EQ(pick.host, nullptr);
  EXPECT_EQ(pick.why, Pick::Why::no_healthy);
}

TEST(Balancer, in_panic_any_host_will_do) {
  Bench bench(LbPolicy::round_robin, hosts(4), 50);
  bench.eject(0);
  EXPECT_EQ(bench->pick().why, Pick::Why::healthy);
  bench.eject(1);
  EXPECT_EQ(bench->pick().why, Pick::Why::healthy) << "half is not below half";
  bench.eject(2);
  EXPECT_EQ(bench->pick().why, Pick::Why::panic);
  EXPECT_EQ(bench.count(100).size(), 4u);
}

TEST(Balancer, a_host_that_returns_is_picked_again) {
  Bench bench(LbPolicy::round_robin, hosts(2));
  bench.eject(0);
  EXPECT_EQ(bench.count(10).size(), 1u);
  bench.detector->sweep(TimePoint(60s));
  EXPECT_EQ(bench.count(10).size(), 2u);
}

TEST(Balancer, an_ejection_counts_for_every_worker) {
  Bench one(LbPolicy::round_robin, hosts(2));
  Balancer other(std::make_shared<model::Cluster>(one.cluster), one.detector, one.random);
  other.update(hosts(2));
  one.eject(0);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(other.pick().host->address().to_string(), name(2));
}

// ---- priorities

model::EndpointSet two_levels(int healthy_first) {
  model::EndpointSet set;
  for (int i = 1; i <= 10; ++i) set.endpoints.push_back(endpoint(i, 1, 0, i <= healthy_first));
  for (int i = 11; i <= 20; ++i) set.endpoints.push_back(endpoint(i, 1, 1));
  return set;
}

int share_of_second_level(int healthy_first) {
  Bench bench(LbPolicy::random, two_levels(healthy_first));
  int second = 0;
  for (int i = 0; i < 10000; ++i) second += static_cast<int>(bench->pick().host->endpoint().priority);
  return second;
}

TEST(Balancer, spills_to_the_next_priority_as_the_first_fails) {
  EXPECT_EQ(share_of_second_level(10), 0);
  EXPECT_EQ(share_of_second_level(8), 0) << "1.4 times 80 % is enough";
  EXPECT_NEAR(share_of_second_level(5), 3000, tolerance(10000, 0.3));
  EXPECT_NEAR(share_of_second_level(2), 7200, tolerance(10000, 0.28));
  EXPECT_EQ(share_of_second_level(0), 10000);
}

// ---- changes of the set

TEST(Balancer, keeps_the_state_of_hosts_that_remain) {
  Bench bench(LbPolicy::round_robin, hosts(3));
  bench->hosts()[1]->active_requests = 7;
  bench->hosts()[1]->attachment = std::make_shared<int>(5);
  const auto kept = bench->hosts()[1];
  auto fresh = hosts(2);
  fresh.endpoints[1].weight = 5;
  const auto left = bench->update(fresh);
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0]->address().to_string(), name(3));
  EXPECT_FALSE(left[0]->in_set);
  EXPECT_EQ(bench->hosts()[1], kept);
  EXPECT_EQ(kept->active_requests, 7u);
  EXPECT_EQ(kept->endpoint().weight, 5u);
}

TEST(Balancer, an_address_with_another_workload_is_another_host) {
  Bench bench(LbPolicy::round_robin, hosts(1));
  const auto before = bench->hosts()[0];
  auto other = hosts(1);
  other.endpoints[0].workload = std::make_shared<model::WorkloadInfo>();
  EXPECT_EQ(bench->update(other).size(), 1u);
  EXPECT_NE(bench->hosts()[0], before);
  other.endpoints[0].workload = std::make_shared<model::WorkloadInfo>();
  EXPECT_TRUE(bench->update(other).empty()) << "the same, told again";
  other.endpoints[0].mesh_tls = true;
  EXPECT_EQ(bench->update(other).size(), 1u);
}

TEST(Balancer, an_ejected_host_stays_ejected_through_an_update) {
  Bench bench(LbPolicy::round_robin, hosts(2));
  bench.eject(0);
  bench->update(hosts(3));
  for (int i = 0; i < 20; ++i) EXPECT_NE(bench->pick().host->address().to_string(), name(1));
}

TEST(Balancer, names_an_address_once) {
  Bench bench(LbPolicy::round_robin, {.endpoints = {endpoint(1), endpoint(1), endpoint(2)}});
  EXPECT_EQ(bench->hosts().size(), 2u);
}

TEST(Balancer, a_request_outlives_its_host) {
  Bench bench(LbPolicy::round_robin, hosts(1));
  ActiveRequest active(bench->pick().host);
  bench->update({});
  EXPECT_EQ(active.host()->active_requests, 1u);
  EXPECT_FALSE(active.host()->in_set);
}

}  // namespace
}  // namespace weft::balance
