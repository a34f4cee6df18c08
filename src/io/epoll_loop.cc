#include "io/epoll_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <limits>

#include "base/strings.h"
#include "io/socket_acceptor.h"
#include "io/socket_stream.h"

namespace weft::io {

namespace {

// The wake-up descriptor's key: no slot has this generation.
constexpr uint64_t kWakeKey = std::numeric_limits<uint64_t>::max();

uint64_t key_of(int fd, uint32_t generation) {
  return uint64_t{generation} << 32 | static_cast<uint32_t>(fd);
}

Duration read(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

Result<std::unique_ptr<EpollLoop>> EpollLoop::make(uint64_t seed) {
  FileDescriptor epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail(system_error("cannot open an epoll descriptor", errno));
  FileDescriptor wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return fail(system_error("cannot open an event descriptor", errno));
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = kWakeKey;
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
    return fail(system_error("cannot watch the loop's own event descriptor", errno));
  }
  return std::unique_ptr<EpollLoop>(new EpollLoop(std::move(epoll), std::move(wake), seed));
}

EpollLoop::EpollLoop(FileDescriptor epoll, FileDescriptor wake, uint64_t seed)
    : epoll_(std::move(epoll)), wake_(std::move(wake)), random_(seed) {
  read_clock();
}

EpollLoop::~EpollLoop() { drop_kept(); }

void EpollLoop::read_clock() { now_ = TimePoint(read(CLOCK_MONOTONIC)); }
WallTime EpollLoop::wall_now() const { return WallTime(read(CLOCK_REALTIME)); }

void EpollLoop::run() {
  while (!stopping_.load(std::memory_order_acquire)) run_once(kForever);
  stopping_.store(false, std::memory_order_release);
}

void EpollLoop::stop() {
  stopping_.store(true, std::memory_order_release);
  wake();
}

void EpollLoop::run_once(Duration longest) {
  // What was made ready outside the loop (before run()) comes first.
  run_ready();
  if (stopping_.load(std::memory_order_acquire)) return;

  std::array<epoll_event, 256> events;
  read_clock();
  const int count = epoll_wait(epoll_.get(), events.data(), events.size(), timeout_ms(longest));
  ++ticks_;
  read_clock();
  bool woken = false;
  for (int i = 0; i < count; ++i) {
    const uint64_t key = events[static_cast<size_t>(i)].data.u64;
    if (key == kWakeKey) {
      woken = true;
      continue;
    }
    const Slot& slot = slots_[static_cast<uint32_t>(key)];
    if (slot.owner != nullptr && slot.generation == static_cast<uint32_t>(key >> 32)) {
      slot.owner->on_ready(events[static_cast<size_t>(i)].events);
    }
  }
  if (woken) run_posted();
  ListNode due;
  timers_.take_due(now_, due);
  fire_all(due);
  run_ready();
}

// Rounded up: waking a little late saves waking twice.
int EpollLoop::timeout_ms(Duration longest) const {
  if (const auto next = timers_.next()) longest = std::min(longest, std::max(*next - now_, Duration::zero()));
  if (longest == kForever) return -1;
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(longest).count();
  return static_cast<int>(std::min<int64_t>(ms, std::numeric_limits<int>::max()));
}

void EpollLoop::post(std::move_only_function<void()> work) {
  bool first = false;
  {
    const std::lock_guard lock(posted_mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(work));
  }
  if (first) wake();
}

void EpollLoop::wake() {
  const uint64_t one = 1;
  // The counter cannot overflow in practice, and a full counter wakes as well.
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

void EpollLoop::run_posted() {
  uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(wake_.get(), &count, sizeof count);
  std::vector<std::move_only_function<void()>> batch;
  {
    const std::lock_guard lock(posted_mutex_);
    batch.swap(posted_);
  }
  for (auto& work : batch) work();
}

Result<void> EpollLoop::watch(int fd, uint32_t events, FdOwner& owner) {
  if (static_cast<size_t>(fd) >= slots_.size()) slots_.resize(static_cast<size_t>(fd) * 2 + 16);
  Slot& slot = slots_[static_cast<size_t>(fd)];
  slot.owner = &owner;
  // The top bit stays clear, so that no key equals kWakeKey.
  slot.generation = (slot.generation + 1) & 0x7fffffffu;
  epoll_event event{};
  event.events = events | EPOLLET;
  event.data.u64 = key_of(fd, slot.generation);
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    slot.owner = nullptr;
    return fail(system_error("cannot watch a descriptor", errno));
  }
  return {};
}

// close() takes the descriptor out of epoll; the slot is what keeps a late event from its owner.
void EpollLoop::unwatch(int fd) { slots_[static_cast<size_t>(fd)].owner = nullptr; }

Result<std::unique_ptr<Acceptor>> EpollLoop::listen(const SocketAddress& address,
                                                    const ListenOptions& options) {
  return SocketAcceptor::make(*this, address, options);
}

Task<Result<std::unique_ptr<Stream>>> EpollLoop::connect(SocketAddress address, ConnectOptions options) {
  return connect_socket(*this, std::move(address), options);
}

Result<std::unique_ptr<Stream>> EpollLoop::adopt(FileDescriptor socket) {
  return SocketStream::make(*this, std::move(socket));
}

Result<std::unique_ptr<Acceptor>> EpollLoop::adopt_listening(FileDescriptor socket) {
  return SocketAcceptor::adopt(*this, std::move(socket));
}

}  // namespace weft::io
