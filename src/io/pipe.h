// A pipe: two Streams in memory, each the other's peer. What one writes the other reads.
//
//   auto [client, server] = make_pipe(loop);
//
// It behaves like a loopback socket: bounded, half-closed by shutdown_write(), and closing an end that
// has unread bytes, or writing to an end that is gone, resets. What lies between the ends may be told
// to delay, lose or cut (PipeWire); the simulation does so.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "io/stream.h"

namespace weft::io {

// What happens to one write on its way. Bytes stay in order whatever their delays.
struct Passage {
  enum class Fate : uint8_t {
    deliver,
    lose,   // this and all that follows in this direction never arrives, and nobody is told
    reset,  // the connection is cut for both ends
  };
  Fate fate = Fate::deliver;
  Duration delay{};
};

class PipeWire {
 public:
  virtual ~PipeWire() = default;
  virtual Passage pass(const SocketAddress& from, const SocketAddress& to, size_t bytes) = 0;
};

struct PipeOptions {
  size_t capacity = 64 * 1024;  // each way: on the wire and unread together
  SocketAddress first_address{.ip = IpAddress::loopback(), .port = 1};
  SocketAddress second_address{.ip = IpAddress::loopback(), .port = 2};
  // What the second end says of original_destination().
  std::optional<SocketAddress> original_destination;
  PipeWire* wire = nullptr;  // perfect if absent; outlives both ends
};

using StreamPair = std::pair<std::unique_ptr<Stream>, std::unique_ptr<Stream>>;
StreamPair make_pipe(Loop& loop, PipeOptions options = {});
// The ends may belong to two loops of one simulation.
StreamPair make_pipe(Loop& first, Loop& second, PipeOptions options);

}  // namespace weft::io
