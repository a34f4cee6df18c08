#include "control/authority/rotation.h"

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "base/strings.h"
#include "yaml/tree.h"

namespace weft::control {
namespace {

using identity::Issuer;
using identity::TrustBundle;

// Clocks of proxies differ: a root stays a little longer than its last leaf.
constexpr Duration kClockSkew = std::chrono::seconds(5);
// Between a proxy's word that it has the new root and its last worker's using it.
constexpr Duration kTakingEffect = std::chrono::seconds(1);

WallTime part_of_life(const identity::Certificate& certificate, int percent) {
  return certificate.not_before() + (certificate.not_after() - certificate.not_before()) / 100 * percent;
}

void write_issuer(JsonWriter& json, std::string_view name, const Issuer& issuer) {
  json.key(name).begin_object();
  json.field("chain", issuer.chain_pem()).field("key", issuer.key().to_pem()).end_object();
}

Result<Issuer> read_issuer(const yaml::Node& state, std::string_view name) {
  const yaml::Node* node = state.find(name);
  const yaml::Node* chain = node == nullptr ? nullptr : node->find("chain");
  const yaml::Node* key = node == nullptr ? nullptr : node->find("key");
  if (chain == nullptr || key == nullptr) return fail(Error::Kind::invalid, concat(name, " is missing"));
  auto issuer = Issuer::load(chain->text, key->text);
  if (!issuer) return std::unexpected(std::move(issuer).error().within(name));
  return issuer;
}

Result<WallTime> read_time(const yaml::Node& state, std::string_view name) {
  const yaml::Node* node = state.find(name);
  const auto number = node == nullptr ? std::nullopt : yaml::as_integer(*node);
  if (!number) return fail(Error::Kind::invalid, concat(name, " is not a time"));
  return WallTime(Duration(*number));
}

}  // namespace

std::string_view to_string(Rotation::Phase phase) {
  switch (phase) {
    case Rotation::Phase::steady:
      return "steady";
    case Rotation::Phase::spreading:
      return "spreading";
    case Rotation::Phase::retiring:
      return "retiring";
  }
  return "steady";
}

Result<Rotation> Rotation::make(Options options, WallTime now) {
  WEFT_TRY(Issuer root, Issuer::make_root(concat("Root of ", options.name), now, options.root_life));
  WEFT_TRY(Issuer issuer,
           root.make_intermediate(concat("Issuer of ", options.name), now, options.issuer_life));
  WEFT_TRY(TrustBundle bundle, TrustBundle::make({root.certificate()}));
  Rotation rotation(std::move(options), std::move(root), std::move(issuer), std::move(bundle));
  rotation.phase_since_ = now;
  return rotation;
}

std::string Rotation::save() const {
  JsonWriter json(1);
  json.begin_object().field("version", 1).field("phase", to_string(phase_));
  json.field("phaseSince", int64_t{phase_since_.time_since_epoch().count()});
  json.field("lastLeafEnd", int64_t{saved_until().time_since_epoch().count()});
  json.field("retireAt", int64_t{retire_at_.time_since_epoch().count()});
  write_issuer(json, "root", root_);
  write_issuer(json, "issuer", issuer_);
  if (other_root_) write_issuer(json, "otherRoot", *other_root_);
  json.end_object();
  return json.take() + "\n";
}

Result<Rotation> Rotation::load(std::string_view saved, Options options) {
  WEFT_TRY(const yaml::Node state, yaml::parse_one(saved, "the authority's state"));
  const yaml::Node* version = state.find("version");
  if (version == nullptr || yaml::as_integer(*version) != 1) {
    return fail(Error::Kind::unsupported, "it was written by another release");
  }
  WEFT_TRY(Issuer root, read_issuer(state, "root"));
  WEFT_TRY(Issuer issuer, read_issuer(state, "issuer"));
  WEFT_TRY(TrustBundle bundle, TrustBundle::make({root.certificate()}));
  Rotation rotation(std::move(options), std::move(root), std::move(issuer), std::move(bundle));
  const yaml::Node* phase = state.find("phase");
  const std::string_view name = phase == nullptr ? std::string_view() : phase->text;
  if (name == "spreading") rotation.phase_ = Phase::spreading;
  if (name == "retiring") rotation.phase_ = Phase::retiring;
  if (rotation.phase_ != Phase::steady) {
    WEFT_TRY(rotation.other_root_, read_issuer(state, "otherRoot"));
  }
  WEFT_TRY(rotation.phase_since_, read_time(state, "phaseSince"));
  WEFT_TRY(rotation.last_leaf_end_, read_time(state, "lastLeafEnd"));
  WEFT_TRY(rotation.retire_at_, read_time(state, "retireAt"));
  WEFT_CHECK_OK(rotation.make_bundle());
  return rotation;
}

Result<void> Rotation::make_bundle() {
  std::vector<identity::Certificate> roots = {root_.certificate()};
  if (other_root_) roots.push_back(other_root_->certificate());
  WEFT_TRY(bundle_, TrustBundle::make(std::move(roots)));
  return {};
}

Result<identity::Certificate> Rotation::sign(const identity::PublicKey& key, const identity::LeafNames& names,
                                             WallTime now, Duration wanted) {
  const Duration life = wanted <= Duration::zero() ? options_.leaf_life : wanted;
  WEFT_TRY(identity::Certificate leaf, issuer_.sign(key, names, now, std::min(life, options_.max_leaf_life)));
  last_leaf_end_ = std::max(last_leaf_end_, leaf.not_after());
  return leaf;
}

Result<void> Rotation::rotate_issuer(WallTime now) {
  WEFT_TRY(issuer_, root_.make_intermediate(concat("Issuer of ", options_.name), now, options_.issuer_life));
  return {};
}

Result<void> Rotation::rotate_root(WallTime now) {
  if (phase_ != Phase::steady) {
    return fail(Error::Kind::conflict,
                concat("a root rotation is under way (", to_string(phase_), "); wait until it is steady"));
  }
  WEFT_TRY(other_root_, Issuer::make_root(concat("Root of ", options_.name), now, options_.root_life));
  phase_ = Phase::spreading;
  phase_since_ = now;
  return make_bundle();
}

WallTime Rotation::issuer_renewal() const {
  // Leaves are cut at the issuer's end, so it goes well before.
  return part_of_life(issuer_.certificate(), 50);
}
WallTime Rotation::root_renewal() const { return part_of_life(root_.certificate(), 80); }

Result<bool> Rotation::advance(WallTime now, bool everybody_trusts) {
  switch (phase_) {
    case Phase::steady:
      if (now < root_renewal()) break;
      WEFT_CHECK_OK(rotate_root(now));
      return true;
    case Phase::spreading:
      if (now < phase_since_ + kTakingEffect) break;
      if (!everybody_trusts && now < phase_since_ + spread_limit()) break;
      std::swap(root_, *other_root_);
      WEFT_CHECK_OK(rotate_issuer(now));
      retire_at_ = last_leaf_end_ + kClockSkew;
      last_leaf_end_ = {};
      phase_ = Phase::retiring;
      phase_since_ = now;
      return true;
    case Phase::retiring:
      if (now < retire_at_) break;
      other_root_.reset();
      phase_ = Phase::steady;
      phase_since_ = now;
      WEFT_CHECK_OK(make_bundle());
      return true;
  }
  if (now < issuer_renewal()) return false;
  WEFT_CHECK_OK(rotate_issuer(now));
  return true;
}

WallTime Rotation::next_step() const {
  WallTime next = issuer_renewal();
  if (phase_ == Phase::steady) next = std::min(next, root_renewal());
  if (phase_ == Phase::spreading)
    next = std::min(next, phase_since_ + std::max(kTakingEffect, spread_limit()));
  if (phase_ == Phase::retiring) next = std::min(next, retire_at_);
  return next;
}

}  // namespace weft::control
