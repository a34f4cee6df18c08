#include "telemetry/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "base/strings.h"
#include "telemetry/istio_metrics.h"
#include "telemetry/prometheus.h"
#include "telemetry/record_for_test.h"

namespace weft::telemetry {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr TimePoint at(int seconds) { return TimePoint(std::chrono::seconds(seconds)); }

std::string page(Registry& registry) { return write_prometheus(registry.collect()); }

TEST(Metrics, shards_are_added_up) {
  Registry registry;
  const Family requests = registry.counter("requests_total", "Requests.");
  const Family active = registry.gauge("active", "Active.");
  const Family size = registry.histogram("size", "Size.", {1, 10});
  Shard& one = registry.make_shard();
  Shard& two = registry.make_shard();
  one.counter(requests, label_text({{"a", "x"}})).add(3);
  two.counter(requests, label_text({{"a", "x"}})).add(4);
  two.counter(requests, label_text({{"a", "y"}})).add(1);
  one.gauge(active).set(5);
  two.gauge(active).add(-2);
  one.histogram(size).observe(0.5);
  one.histogram(size).observe(1);
  two.histogram(size).observe(1.5);
  two.histogram(size).observe(11);
  EXPECT_EQ(page(registry),
            "# HELP active Active.\n# TYPE active gauge\nactive 3\n"
            "# HELP requests_total Requests.\n# TYPE requests_total counter\n"
            "requests_total{a=\"x\"} 7\nrequests_total{a=\"y\"} 1\n"
            "# HELP size Size.\n# TYPE size histogram\n"
            "size_bucket{le=\"1\"} 2\nsize_bucket{le=\"10\"} 3\nsize_bucket{le=\"+Inf\"} 4\n"
            "size_sum 14\nsize_count 4\n");
}

TEST(Metrics, labels_are_escaped) {
  EXPECT_EQ(label_text({{"a", "q\"b\\n\n"}, {"b", ""}}), "a=\"q\\\"b\\\\n\\n\",b=\"\"");
}

TEST(Metrics, numbers_read_back_the_same) {
  const auto text = [](double value) {
    std::string out;
    append_number(out, value);
    return out;
  };
  EXPECT_EQ(text(0.5), "0.5");
  EXPECT_EQ(text(3600000), "3600000");
  EXPECT_EQ(text(-2), "-2");
  EXPECT_EQ(text(1e21), "1e+21");
  EXPECT_EQ(text(INFINITY), "+Inf");
  EXPECT_EQ(text(-INFINITY), "-Inf");
  EXPECT_EQ(text(NAN), "NaN");
}

TEST(Metrics, the_same_name_is_the_same_family) {
  Registry registry;
  EXPECT_EQ(registry.counter("a_total", "A."), registry.counter("a_total", "A."));
}

TEST(Metrics, idle_series_expire_and_busy_ones_stay) {
  Registry registry;
  const Family family = registry.counter("a_total", "A.");
  Shard& shard = registry.make_shard();
  Counter& busy = shard.counter(family, "k=\"busy\"");
  shard.counter(family, "k=\"idle\"").add(1);
  const uint64_t generation = shard.generation();
  for (int t = 1; t <= 10; ++t) {
    busy.add(1);
    shard.expire(at(t), 5s);
  }
  EXPECT_NE(shard.generation(), generation);
  EXPECT_THAT(page(registry), HasSubstr("k=\"busy\""));
  EXPECT_THAT(page(registry), Not(HasSubstr("idle")));
}

TEST(Metrics, what_lasts_may_be_held_for_good) {
  Registry registry;
  Shard& shard = registry.make_shard();
  Counter& held = shard.counter(registry.lasting_counter("a_total", "A."));
  Gauge& gauge = shard.gauge(registry.gauge("b", "B."));
  for (int t = 1; t <= 30; t += 10) EXPECT_EQ(shard.expire(at(t), 5s), 0u);
  held.add(3);
  gauge.set(4);
  EXPECT_THAT(page(registry), HasSubstr("a_total 3\n"));
  EXPECT_THAT(page(registry), HasSubstr("b 4\n"));
}

TEST(Metrics, a_total_does_not_fall_when_one_worker_forgets) {
  Registry registry;
  const Family family = registry.counter("a_total", "A.");
  const Family histogram = registry.histogram("h", "H.", {1});
  Shard& quiet = registry.make_shard();
  Shard& busy = registry.make_shard();
  quiet.counter(family).add(5);
  quiet.histogram(histogram).observe(2);
  busy.counter(family).add(1);
  busy.histogram(histogram).observe(2);
  quiet.expire(at(1), 5s);
  EXPECT_EQ(quiet.expire(at(10), 5s), 2u);
  EXPECT_THAT(page(registry), HasSubstr("a_total 6\n"));
  EXPECT_THAT(page(registry), HasSubstr("h_count 2\n"));
  quiet.counter(family).add(2);
  EXPECT_THAT(page(registry), HasSubstr("a_total 8\n"));
  busy.expire(at(1), 5s), quiet.expire(at(1), 5s);
  busy.expire(at(20), 5s), quiet.expire(at(20), 5s);
  EXPECT_EQ(page(registry), "") << "when nobody has it, it is gone";
  quiet.counter(family).add(1);
  EXPECT_THAT(page(registry), HasSubstr("a_total 1\n"));
}

TEST(Metrics, a_family_keeps_to_its_budget) {
  Registry registry({.max_series = 3});
  const Family family = registry.counter("a_total", "A.");
  Shard& shard = registry.make_shard();
  for (int i = 0; i < 10; ++i) {
    shard.counter(family, label_text({{"k", std::to_string(i)}, {"q", "a\"b"}})).add(1);
  }
  const std::string text = page(registry);
  EXPECT_THAT(text, HasSubstr("a_total{k=\"2\",q=\"a\\\"b\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("k=\"3\"")));
  EXPECT_THAT(text, HasSubstr("a_total{k=\"overflow\",q=\"overflow\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("weft_metric_series_overflow_total{metric=\"a_total\"} 7\n"));
}

TEST(Metrics, others_may_bring_numbers) {
  Registry registry;
  registry.add_collector([](std::vector<MergedFamily>& families) {
    families.push_back({.name = "b", .help = "B.", .kind = MetricKind::gauge, .series = {{.value = 1}}});
  });
  registry.make_shard().counter(registry.counter("c_total", "C."));
  EXPECT_EQ(page(registry),
            "# HELP b B.\n# TYPE b gauge\nb 1\n# HELP c_total C.\n# TYPE c_total counter\nc_total 0\n");
}

TEST(Metrics, may_be_scraped_while_workers_count) {
  Registry registry;
  const Family family = registry.counter("a_total", "A.");
  const Family histogram = registry.histogram("h", "H.");
  constexpr int kWorkers = 3, kRounds = 3000;
  std::vector<std::thread> workers;
  for (int w = 0; w < kWorkers; ++w) {
    workers.emplace_back([&registry, family, histogram] {
      Shard& shard = registry.make_shard();
      for (int i = 0; i < kRounds; ++i) {
        shard.counter(family, label_text({{"k", std::to_string(i % 7)}})).add(1);
        shard.histogram(histogram).observe(i);
        // Counts that stood still for 50 rounds go, and come back.
        if (i % 100 == 0) shard.expire(at(i), 50s);
      }
    });
  }
  for (int i = 0; i < 50; ++i) page(registry);
  for (auto& worker : workers) worker.join();
  uint64_t total = 0;
  for (const auto& each : registry.collect()) {
    if (each.name != "a_total") continue;
    for (const auto& series : each.series) total += static_cast<uint64_t>(series.value);
  }
  EXPECT_EQ(total, uint64_t{kWorkers} * kRounds);
  EXPECT_THAT(page(registry), HasSubstr(concat("h_count ", kWorkers * kRounds)));
}

// ---- istio_*

struct Mesh {
  Registry registry;
  Shard& shard = registry.make_shard();
  IstioMetrics metrics{registry, shard};
  model::WorkloadInfo client, server;
  PeerLabels labels;

  Mesh() {
    client.workload = "web-v1";
    client.workload_namespace = client.app = "web";
    client.canonical_service = "web";
    client.principal = "spiffe://cluster.local/ns/web/sa/web";
    server.workload = "reviews-v2";
    server.workload_namespace = "default";
    server.canonical_service = "reviews";
    server.canonical_revision = "v2";
    labels.source = &client;
    labels.destination = &server;
    labels.destination_principal = "spiffe://cluster.local/ns/default/sa/reviews";
    labels.destination_service = "reviews.default.svc.cluster.local";
    labels.destination_service_name = "reviews";
    labels.destination_service_namespace = "default";
    labels.mutual_tls = true;
  }
};

TEST(IstioMetrics, a_request_has_all_labels) {
  Mesh mesh;
  FinishedRequest finished;
  finished.record.flags.set(Flag::upstream_connection_failure);
  finished.record.response_code = 503;
  mesh.metrics.peer(mesh.labels)->record(finished.record);
  EXPECT_THAT(
      page(mesh.registry),
      HasSubstr(
          "istio_requests_total{reporter=\"destination\",source_workload=\"web-v1\","
          "source_workload_namespace=\"web\",source_principal=\"spiffe://cluster.local/ns/web/sa/web\","
          "source_app=\"web\",source_version=\"unknown\",source_canonical_service=\"web\","
          "source_canonical_revision=\"latest\",source_cluster=\"Kubernetes\","
          "destination_workload=\"reviews-v2\",destination_workload_namespace=\"default\","
          "destination_principal=\"spiffe://cluster.local/ns/default/sa/reviews\","
          "destination_app=\"unknown\",destination_version=\"unknown\","
          "destination_canonical_service=\"reviews\",destination_canonical_revision=\"v2\","
          "destination_cluster=\"Kubernetes\",destination_service=\"reviews.default.svc.cluster.local\","
          "destination_service_name=\"reviews\",destination_service_namespace=\"default\","
          "connection_security_policy=\"mutual_tls\",request_protocol=\"http\",response_code=\"503\","
          "grpc_response_status=\"\",response_flags=\"UF\"} 1\n"));
}

TEST(IstioMetrics, histograms_have_istios_buckets) {
  Mesh mesh;
  FinishedRequest finished;
  mesh.metrics.peer(mesh.labels)->record(finished.record);
  const std::string text = page(mesh.registry);
  size_t buckets = 0;
  for (size_t place = 0;
       (place = text.find("istio_request_duration_milliseconds_bucket", place)) != text.npos; ++place) {
    ++buckets;
  }
  EXPECT_EQ(buckets, 20u);
  EXPECT_THAT(text, HasSubstr(",le=\"10\"} 0\n"));
  EXPECT_THAT(text, HasSubstr(",le=\"25\"} 1\n"));
  EXPECT_THAT(text, HasSubstr(",le=\"3600000\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("} 12.9\n"));
  EXPECT_THAT(text, HasSubstr("istio_response_bytes_sum"));
}

TEST(IstioMetrics, grpc_requests_count_messages_and_status) {
  Mesh mesh;
  FinishedRequest finished;
  finished.record.grpc = true;
  finished.record.grpc_status = 0;
  finished.record.request_messages = 2;
  finished.record.response_messages = 3;
  mesh.metrics.peer(mesh.labels)->record(finished.record);
  const std::string text = page(mesh.registry);
  EXPECT_THAT(text, HasSubstr("request_protocol=\"grpc\",response_code=\"200\",grpc_response_status=\"0\""));
  EXPECT_THAT(text, testing::ContainsRegex("istio_request_messages_total\\{[^\n]*\\} 2\n"));
  EXPECT_THAT(text, testing::ContainsRegex("istio_response_messages_total\\{[^\n]*\\} 3\n"));
}

TEST(IstioMetrics, the_unknown_is_called_so) {
  Mesh mesh;
  FinishedRequest finished;
  mesh.metrics.peer({.reporter = Reporter::source, .authority = "example.com"})->record(finished.record);
  const std::string text = page(mesh.registry);
  EXPECT_THAT(text, HasSubstr("reporter=\"source\",source_workload=\"unknown\""));
  EXPECT_THAT(text,
              HasSubstr("destination_canonical_revision=\"latest\",destination_cluster=\"unknown\","
                        "destination_service=\"example.com\",destination_service_name=\"example.com\","
                        "destination_service_namespace=\"unknown\",connection_security_policy=\"unknown\""));
}

TEST(IstioMetrics, tcp_connections_have_no_response_code) {
  Mesh mesh;
  const auto peer = mesh.metrics.peer(mesh.labels);
  peer->connection_opened();
  peer->tcp_bytes(100, 200);
  peer->tcp_bytes(1, 2);
  Flags failed;
  failed.set(Flag::upstream_connection_failure);
  peer->connection_closed(failed);
  const std::string text = page(mesh.registry);
  EXPECT_THAT(text, testing::ContainsRegex("istio_tcp_connections_opened_total\\{[^\n]*\"-\"\\} 1\n"));
  EXPECT_THAT(text, testing::ContainsRegex("istio_tcp_received_bytes_total\\{[^\n]*\"-\"\\} 101\n"));
  EXPECT_THAT(text, testing::ContainsRegex("istio_tcp_sent_bytes_total\\{[^\n]*\"-\"\\} 202\n"));
  EXPECT_THAT(text, testing::ContainsRegex("istio_tcp_connections_closed_total\\{[^\n]*\"UF\"\\} 1\n"));
  EXPECT_THAT(text, HasSubstr("request_protocol=\"tcp\",response_flags"));
  EXPECT_THAT(text, Not(HasSubstr("response_code")));
}

TEST(IstioMetrics, a_peer_counts_on_after_its_series_expired) {
  Mesh mesh;
  FinishedRequest finished;
  const auto peer = mesh.metrics.peer(mesh.labels);
  EXPECT_EQ(peer, mesh.metrics.peer(mesh.labels));
  peer->record(finished.record);
  mesh.metrics.expire(at(1), 10s);
  mesh.metrics.expire(at(60), 10s);
  EXPECT_EQ(page(mesh.registry), "");
  peer->record(finished.record);
  EXPECT_THAT(page(mesh.registry), testing::ContainsRegex("istio_requests_total\\{[^\n]*\\} 1\n"));
}

TEST(IstioMetrics, pass_promtool) {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) GTEST_SKIP() << "promtool is not installed";
  Mesh mesh;
  FinishedRequest finished;
  add_istio_build(mesh.registry, mesh.shard, "proxy", "1.0");
  mesh.labels.destination_service = "quoted\"\\\n.example";
  const auto peer = mesh.metrics.peer(mesh.labels);
  peer->record(finished.record);
  finished.record.grpc = true;
  finished.record.grpc_status = 2;
  peer->record(finished.record);
  peer->connection_opened();
  std::FILE* promtool = popen("promtool check metrics 2>&1 >/dev/null", "w");
  ASSERT_NE(promtool, nullptr);
  const std::string text = page(mesh.registry);
  std::fwrite(text.data(), 1, text.size(), promtool);
  // Status 3 is lint only: Istio's names end in _milliseconds, which promtool's style does not like.
  const int status = WEXITSTATUS(pclose(promtool));
  EXPECT_TRUE(status == 0 || status == 3) << status;
}

}  // namespace
}  // namespace weft::telemetry
