#include "telemetry/log_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "base/strings.h"

namespace weft::telemetry {

namespace {

struct Sink {
  int fd;
  bool owned;
};

// The standard streams by their own descriptor: in a container their /dev entry may not be ours to open.
Result<Sink> open_sink(const std::string& path) {
  if (path == "/dev/stdout") return Sink{STDOUT_FILENO, false};
  if (path == "/dev/stderr") return Sink{STDERR_FILENO, false};
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  if (fd < 0) return std::unexpected(system_error(concat("cannot open the access log ", path), errno));
  return Sink{fd, true};
}

// As one write: well below what a file system takes at once, above what a pipe does.
constexpr size_t kMostAtOnce = 256 * 1024;

}  // namespace

// ---- the worker's side

LogWriter::Ring::Ring(LogWriter& writer, size_t bytes)
    : writer_(writer), mask_(std::bit_ceil(bytes) - 1), data_(std::make_unique<char[]>(mask_ + 1)) {}

bool LogWriter::Ring::push(std::string_view line) {
  const size_t head = head_.load(std::memory_order_relaxed);
  const size_t free = mask_ + 1 - (head - tail_.load(std::memory_order_acquire));
  if (line.size() > free) {
    dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return false;
  }
  const size_t at = head & mask_;
  const size_t first = std::min(line.size(), mask_ + 1 - at);
  std::memcpy(data_.get() + at, line.data(), first);
  std::memcpy(data_.get(), line.data() + first, line.size() - first);
  // Sequentially consistent, as is the writer's pair in run(): either we see it asleep, or it sees our line.
  head_.store(head + line.size(), std::memory_order_seq_cst);
  if (writer_.asleep_.load(std::memory_order_seq_cst)) writer_.wake();
  return true;
}

void LogWriter::wake() {
  if (!asleep_.exchange(false)) return;  // another worker did
  const std::lock_guard lock(mutex_);
  woken_.notify_one();
}

// ---- the writer's side
//
//   asleep ──(first line: a worker wakes it)──▶ gathering for `batch` ──▶ writing ──▶ gathering …
//      ▲                                                                     │
//      └────────────────────────── nothing came ◀────────────────────────────┘

Result<std::unique_ptr<LogWriter>> LogWriter::open(Options options) {
  WEFT_TRY(const Sink sink, open_sink(options.path));
  return std::unique_ptr<LogWriter>(new LogWriter(std::move(options), sink.fd, sink.owned));
}

LogWriter::LogWriter(Options options, int fd, bool owns_fd)
    : options_(std::move(options)), fd_(fd), owns_fd_(owns_fd), thread_([this] { run(); }) {}

LogWriter::~LogWriter() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    woken_.notify_one();
  }
  thread_.join();
  if (owns_fd_) ::close(fd_);
}

LogWriter::Ring& LogWriter::make_ring() {
  const std::lock_guard lock(mutex_);
  rings_.push_back(std::unique_ptr<Ring>(new Ring(*this, options_.ring_bytes)));
  return *rings_.back();
}

void LogWriter::reopen() {
  const std::lock_guard lock(mutex_);
  reopen_wanted_ = true;
  woken_.notify_one();
}

void LogWriter::flush() {
  std::unique_lock lock(mutex_);
  const uint64_t mine = ++flush_wanted_;
  woken_.notify_one();
  flushed_.wait(lock, [&] { return flush_done_ >= mine; });
}

uint64_t LogWriter::dropped() const {
  const std::lock_guard lock(mutex_);
  uint64_t dropped = 0;
  for (const auto& ring : rings_) dropped += ring->dropped();
  return dropped;
}

void LogWriter::run() {
  std::unique_lock lock(mutex_);
  std::string batch;
  for (;;) {
    const uint64_t flushing = flush_wanted_;
    const bool stopping = stop_;
    if (reopen_wanted_) switch_file(lock);

    batch.clear();
    const bool more = take(batch);
    lock.unlock();
    write_all(batch);
    lock.lock();
    if (more) continue;

    flush_done_ = flushing;
    flushed_.notify_all();
    if (stopping) return;
    if (something_to_do(flushing)) continue;
    if (!batch.empty()) {  // lines come: gather more before the next write
      woken_.wait_for(lock, options_.batch, [&] { return something_to_do(flushing); });
      continue;
    }
    asleep_.store(true);
    woken_.wait(lock, [&] { return !asleep_.load() || something_to_do(flushing) || any_line(); });
    asleep_.store(false);
  }
}

// All three hold the lock, which guards the list of rings.
bool LogWriter::something_to_do(uint64_t flushed) const {
  return stop_ || reopen_wanted_ || flush_wanted_ != flushed;
}

bool LogWriter::any_line() const {
  return std::ranges::any_of(rings_, [](const auto& ring) {
    return ring->head_.load(std::memory_order_seq_cst) != ring->tail_.load(std::memory_order_relaxed);
  });
}

// True if there is more than fits into one write.
bool LogWriter::take(std::string& batch) {
  uint64_t dropped = 0;
  bool more = false;
  for (const auto& ring : rings_) {
    dropped += ring->dropped();
    const size_t tail = ring->tail_.load(std::memory_order_relaxed);
    const size_t size = ring->head_.load(std::memory_order_acquire) - tail;
    if (batch.size() + size > kMostAtOnce && !batch.empty()) {
      more = true;
      continue;
    }
    const size_t at = tail & ring->mask_;
    const size_t first = std::min(size, ring->mask_ + 1 - at);
    batch.append(ring->data_.get() + at, first).append(ring->data_.get(), size - first);
    ring->tail_.store(tail + size, std::memory_order_release);
  }
  if (dropped != drops_told_) {
    batch.append(concat("[weft] ", dropped - drops_told_, " access log lines were dropped: ", options_.path,
                        " could not keep up\n"));
    drops_told_ = dropped;
  }
  return more;
}

void LogWriter::write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {  // a pipe that somebody made non-blocking; this thread may wait
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    } else if (errno != EINTR) {
      write_errors_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
  }
}

void LogWriter::switch_file(std::unique_lock<std::mutex>& lock) {
  reopen_wanted_ = false;
  if (!owns_fd_) return;
  lock.unlock();
  const auto sink = open_sink(options_.path);
  if (sink) {
    ::close(fd_);
    fd_ = sink->fd;
  } else {
    write_errors_.fetch_add(1, std::memory_order_relaxed);
  }
  lock.lock();
}

}  // namespace weft::telemetry
