#include "balance/outlier.h"

#include <gtest/gtest.h>

#include <thread>

namespace weft::balance {
namespace {

using Kind = EjectionEvent::Kind;
using Result = AttemptResult;

constexpr TimePoint at(int seconds) { return TimePoint(std::chrono::seconds(seconds)); }

struct Bench {
  std::vector<EjectionEvent> events;
  model::OutlierDetection config;
  std::unique_ptr<OutlierDetector> detector;
  std::vector<std::shared_ptr<HostHealth>> hosts;

  explicit Bench(int count = 10, model::OutlierDetection given = {}) : config(given) {
    detector = std::make_unique<OutlierDetector>("reviews", config, 1,
                                                 [this](const auto& event) { events.push_back(event); });
    for (int i = 1; i <= count; ++i) {
      hosts.push_back(
          detector->health_of(SocketAddress::parse("10.0.0." + std::to_string(i) + ":8080").value()));
    }
    detector->set_host_count(hosts.size());
  }
  void report(int host, Result result, int times, int seconds = 0) {
    for (int i = 0; i < times; ++i) detector->report(*hosts[static_cast<size_t>(host)], result, at(seconds));
  }
  bool ejected(int host) const { return hosts[static_cast<size_t>(host)]->ejected(); }
};

TEST(Outlier, ejects_after_consecutive_server_errors) {
  Bench bench;
  bench.report(0, Result::server_error, 4);
  EXPECT_FALSE(bench.ejected(0));
  bench.report(0, Result::success, 1);
  bench.report(0, Result::server_error, 4);
  EXPECT_FALSE(bench.ejected(0)) << "a success begins the count anew";
  const uint64_t before = bench.detector->version();
  bench.report(0, Result::gateway_error, 1);
  EXPECT_TRUE(bench.ejected(0)) << "a 503 is a 5xx";
  EXPECT_NE(bench.detector->version(), before);
  ASSERT_EQ(bench.events.size(), 1u);
  EXPECT_EQ(bench.events[0].to_string(),
            "ejected 10.0.0.1:8080 of reviews: 5 consecutive 5xx, for 30s (1 of 10 hosts ejected)");
}

TEST(Outlier, each_ejection_is_longer_up_to_the_most) {
  Bench bench(10, {.base_ejection_time = 30s, .max_ejection_time = 70s});
  bench.report(0, Result::server_error, 5, 0);
  bench.detector->sweep(at(29));
  EXPECT_TRUE(bench.ejected(0));
  bench.detector->sweep(at(30));
  EXPECT_FALSE(bench.ejected(0));
  EXPECT_EQ(bench.events.back().to_string(), "returned 10.0.0.1:8080 to reviews (0 of 10 hosts ejected)");
  bench.report(0, Result::server_error, 5, 31);
  EXPECT_EQ(bench.events.back().length, 60s);
  bench.detector->sweep(at(91));
  bench.report(0, Result::server_error, 5, 92);
  EXPECT_EQ(bench.events.back().length, 70s);
}

TEST(Outlier, good_behaviour_shortens_the_next_ejection) {
  Bench bench;
  bench.report(0, Result::server_error, 5, 0);
  bench.detector->sweep(at(30));
  EXPECT_EQ(bench.hosts[0]->times_ejected(), 1u);
  bench.detector->sweep(at(40));
  EXPECT_EQ(bench.hosts[0]->times_ejected(), 0u);
  bench.report(0, Result::server_error, 5, 41);
  EXPECT_EQ(bench.events.back().length, 30s);
}

TEST(Outlier, keeps_to_the_percentage_but_for_the_first) {
  Bench few(3);  // 10 % of 3 is none
  few.report(0, Result::server_error, 5);
  few.report(1, Result::server_error, 5);
  EXPECT_TRUE(few.ejected(0));
  EXPECT_FALSE(few.ejected(1));
  EXPECT_EQ(few.events.back().kind, Kind::refused);
  EXPECT_EQ(few.detector->ejections_refused(), 1u);

  Bench half(4, {.max_ejection_percent = 50});
  for (int i = 0; i < 4; ++i) half.report(i, Result::server_error, 5);
  EXPECT_EQ(half.detector->ejected_count(), 2u);

  Bench all(4, {.max_ejection_percent = 100});
  for (int i = 0; i < 4; ++i) all.report(i, Result::server_error, 5);
  EXPECT_EQ(all.detector->ejected_count(), 4u);

  Bench none(4, {.max_ejection_percent = 0});
  none.report(0, Result::server_error, 5);
  EXPECT_FALSE(none.ejected(0));
}

TEST(Outlier, gateway_failures_count_only_where_enforced) {
  Bench off(10, {.enforcing_consecutive_5xx = 0});
  off.report(0, Result::gateway_error, 20);
  EXPECT_FALSE(off.ejected(0));

  Bench on(10, {.enforcing_consecutive_5xx = 0,
                .consecutive_gateway_failure = 3,
                .enforcing_consecutive_gateway_failure = 100});
  on.report(0, Result::gateway_error, 2);
  on.report(0, Result::server_error, 1);
  on.report(0, Result::gateway_error, 2);
  EXPECT_FALSE(on.ejected(0)) << "a 500 comes from behind the gateway";
  on.report(0, Result::gateway_error, 1);
  EXPECT_TRUE(on.ejected(0));
  EXPECT_EQ(on.events.back().reason, EjectionEvent::Reason::consecutive_gateway_failure);
}

TEST(Outlier, what_we_saw_ourselves_counts_as_a_gateway_failure) {
  Bench bench;
  bench.report(0, Result::local_origin_failure, 5);
  EXPECT_TRUE(bench.ejected(0));
  EXPECT_EQ(bench.events.back().reason, EjectionEvent::Reason::consecutive_5xx);
}

TEST(Outlier, or_apart_from_it_where_split) {
  Bench bench(10, {.consecutive_local_origin_failure = 3, .split_external_local_origin_errors = true});
  bench.report(0, Result::server_error, 4);
  bench.report(0, Result::local_origin_failure, 2);
  EXPECT_FALSE(bench.ejected(0));
  bench.report(0, Result::connected, 1);
  bench.report(0, Result::local_origin_failure, 2);
  EXPECT_FALSE(bench.ejected(0)) << "a connection begins the count anew";
  bench.report(0, Result::local_origin_failure, 1);
  EXPECT_TRUE(bench.ejected(0));
  EXPECT_EQ(bench.events.back().reason, EjectionEvent::Reason::consecutive_local_origin_failure);
}

TEST(Outlier, reads_results_from_statuses) {
  EXPECT_EQ(result_of_status(200), Result::success);
  EXPECT_EQ(result_of_status(404), Result::success);
  EXPECT_EQ(result_of_status(500), Result::server_error);
  EXPECT_EQ(result_of_status(503), Result::gateway_error);
  EXPECT_EQ(result_of_status(505), Result::server_error);
  EXPECT_EQ(result_of_status(0), Result::local_origin_failure);
}

TEST(Outlier, an_address_has_one_health_while_anybody_holds_it) {
  Bench bench(1);
  const auto address = bench.hosts[0]->address();
  EXPECT_EQ(bench.detector->health_of(address), bench.hosts[0]);
  bench.report(0, Result::server_error, 5);
  EXPECT_EQ(bench.detector->ejected_count(), 1u);
  bench.hosts.clear();
  bench.detector->sweep(at(1));
  EXPECT_EQ(bench.detector->ejected_count(), 0u) << "a host that is gone takes no place";
  EXPECT_FALSE(bench.detector->health_of(address)->ejected());
}

TEST(Outlier, ejects_once_though_many_threads_report) {
  Bench bench(2, {.consecutive_5xx = 100});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] { bench.report(0, Result::server_error, 60); });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(bench.ejected(0));
  EXPECT_EQ(bench.detector->ejections(), 1u);
  EXPECT_EQ(bench.events.size(), 1u);
}

}  // namespace
}  // namespace weft::balance
