// The specification of translation: test/golden/translate/<case>/in.yaml gives out.txt.
//
// The first comments of in.yaml say what is asked: "# proxy: default/client" (any number; "stock" after it
// for an Envoy without Istio's filters, "grpc" for a gRPC client library), "# option: registry_only".
// WEFT_UPDATE_GOLDEN=1 writes what is.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "translate/print.h"
#include "translate/test_world.h"

namespace weft::translate {
namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

MeshOptions options_of(std::string_view text) {
  MeshOptions options;
  for (const auto line : split(text, '\n')) {
    if (!line.starts_with("# option: ")) continue;
    const auto option = line.substr(10);
    if (option == "registry_only") options.outbound = MeshOptions::OutboundPolicy::registry_only;
    if (option == "access_log") options.access_log_file = "/dev/stdout";
    if (option == "no_auto_mtls") options.auto_mtls = false;
  }
  return options;
}

std::string translate_case(const std::string& text) {
  auto loaded = objects::load_text(text, "in.yaml");
  std::string out;
  for (const auto& complaint : loaded.complaints) out += complaint.to_string() + "\n";
  const auto world = World::make(input_from(std::move(loaded.objects), options_of(text)));
  for (const auto& complaint : validate(*world)) {
    out += complaint.to_string() + "\n";
  }
  Translator translator;
  for (const auto line : split(text, '\n')) {
    if (!line.starts_with("# proxy: ")) continue;
    auto name = line.substr(9);
    ProxyId id;
    if (name.ends_with(" stock")) {
      id.stock_envoy = true;
      name.remove_suffix(6);
    }
    const bool grpc = name.ends_with(" grpc");
    if (grpc) name.remove_suffix(5);
    const size_t slash = name.find('/');
    const auto workload = world->find_workload(name.substr(0, slash), name.substr(slash + 1));
    EXPECT_TRUE(workload) << "no pod " << name;
    if (!workload) continue;
    const bool stock = id.stock_envoy;
    id = proxy_of(*workload);
    id.stock_envoy = stock;
    if (grpc) id.kind = ProxyId::Kind::grpc_client;
    out += concat("==== ", name,
                  id.kind == ProxyId::Kind::gateway ? " (gateway)"
                  : grpc                            ? " (gRPC client)"
                                                    : "",
                  "\n");
    out += print(translator.translate(world, id).snapshot);
  }
  return out;
}

class Golden : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(Golden, gives_what_is_written) {
  const auto text = read_file(GetParam() / "in.yaml");
  ASSERT_FALSE(text.empty());
  const std::string actual = translate_case(text);
  EXPECT_EQ(actual, translate_case(text)) << "the same objects gave two results";
  const auto expected_path = GetParam() / "out.txt";
  if (std::getenv("WEFT_UPDATE_GOLDEN")) {
    std::ofstream(expected_path) << actual;
    return;
  }
  EXPECT_EQ(actual, read_file(expected_path)) << "see " << expected_path;
}

std::vector<std::filesystem::path> cases() {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(WEFT_SOURCE_DIR "/test/golden/translate")) {
    if (entry.is_directory()) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

INSTANTIATE_TEST_SUITE_P(Translate, Golden, testing::ValuesIn(cases()), [](const auto& info) {
  std::string name = info.param.filename().string();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace weft::translate
