// What a change of configuration does to a running proxy, and what it must not do. A control plane that says
// what the test tells it to.
#include "net/grpc_stream.h"
#include "proxy/test_support.h"
#include "wire/discovery.h"
#include "wire/to_wire.h"

namespace weft::proxy {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using wire::ResourceType;

// Speaks delta ADS to one proxy: listeners and clusters, all that there are.
class ScriptedControlPlane {
 public:
  explicit ScriptedControlPlane(io::Loop& loop) : loop_(loop), changed_(loop), tasks_(loop) {
    grpc_.handle(std::string(wire::kAdsDeltaPath),
                 [this](net::GrpcServerStream& stream) { return serve(*this, stream); });
    acceptor_ = *loop.listen(*SocketAddress::parse("127.0.0.1:15010"), {});
    tasks_.spawn(accept(*this));
  }

  // From now on these are all listeners and clusters there are.
  void publish(const wire::Bootstrap& content) {
    ++version_;
    std::map<std::string, std::string> listeners, clusters;
    for (const auto& listener : content.listeners) listeners[listener->name] = wire::encode(*listener);
    for (const auto& cluster : content.clusters) clusters[cluster->name] = wire::encode(*cluster);
    queue(ResourceType::cluster, clusters);
    queue(ResourceType::listener, listeners);
    changed_.notify();
  }
  // Bytes under a listener's name.
  void publish_listener(const std::string& name, std::string bytes) {
    ++version_;
    wire::DeltaDiscoveryResponse response = empty(ResourceType::listener);
    response.resources.push_back({.name = name,
                                  .version = std::to_string(version_),
                                  .any = wire::wrap_any(ResourceType::listener, bytes)});
    pending_.push_back(std::move(response));
    changed_.notify();
  }
  // Ends the streams there are and takes no new connection until it returns.
  void go_away() {
    tasks_.cancel_all();
    acceptor_.reset();
  }

  std::vector<std::string> refusals;

 private:
  wire::DeltaDiscoveryResponse empty(ResourceType type) {
    wire::DeltaDiscoveryResponse response;
    response.type_url = wire::type_url(type);
    response.system_version = std::to_string(version_);
    response.nonce = concat("n", version_, wire::short_name(type));
    return response;
  }
  void queue(ResourceType type, const std::map<std::string, std::string>& now) {
    auto& known = type == ResourceType::cluster ? clusters_ : listeners_;
    wire::DeltaDiscoveryResponse response = empty(type);
    for (const auto& [name, bytes] : now) {
      if (const auto it = known.find(name); it != known.end() && it->second == bytes) continue;
      response.resources.push_back(
          {.name = name, .version = std::to_string(version_), .any = wire::wrap_any(type, bytes)});
    }
    for (const auto& [name, bytes] : known) {
      if (!now.contains(name)) response.removed.push_back(name);
    }
    known = now;
    pending_.push_back(std::move(response));
  }
  static io::Task<void> accept(ScriptedControlPlane& plane) {
    for (;;) {
      auto stream = co_await plane.acceptor_->accept();
      if (!stream) co_return;
      ScriptedControlPlane* const of = &plane;
      plane.tasks_.spawn(net::serve_http2(
          std::move(*stream), {}, [of](net::ServerExchange& exchange) { return of->grpc_.serve(exchange); }));
    }
  }
  static io::Task<void> serve(ScriptedControlPlane& plane, net::GrpcServerStream& stream) {
    io::TaskGroup writing(plane.loop_);
    writing.spawn(write(plane, stream));
    for (;;) {
      auto message = co_await stream.read();
      if (!message || !*message) co_return;
      auto request = wire::decode_delta_request(as_bytes(**message));
      if (request && request->error) plane.refusals.push_back(request->error->message);
    }
  }
  static io::Task<void> write(ScriptedControlPlane& plane, net::GrpcServerStream& stream) {
    for (;;) {
      while (!plane.pending_.empty()) {
        const std::string bytes = wire::encode(plane.pending_.front());
        plane.pending_.pop_front();
        if (!co_await stream.write(bytes)) co_return;
      }
      co_await plane.changed_.wait();
    }
  }

  io::Loop& loop_;
  uint64_t version_ = 0;
  std::map<std::string, std::string> listeners_, clusters_;
  std::deque<wire::DeltaDiscoveryResponse> pending_;
  io::Event changed_;
  net::GrpcServer grpc_;
  std::unique_ptr<io::Acceptor> acceptor_;
  io::TaskGroup tasks_;
};

struct ConfigChange : ProxyTest {
  ConfigChange() {
    start_yaml(R"(node: {id: sidecar~10.0.0.7~web-0.default~default.svc.cluster.local, cluster: web.default}
dynamic_resources:
  ads_config:
    api_type: DELTA_GRPC
    transport_api_version: V3
    grpc_services: [{envoy_grpc: {cluster_name: xds}}]
  cds_config: {ads: {}, resource_api_version: V3}
  lds_config: {ads: {}, resource_api_version: V3}
static_resources:
  clusters:
  - name: xds
    connect_timeout: 1s
    http2_protocol_options: {}
    load_assignment:
      cluster_name: xds
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 15010}}}}]}]
)");
  }
  ~ConfigChange() override {
    tasks.cancel_all();
    loop.run_until_idle();
    proxy.reset();  // before the control plane that it is connected to
  }
  void publish(const Setup& setup) {
    auto content = wire::parse_bootstrap(bootstrap_yaml(setup), "content.yaml");
    ASSERT_TRUE(content) << content.error().text;
    plane.publish(*content);
    loop.advance(1s);
  }
  static io::Task<void> hello(net::ServerExchange& exchange) { return reply_with(exchange, 200, "hello"); }
  io::Task<void> late(net::ServerExchange& exchange) {
    return [](io::Loop& at, net::ServerExchange& e) -> io::Task<void> {
      co_await io::sleep_for(at, 5s);
      co_await reply_with(e, 200, "late");
    }(loop, exchange);
  }
  static Setup direct(std::string_view body) {
    return {.routes = concat(
                "- {match: {prefix: /}, direct_response: {status: 200, body: {inline_string: ", body, "}}}")};
  }
  static constexpr std::string_view kDenyAll = R"(
- name: envoy.filters.http.rbac
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
    rules: {action: DENY, policies: {everybody: {permissions: [{any: true}], principals: [{any: true}]}}}
)";
  static constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

  ScriptedControlPlane plane{loop};
};

TEST_F(ConfigChange, listeners_come_and_go_while_it_runs) {
  EXPECT_FALSE(proxy->ready());
  publish(direct("first"));
  EXPECT_TRUE(proxy->ready());
  EXPECT_EQ(get("/").body, "first");
  publish(direct("second"));
  EXPECT_EQ(get("/").body, "second");
  plane.publish({});
  loop.advance(1s);
  Call& refused = begin({});
  EXPECT_TRUE(refused.done);
  EXPECT_FALSE(refused.reply);
}

TEST_F(ConfigChange, a_request_under_way_ends_under_the_configuration_it_began_with) {
  publish({});
  backend("10.0.0.1:80", [this](net::ServerExchange& exchange) { return late(exchange); });
  Call& slow = begin({});
  publish(direct("new"));
  EXPECT_FALSE(slow.done);
  EXPECT_EQ(get("/").body, "new");
  loop.advance(5s);
  ASSERT_TRUE(slow.done);
  ASSERT_TRUE(slow.reply);
  EXPECT_EQ(slow.reply->body, "late");
}

TEST_F(ConfigChange, a_request_under_way_survives_the_end_of_its_listener_and_cluster) {
  publish({});
  backend("10.0.0.1:80", [this](net::ServerExchange& exchange) { return late(exchange); });
  const auto busy = raw();
  busy->send(kRequest);
  plane.publish({});
  loop.advance(6s);
  EXPECT_THAT(busy->take(), HasSubstr("late"));
  EXPECT_TRUE(busy->closed());
}

TEST_F(ConfigChange, a_policy_reaches_connections_that_were_there_before_it) {
  publish(direct("let in"));
  const auto client = raw();
  client->send(kRequest);
  EXPECT_THAT(client->take(), HasSubstr("let in"));
  Setup denied = direct("let in");
  denied.filters = kDenyAll;
  publish(denied);
  client->send(kRequest);
  const std::string answer = client->take();
  EXPECT_THAT(answer, HasSubstr("HTTP/1.1 403"));
  EXPECT_THAT(answer, Not(HasSubstr("let in")));
}

TEST_F(ConfigChange, what_cannot_be_honoured_is_refused_and_the_last_good_one_serves) {
  publish(direct("good"));
  plane.publish_listener("front", "\xff\xff\xff");
  loop.advance(1s);
  ASSERT_EQ(plane.refusals.size(), 1u);
  EXPECT_EQ(get("/").body, "good");
  EXPECT_EQ(proxy->ads()->status(ResourceType::listener).rejected, 1u);
  EXPECT_FALSE(proxy->ads()->status(ResourceType::listener).last_error.empty());
  publish(direct("better"));
  EXPECT_EQ(get("/").body, "better");
}

TEST_F(ConfigChange, without_its_control_plane_it_serves_what_it_has) {
  publish(direct("still here"));
  plane.go_away();
  loop.advance(600s);
  EXPECT_FALSE(proxy->ads()->connected());
  EXPECT_EQ(get("/").body, "still here");
}

TEST_F(ConfigChange, a_listener_that_comes_back_under_its_name_keeps_connections_alive) {
  publish(direct("first"));
  const auto before = raw();
  before->send(kRequest);
  EXPECT_THAT(before->take(), HasSubstr("first"));
  plane.publish({});
  loop.advance(1s);
  EXPECT_TRUE(before->closed());
  publish(direct("again"));
  const auto client = raw();
  for (int i = 0; i < 3; ++i) {
    client->send(kRequest);
    const std::string answer = client->take();
    EXPECT_THAT(answer, HasSubstr("again"));
    EXPECT_THAT(answer, Not(HasSubstr("close")));
  }
  EXPECT_FALSE(client->closed());
}

TEST_F(ConfigChange, connections_to_an_endpoint_outlive_a_change_elsewhere) {
  Setup setup;
  setup.endpoints = {"10.0.0.1:80"};
  publish(setup);
  Backend& app = backend("10.0.0.1:80", hello);
  backend("10.0.0.2:80", hello);
  EXPECT_EQ(get("/").status, 200);
  setup.endpoints = {"10.0.0.1:80", "10.0.0.2:80"};
  publish(setup);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(get("/").status, 200);
  EXPECT_EQ(app.connections, 1u);
}

}  // namespace
}  // namespace weft::proxy
