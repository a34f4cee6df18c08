// A stock Envoy accepts what weftd says, and weft-proxy reads the very file that Envoy was started with.
// Needs the binary that tools/fetch_envoy.sh fetches; without it the first is skipped.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/strings.h"
#include "wire/bootstrap.h"
#include "wire/cluster_wire.h"
#include "wire/dump.h"
#include "wire/listener_wire.h"
#include "wire/parts.h"
#include "wire/samples.h"
#include "wire/tls_wire.h"

namespace weft::wire {
namespace {

// A certificate of nobody, so that there is something to load.
constexpr char kCertificate[] = R"(-----BEGIN CERTIFICATE-----
MIIBeTCCAR+gAwIBAgIUSdtPYsXY6PDkKWY0kyD5dY1ruL4wCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGbm9ib2R5MCAXDTI2MTEyNDIyNDgyMloYDzIxMjYxMDMxMjI0
ODIyWjARMQ8wDQYDVQQDDAZub2JvZHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AARP75s7UfC7h+9LEPRRe2bbG7XH2yMpch0V0rmsGOrGmbdueAQCeLYfgvCBQdfo
tm6uLa7h6mqUXs8WLSaoBmuBo1MwUTAdBgNVHQ4EFgQUTB4WZBNIc6VtP4imwAN8
NRGpAKMwHwYDVR0jBBgwFoAUTB4WZBNIc6VtP4imwAN8NRGpAKMwDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiBUBl4OIkbq5rnZv4+RI/b03bFQgtjG
hD+XNjAWnKLC0gIhANsj6y5WKjUChodQGuEW83aaaQNiVkZaacNz8A7xFJpd
-----END CERTIFICATE-----
)";
constexpr char kKey[] = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgEgRLsDRYvtTktYcs
BZXRknpWpPZTr05lzwogmXGKPqShRANCAARP75s7UfC7h+9LEPRRe2bbG7XH2yMp
ch0V0rmsGOrGmbdueAQCeLYfgvCBQdfotm6uLa7h6mqUXs8WLSaoBmuB
-----END PRIVATE KEY-----
)";

model::Cluster grpc_cluster(const std::string& name) {
  model::Cluster cluster;
  cluster.name = name;
  cluster.protocol = model::Cluster::Protocol::http2;
  cluster.fixed_endpoints.cluster = name;
  cluster.fixed_endpoints.endpoints = {{.address = SocketAddress::parse("127.0.0.1:15010").value()}};
  return cluster;
}

// Texts and files that only stand for some are replaced by some that load.
void make_loadable(model::TlsCommon& tls) {
  using Source = model::SecretRef::Source;
  if (tls.certificate.source == Source::files || tls.certificate.source == Source::inline_) {
    tls.certificate = {.source = Source::inline_, .certificate = kCertificate, .key = kKey};
  }
  if (tls.roots.source == Source::files || tls.roots.source == Source::inline_) {
    tls.roots = {.source = Source::inline_, .ca = kCertificate};
  }
}

std::string bootstrap_json() {
  bootstrap_pb::Bootstrap bootstrap;
  bootstrap.mutable_node()->set_id("sidecar~10.0.0.7~web.default~default.svc.cluster.local");
  bootstrap.mutable_node()->set_cluster("web.default");
  auto& fixed = *bootstrap.mutable_static_resources();
  for (model::Listener listener : samples::listeners()) {
    for (auto& chain : listener.chains) {
      if (chain.tls) make_loadable(chain.tls->common);
    }
    *fixed.add_listeners() = to_message(listener);
  }
  for (model::Cluster cluster : samples::clusters()) {
    if (cluster.tls) make_loadable(cluster.tls->common);
    *fixed.add_clusters() = to_message(cluster);
  }
  *fixed.add_clusters() = to_message(grpc_cluster("xds-grpc"));
  *fixed.add_clusters() = to_message(grpc_cluster("sds-grpc"));
  // A listener of a bootstrap may name only clusters that are there.
  for (const char* name : {"a", "b", "PassthroughCluster"})
    *fixed.add_clusters() = to_message(grpc_cluster(name));
  *fixed.add_secrets() =
      to_message(model::Secret{.name = "s", .certificate_chain = kCertificate, .private_key = kKey});
  auto& ads = *bootstrap.mutable_dynamic_resources()->mutable_ads_config();
  ads.set_api_type(core_pb::ApiConfigSource::DELTA_GRPC);
  ads.set_transport_api_version(core_pb::V3);
  ads.add_grpc_services()->mutable_envoy_grpc()->set_cluster_name("xds-grpc");
  write_ads(*bootstrap.mutable_dynamic_resources()->mutable_lds_config());
  write_ads(*bootstrap.mutable_dynamic_resources()->mutable_cds_config());
  write(SocketAddress::parse("127.0.0.1:15000").value(), *bootstrap.mutable_admin()->mutable_address());

  // As JSON, whose "@type" a file of an Envoy does not have. Secrets are shown redacted, so that they are put
  // back by hand.
  JsonWriter json(2);
  const std::string bytes = serialize(bootstrap);
  EXPECT_TRUE(write_json(json, "type.googleapis.com/envoy.config.bootstrap.v3.Bootstrap", as_bytes(bytes))
                  .has_value());
  std::string text = json.take();
  const size_t type = text.find("\"@type\"");
  text.erase(type, text.find(",\n", type) + 2 - type);
  const auto replace_all = [&text](std::string_view what, const std::string& by) {
    for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
      text.replace(at, what.size(), by);
    }
  };
  replace_all("[redacted]", json_escape(kKey));
  replace_all(base64_encode("[redacted]"), base64_encode(kKey));
  return text;
}

TEST(Envoy, accepts_every_resource) {
  const std::string envoy = std::string(WEFT_SOURCE_DIR) + "/build/third_party/envoy/envoy";
  if (!std::filesystem::exists(envoy)) GTEST_SKIP() << "no Envoy here: run tools/fetch_envoy.sh";
  const std::string file = testing::TempDir() + concat("/weft_envoy_", ::getpid(), ".json");
  std::ofstream(file) << bootstrap_json();
  const std::string command = concat(envoy, " --mode validate --log-level warning -c ", file, " 2>&1");
  std::string output;
  FILE* pipe = ::popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::array<char, 4096> chunk;
  for (size_t n = 0; (n = std::fread(chunk.data(), 1, chunk.size(), pipe)) > 0;)
    output.append(chunk.data(), n);
  const int status = ::pclose(pipe);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << output;
  if (::getenv("KEEP") == nullptr) std::filesystem::remove(file);
}

TEST(Bootstrap, the_file_of_an_envoy_is_read) {
  const std::string text = bootstrap_json();
  const auto bootstrap = parse_bootstrap(text, "envoy.json");
  ASSERT_TRUE(bootstrap.has_value()) << bootstrap.error().text;
  ASSERT_EQ(bootstrap->listeners.size(), samples::listeners().size());
  EXPECT_TRUE(*bootstrap->listeners[0] == samples::listeners()[0]);
  EXPECT_TRUE(*bootstrap->listeners[1] == samples::listeners()[1]);
  EXPECT_TRUE(*bootstrap->clusters[0] == samples::clusters()[0]);
  EXPECT_EQ(bootstrap->secrets.at(0)->private_key, kKey);
  EXPECT_TRUE(bootstrap->ads->delta);
  EXPECT_EQ(bootstrap->ads->cluster, "xds-grpc");
  EXPECT_TRUE(bootstrap->listeners_by_ads && bootstrap->clusters_by_ads);
  EXPECT_EQ(bootstrap->admin->to_string(), "127.0.0.1:15000");
  EXPECT_EQ(bootstrap->node.cluster, "web.default");
}

}  // namespace
}  // namespace weft::wire
