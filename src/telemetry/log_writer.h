// LogWriter: one file, one thread that writes to it, and rings from which it takes.
//
//   auto writer = LogWriter::open({.path = "/dev/stdout"});
//   LogWriter::Ring& ring = (*writer)->make_ring();   // one a worker
//   ring.push(line);                                  // never waits; false: full, counted as dropped
//
// A worker never blocks on a slow disk or a stuck pipe: its ring fills, lines are dropped whole, and the
// number is kept for metrics and written to the log when there is room again.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace weft::telemetry {

class LogWriter {
 public:
  struct Options {
    std::string path;                                // a file (appended to), /dev/stdout or /dev/stderr
    size_t ring_bytes = 256 * 1024;                  // a worker; rounded up to a power of two
    Duration batch = std::chrono::milliseconds(20);  // how long lines gather before a write
  };

  // Single producer, single consumer. push() is its worker's alone.
  class Ring {
   public:
    bool push(std::string_view line);
    uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

   private:
    friend class LogWriter;
    Ring(LogWriter& writer, size_t bytes);
    LogWriter& writer_;
    const size_t mask_;
    std::unique_ptr<char[]> data_;
    alignas(64) std::atomic<size_t> head_ = 0;  // written up to here, by the worker
    alignas(64) std::atomic<size_t> tail_ = 0;  // taken up to here, by the writer
    std::atomic<uint64_t> dropped_ = 0;
  };

  // Errors: the file cannot be opened.
  static Result<std::unique_ptr<LogWriter>> open(Options options);
  // Writes what is left, then ends the thread. Rings must not be used after.
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  Ring& make_ring();
  // Opens the path again (after a rotation); the old file stays if that fails.
  void reopen();
  // Waits until everything pushed before is written: for tests and shutdown.
  void flush();
  uint64_t dropped() const;
  uint64_t write_errors() const { return write_errors_.load(std::memory_order_relaxed); }

 private:
  LogWriter(Options options, int fd, bool owns_fd);
  void run();
  bool something_to_do(uint64_t flushed) const;
  bool any_line() const;
  bool take(std::string& batch);
  void write_all(std::string_view bytes);
  void switch_file(std::unique_lock<std::mutex>& lock);
  void wake();

  const Options options_;
  int fd_;  // the writer thread's
  const bool owns_fd_;
  std::atomic<bool> asleep_ = false;
  std::atomic<uint64_t> write_errors_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable woken_;
  std::condition_variable flushed_;
  std::vector<std::unique_ptr<Ring>> rings_;
  uint64_t flush_wanted_ = 0, flush_done_ = 0;
  bool reopen_wanted_ = false;
  bool stop_ = false;
  uint64_t drops_told_ = 0;
  std::thread thread_;
};

}  // namespace weft::telemetry
