#include "identity/issuer.h"

#include <gtest/gtest.h>

#include "identity/trust_bundle.h"

namespace weft::identity {
namespace {

constexpr WallTime kNow = std::chrono::sys_days(std::chrono::November / 24 / 2026);
const SpiffeId kCart = SpiffeId::make("cluster.local", "shop", "cart").value();

struct IssuerTest : testing::Test {
  Issuer root = Issuer::make_root("test root", kNow, 24h * 365).value();
  Issuer issuer = root.make_intermediate("test issuer", kNow, 24h * 30).value();
  TrustBundle bundle = TrustBundle::make({root.certificate()}).value();
  PrivateKey key = PrivateKey::generate().value();

  Certificate leaf(Duration life = 1h) {
    return issuer.sign(PublicKey::of(key), {.id = kCart}, kNow, life).value();
  }
};

TEST_F(IssuerTest, a_leaf_names_the_identity_that_was_given) {
  const Certificate c = leaf();
  EXPECT_EQ(c.spiffe_id(), kCart);
  EXPECT_EQ(c.uri_names(), std::vector<std::string>{kCart.uri()});
  EXPECT_EQ(c.not_before(), kNow - 2min);
  EXPECT_EQ(c.not_after(), kNow + 1h);
  EXPECT_FALSE(c.is_ca());
  EXPECT_TRUE(c.subject().empty());
  EXPECT_EQ(c.serial().size(), 32u);
  EXPECT_NE(c.serial(), leaf().serial());
  EXPECT_TRUE(c.belongs_to(key));
  EXPECT_FALSE(c.belongs_to(PrivateKey::generate().value()));
}

TEST_F(IssuerTest, the_chain_verifies_for_both_uses) {
  const auto chain = issuer.chain_of(leaf());
  EXPECT_EQ(chain.size(), 2u);  // no root
  EXPECT_TRUE(bundle.verify(chain, kNow, Purpose::client));
  EXPECT_TRUE(bundle.verify(chain, kNow, Purpose::server));
}

TEST_F(IssuerTest, the_names_in_a_csr_are_ignored) {
  const auto other = SpiffeId::make("cluster.local", "kube-system", "admin").value();
  const auto csr = Csr::parse_pem(make_csr(key, other).value());
  ASSERT_TRUE(csr) << csr.error().to_string();
  EXPECT_EQ(csr->wished_uris(), std::vector<std::string>{other.uri()});
  EXPECT_EQ(issuer.sign(csr->public_key(), {.id = kCart}, kNow, 1h)->spiffe_id(), kCart);
}

TEST_F(IssuerTest, a_leaf_never_outlives_its_issuer) {
  EXPECT_EQ(leaf(24h * 300).not_after(), issuer.certificate().not_after());
  const auto late = issuer.sign(PublicKey::of(key), {.id = kCart}, kNow + 24h * 31, 1h);
  ASSERT_FALSE(late);
  EXPECT_NE(late.error().text.find("rotate it"), std::string::npos) << late.error().text;
}

TEST_F(IssuerTest, verification_says_expired_and_not_yet_valid) {
  const auto chain = issuer.chain_of(leaf(10s));
  const auto expired = bundle.verify(chain, kNow + 11s, Purpose::client);
  ASSERT_FALSE(expired);
  EXPECT_EQ(expired.error().kind, Error::Kind::denied);
  EXPECT_NE(expired.error().text.find("expired at 2026-11-24T00:00:10Z"), std::string::npos)
      << expired.error().text;
  const auto early = bundle.verify(chain, kNow - 1h, Purpose::client);
  ASSERT_FALSE(early);
  EXPECT_NE(early.error().text.find("compare the clocks"), std::string::npos) << early.error().text;
}

TEST_F(IssuerTest, another_root_of_the_same_name_is_not_trusted) {
  const Issuer impostor = Issuer::make_root("test root", kNow, 24h).value();
  const auto chain = impostor.chain_of(impostor.sign(PublicKey::of(key), {.id = kCart}, kNow, 1h).value());
  const auto verified = bundle.verify(chain, kNow, Purpose::client);
  ASSERT_FALSE(verified);
  EXPECT_NE(verified.error().text.find("leads to no trusted root"), std::string::npos)
      << verified.error().text;
}

TEST_F(IssuerTest, with_both_roots_in_the_bundle_both_generations_are_trusted) {
  const Issuer next = Issuer::make_root("next root", kNow, 24h * 365).value();
  const TrustBundle both = bundle.joined_with(TrustBundle::make({next.certificate()}).value());
  EXPECT_EQ(both.roots().size(), 2u);
  EXPECT_NE(both.fingerprint(), bundle.fingerprint());
  EXPECT_EQ(both.joined_with(bundle), both);
  EXPECT_TRUE(both.verify(issuer.chain_of(leaf()), kNow, Purpose::client));
  const auto chain = next.chain_of(next.sign(PublicKey::of(key), {.id = kCart}, kNow, 1h).value());
  EXPECT_TRUE(both.verify(chain, kNow, Purpose::client));
  EXPECT_FALSE(bundle.verify(chain, kNow, Purpose::client));
}

TEST_F(IssuerTest, a_missing_intermediate_and_an_authority_as_leaf_are_refused) {
  EXPECT_FALSE(bundle.verify(std::vector{leaf()}, kNow, Purpose::client));
  EXPECT_FALSE(bundle.verify(std::vector{issuer.certificate()}, kNow, Purpose::client));
  EXPECT_FALSE(bundle.verify({}, kNow, Purpose::client));
}

TEST_F(IssuerTest, a_leaf_cannot_sign) {
  // What somebody gets who takes the key of a leaf for an authority's.
  const auto loaded = Issuer::load(to_pem(issuer.chain_of(leaf())), key.to_pem());
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().text.find("not an authority's"), std::string::npos);
}

TEST_F(IssuerTest, an_issuer_comes_back_from_what_was_stored) {
  const auto loaded = Issuer::load(issuer.chain_pem(), issuer.key().to_pem());
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  const auto chain = loaded->chain_of(loaded->sign(PublicKey::of(key), {.id = kCart}, kNow, 1h).value());
  EXPECT_TRUE(bundle.verify(chain, kNow, Purpose::server));
  const auto wrong_key = Issuer::load(issuer.chain_pem(), key.to_pem());
  ASSERT_FALSE(wrong_key);
  EXPECT_NE(wrong_key.error().text.find("does not belong"), std::string::npos);
  EXPECT_FALSE(
      Issuer::load(to_pem(std::vector{root.certificate(), issuer.certificate()}), root.key().to_pem()));
}

TEST_F(IssuerTest, a_gateway_certificate_has_host_names_and_addresses) {
  const auto c =
      issuer.sign(PublicKey::of(key),
                  {.dns = {"shop.example", "*.shop.example"}, .ips = {IpAddress::loopback()}}, kNow, 1h);
  ASSERT_TRUE(c);
  EXPECT_EQ(c->dns_names(), (std::vector<std::string>{"shop.example", "*.shop.example"}));
  EXPECT_EQ(c->ip_names(), std::vector<std::string>{"127.0.0.1"});
  EXPECT_FALSE(c->spiffe_id());
  EXPECT_FALSE(issuer.sign(PublicKey::of(key), {}, kNow, 1h));
}

TEST_F(IssuerTest, names_with_nul_are_refused_when_read) {
  using namespace std::string_literals;
  const auto c = issuer.sign(PublicKey::of(key), {.dns = {"good.example\0.evil.example"s}}, kNow, 1h);
  EXPECT_FALSE(c);  // signing reads back what it made
}

TEST_F(IssuerTest, pem_and_der_come_back_the_same) {
  const Certificate c = leaf();
  const auto again = Certificate::parse_chain_pem("text before\n" + c.to_pem() + root.certificate().to_pem());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->size(), 2u);
  EXPECT_EQ((*again)[0], c);
  const std::string der = c.to_der();
  EXPECT_EQ(*Certificate::parse_der(as_bytes(der)), c);
  EXPECT_FALSE(Certificate::parse_der(as_bytes(der + "x")));
  EXPECT_EQ(PrivateKey::parse_pem(key.to_pem())->to_pem(), key.to_pem());
}

TEST_F(IssuerTest, broken_pem_says_what_it_is_not) {
  EXPECT_NE(Certificate::parse_chain_pem("").error().text.find("BEGIN CERTIFICATE"), std::string::npos);
  std::string cut = leaf().to_pem();
  cut.resize(cut.size() / 2);
  EXPECT_FALSE(Certificate::parse_chain_pem(leaf().to_pem() + cut));
  EXPECT_FALSE(
      Csr::parse_pem("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"));
  EXPECT_FALSE(PrivateKey::parse_pem("no key"));
  EXPECT_FALSE(TrustBundle::parse_pem(leaf().to_pem()));  // not an authority's
}

TEST_F(IssuerTest, a_csr_signed_by_another_key_is_refused) {
  std::string pem = make_csr(key, kCart).value();
  // The signature is at the end: change a character of the last full line.
  const size_t end = pem.find("\n-----END");
  char& c = pem[end - 6];
  c = c == 'A' ? 'B' : 'A';
  EXPECT_FALSE(Csr::parse_pem(pem));
}

TEST_F(IssuerTest, weak_keys_are_refused) {
  // 1024 bits, made for this test.
  const auto weak = PrivateKey::parse_pem(R"(-----BEGIN RSA PRIVATE KEY-----
MIICXQIBAAKBgQCjCOCP1kdWSRYJ2HjeG6BAVlizTHFeT0VO85wTwAkkyW15mOv4
lfrEBmo61+bza0sZRqfaGhoa8TxjC4hBCPsVUqLl+nbExIELEKwBpBbjVykLwwWl
SYzi5RYEsR8mg4GPCnkxQ0cNNqDaK1BFicqqDpDOAFlalf3t5CMgHrbImQIDAQAB
AoGBAI8S1kdEK5xsTRvczc1U/yAW5oaKuh6igFdV8A1hBGU1I46HheXEcKmgW49C
M1pBOUl4OQtsxqYIOA9PaoZwRC6+YuIBVpv7339FjbVsiLf2uXlipedoQSgO/5s9
k4bA65FIbkHu2/Ms3EzHCZD3V63sGJX0u61WqPYZO2PQg4yBAkEA0/MzvWjAvWvb
8TvWESPzx4vsqOAOIqwk8QE/VmXLpsBul/K3z/QykLXHRC3dZplvj16/+0Mh4Wx/
A3y0pIDREQJBAMTrIqkgWUGocP/2y75mj8GskQnCw+8yG6LwFni+Zq2dd7C0qHn/
GKh+TWF8j4tHrLAn9rdyXEA43osJ4Yb4fwkCQQCcfuhnJF+b/XXqyummwksPvetC
Th1h0IV+RhOEMamLOG7wVtEOBRsI6o91cgAV75kF3UoXtlvf3IJ0CrI+/LZhAkBN
rWNSy8vptoQ8tCHSzapPf78G1qlrpZx5PbPflVvziHY6YklDNnmHnarwla4aBv/7
zQfpfVcejlBbEF7CWyvhAkBvHXmoX+J0qvymoLkB8vPwSWIVwx+08iHLWvE2+dOj
cBq6bf2Xg4RamXZ4McHJjJ9mfw1hkWhf1sR2oYNqccIZ
-----END RSA PRIVATE KEY-----
)");
  ASSERT_FALSE(weak);
  EXPECT_NE(weak.error().text.find("2048 bits"), std::string::npos) << weak.error().text;
}

}  // namespace
}  // namespace weft::identity
