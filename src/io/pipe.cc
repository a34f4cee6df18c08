#include "io/pipe.h"

#include <algorithm>
#include <deque>

namespace weft::io {

namespace {

class PipeEnd;

// One direction: what its writer sent and its reader has not taken.
struct Lane {
  struct Segment {
    enum class Kind : uint8_t { bytes, fin, reset };
    Kind kind;
    TimePoint arrives;
    Buffer bytes;
  };

  explicit Lane(Loop& reader_loop) : loop(reader_loop), arrival(reader_loop, [this] { deliver_due(); }) {}
  size_t room() const { return capacity - std::min(capacity, arrived.size() + in_flight_bytes); }
  void send(Segment::Kind kind, Buffer bytes);
  void deliver_due();
  void deliver(Segment segment);

  Loop& loop;
  PipeEnd* reader = nullptr;  // nullptr once that end is destroyed
  PipeEnd* writer = nullptr;
  PipeWire* wire = nullptr;
  SocketAddress from, to;
  size_t capacity = 0;
  Buffer arrived;
  std::deque<Segment> in_flight;
  size_t in_flight_bytes = 0;
  bool fin_arrived = false;
  bool lost = false;
  Timer arrival;
};

struct Pipe {
  Pipe(Loop& first, Loop& second) : to_second(second), to_first(first) {}
  Lane to_second, to_first;
};

class PipeEnd final : public Stream {
 public:
  PipeEnd(Loop& loop, std::shared_ptr<Pipe> pipe, Lane& in, Lane& out, std::optional<SocketAddress> original)
      : Stream(loop), pipe_(std::move(pipe)), in_(in), out_(out), original_(std::move(original)) {
    in_.reader = this;
    out_.writer = this;
  }

  ~PipeEnd() override {
    in_.reader = nullptr;
    out_.writer = nullptr;
    if (failed_) return;
    if (!in_.arrived.empty()) {
      out_.send(Lane::Segment::Kind::reset, {});
    } else if (!shut_) {
      out_.send(Lane::Segment::Kind::fin, {});
    }
  }

  IoResult try_write(std::span<const Bytes> pieces) override {
    if (failed_) return {IoStatus::failed, 0};
    if (shut_) {
      fail_with(Error::Kind::reset, "write after shutdown_write");
      return {IoStatus::failed, 0};
    }
    size_t room = out_.room();
    if (room == 0) return {IoStatus::blocked, 0};
    Buffer taken;
    for (const Bytes piece : pieces) {
      const size_t count = std::min(room, piece.size());
      taken.append(piece.first(count));
      room -= count;
    }
    const size_t count = taken.size();
    if (count > 0) out_.send(Lane::Segment::Kind::bytes, std::move(taken));
    return {IoStatus::ok, count};
  }
  using Stream::try_write;

  void shutdown_write() override {
    if (failed_ || std::exchange(shut_, true)) return;
    out_.send(Lane::Segment::Kind::fin, {});
  }

  void abort() override {
    if (failed_) return;
    fail_with(Error::Kind::cancelled, "the connection was aborted on our side");
    out_.send(Lane::Segment::Kind::reset, {});
  }

  Error error() const override { return error_; }
  SocketAddress local_address() const override { return out_.from; }
  SocketAddress peer_address() const override { return out_.to; }
  std::optional<SocketAddress> original_destination() const override { return original_; }

  void fail_with(Error::Kind kind, std::string_view text) {
    if (failed_) return;
    failed_ = true;
    error_ = Error{.kind = kind, .text = std::string(text)};
    readable_.notify();
    writable_.notify();
  }
  void notify_readable() { readable_.notify(); }
  void notify_writable() { writable_.notify(); }

 private:
  IoResult do_read(MutableBytes into) override {
    if (failed_) return {IoStatus::failed, 0};
    const size_t count = std::min(into.size(), in_.arrived.size());
    if (count == 0) return {in_.fin_arrived ? IoStatus::eof : IoStatus::blocked, 0};
    const bool was_full = in_.room() == 0;
    std::copy_n(in_.arrived.bytes().begin(), count, into.begin());
    in_.arrived.consume(count);
    if (was_full && in_.writer != nullptr) in_.writer->notify_writable();
    return {IoStatus::ok, count};
  }

  std::shared_ptr<Pipe> pipe_;
  Lane& in_;
  Lane& out_;
  std::optional<SocketAddress> original_;
  bool shut_ = false;
  bool failed_ = false;
  Error error_;
};

void Lane::send(Segment::Kind kind, Buffer bytes) {
  const Passage passage = wire != nullptr ? wire->pass(from, to, bytes.size()) : Passage{};
  if (passage.fate == Passage::Fate::lose) lost = true;
  if (lost) {
    in_flight_bytes += bytes.size();  // a sender's window fills up, as TCP's would
    return;
  }
  if (passage.fate == Passage::Fate::reset) {
    in_flight.clear();
    kind = Segment::Kind::reset;
    bytes = {};
    if (writer != nullptr) writer->fail_with(Error::Kind::reset, "the network cut the connection");
  }
  const TimePoint now = loop.now();
  TimePoint arrives = now + passage.delay;
  if (!in_flight.empty()) arrives = std::max(arrives, in_flight.back().arrives);
  Segment segment{kind, arrives, std::move(bytes)};
  if (arrives <= now && in_flight.empty()) {
    deliver(std::move(segment));
    return;
  }
  in_flight_bytes += segment.bytes.size();
  in_flight.push_back(std::move(segment));
  if (!arrival.armed()) arrival.arm_at(in_flight.front().arrives);
}

void Lane::deliver_due() {
  const TimePoint now = loop.now();
  while (!in_flight.empty() && in_flight.front().arrives <= now) {
    Segment segment = std::move(in_flight.front());
    in_flight.pop_front();
    in_flight_bytes -= segment.bytes.size();
    deliver(std::move(segment));
  }
  if (!in_flight.empty()) arrival.arm_at(in_flight.front().arrives);
}

void Lane::deliver(Segment segment) {
  switch (segment.kind) {
    case Segment::Kind::bytes:
      if (reader == nullptr) {  // nobody is there any more: the kernel would answer with RST
        if (writer != nullptr) writer->fail_with(Error::Kind::reset, "connection reset by peer");
        return;
      }
      arrived.append(segment.bytes.bytes());
      reader->notify_readable();
      return;
    case Segment::Kind::fin:
      fin_arrived = true;
      if (reader != nullptr) reader->notify_readable();
      return;
    case Segment::Kind::reset:
      arrived.release();
      if (reader != nullptr) reader->fail_with(Error::Kind::reset, "connection reset by peer");
      return;
  }
}

}  // namespace

StreamPair make_pipe(Loop& loop, PipeOptions options) { return make_pipe(loop, loop, std::move(options)); }

StreamPair make_pipe(Loop& first, Loop& second, PipeOptions options) {
  auto pipe = std::make_shared<Pipe>(first, second);
  for (Lane* lane : {&pipe->to_second, &pipe->to_first}) {
    lane->capacity = options.capacity;
    lane->wire = options.wire;
  }
  pipe->to_second.from = pipe->to_first.to = options.first_address;
  pipe->to_second.to = pipe->to_first.from = options.second_address;
  return {std::make_unique<PipeEnd>(first, pipe, pipe->to_first, pipe->to_second, std::nullopt),
          std::make_unique<PipeEnd>(second, pipe, pipe->to_second, pipe->to_first,
                                    std::move(options.original_destination))};
}

}  // namespace weft::io
