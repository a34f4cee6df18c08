#include "control/authority/rotation.h"

#include <gtest/gtest.h>

#include "identity/csr.h"

namespace weft::control {
namespace {

using namespace std::chrono_literals;

const WallTime kNow = std::chrono::sys_days(std::chrono::year(2026) / 8 / 1);

class RotationTest : public testing::Test {
 protected:
  static Rotation::Options options() {
    Rotation::Options made;
    made.leaf_life = 1h;
    made.max_leaf_life = 24h;
    return made;
  }
  std::vector<identity::Certificate> leaf(Duration wanted = Duration::zero()) {
    const auto signed_leaf = rotation.sign(identity::PublicKey::of(key), {.id = id}, now, wanted);
    EXPECT_TRUE(signed_leaf) << (signed_leaf ? "" : signed_leaf.error().text);
    return rotation.chain_of(*signed_leaf);
  }
  bool trusts(const identity::TrustBundle& bundle, const std::vector<identity::Certificate>& chain) {
    return bundle.verify(chain, now, identity::Purpose::server).has_value();
  }
  bool advance(bool everybody_trusts = false) {
    const auto moved = rotation.advance(now, everybody_trusts);
    EXPECT_TRUE(moved) << (moved ? "" : moved.error().text);
    return moved && *moved;
  }

  identity::PrivateKey key = *identity::PrivateKey::generate();
  identity::SpiffeId id = *identity::SpiffeId::make("cluster.local", "default", "web");
  WallTime now = kNow;
  Rotation rotation = *Rotation::make(options(), kNow);
};

TEST_F(RotationTest, leaves_live_as_asked_up_to_the_maximum) {
  EXPECT_EQ(leaf().front().not_after(), now + 1h);
  EXPECT_EQ(leaf(10s).front().not_after(), now + 10s);
  EXPECT_EQ(leaf(48h).front().not_after(), now + 24h);
  EXPECT_EQ(leaf().front().spiffe_id(), id);
}

TEST_F(RotationTest, a_new_issuer_signs_at_once_and_both_its_and_older_leaves_are_trusted) {
  const auto before = leaf();
  ASSERT_TRUE(rotation.rotate_issuer(now));
  const auto after = leaf();
  EXPECT_NE(before[1].serial(), after[1].serial());
  EXPECT_TRUE(trusts(rotation.bundle(), before));
  EXPECT_TRUE(trusts(rotation.bundle(), after));
}

TEST_F(RotationTest, no_leaf_is_ever_given_that_somebody_may_not_trust) {
  const auto first_bundle = rotation.bundle();
  const auto first = leaf();
  ASSERT_TRUE(rotation.rotate_root(now));
  EXPECT_EQ(rotation.phase(), Rotation::Phase::spreading);
  const auto both = rotation.bundle();
  EXPECT_EQ(both.roots().size(), 2u);
  // While the new root spreads, who has only the old bundle must still be served.
  EXPECT_TRUE(trusts(first_bundle, leaf()));
  now += 2s;
  EXPECT_FALSE(advance(false));
  ASSERT_TRUE(advance(true));
  EXPECT_EQ(rotation.phase(), Rotation::Phase::retiring);
  const auto second = leaf();
  EXPECT_FALSE(trusts(first_bundle, second));
  EXPECT_TRUE(trusts(both, second));
  EXPECT_TRUE(trusts(rotation.bundle(), first));
  // The old root leaves once its last leaf has ended.
  now += 1h;
  EXPECT_FALSE(advance());
  now += 10s;
  ASSERT_TRUE(advance());
  EXPECT_EQ(rotation.phase(), Rotation::Phase::steady);
  EXPECT_EQ(rotation.bundle().roots().size(), 1u);
  EXPECT_FALSE(trusts(rotation.bundle(), first));
  EXPECT_TRUE(trusts(rotation.bundle(), leaf()));
}

TEST_F(RotationTest, a_root_that_not_everybody_acknowledges_signs_after_one_life_of_a_leaf) {
  ASSERT_TRUE(rotation.rotate_root(now));
  now += 59min;
  EXPECT_FALSE(advance(false));
  now += 1min;
  EXPECT_TRUE(advance(false));
  EXPECT_EQ(rotation.phase(), Rotation::Phase::retiring);
}

TEST_F(RotationTest, one_root_rotation_at_a_time) {
  ASSERT_TRUE(rotation.rotate_root(now));
  const auto again = rotation.rotate_root(now);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, Error::Kind::conflict);
}

TEST_F(RotationTest, issuer_and_root_are_renewed_before_they_end) {
  now += 24h * 46;
  const std::string serial = rotation.issuer().certificate().serial();
  EXPECT_TRUE(advance());
  EXPECT_NE(rotation.issuer().certificate().serial(), serial);
  EXPECT_FALSE(advance());
  now = kNow + 24h * 3650 / 10 * 9;
  EXPECT_TRUE(advance());
  EXPECT_EQ(rotation.phase(), Rotation::Phase::spreading);
}

TEST_F(RotationTest, a_restart_in_any_phase_loses_nothing) {
  const auto check = [&] {
    const auto again = Rotation::load(rotation.save(), options());
    ASSERT_TRUE(again) << again.error().text;
    EXPECT_EQ(again->phase(), rotation.phase());
    EXPECT_EQ(again->bundle().fingerprint(), rotation.bundle().fingerprint());
    EXPECT_EQ(again->issuer().certificate().serial(), rotation.issuer().certificate().serial());
    EXPECT_EQ(again->other_root().has_value(), rotation.other_root().has_value());
    rotation = *again;
  };
  const auto first = leaf();
  check();
  ASSERT_TRUE(rotation.rotate_root(now));
  check();
  now += 2s;
  ASSERT_TRUE(advance(true));
  check();
  // What was signed before the restart still counts: the old root stays for its leaves.
  now += 59min;
  EXPECT_FALSE(advance());
  EXPECT_TRUE(trusts(rotation.bundle(), first));
  now += 3h;
  ASSERT_TRUE(advance());
  check();
}

TEST_F(RotationTest, next_step_is_when_advance_has_something_to_do) {
  ASSERT_TRUE(rotation.rotate_root(now));
  now = rotation.next_step();
  EXPECT_TRUE(advance());
  EXPECT_EQ(rotation.phase(), Rotation::Phase::retiring);
  now = rotation.next_step();
  EXPECT_TRUE(advance());
  EXPECT_EQ(rotation.phase(), Rotation::Phase::steady);
}

TEST_F(RotationTest, a_damaged_state_is_refused) {
  EXPECT_FALSE(Rotation::load("", options()));
  EXPECT_FALSE(Rotation::load("{}", options()));
  EXPECT_FALSE(Rotation::load(R"({"version": 1, "phase": "steady"})", options()));
  std::string saved = rotation.save();
  saved.replace(saved.find("BEGIN CERTIFICATE") + 30, 4, "????");
  EXPECT_FALSE(Rotation::load(saved, options()));
}

}  // namespace
}  // namespace weft::control
