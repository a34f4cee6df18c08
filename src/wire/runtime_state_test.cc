#include "wire/runtime_state.h"

#include <gtest/gtest.h>

namespace weft::wire {
namespace {

RunningWorkloads two_pods() {
  RunningWorkloads workloads;
  RunningPod pod;
  pod.namespace_name = "default";
  pod.name = "reviews-v1-7d4f";
  pod.ip = *IpAddress::parse("10.244.0.7");
  pod.labels = {{"app", "reviews"}, {"version", "yes"}};
  pod.service_account = "reviews";
  pod.owner = "reviews-v1";
  pod.proxy = RunningPod::Proxy::sidecar;
  pod.ready = true;
  pod.ports = {{.name = "http", .port = 8080}, {.name = "dns", .port = 53, .protocol = "UDP"}};
  workloads.pods.push_back(pod);
  pod.name = "gateway";
  pod.annotations = {{"a/b", "\"quoted\" \n text"}};
  pod.proxy = RunningPod::Proxy::router;
  pod.terminating = true;
  workloads.pods.push_back(pod);
  workloads.services.push_back({"default", "reviews", *IpAddress::parse("10.96.0.3")});
  return workloads;
}

std::string error_of(std::string_view text) {
  const auto parsed = parse_workloads(text, "workloads.json");
  return parsed ? "" : parsed.error().text;
}

TEST(RuntimeState, reads_back_what_it_wrote) {
  const auto parsed = parse_workloads(write_workloads(two_pods()), "workloads.json");
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(*parsed, two_pods());
}

TEST(RuntimeState, takes_a_pod_with_only_what_is_required) {
  const auto parsed =
      parse_workloads(R"({"version":1,"pods":[{"namespace":"a","name":"b","ip":"10.0.0.1"}]})", "w");
  ASSERT_TRUE(parsed) << parsed.error().text;
  ASSERT_EQ(parsed->pods.size(), 1u);
  EXPECT_EQ(parsed->pods[0].service_account, "default");
  EXPECT_FALSE(parsed->pods[0].ready);
  EXPECT_EQ(parsed->pods[0].proxy, RunningPod::Proxy::none);
}

TEST(RuntimeState, names_file_line_and_field_of_what_is_wrong) {
  EXPECT_EQ(
      error_of("{\"version\": 1,\n\"pods\": [{\"namespace\": \"a\", \"name\": \"b\", \"ip\": \"10.0.0\"}]}")
          .substr(0, 20),
      "workloads.json:2: ip");
  EXPECT_NE(error_of(R"({"version":1,"pods":[{"namespace":"a","name":"b"}]})").find("ip: is missing"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"version":2})").find("version"), std::string::npos);
  EXPECT_NE(error_of(R"({"version":1,"pots":[]})").find("pots"), std::string::npos);
  EXPECT_NE(error_of(R"({"version":1,"pods":{}})").find("not a list"), std::string::npos);
  EXPECT_NE(error_of("").size(), 0u);
  EXPECT_NE(error_of("{\"version\":1,\"pods\":[").size(), 0u);
}

TEST(RuntimeState, refuses_one_pod_twice) {
  RunningWorkloads workloads = two_pods();
  workloads.pods[1].name = workloads.pods[0].name;
  EXPECT_NE(error_of(write_workloads(workloads)).find("twice"), std::string::npos);
}

TEST(RuntimeState, refuses_ports_out_of_range) {
  for (const std::string_view port : {"0", "65536", "-1", "\"x\"", "80.5"}) {
    const std::string text =
        std::string(R"({"version":1,"pods":[{"namespace":"a","name":"b","ip":"10.0.0.1",)") +
        R"("ports":[{"port":)" + std::string(port) + "}]}]}";
    EXPECT_NE(error_of(text).find("port"), std::string::npos) << port;
  }
}

TEST(RuntimeState, reads_back_tokens_and_refuses_short_ones) {
  const std::vector<LocalToken> tokens = {{std::string(43, 'x'), "default", "reviews"},
                                          {std::string(32, '7'), "prod", "web"}};
  const auto parsed = parse_tokens(write_tokens(tokens), "tokens.json");
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(*parsed, tokens);
  EXPECT_FALSE(parse_tokens(write_tokens({{"short", "default", "reviews"}}), "tokens.json"));
}

}  // namespace
}  // namespace weft::wire
