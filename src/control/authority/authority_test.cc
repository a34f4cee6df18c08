#include "control/authority/authority.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "identity/csr.h"
#include "io/manual_loop.h"
#include "wire/ca.h"

namespace weft::control {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class AuthorityTest : public testing::Test {
 protected:
  AuthorityTest() {
    std::string pattern = (fs::temp_directory_path() / "weft-authority-XXXXXX").string();
    directory = ::mkdtemp(pattern.data());
    open();
  }
  ~AuthorityTest() override {
    authority.reset();
    fs::remove_all(directory);
  }
  std::string state_file() const { return directory + "/ca.json"; }
  Result<void> open() {
    authority.reset();
    Authority::Options options{.state_file = state_file()};
    options.rotation.leaf_life = 10s;
    auto made = Authority::make(loop, options, registry, metrics);
    if (!made) return std::unexpected(made.error());
    authority = std::move(*made);
    authority->on_bundle([this] { ++bundles; });
    return {};
  }
  std::expected<wire::CertificateResponse, http::GrpcStatus> ask(wire::CertificateRequest request) {
    auto answer = authority->create_certificate(wire::encode(request), caller);
    if (!answer) return std::unexpected(answer.error());
    return *wire::decode_certificate_response(as_bytes(*answer));
  }
  std::string csr(const identity::SpiffeId& id) { return *identity::make_csr(key, id); }
  double metric(std::string_view name) {
    for (const auto& family : registry.collect()) {
      if (family.name == name && !family.series.empty()) return family.series.front().value;
    }
    return -1;
  }

  io::ManualLoop loop{1};
  telemetry::Registry registry;
  telemetry::Shard& metrics = registry.make_shard();
  std::string directory;
  std::unique_ptr<Authority> authority;
  identity::PrivateKey key = *identity::PrivateKey::generate();
  identity::SpiffeId caller = *identity::SpiffeId::make("cluster.local", "default", "web");
  int bundles = 0;
};

TEST_F(AuthorityTest, signs_leaf_first_and_roots_last) {
  const auto answer = ask({.csr = csr(caller)});
  ASSERT_TRUE(answer) << answer.error().message;
  ASSERT_EQ(answer->chain.size(), 3u);
  const auto leaf = identity::Certificate::parse_chain_pem(answer->chain[0])->front();
  EXPECT_EQ(leaf.spiffe_id(), caller);
  EXPECT_TRUE(leaf.belongs_to(key));
  EXPECT_EQ(leaf.not_after(), loop.wall_now() + 10s);
  const auto bundle = identity::TrustBundle::parse_pem(answer->chain[2]);
  ASSERT_TRUE(bundle);
  const std::vector<identity::Certificate> chain = {
      leaf, identity::Certificate::parse_chain_pem(answer->chain[1])->front()};
  EXPECT_TRUE(bundle->verify(chain, loop.wall_now(), identity::Purpose::client));
  EXPECT_EQ(metric("citadel_server_success_cert_issuance_count"), 1);
  EXPECT_EQ(metric("citadel_server_csr_count"), 1);
}

TEST_F(AuthorityTest, names_come_from_the_caller_and_not_from_the_request) {
  const auto answer = ask({.csr = csr(*identity::SpiffeId::make("cluster.local", "istio-system", "admin"))});
  ASSERT_TRUE(answer);
  EXPECT_EQ(identity::Certificate::parse_chain_pem(answer->chain[0])->front().spiffe_id(), caller);
}

TEST_F(AuthorityTest, a_life_can_be_asked_for_down_to_seconds) {
  const auto answer = ask({.csr = csr(caller), .validity_seconds = 3});
  ASSERT_TRUE(answer);
  EXPECT_EQ(identity::Certificate::parse_chain_pem(answer->chain[0])->front().not_after(),
            loop.wall_now() + 3s);
  ASSERT_TRUE(ask({.csr = csr(caller), .validity_seconds = INT64_MAX}));
  ASSERT_TRUE(ask({.csr = csr(caller), .validity_seconds = INT64_MIN}));
}

TEST_F(AuthorityTest, bad_requests_are_refused_with_the_reason) {
  EXPECT_EQ(ask({.csr = "nonsense"}).error().code, http::GrpcStatus::invalid_argument);
  EXPECT_EQ(ask({}).error().code, http::GrpcStatus::invalid_argument);
  EXPECT_EQ(authority->create_certificate("\xff\xff\xff", caller).error().code,
            http::GrpcStatus::invalid_argument);
  EXPECT_EQ(ask({.csr = std::string(100'000, 'x')}).error().code, http::GrpcStatus::invalid_argument);
  wire::CertificateRequest impersonating{.csr = csr(caller)};
  impersonating.metadata.set("ImpersonatedIdentity", "spiffe://cluster.local/ns/a/sa/b");
  EXPECT_EQ(ask(impersonating).error().code, http::GrpcStatus::unimplemented);
  EXPECT_EQ(metric("citadel_server_csr_parsing_err_count"), 4);
}

TEST_F(AuthorityTest, the_state_is_for_its_owner_alone_and_survives_a_restart) {
  struct stat status{};
  ASSERT_EQ(::stat(state_file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const std::string roots = authority->roots()->trusted_ca;
  ASSERT_TRUE(open());
  EXPECT_EQ(authority->roots()->trusted_ca, roots);
}

TEST_F(AuthorityTest, a_damaged_state_is_an_error_and_is_not_replaced) {
  std::ofstream(state_file()) << "{";
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().text.find(state_file()), std::string::npos);
  EXPECT_EQ(fs::file_size(state_file()), 1u);
}

TEST_F(AuthorityTest, a_root_rotation_runs_by_itself_and_tells_of_each_bundle) {
  bool trusted = false;
  authority->ask_trust([&] { return trusted; });
  const auto before = authority->roots();
  ASSERT_TRUE(authority->rotate_root());
  EXPECT_EQ(bundles, 1);
  EXPECT_NE(authority->roots(), before);
  loop.advance(3s);
  EXPECT_EQ(authority->rotation().phase(), Rotation::Phase::spreading);
  ASSERT_TRUE(ask({.csr = csr(caller)}));
  trusted = true;
  authority->poke();
  EXPECT_EQ(authority->rotation().phase(), Rotation::Phase::retiring);
  EXPECT_EQ(bundles, 1) << "the bundle holds both roots all along";
  loop.advance(60s);
  EXPECT_EQ(authority->rotation().phase(), Rotation::Phase::steady);
  EXPECT_EQ(bundles, 2);
}

TEST_F(AuthorityTest, a_restart_in_the_middle_of_a_rotation_goes_on_with_it) {
  ASSERT_TRUE(authority->rotate_root());
  ASSERT_TRUE(open());
  EXPECT_EQ(authority->rotation().phase(), Rotation::Phase::spreading);
  loop.advance(60s);
  EXPECT_EQ(authority->rotation().phase(), Rotation::Phase::steady);
}

TEST_F(AuthorityTest, its_own_certificate_is_trusted_by_its_bundle) {
  const auto own = authority->issue_own({.id = caller, .dns = {"weftd"}});
  ASSERT_TRUE(own) << own.error().text;
  const auto bundle = identity::TrustBundle::parse_pem(authority->roots()->trusted_ca);
  EXPECT_TRUE(bundle->verify(own->chain, loop.wall_now(), identity::Purpose::server));
  EXPECT_EQ(own->renew_at, loop.wall_now() + 5s);
}

}  // namespace
}  // namespace weft::control
