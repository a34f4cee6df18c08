#include "control/deliver/authenticate.h"

#include <gtest/gtest.h>

namespace weft::control {
namespace {

const std::string kToken(43, 'k');

http::Request request_with(std::string_view authorization) {
  http::Request request;
  if (!authorization.empty()) request.headers.add("authorization", authorization);
  return request;
}

ProxyNode node(std::string id, std::string service_account = "") {
  wire::Node node;
  node.id = std::move(id);
  if (!service_account.empty()) node.metadata.set("SERVICE_ACCOUNT", service_account);
  return *parse_proxy_node(node);
}

Caller caller(std::string_view name_space, std::string_view service_account) {
  return {Caller::Proof::token, *identity::SpiffeId::make("cluster.local", name_space, service_account)};
}

class CallersTest : public testing::Test {
 protected:
  CallersTest() { callers.set_tokens({{kToken, "default", "web"}, {std::string(43, 'x'), "prod", "db"}}); }
  Result<Caller> identify(std::string_view authorization, const Transport* transport = nullptr) {
    const http::Request request = request_with(authorization);
    net::ConnectionInfo connection;
    connection.context = transport;
    return callers.identify(request, connection);
  }
  Callers callers{"cluster.local"};
};

TEST_F(CallersTest, a_token_is_its_service_account) {
  const auto found = identify("Bearer " + kToken);
  ASSERT_TRUE(found) << found.error().text;
  EXPECT_EQ(found->id->uri(), "spiffe://cluster.local/ns/default/sa/web");
  EXPECT_EQ(found->proof, Caller::Proof::token);
}

TEST_F(CallersTest, nothing_proved_is_nobody) {
  EXPECT_FALSE(identify(""));
  const Transport secure{.secure = true};
  EXPECT_FALSE(identify("", &secure));
}

TEST_F(CallersTest, a_wrong_token_is_nobody_even_where_callers_are_believed) {
  const Transport believing{.believe = true};
  EXPECT_FALSE(identify("Bearer " + std::string(43, 'q'), &believing));
  EXPECT_FALSE(identify("Bearer " + kToken.substr(1), &believing));
  EXPECT_FALSE(identify("Bearer ", &believing));
  EXPECT_FALSE(identify("Basic " + kToken, &believing));
}

TEST_F(CallersTest, a_believing_listener_takes_callers_without_proof) {
  const Transport believing{.believe = true};
  const auto found = identify("", &believing);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->proof, Caller::Proof::none);
  EXPECT_FALSE(found->id);
}

TEST_F(CallersTest, a_certificate_is_its_spiffe_id_whatever_the_token_says) {
  const Transport mutual{.secure = true,
                         .certificate = *identity::SpiffeId::make("cluster.local", "prod", "db")};
  const auto found = identify("Bearer " + kToken, &mutual);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->id->service_account(), "db");
}

TEST_F(CallersTest, a_certificate_of_another_trust_domain_is_nobody) {
  const Transport foreign{.secure = true, .certificate = *identity::SpiffeId::make("other", "prod", "db")};
  EXPECT_FALSE(identify("", &foreign));
}

TEST_F(CallersTest, a_certificate_of_an_account_that_is_gone_is_nobody) {
  const Transport gone{.secure = true,
                       .certificate = *identity::SpiffeId::make("cluster.local", "prod", "old")};
  EXPECT_FALSE(identify("", &gone));
  callers.set_tokens({});
  EXPECT_TRUE(identify("", &gone)) << "without a list of accounts the certificate alone says";
}

TEST(CheckClaims, hold_only_for_the_namespace_and_account_that_were_proved) {
  const std::string id = "sidecar~10.0.0.1~web-1.default~default.svc.cluster.local";
  EXPECT_TRUE(check_claims(caller("default", "web"), node(id), nullptr));
  EXPECT_TRUE(check_claims(caller("default", "web"), node(id, "web"), nullptr));
  EXPECT_FALSE(check_claims(caller("default", "web"), node(id, "db"), nullptr));
  EXPECT_FALSE(check_claims(caller("prod", "web"), node(id), nullptr));
  EXPECT_TRUE(check_claims(Caller{}, node(id, "db"), nullptr));
}

TEST(CheckClaims, a_pod_is_served_only_under_the_account_it_runs_as) {
  auto pod = std::make_shared<objects::Pod>();
  pod->meta.name = "web-1";
  pod->meta.namespace_name = "default";
  pod->spec.service_account_name = "web";
  translate::WorldInput input;
  input.objects = {std::shared_ptr<const objects::Pod>(pod)};
  input.workloads["default/web-1"] = {.ip = "10.0.0.1", .ready = true};
  const auto world = translate::World::make(std::move(input));
  const auto web = node("sidecar~10.0.0.1~web-1.default~default.svc.cluster.local");
  EXPECT_TRUE(check_claims(caller("default", "web"), web, world.get()));
  EXPECT_FALSE(check_claims(caller("default", "other"), web, world.get()));
}

TEST(ProxyNode, is_read_as_istio_writes_it) {
  wire::Node raw;
  raw.id = "router~10.0.0.7~gate.way-1.istio-system~istio-system.svc.cluster.local";
  raw.metadata.set("LABELS", wire::Value::Object{{"istio", "ingressgateway"}});
  raw.metadata.set("NAMESPACE", "istio-system");
  raw.metadata.set("ISTIO_VERSION", "1.30.0");
  const auto proxy = parse_proxy_node(raw);
  ASSERT_TRUE(proxy) << proxy.error().text;
  EXPECT_EQ(proxy->type, ProxyNode::Type::router);
  EXPECT_EQ(proxy->pod, "gate.way-1");
  EXPECT_EQ(proxy->namespace_name, "istio-system");
  EXPECT_EQ(proxy->short_id(), "gate.way-1.istio-system");
  EXPECT_EQ(proxy->labels.at("istio"), "ingressgateway");
  EXPECT_EQ(proxy->version, "1.30.0");
}

TEST(ProxyNode, refuses_what_names_nobody_or_two) {
  for (const char* id :
       {"", "web", "sidecar~10.0.0.1~web.default", "sidecar~x~web.default~default.svc.cluster.local",
        "waypoint~10.0.0.1~web.default~default.svc.cluster.local",
        "sidecar~10.0.0.1~web~default.svc.cluster.local",
        "sidecar~10.0.0.1~.default~default.svc.cluster.local",
        "sidecar~10.0.0.1~web.default~other.svc.cluster.local", "sidecar~10.0.0.1~we b.default~default.svc",
        "sidecar~10.0.0.1~web.default~default.svc.cluster.local~x",
        "sidecar~10.0.0.1~../x.default~default.svc"}) {
    wire::Node raw;
    raw.id = id;
    EXPECT_FALSE(parse_proxy_node(raw)) << id;
  }
  wire::Node raw;
  raw.id = "sidecar~10.0.0.1~web.default~default.svc.cluster.local";
  raw.metadata.set("NAMESPACE", "prod");
  EXPECT_FALSE(parse_proxy_node(raw));
}

}  // namespace
}  // namespace weft::control
