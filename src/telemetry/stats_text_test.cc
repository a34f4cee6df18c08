#include "telemetry/stats_text.h"

#include <gtest/gtest.h>

namespace weft::telemetry {
namespace {

TEST(StatsText, names_are_envoys) {
  EXPECT_EQ(stat_name("envoy_http_downstream_rq_xx",
                      label_text({{"http_conn_manager_prefix", "outbound_0.0.0.0_80;"},
                                  {"response_code_class", "4xx"}})),
            "http.outbound_0.0.0.0_80;.downstream_rq_4xx");
  EXPECT_EQ(stat_name("envoy_http_downstream_cx_protocol_error",
                      label_text({{"http_conn_manager_prefix", "a\"b"}})),
            "http.a\"b.downstream_cx_protocol_error");
  EXPECT_EQ(stat_name("envoy_cluster_outlier_detection_ejections_active",
                      label_text({{"cluster_name", "outbound|80||web.default"}})),
            "cluster.outbound|80||web.default.outlier_detection.ejections_active");
  EXPECT_EQ(stat_name("envoy_listener_downstream_cx_total", ""), "listener.downstream_cx_total");
  EXPECT_EQ(stat_name("envoy_http_rbac_denied", ""), "http.rbac.denied");
  EXPECT_EQ(stat_name("istio_requests_total", "a=\"b\""), "istio_requests_total{a=\"b\"}");
}

TEST(StatsText, a_line_each) {
  Registry registry;
  Shard& shard = registry.make_shard();
  shard
      .counter(registry.counter("envoy_http_downstream_rq_total", "R."),
               label_text({{"http_conn_manager_prefix", "front"}}))
      .add(2);
  shard.histogram(registry.histogram("h", "H.", {1})).observe(3);
  EXPECT_EQ(write_stats(registry.collect()), "http.front.downstream_rq_total: 2\nh: count 1 sum 3.000000\n");
}

}  // namespace
}  // namespace weft::telemetry
