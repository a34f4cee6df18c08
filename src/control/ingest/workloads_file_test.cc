#include "control/ingest/workloads_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "io/manual_loop.h"

namespace weft::control {
namespace {

namespace fs = std::filesystem;

wire::RunningPod pod(std::string name, std::string ip) {
  wire::RunningPod running;
  running.namespace_name = "default";
  running.name = std::move(name);
  running.ip = *IpAddress::parse(ip);
  running.ready = true;
  return running;
}

class RuntimeSourceTest : public testing::Test {
 protected:
  RuntimeSourceTest() {
    std::string pattern = (fs::temp_directory_path() / "weft-runtime-XXXXXX").string();
    directory = ::mkdtemp(pattern.data());
    source.emplace(loop, directory, [this] { ++changes; });
  }
  ~RuntimeSourceTest() override { fs::remove_all(directory); }
  void write(const wire::RunningWorkloads& workloads) { write(wire::write_workloads(workloads)); }
  void write(std::string_view text) { ASSERT_TRUE(write_file(directory + "/workloads.json", text, 0644)); }

  io::ManualLoop loop{1};
  std::string directory;
  int changes = 0;
  std::optional<RuntimeSource> source;
};

TEST_F(RuntimeSourceTest, nothing_is_known_without_a_file) {
  source->scan();
  EXPECT_FALSE(source->known());
  EXPECT_EQ(changes, 0);
  EXPECT_TRUE(source->complaints().empty());
}

TEST_F(RuntimeSourceTest, running_pods_become_objects_with_their_status) {
  auto web = pod("web", "10.0.0.1");
  web.service_account = "web";
  web.owner = "web-v1";
  web.proxy = wire::RunningPod::Proxy::sidecar;
  web.ports = {{.name = "http", .port = 8080}};
  write({.pods = {web}, .services = {{"default", "web", *IpAddress::parse("10.96.0.1")}}});
  source->scan();
  ASSERT_TRUE(source->known());
  EXPECT_EQ(changes, 1);
  const auto objects = source->with_pods({});
  ASSERT_EQ(objects.size(), 1u);
  const auto* made = objects::get_if<objects::Pod>(objects[0]);
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(made->spec.service_account_name, "web");
  EXPECT_EQ(objects::resolve_port(made->spec, {.name = "http"}), 8080);
  const auto& status = source->pods().statuses().at("default/web");
  EXPECT_EQ(status.ip, "10.0.0.1");
  EXPECT_TRUE(status.ready);
  EXPECT_EQ(status.sidecar, true);
  EXPECT_EQ(status.workload_name, "web-v1");
  EXPECT_EQ(source->services().size(), 1u);
}

TEST_F(RuntimeSourceTest, pods_that_were_written_give_way_to_those_that_run) {
  auto written = std::make_shared<objects::Pod>();
  written->meta.name = "written";
  auto service = std::make_shared<objects::Service>();
  service->meta.name = "service";
  write({.pods = {pod("web", "10.0.0.1")}});
  source->scan();
  const auto objects = source->with_pods(
      {std::shared_ptr<const objects::Pod>(written), std::shared_ptr<const objects::Service>(service)});
  ASSERT_EQ(objects.size(), 2u);
  EXPECT_EQ(objects::meta_of(objects[0]).name, "service");
  EXPECT_EQ(objects::meta_of(objects[1]).name, "web");
}

TEST_F(RuntimeSourceTest, a_pod_that_only_became_ready_keeps_its_object) {
  auto web = pod("web", "10.0.0.1");
  web.ready = false;
  write({.pods = {web}});
  source->scan();
  const auto before = source->with_pods({});
  web.ready = true;
  write({.pods = {web}});
  source->scan();
  EXPECT_EQ(changes, 2);
  EXPECT_EQ(before, source->with_pods({}));
  EXPECT_TRUE(source->pods().statuses().at("default/web").ready);
  web.labels = {{"version", "v2"}};
  write({.pods = {web}});
  source->scan();
  EXPECT_NE(before, source->with_pods({}));
}

TEST_F(RuntimeSourceTest, a_terminating_pod_is_not_ready_and_still_there) {
  auto web = pod("web", "10.0.0.1");
  web.terminating = true;
  write({.pods = {web}});
  source->scan();
  EXPECT_FALSE(source->pods().statuses().at("default/web").ready);
  EXPECT_EQ(source->with_pods({}).size(), 1u);
}

TEST_F(RuntimeSourceTest, a_broken_file_leaves_the_last_good_one_in_force) {
  write({.pods = {pod("web", "10.0.0.1")}});
  source->scan();
  write("{\"version\": 1, \"pods\": [");
  source->scan();
  EXPECT_EQ(source->with_pods({}).size(), 1u);
  ASSERT_EQ(source->complaints().size(), 1u);
  EXPECT_NE(source->complaints()[0].cause.find("workloads.json"), std::string::npos);
  EXPECT_EQ(changes, 2);
  fs::remove(directory + "/workloads.json");
  source->scan();
  EXPECT_EQ(source->with_pods({}).size(), 1u);
}

TEST_F(RuntimeSourceTest, tokens_are_read) {
  ASSERT_TRUE(write_file(directory + "/tokens.json",
                         wire::write_tokens({{std::string(40, 't'), "default", "web"}}), 0600));
  source->scan();
  ASSERT_EQ(source->tokens().size(), 1u);
  EXPECT_EQ(source->tokens()[0].service_account, "web");
  EXPECT_EQ(changes, 1);
}

}  // namespace
}  // namespace weft::control
