// The xDS protocol with one proxy on one stream, without I/O: requests go in, responses come out.
//
//   AdsSession session(AdsSession::Mode::delta, encoded);
//   session.offer(snapshot, generation);            // the newest this proxy should have
//   session.receive(request);                       // subscriptions, ACKs, NACKs
//   while (auto message = session.next(now)) co_await stream.write(*message);
//   ... again after receive() or offer(), or at session.wake_at()
//
// What it promises:
//   - Only what this proxy asked for and does not have is sent, each resource as bytes encoded once.
//   - One response a type is under way at a time; the next waits for its ACK or NACK.
//   - A proxy is taken from one snapshot to the next whole, make before break: clusters and endpoints,
//     then listeners and routes that use them, and only then what they no longer use is taken away.
//     A newer snapshot waits until the one before is through, or `patience` has passed.
//   - A cluster that is sent again gets its endpoints again: it is warm only once they came anew (xDS
//     protocol, "Resource warming"), and a proxy that has subscribed to them already does not ask.
//   - A refused response costs only what is wrong in it. What can be sent in parts (delta; routes,
//     endpoints and secrets of the state of the world) is sent again in halves until the refused
//     resource stands alone; it is not sent again before it changes. Of listeners and clusters by state of
//     the world, the whole list waits for the next change.
//
// State of the world: listeners and clusters go out as the whole list, and what is absent from it is
// deleted; for the other types absence says nothing (xDS protocol, "Deleting resources").
//
// It is used in one thread. The cache of encodings outlives it.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "control/deliver/encoded_resources.h"
#include "model/snapshot.h"
#include "wire/discovery.h"

namespace weft::control {

// What was sent of one resource, and what came of it.
struct SentResource {
  enum class State : uint8_t { sent, accepted, rejected };
  State state = State::sent;
  std::string version;                     // empty: it was told that there is none
  std::shared_ptr<const std::string> any;  // null for what it brought from an earlier stream
  std::shared_ptr<const void> resource;    // the model's; kept so that its address stays its own
  std::string error;                       // of a rejected one
};

// The state of one type on one stream, for pages and metrics.
struct TypeStatus {
  bool requested = false;
  bool wildcard = false;
  size_t subscribed = 0;
  std::string nonce_sent, nonce_acked;
  std::string version_sent, version_acked;
  uint64_t responses = 0;
  uint64_t rejects = 0;
  std::string error;  // of the last NACK; empty once a later response was accepted
};

class AdsSession {
 public:
  enum class Mode : uint8_t { state_of_the_world, delta };

  struct Limits {
    size_t max_subscriptions = 200'000;           // a type
    size_t max_response = 4u << 20;               // bytes of resources in a response that can be split
    Duration patience = std::chrono::seconds(1);  // how long a step waits for the one before it
  };

  AdsSession(Mode mode, EncodedResources& encoded, Limits limits);
  AdsSession(Mode mode, EncodedResources& encoded) : AdsSession(mode, encoded, Limits()) {}

  // The proxy should come to this. `generation` grows with every offer.
  void offer(std::shared_ptr<const model::Snapshot> snapshot, uint64_t generation);

  // An error ends the stream: a request of the other mode, or too much.
  Result<void> receive(const wire::DiscoveryRequest& request);
  Result<void> receive(const wire::DeltaDiscoveryRequest& request);

  // The next response as bytes; nullopt: nothing to send now.
  std::optional<std::string> next(TimePoint now);
  // Of the response that next() gave last.
  wire::ResourceType last_type() const { return last_type_; }
  // When next() may have something though nothing was received or offered; max(): never.
  TimePoint wake_at() const { return wake_at_; }

  // The newest generation of which everything asked for was sent and accepted; 0: none yet.
  uint64_t settled_generation() const { return settled_; }
  // Whether anything the proxy refused is still not replaced.
  bool has_rejected() const;
  // Told with each NACK: which type, what the proxy said, how many resources it was about.
  void on_reject(std::move_only_function<void(wire::ResourceType, const wire::Refusal&, size_t)> callback) {
    on_reject_ = std::move(callback);
  }

  Mode mode() const { return mode_; }
  TypeStatus status(wire::ResourceType type) const;
  const std::map<std::string, SentResource>& sent(wire::ResourceType type) const;

 private:
  struct Item {
    std::string name;
    bool removal = false;
  };
  struct Change {
    std::string name;
    Encoded encoded;                       // empty: it is to be removed, or told absent
    std::shared_ptr<const void> resource;  // null likewise
    std::string endpoints;                 // of an EDS cluster: the name of its endpoints
    bool is_removal() const { return resource == nullptr; }
  };
  struct Type {
    bool requested = false;
    bool wildcard = false;
    bool ever_named = false;
    std::set<std::string> names;
    std::map<std::string, SentResource> known;
    std::set<std::string> due;       // asked for anew: to be answered whatever is known
    bool answer_due = false;         // a wildcard's first answer is sent even if it is empty
    std::set<std::string> rejected;  // of known: what stands refused
    bool whole_rejected = false;     // the list as a whole was refused (state of the world)
    std::deque<std::vector<std::string>> probes;

    bool in_flight = false;
    std::vector<Item> flight;
    TypeStatus status;

    bool changes_valid = false;
    std::vector<Change> updates;  // in order of name
    std::vector<Change> removals;
  };

  Type& of(wire::ResourceType type) { return types_[static_cast<size_t>(type)]; }
  const Type& of(wire::ResourceType type) const { return types_[static_cast<size_t>(type)]; }
  bool is_whole(wire::ResourceType type) const;

  Result<void> subscribe(wire::ResourceType type, const std::vector<std::string>& names);
  void answered(wire::ResourceType type, const std::optional<wire::Refusal>& error);
  void accepted(Type& state);
  void refused(wire::ResourceType type, const wire::Refusal& error);

  void adopt(TimePoint now);
  void find_changes(wire::ResourceType type);
  bool updates_settled(wire::ResourceType type);
  bool settled(wire::ResourceType type);
  bool all_settled();
  bool rejected(wire::ResourceType type) const;
  bool never_removes(wire::ResourceType type) const;
  bool endpoints_awaited();
  bool may_update(wire::ResourceType type);
  bool may_remove(wire::ResourceType type);
  std::optional<std::string> first_due(TimePoint now);
  std::optional<std::string> response(wire::ResourceType type, bool updates_open);
  std::string send_whole(wire::ResourceType type, bool removals_open);
  std::string send_parts(wire::ResourceType type, std::vector<Change> changes);
  void remember(Type& state, const Change& change);
  static void forget_unwanted(Type& state);
  std::string next_nonce(Type& state);

  Mode mode_;
  EncodedResources& encoded_;
  Limits limits_;
  std::array<Type, 5> types_;
  std::shared_ptr<const model::Snapshot> target_;
  std::shared_ptr<const model::Snapshot> newest_;
  uint64_t target_generation_ = 0;
  uint64_t newest_generation_ = 0;
  uint64_t settled_ = 0;
  uint64_t nonces_ = 0;
  bool probe_dropped_ = false;
  wire::ResourceType last_type_ = wire::ResourceType::cluster;
  TimePoint target_since_{};
  TimePoint wake_at_ = TimePoint::max();
  std::set<std::string> awaited_endpoints_;
  std::move_only_function<void(wire::ResourceType, const wire::Refusal&, size_t)> on_reject_;
};

}  // namespace weft::control
