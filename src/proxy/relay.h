// Moves message bodies between two exchanges, with backpressure and without waiting.
//
// A BodyPump is one direction. pump() moves what can be moved now; the caller then awaits the one
// Event to which it has forwarded both exchanges' events:
//
//   for (;;) {
//     upload.pump(); download.pump();
//     if (download.done()) break;
//     co_await wake.wait();
//   }
//
// Memory is bounded by the exchanges: write() takes no more than the other end's window or 64 KiB, and
// what was not consumed is not given back to the sender as window.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "http/headers.h"
#include "net/exchange.h"

namespace weft::proxy {

// The messages of a gRPC body, told by their length prefixes as it passes.
class GrpcMessageCount {
 public:
  void pass(Bytes body);
  uint64_t messages() const { return messages_; }

 private:
  uint8_t prefix_[5] = {};
  size_t prefix_size_ = 0;
  uint64_t left_ = 0;  // of the message that is passing
  uint64_t messages_ = 0;
};

class BodyPump {
 public:
  enum class State : uint8_t {
    running,
    done,         // end or trailers were passed on
    from_failed,  // the sender reset or broke; from's error() says why
  };

  // Both outlive the pump.
  BodyPump(net::Exchange& from, net::Exchange& to) : from_(&from), to_(&to) {}

  // The body is gRPC's: its messages are counted.
  void count_messages() { grpc_.emplace(); }
  uint64_t messages() const { return grpc_ ? grpc_->messages() : 0; }
  // Keeps what is sent, up to `limit` bytes, so that the message can be sent again.
  void keep_for_replay(size_t limit) { replay_limit_ = limit; }
  // The body so far is whole in replay(), so it may be sent to another backend.
  bool replayable() const { return !replay_overflow_; }
  // All of the message passed, and all of it was kept.
  bool whole() const { return source_ended_ && replayable(); }
  Bytes kept() const { return replay_.bytes(); }
  // Starts over towards `to`: what was kept goes first.
  void restart(net::Exchange& to);

  State pump();
  State state() const { return state_; }
  bool done() const { return state_ == State::done; }
  uint64_t bytes() const { return bytes_; }
  const http::Headers* trailers() const { return trailers_; }

 private:
  net::Exchange* from_;
  net::Exchange* to_;
  State state_ = State::running;
  uint64_t bytes_ = 0;
  const http::Headers* trailers_ = nullptr;
  std::optional<GrpcMessageCount> grpc_;
  Buffer replay_;
  size_t replay_limit_ = 0;
  size_t replayed_ = 0;
  bool replaying_ = false;
  bool replay_overflow_ = false;
  bool source_ended_ = false;
};

}  // namespace weft::proxy
