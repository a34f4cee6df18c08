// The bytes of one connection: a stream, what was read of it, and what is to be written to it.
//
// Writes pile up in output() and leave at the end of the tick, in one system call for everything that
// happened in it. Reads are large, and stop where the reader has not consumed 64 KiB. Both buffers give
// their memory back when the connection idles.
#pragma once

#include <functional>
#include <memory>

#include "base/bytes.h"
#include "io/loop.h"
#include "io/stream.h"
#include "net/deadline.h"

namespace weft::net {

class Transport {
 public:
  static constexpr size_t kBound = 64 * 1024;  // per direction

  // `wake` is notified when the stream becomes readable or writable, and when a deadline passes. `flushed`
  // runs when room has come up in the output, or the stream failed. Both outlive this.
  Transport(std::unique_ptr<io::Stream> stream, io::Event& wake, std::move_only_function<void()> flushed)
      : stream_(std::move(stream)),
        flushed_(std::move(flushed)),
        flush_(stream_->loop(), [this] { flush(); }),
        write_deadline_(stream_->loop(), wake) {
    stream_->readable_event().forward_to(&wake);
    stream_->writable_event().forward_to(&wake);
  }
  ~Transport() { forward_nowhere(); }

  io::Stream& stream() { return *stream_; }
  const io::Stream& stream() const { return *stream_; }

  // ---- reading
  Buffer& input() { return input_; }
  // Reads until the stream has no more or the bound is reached. True if anything is new: bytes, the end, a
  // failure.
  bool fill() {
    bool any = false;
    while (!ended_ && !failed_ && !input_full()) {
      // Small messages are read into memory of the loop's; a stream of bytes goes where it stays.
      const MutableBytes room = large_reads_ ? input_.reserve(kBound) : stream_->loop().scratch();
      const io::IoResult result = stream_->try_read(room);
      if (result.status == io::IoStatus::blocked) break;
      any = true;
      if (result.status == io::IoStatus::failed) {
        set_failed();
        break;
      }
      if (result.status == io::IoStatus::eof) {
        ended_ = true;
        break;
      }
      if (large_reads_) {
        input_.commit(result.count);
      } else {
        input_.append(room.first(result.count));
      }
      bytes_read_ += result.count;
      large_reads_ = result.count == room.size();
    }
    if (input_.empty()) input_.release();
    return any;
  }
  bool input_full() const { return input_.size() >= read_bound; }
  // The peer has sent its last byte.
  bool ended() const { return ended_; }

  // ---- writing
  Buffer& output() { return output_; }
  size_t room() const { return output_.size() < kBound ? kBound - output_.size() : 0; }
  void flush_soon() { flush_.arm(); }
  // What is in output() goes to the stream now. False if some of it must wait, or the stream failed.
  bool flush() {
    flush_.cancel();
    blocked_ = false;
    while (!output_.empty() && !write_failed_) {
      const io::IoResult result = stream_->try_write(output_.bytes());
      if (result.status == io::IoStatus::ok) {
        output_.consume(result.count);
        bytes_written_ += result.count;
        write_deadline_.clear();
        continue;
      }
      if (result.status == io::IoStatus::blocked) {
        blocked_ = true;
        if (!write_deadline_.is_set()) write_deadline_.set_after(write_timeout);
        break;
      }
      write_failed_ = true;
      write_error_ = stream_->error();
      output_.release();
    }
    const bool all = output_.empty();
    if (all && output_.capacity() > 0) output_.release();
    // Not while the stream is blocked: whoever is told writes and flushes again, and the loop would never get
    // to the kernel that alone can unblock it.
    if (flushed_ && ((!blocked_ && room() > kBound / 2) || write_failed_)) flushed_();
    return all && !write_failed_;
  }
  // After the stream woke us: goes on with what had to wait. Anything else leaves at the end of the tick.
  void flush_if_blocked() {
    if (blocked_) flush();
  }
  bool idle_output() const { return output_.empty() || write_failed_; }

  // ---- the end
  bool failed() const { return failed_; }
  bool write_failed() const { return write_failed_; }
  bool write_timed_out() const { return write_deadline_.passed(); }
  Error error() const { return failed_ ? error_ : write_error_; }
  void abort() {
    if (failed_) return;
    stream_->abort();
    failed_ = write_failed_ = true;
    error_ = {.kind = Error::Kind::cancelled, .text = "the connection was aborted on our side"};
    output_.release();
  }
  uint64_t bytes_read() const { return bytes_read_; }
  uint64_t bytes_written() const { return bytes_written_; }
  void forward_nowhere() {
    stream_->readable_event().forward_to(nullptr);
    stream_->writable_event().forward_to(nullptr);
  }

  Duration write_timeout = kForever;
  // Above the longest line that a parser must see whole.
  size_t read_bound = kBound;

 private:
  void set_failed() {
    failed_ = write_failed_ = true;
    error_ = stream_->error();
    output_.release();
  }

  std::unique_ptr<io::Stream> stream_;
  Buffer input_;
  Buffer output_;
  std::move_only_function<void()> flushed_;
  io::Deferred flush_;
  Deadline write_deadline_;
  uint64_t bytes_read_ = 0;
  uint64_t bytes_written_ = 0;
  bool ended_ = false;
  bool failed_ = false;
  bool write_failed_ = false;
  bool large_reads_ = false;
  bool blocked_ = false;
  Error error_;
  Error write_error_;
};

}  // namespace weft::net
