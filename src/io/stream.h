// Stream: a byte stream in both directions, whatever carries it: a socket, TLS over one (tls/stream.h),
// or the simulation's wire.
//
// The calls never wait. A reader asks, and where the answer is `blocked` awaits readable():
//
//   for (;;) {
//     const io::IoResult r = stream.try_read(buffer.reserve(16384));
//     if (r.status == io::IoStatus::blocked) { co_await stream.readable(); continue; }
//     ...
//   }
//
// A short read tells the socket stream that the kernel has no more, so the next try_read answers
// `blocked` without asking the kernel: one system call a message, not two.
// read_some() and write_all() below are for callers where a coroutine frame does not matter.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "base/address.h"
#include "base/bytes.h"
#include "base/result.h"
#include "io/loop.h"

namespace weft::io {

enum class IoStatus : uint8_t {
  ok,       // `count` bytes were moved, at least one
  blocked,  // not now: await readable() or writable()
  eof,      // the other end sent everything it had (reading only)
  failed,   // the stream is dead; error() says why
};

struct IoResult {
  IoStatus status = IoStatus::blocked;
  size_t count = 0;
};

class Stream {
 public:
  explicit Stream(Loop& loop) : loop_(loop), readable_(loop), writable_(loop) {}
  virtual ~Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  IoResult try_read(MutableBytes into) {
    if (!pushed_back_.empty()) return read_pushed_back(into);
    return do_read(into);
  }
  // Gathers; a partial write is `ok` with a smaller count.
  virtual IoResult try_write(std::span<const Bytes> pieces) = 0;
  IoResult try_write(Bytes piece) { return try_write(std::span<const Bytes>(&piece, 1)); }

  // Puts bytes back in front of what try_read gives next: protocol detection reads, then hands on.
  void unread(Bytes bytes);
  size_t unread_size() const { return pushed_back_.size(); }

  // Resume when try_read (try_write) may answer something else than `blocked`. One waiter each.
  Event::Awaiter readable() { return readable_.wait(); }
  Event::Awaiter writable() { return writable_.wait(); }
  Event& readable_event() { return readable_; }
  Event& writable_event() { return writable_; }

  // We have no more to say: FIN, or TLS close_notify and FIN.
  virtual void shutdown_write() = 0;
  // Ends the stream now, with a reset towards the peer. Waiters wake and see `failed`.
  virtual void abort() = 0;
  // Why the stream failed; meaningful after `failed`.
  virtual Error error() const = 0;

  virtual SocketAddress local_address() const = 0;
  virtual SocketAddress peer_address() const = 0;
  // Where the client meant to go before redirection (SO_ORIGINAL_DST); nullopt if not redirected.
  virtual std::optional<SocketAddress> original_destination() const { return std::nullopt; }

  Loop& loop() const { return loop_; }

 protected:
  virtual IoResult do_read(MutableBytes into) = 0;
  Loop& loop_;
  Event readable_;
  Event writable_;

 private:
  IoResult read_pushed_back(MutableBytes into);
  Buffer pushed_back_;
};

// Waits for at least one byte. 0 is the orderly end. A `deadline` that passes is Error::Kind::timeout.
Task<Result<size_t>> read_some(Stream& stream, MutableBytes into, TimePoint deadline = TimePoint::max());
// Waits until all of it is handed to the kernel.
Task<Result<void>> write_all(Stream& stream, Bytes bytes, TimePoint deadline = TimePoint::max());

}  // namespace weft::io
