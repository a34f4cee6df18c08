// The whole control plane over a loop of its own: files, sockets, certificates, proxies.
#include "control/control_plane.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/strings.h"
#include "control/ingest/files.h"
#include "identity/csr.h"
#include "io/manual_loop.h"
#include "net/http_client.h"
#include "tls/stream.h"
#include "wire/ca.h"

namespace weft::control {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using wire::ResourceType;
using namespace std::chrono_literals;

const std::string kWebToken(43, 'w');
const std::string kDbToken(43, 'd');
constexpr std::string_view kName = "istiod.istio-system.svc";

std::string service(std::string_view name, int port = 80) {
  return concat("apiVersion: v1\nkind: Service\nmetadata:\n  name: ", name,
                "\nspec:\n  selector: {app: ", name, "}\n  ports:\n  - name: http\n    port: ", port, "\n");
}

wire::RunningPod pod(std::string name, std::string service_account, std::string ip) {
  wire::RunningPod running;
  running.namespace_name = "default";
  running.name = std::move(name);
  running.labels = {{"app", service_account}};
  running.service_account = std::move(service_account);
  running.ip = *IpAddress::parse(ip);
  running.proxy = wire::RunningPod::Proxy::sidecar;
  running.ready = true;
  running.ports = {{.name = "http", .port = 8080}};
  return running;
}

class ControlPlaneTest : public testing::Test {
 protected:
  ControlPlaneTest() {
    std::string pattern = (fs::temp_directory_path() / "weft-plane-XXXXXX").string();
    directory = ::mkdtemp(pattern.data());
    fs::create_directories(directory + "/mesh");
    fs::create_directories(directory + "/state");
    loop.shift_wall_clock(std::chrono::hours(24 * 365 * 20));
    write("web.yaml", service("web"));
    write_tokens({{kWebToken, "default", "web"}, {kDbToken, "default", "db"}});
    write_pods({pod("web-0", "web", "10.0.0.1"), pod("db-0", "db", "10.0.0.2")});
    restart();
  }
  ~ControlPlaneTest() override {
    tasks.cancel_all();
    plane.reset();
    fs::remove_all(directory);
  }

  void restart() {
    plane.reset();
    ControlPlaneOptions options;
    options.config_directories = {directory + "/mesh"};
    options.state_directory = directory + "/state";
    options.certificates.leaf_life = 60s;
    options.xds = *SocketAddress::parse("127.0.0.1:15010");
    options.secure = *SocketAddress::parse("10.1.0.1:15012");
    options.admin = *SocketAddress::parse("127.0.0.1:15014");
    auto made = ControlPlane::make(loop, std::move(options));
    EXPECT_TRUE(made) << (made ? "" : made.error().text);
    plane = std::move(*made);
    loop.run_until_idle();
  }
  void write(std::string_view file, std::string_view text) {
    ASSERT_TRUE(write_file(concat(directory, "/mesh/", file), text, 0644));
    if (plane) plane->objects_changed();
  }
  void write_pods(std::vector<wire::RunningPod> pods) {
    ASSERT_TRUE(write_file(directory + "/state/workloads.json",
                           wire::write_workloads({.pods = std::move(pods), .services = {}}), 0644));
    if (plane) plane->state_changed();
  }
  void write_tokens(const std::vector<wire::LocalToken>& tokens) {
    ASSERT_TRUE(write_file(directory + "/state/tokens.json", wire::write_tokens(tokens), 0600));
    if (plane) plane->state_changed();
  }

  // ---- clients

  struct Client {
    Client(io::Loop& loop, net::Pool::Connector connector)
        : channel(loop, std::move(connector), {.authority = std::string(kName)}) {}
    net::GrpcChannel channel;
    http::Headers metadata;
    // A certificate for TLS; empty: none.
    std::optional<tls::Identity> identity;
  };

  static io::Task<Result<net::Pool::Connected>> connect_plain(io::Loop& loop) {
    WEFT_CO_TRY(auto stream, co_await loop.connect(*SocketAddress::parse("127.0.0.1:15010"), {}));
    co_return net::Pool::Connected{std::move(stream), "h2"};
  }
  static io::Task<Result<net::Pool::Connected>> connect_secure(ControlPlaneTest& test, Client& client) {
    WEFT_CO_TRY(auto socket, co_await test.loop.connect(*SocketAddress::parse("10.1.0.1:15012"), {}));
    WEFT_CO_TRY(auto trust, identity::TrustBundle::parse_pem(
                                *read_file(test.directory + "/state/root-cert.pem", 1 << 20)));
    tls::ClientSettings settings{.identity = client.identity,
                                 .trust = std::move(trust),
                                 .verify = tls::ClientSettings::Verify::host,
                                 .server_name = std::string(kName)};
    settings.common.alpn = {"h2"};
    WEFT_CO_TRY(auto context, tls::ClientContext::make(std::move(settings)));
    WEFT_CO_TRY(auto stream, co_await tls::TlsStream::connect(std::move(socket), std::move(context),
                                                              test.loop.now() + 5s));
    co_return net::Pool::Connected{std::move(stream), "h2"};
  }
  std::unique_ptr<Client> plain() {
    return std::make_unique<Client>(loop, [this] { return connect_plain(loop); });
  }
  std::unique_ptr<Client> secure(std::string_view token) {
    auto holder = std::make_shared<Client*>(nullptr);
    auto client = std::make_unique<Client>(loop, [this, holder] { return connect_secure(*this, **holder); });
    *holder = client.get();
    if (!token.empty()) client->metadata.add("authorization", concat("Bearer ", token));
    return client;
  }

  // A proxy that subscribes to everything and acknowledges it.
  struct Proxy {
    std::string node;
    std::map<ResourceType, std::map<std::string, std::string>> resources;  // name to version
    bool ended = false;
    http::GrpcStatus status;
    bool silent = false;    // acknowledges nothing
    std::string raw_first;  // sent instead of a request
    std::unique_ptr<net::GrpcStream> stream;
  };
  static std::string request(ResourceType type, std::vector<std::string> names, std::string nonce = "",
                             const std::string* node = nullptr) {
    wire::DeltaDiscoveryRequest message{.type_url = std::string(wire::type_url(type)),
                                        .subscribe = std::move(names),
                                        .nonce = std::move(nonce)};
    if (node != nullptr) {
      message.node.emplace();
      message.node->id = *node;
    }
    return wire::encode(message);
  }
  static io::Task<void> follow(Client& client, Proxy& proxy) {
    auto opened =
        co_await client.channel.open(std::string(wire::kAdsDeltaPath), {.metadata = client.metadata});
    if (!opened) {
      proxy.ended = true;
      proxy.status.message = opened.error().text;
      co_return;
    }
    proxy.stream = std::move(*opened);
    net::GrpcStream& stream = *proxy.stream;
    std::string first = proxy.raw_first;
    if (first.empty()) first = request(ResourceType::cluster, {}, "", &proxy.node);
    (void)co_await stream.write(first);
    (void)co_await stream.write(request(ResourceType::listener, {}));
    (void)co_await stream.write(request(ResourceType::secret, {"ROOTCA"}));
    for (;;) {
      auto message = co_await stream.read();
      if (!message || !*message) break;
      auto response = *wire::decode_delta_response(as_bytes(**message));
      const ResourceType type = *wire::resource_type(response.type_url);
      std::vector<std::string> names;
      for (const wire::Resource& resource : response.resources) {
        proxy.resources[type][resource.name] = resource.version;
        names.push_back(resource.name);
      }
      for (const std::string& name : response.removed) proxy.resources[type].erase(name);
      if (proxy.silent) continue;
      if (type == ResourceType::cluster) (void)co_await stream.write(request(ResourceType::endpoint, names));
      (void)co_await stream.write(request(type, {}, response.nonce));
    }
    proxy.status = stream.status();
    proxy.ended = true;
  }
  std::unique_ptr<Proxy> start(Client& client, std::string pod_name, std::string ip = "10.0.0.1") {
    auto proxy = std::make_unique<Proxy>();
    proxy->node = concat("sidecar~", ip, "~", pod_name, ".default~default.svc.cluster.local");
    tasks.spawn(follow(client, *proxy));
    loop.advance(100ms);
    return proxy;
  }

  static io::Task<void> call(Client& client, std::string csr, Result<std::string>& result,
                             http::GrpcStatus& status) {
    result = co_await client.channel.unary(
        std::string(wire::kCreateCertificatePath),
        wire::encode(wire::CertificateRequest{.csr = std::move(csr), .validity_seconds = 30, .metadata = {}}),
        {.metadata = client.metadata}, &status);
  }
  // The chain as PEM, or the refusal's code.
  std::expected<std::vector<std::string>, int> certificate(Client& client) {
    Result<std::string> result = fail(Error::Kind::internal, "not called");
    http::GrpcStatus status;
    const auto id = identity::SpiffeId::make("cluster.local", "default", "wished");
    tasks.spawn(call(client, *identity::make_csr(key, *id), result, status));
    loop.advance(100ms);
    if (!result) return std::unexpected(status.code);
    return wire::decode_certificate_response(as_bytes(*result))->chain;
  }

  static io::Task<void> fetch(io::Loop& loop, net::HttpCall call, Result<net::HttpReply>& reply) {
    reply = co_await net::http_call(loop, std::move(call));
  }
  net::HttpReply page(std::string path, std::string method = "GET", http::Headers headers = {}) {
    Result<net::HttpReply> reply = fail(Error::Kind::internal, "not called");
    net::HttpCall http{.address = *SocketAddress::parse("127.0.0.1:15014")};
    http.method = std::move(method);
    http.path = std::move(path);
    http.headers = std::move(headers);
    tasks.spawn(fetch(loop, std::move(http), reply));
    loop.advance(50ms);
    EXPECT_TRUE(reply) << (reply ? "" : reply.error().text);
    return reply ? *reply : net::HttpReply{};
  }

  io::ManualLoop loop{7};
  std::string directory;
  std::unique_ptr<ControlPlane> plane;
  io::TaskGroup tasks{loop};
  identity::PrivateKey key = *identity::PrivateKey::generate();
};

constexpr std::string_view kWebCluster = "outbound|80||web.default.svc.cluster.local";

TEST_F(ControlPlaneTest, a_proxy_with_a_token_gets_its_configuration) {
  const auto client = secure(kWebToken);
  const auto proxy = start(*client, "web-0");
  EXPECT_FALSE(proxy->ended) << proxy->status.to_string();
  EXPECT_TRUE(proxy->resources[ResourceType::cluster].contains(std::string(kWebCluster)));
  EXPECT_TRUE(proxy->resources[ResourceType::endpoint].contains(std::string(kWebCluster)));
  EXPECT_FALSE(proxy->resources[ResourceType::listener].empty());
  EXPECT_TRUE(proxy->resources[ResourceType::secret].contains("ROOTCA"));
  EXPECT_EQ(plane->ads().connections().size(), 1u);
  EXPECT_EQ(plane->ads().connections().front()->accepted, plane->publisher().generation());
}

TEST_F(ControlPlaneTest, a_change_of_a_file_reaches_the_proxy) {
  const auto client = secure(kWebToken);
  const auto proxy = start(*client, "web-0");
  write("shop.yaml", service("shop"));
  loop.advance(200ms);
  EXPECT_TRUE(
      proxy->resources[ResourceType::cluster].contains("outbound|80||shop.default.svc.cluster.local"));
  fs::remove(directory + "/mesh/shop.yaml");
  plane->objects_changed();
  loop.advance(300ms);
  EXPECT_FALSE(
      proxy->resources[ResourceType::cluster].contains("outbound|80||shop.default.svc.cluster.local"));
}

// A weftd that was restarted does not know what a file held before it broke: serving the rest could take a
// DENY policy away.
TEST_F(ControlPlaneTest, nothing_is_published_while_a_file_has_been_broken_since_the_start) {
  write("broken.yaml", "kind: [");
  const auto client = secure(kWebToken);
  restart();
  const auto proxy = start(*client, "web-0");
  EXPECT_FALSE(proxy->ended) << proxy->status.to_string();
  for (const auto& [type, resources] : proxy->resources) EXPECT_TRUE(resources.empty());
  EXPECT_EQ(plane->publisher().generation(), 0u);
  // Nor does a change elsewhere let it out.
  write("shop.yaml", service("shop"));
  loop.advance(300ms);
  EXPECT_EQ(plane->publisher().generation(), 0u);

  write("broken.yaml", service("mended"));
  loop.advance(300ms);
  for (const std::string_view host : {"web", "shop", "mended"}) {
    EXPECT_TRUE(proxy->resources[ResourceType::cluster].contains(
        concat("outbound|80||", host, ".default.svc.cluster.local")))
        << host;
  }
}

TEST_F(ControlPlaneTest, a_change_of_pods_sends_endpoints_and_nothing_else) {
  const auto client = secure(kWebToken);
  const auto proxy = start(*client, "web-0");
  const auto before = proxy->resources;
  auto second = pod("web-1", "web", "10.0.0.9");
  write_pods({pod("web-0", "web", "10.0.0.1"), second, pod("db-0", "db", "10.0.0.2")});
  loop.advance(200ms);
  EXPECT_EQ(proxy->resources[ResourceType::cluster], before.at(ResourceType::cluster));
  EXPECT_NE(proxy->resources[ResourceType::endpoint].at(std::string(kWebCluster)),
            before.at(ResourceType::endpoint).at(std::string(kWebCluster)));
}

TEST_F(ControlPlaneTest, who_proves_nothing_gets_nothing) {
  for (const std::string& token : {std::string(), std::string(43, 'x')}) {
    const auto client = secure(token);
    const auto proxy = start(*client, "web-0");
    EXPECT_TRUE(proxy->ended);
    EXPECT_EQ(proxy->status.code, http::GrpcStatus::unauthenticated);
    EXPECT_TRUE(proxy->resources.empty());
    EXPECT_EQ(certificate(*client).error(), http::GrpcStatus::unauthenticated);
  }
  EXPECT_TRUE(plane->ads().connections().empty());
}

TEST_F(ControlPlaneTest, a_proxy_of_one_account_cannot_be_the_pod_of_another) {
  const auto client = secure(kWebToken);
  const auto proxy = start(*client, "db-0", "10.0.0.2");
  EXPECT_TRUE(proxy->ended);
  EXPECT_EQ(proxy->status.code, http::GrpcStatus::permission_denied);
  EXPECT_TRUE(proxy->resources.empty());
}

TEST_F(ControlPlaneTest, a_stream_ends_when_its_pod_comes_to_run_as_somebody_else) {
  const auto client = secure(kWebToken);
  const auto proxy = start(*client, "web-0");
  ASSERT_FALSE(proxy->ended);
  write_pods({pod("web-0", "db", "10.0.0.1")});
  loop.advance(200ms);
  EXPECT_TRUE(proxy->ended);
  EXPECT_EQ(proxy->status.code, http::GrpcStatus::permission_denied);
}

TEST_F(ControlPlaneTest, certificates_are_for_the_identity_that_was_proved_and_prove_it_in_turn) {
  const auto client = secure(kWebToken);
  const auto chain = certificate(*client);
  ASSERT_TRUE(chain);
  const auto leaf = identity::Certificate::parse_chain_pem(chain->front())->front();
  EXPECT_EQ(leaf.spiffe_id()->uri(), "spiffe://cluster.local/ns/default/sa/web");

  const auto with_certificate = secure("");
  with_certificate->identity =
      tls::Identity{{leaf, identity::Certificate::parse_chain_pem(chain->at(1))->front()}, key};
  const auto proxy = start(*with_certificate, "web-0");
  EXPECT_FALSE(proxy->ended) << proxy->status.to_string();
  EXPECT_FALSE(proxy->resources[ResourceType::cluster].empty());
  EXPECT_TRUE(certificate(*with_certificate));
  const auto other = start(*with_certificate, "db-0", "10.0.0.2");
  EXPECT_EQ(other->status.code, http::GrpcStatus::permission_denied);
}

TEST_F(ControlPlaneTest, plaintext_on_loopback_serves_configuration_and_no_certificate) {
  const auto client = plain();
  const auto proxy = start(*client, "web-0");
  EXPECT_FALSE(proxy->ended) << proxy->status.to_string();
  EXPECT_FALSE(proxy->resources[ResourceType::cluster].empty());
  EXPECT_EQ(certificate(*client).error(), http::GrpcStatus::unauthenticated);
}

TEST_F(ControlPlaneTest, malformed_messages_end_their_own_stream_alone) {
  const auto good_client = secure(kWebToken);
  const auto good = start(*good_client, "web-0");
  const auto client = secure(kWebToken);
  for (const std::string& raw :
       {std::string("\xff\xff\xff\xff"), request(ResourceType::cluster, {}), std::string(5000, '\x0a')}) {
    Proxy proxy;
    proxy.raw_first = raw;
    tasks.spawn(follow(*client, proxy));
    loop.advance(100ms);
    EXPECT_TRUE(proxy.ended);
    EXPECT_NE(proxy.status.code, http::GrpcStatus::ok);
    EXPECT_TRUE(proxy.resources.empty());
  }
  EXPECT_FALSE(good->ended);
  write("shop.yaml", service("shop"));
  loop.advance(200ms);
  EXPECT_TRUE(good->resources[ResourceType::cluster].contains("outbound|80||shop.default.svc.cluster.local"));
}

TEST_F(ControlPlaneTest, the_root_is_rotated_under_connected_proxies) {
  const auto web_client = secure(kWebToken);
  const auto db_client = secure(kDbToken);
  const auto web = start(*web_client, "web-0");
  const auto db = start(*db_client, "db-0", "10.0.0.2");
  const std::string before = web->resources[ResourceType::secret].at("ROOTCA");
  const auto first = certificate(*web_client);
  EXPECT_EQ(page("/ca/rotate?what=root", "POST").status, 200);
  loop.advance(100ms);
  EXPECT_NE(web->resources[ResourceType::secret].at("ROOTCA"), before);
  loop.advance(3s);
  EXPECT_EQ(plane->authority().rotation().phase(), Rotation::Phase::retiring);
  // The pool's TLS connection is from before; a new one meets a chain of the new root.
  const auto fresh = secure(kWebToken);
  const auto second = certificate(*fresh);
  ASSERT_TRUE(second);
  EXPECT_NE(first->at(1), second->at(1));
  loop.advance(120s);
  EXPECT_EQ(plane->authority().rotation().phase(), Rotation::Phase::steady);
  EXPECT_FALSE(web->ended);
  EXPECT_FALSE(db->ended);
  const auto bundle =
      identity::TrustBundle::parse_pem(*read_file(directory + "/state/root-cert.pem", 1 << 20));
  EXPECT_EQ(bundle->roots().size(), 1u);
}

TEST_F(ControlPlaneTest, a_new_root_waits_for_a_proxy_that_is_not_connected) {
  const auto web_client = secure(kWebToken);
  const auto web = start(*web_client, "web-0");
  ASSERT_TRUE(plane->authority().rotate_root());
  loop.advance(5s);
  EXPECT_EQ(plane->authority().rotation().phase(), Rotation::Phase::spreading);
  loop.advance(60s);
  EXPECT_EQ(plane->authority().rotation().phase(), Rotation::Phase::retiring);
}

TEST_F(ControlPlaneTest, a_grpc_client_is_told_names_and_no_root_waits_for_it) {
  const auto web_client = secure(kWebToken);
  const auto db_client = secure(kDbToken);
  const auto web = start(*web_client, "web-0");
  const auto db = start(*db_client, "db-0", "10.0.0.2");
  wire::DeltaDiscoveryRequest first{.type_url = std::string(wire::type_url(ResourceType::cluster))};
  first.node.emplace();
  first.node->id = "sidecar~10.0.0.3~caller.default~default.svc.cluster.local";
  first.node->metadata = wire::Value::Object{{"GENERATOR", "grpc"}};
  Proxy caller;
  caller.raw_first = wire::encode(first);
  caller.silent = true;
  const auto client = plain();
  tasks.spawn(follow(*client, caller));
  loop.advance(5s);
  EXPECT_TRUE(caller.resources[ResourceType::cluster].contains(std::string(kWebCluster)));
  EXPECT_FALSE(caller.resources[ResourceType::cluster].contains("PassthroughCluster"));
  EXPECT_TRUE(caller.resources[ResourceType::listener].contains("web.default.svc.cluster.local:80"));
  EXPECT_FALSE(caller.resources[ResourceType::listener].contains("virtualOutbound"));
  ASSERT_TRUE(plane->authority().rotate_root());
  loop.advance(3s);
  EXPECT_EQ(plane->authority().rotation().phase(), Rotation::Phase::retiring);
}

TEST_F(ControlPlaneTest, status_says_how_many_proxies_have_an_object) {
  const auto client = secure(kWebToken);
  const auto proxy = start(*client, "web-0");
  EXPECT_THAT(page("/debug/statusz").body, HasSubstr("\"programmed\": 1"));
  proxy->silent = true;
  write("shop.yaml", service("shop"));
  loop.advance(200ms);
  const std::string status = page("/debug/statusz").body;
  EXPECT_THAT(status, HasSubstr("\"programmed\": 0"));
  EXPECT_THAT(status, HasSubstr("web-0.default"));
}

TEST_F(ControlPlaneTest, pages_show_what_there_is) {
  const auto client = secure(kWebToken);
  const auto proxy = start(*client, "web-0");
  write("broken.yaml", service("broken", 99999));
  write("secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2}\n");
  loop.advance(500ms);
  EXPECT_EQ(page("/ready").status, 200);
  EXPECT_THAT(page("/version").body, HasSubstr("weftd"));
  EXPECT_THAT(page("/debug/syncz").body, HasSubstr("\"cluster_acked\""));
  EXPECT_THAT(page("/debug/connections").body, HasSubstr("\"totalClients\": 1"));
  EXPECT_THAT(page("/debug/endpointz").body, HasSubstr("10.0.0.1"));
  EXPECT_THAT(page("/debug/endpointz?proxyID=web-0.default").body, HasSubstr(std::string(kWebCluster)));
  EXPECT_THAT(page("/debug/complaintz").body, HasSubstr("99999"));
  EXPECT_THAT(page("/debug/config_dump?proxyID=web-0.default").body, HasSubstr(std::string(kWebCluster)));
  EXPECT_EQ(page("/debug/config_dump?proxyID=nobody").status, 404);
  EXPECT_EQ(page("/debug/config_dump").status, 400);
  EXPECT_THAT(page("/debug/ca").body, HasSubstr("\"phase\": \"steady\""));
  EXPECT_EQ(page("/ca/rotate?what=everything", "POST").status, 400);
  const std::string objects = page("/debug/configz").body;
  EXPECT_THAT(objects, HasSubstr("\"web\""));
  EXPECT_THAT(objects, HasSubstr("\"password\": \"[redacted]\""));
  EXPECT_THAT(objects, Not(HasSubstr("hunter2")));
  const std::string metrics = page("/metrics").body;
  for (const char* name : {"pilot_xds{", "pilot_xds_pushes{", "pilot_proxy_convergence_time_bucket",
                           "citadel_server_root_cert_expiry_timestamp", "process_resident_memory_bytes",
                           "pilot_services", "pilot_push_triggers{", "pilot_vservice_dup_domain"}) {
    EXPECT_THAT(metrics, HasSubstr(name));
  }
}

TEST(RefuseStranger, tells_only_this_machine) {
  const auto status = [](std::string peer, std::string authority, std::string method = "GET",
                         std::string origin = "") {
    http::Request request;
    request.method = std::move(method);
    request.authority = std::move(authority);
    if (!origin.empty()) request.headers.add("origin", origin);
    net::ConnectionInfo from;
    from.peer = *SocketAddress::parse(peer);
    const auto refusal = refuse_stranger(request, from);
    return refusal ? refusal->status : 200;
  };
  EXPECT_EQ(status("127.0.0.1:9", "127.0.0.1:15014"), 200);
  EXPECT_EQ(status("127.0.0.1:9", "localhost:15014"), 200);
  EXPECT_EQ(status("[::1]:9", "[::1]:15014"), 200);
  EXPECT_EQ(status("10.0.0.7:9", "10.0.0.1:15014"), 403);
  EXPECT_EQ(status("127.0.0.1:9", "evil.example:15014"), 403);
  EXPECT_EQ(status("127.0.0.1:9", "127.0.0.1:15014", "POST", "http://evil.example"), 403);
  EXPECT_EQ(status("127.0.0.1:9", "127.0.0.1:15014", "POST"), 200);
}

TEST_F(ControlPlaneTest, a_drain_ends_streams_in_order_and_their_connections_after_them) {
  const auto client = secure(kWebToken);
  const auto proxy = start(*client, "web-0");
  ASSERT_FALSE(proxy->ended);
  EXPECT_EQ(plane->open_connections(), 1u);
  plane->drain();
  loop.advance(2s);
  EXPECT_TRUE(proxy->ended);
  EXPECT_EQ(proxy->status.code, http::GrpcStatus::unavailable);
  EXPECT_TRUE(plane->ads().connections().empty());
  EXPECT_EQ(plane->open_connections(), 0u);

  const auto late = secure(kWebToken);
  const auto refused = start(*late, "web-0");
  loop.advance(1s);
  EXPECT_TRUE(refused->ended) << "nothing new is accepted";
}

TEST_F(ControlPlaneTest, what_does_not_let_go_is_reset_when_the_drain_expires) {
  const auto client = plain();
  const auto proxy = start(*client, "web-0");
  std::unique_ptr<io::Stream> held;
  const auto hold = [](io::Loop& at, std::unique_ptr<io::Stream>& out) -> io::Task<void> {
    auto stream = co_await at.connect(*SocketAddress::parse("127.0.0.1:15010"), {});
    if (stream) out = std::move(*stream);
  };
  tasks.spawn(hold(loop, held));
  loop.run_until_idle();
  ASSERT_TRUE(held);
  EXPECT_EQ(plane->open_connections(), 2u);
  plane->expire();
  loop.advance(1s);
  EXPECT_TRUE(proxy->ended);
  EXPECT_EQ(plane->open_connections(), 0u);
}

}  // namespace
}  // namespace weft::control
