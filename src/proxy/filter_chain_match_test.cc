#include "proxy/filter_chain_match.h"

#include <gtest/gtest.h>

namespace weft::proxy {
namespace {

model::FilterChain chain(std::string name, model::FilterChainMatch match) {
  model::FilterChain out;
  out.name = std::move(name);
  out.match = std::move(match);
  return out;
}

struct Case {
  const char* behaviour;
  ConnectionTraits traits;
  const char* want;  // chain name, "" for none
};

ConnectionTraits traits(uint16_t port, bool tls, std::string sni, std::vector<std::string> protocols) {
  ConnectionTraits out;
  out.destination = {*IpAddress::parse("10.244.1.5"), port, ""};
  out.source = {*IpAddress::parse("10.244.2.9"), 40000, ""};
  out.tls = tls;
  out.server_name = std::move(sni);
  out.application_protocols = std::move(protocols);
  return out;
}

TEST(FilterChainMatch, picks_the_most_specific_chain_in_xds_order) {
  model::Listener listener;
  listener.chains = {
      chain("mtls-8080",
            {.destination_port = 8080, .transport_protocol = "tls", .application_protocols = {"istio"}}),
      chain("plain-8080", {.destination_port = 8080, .transport_protocol = "raw_buffer"}),
      chain("exact-name", {.server_names = {"a.example.com"}, .transport_protocol = "tls"}),
      chain("wild-name", {.server_names = {"*.example.com"}, .transport_protocol = "tls"}),
      chain("any-http", {.application_protocols = {"http/1.1", "h2c"}}),
      chain("source-net", {.source = {*Cidr::parse("10.244.2.0/24")}}),
  };
  const Case cases[] = {
      {"port and TLS and ALPN", traits(8080, true, "", {"istio"}), "mtls-8080"},
      {"port decides before protocol", traits(8080, false, "", {"http/1.1"}), "plain-8080"},
      {"no chain of the port takes foreign TLS", traits(8080, true, "", {"h2"}), ""},
      {"exact server name", traits(443, true, "a.example.com", {}), "exact-name"},
      {"wildcard server name", traits(443, true, "b.example.com", {}), "wild-name"},
      {"the bare suffix is not under the wildcard", traits(443, true, "example.com", {}), "source-net"},
      {"detected HTTP", traits(80, false, "", {"http/1.1"}), "any-http"},
      {"source range last", traits(80, false, "", {}), "source-net"},
  };
  for (const Case& c : cases) {
    const model::FilterChain* got = match_filter_chain(listener, c.traits);
    EXPECT_EQ(got ? got->name : "", c.want) << c.behaviour;
  }
}

TEST(FilterChainMatch, falls_to_the_default_chain_only_where_nothing_matches) {
  model::Listener listener;
  listener.chains = {chain("only", {.destination_port = 80})};
  listener.default_chain = chain("default", {});
  EXPECT_EQ(match_filter_chain(listener, traits(80, false, "", {}))->name, "only");
  EXPECT_EQ(match_filter_chain(listener, traits(81, false, "", {}))->name, "default");
}

std::string needs(const model::Listener& listener, uint16_t port) {
  const Inspection needed = needed_inspection(listener, traits(port, false, "", {}));
  return std::string(needed.tls ? "tls" : "") + (needed.http ? " http" : "");
}

TEST(NeededInspection, is_what_the_chains_of_the_port_tell_apart) {
  const std::vector<std::string> mesh = {"istio", "istio-h2"};
  const std::vector<std::string> http = {"http/1.1", "h2c"};
  model::Listener listener;
  listener.tls_inspector = listener.http_inspector = true;
  const auto with_tcp = [](model::FilterChain out) {
    auto proxy = std::make_shared<model::TcpProxy>();
    proxy->clusters = {{"inbound|3306||", 1}};
    out.terminal = std::shared_ptr<const model::TcpProxy>(std::move(proxy));
    return out;
  };
  auto mesh_tls =
      chain("mesh", {.destination_port = 3307, .transport_protocol = "tls", .application_protocols = mesh});
  mesh_tls.tls.emplace();
  auto sni = with_tcp(chain("plain", {.destination_port = 3308, .transport_protocol = "raw_buffer"}));
  auto rbac = std::make_shared<model::Rbac>();
  rbac->policies = {{.name = "sni",
                     .permissions = {{.kind = model::Condition::Kind::any_of,
                                      .children = {{.kind = model::Condition::Kind::requested_server_name}}}},
                     .principals = {}}};
  sni.network_rbacs = {rbac};
  auto sni_tls = sni;
  sni_tls.match.transport_protocol = "tls";
  listener.chains = {
      chain("catch-all-http", {.transport_protocol = "raw_buffer", .application_protocols = http}),
      chain("catch-all-tls", {.transport_protocol = "tls"}),
      // tcp under DISABLE: what comes is passed on, TLS or not
      with_tcp(chain("plain", {.destination_port = 3306, .transport_protocol = "raw_buffer"})),
      with_tcp(chain("own-tls", {.destination_port = 3306, .transport_protocol = "tls"})),
      // tcp under PERMISSIVE
      mesh_tls,
      with_tcp(chain("plain", {.destination_port = 3307, .transport_protocol = "raw_buffer"})),
      // tcp under DISABLE with a policy that asks for the server name
      sni,
      sni_tls,
      // HTTP under DISABLE
      chain("http", {.destination_port = 80, .transport_protocol = "raw_buffer"}),
      // without a word about protocols
      chain("any", {.destination_port = 25}),
      chain("names", {.destination_port = 443, .server_names = {"a.example"}}),
  };
  EXPECT_EQ(needs(listener, 9999), "tls http");
  EXPECT_EQ(needs(listener, 3306), "");
  EXPECT_EQ(needs(listener, 3307), "tls");
  EXPECT_EQ(needs(listener, 3308), "tls");
  EXPECT_EQ(needs(listener, 80), "tls");
  EXPECT_EQ(needs(listener, 25), "");
  EXPECT_EQ(needs(listener, 443), "tls");
  listener.tls_inspector = false;
  EXPECT_EQ(needs(listener, 9999), " http") << "what no inspector asks for is not looked at";
}

}  // namespace
}  // namespace weft::proxy
