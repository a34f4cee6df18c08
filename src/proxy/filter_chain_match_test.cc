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

}  // namespace
}  // namespace weft::proxy
