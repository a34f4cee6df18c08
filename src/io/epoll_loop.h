// EpollLoop: the loop of one worker thread, on epoll and the kernel's clock.
//
//   auto loop = EpollLoop::make(seed).value();
//   TaskGroup tasks(*loop);
//   tasks.spawn(serve(*loop));
//   loop->run();                // until stop(), which any thread or signal handler may call
//
// Descriptors are registered once, edge-triggered, for both directions; who owns one remembers what
// it may still do without asking the kernel (socket_stream.h). The kernel is given a slot number and
// its generation, not a pointer: an event of a descriptor that was closed meanwhile, or that a forked
// child still holds open, finds nobody.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "io/file_descriptor.h"
#include "io/loop.h"
#include "io/timer_queue.h"

namespace weft::io {

// Whose descriptor an EpollLoop watches.
class FdOwner {
 public:
  virtual ~FdOwner() = default;
  // `events` as epoll_wait gives them. Runs in step 1: it may notify Events and nothing more.
  virtual void on_ready(uint32_t events) = 0;
};

class EpollLoop final : public Loop {
 public:
  // Fails where the kernel gives no epoll or event descriptor (too many open files).
  static Result<std::unique_ptr<EpollLoop>> make(uint64_t seed);
  ~EpollLoop() override;

  // Runs until stop(). May be called again afterwards.
  void run();
  // From any thread, and from a signal handler.
  void stop();
  // One tick, waiting in the kernel at most `longest`. For tests and for programs with a loop of their own.
  void run_once(Duration longest);

  TimePoint now() const override { return now_; }
  WallTime wall_now() const override;
  Random& random() override { return random_; }
  Result<std::unique_ptr<Acceptor>> listen(const SocketAddress& address,
                                           const ListenOptions& options) override;
  Task<Result<std::unique_ptr<Stream>>> connect(SocketAddress address, ConnectOptions options) override;
  void post(std::move_only_function<void()> work) override;

  // A stream over a connected, non-blocking socket.
  Result<std::unique_ptr<Stream>> adopt(FileDescriptor socket);
  // An acceptor over a TCP socket that listens and does not block: one that another process made.
  Result<std::unique_ptr<Acceptor>> adopt_listening(FileDescriptor socket);

  // Watches `fd` edge-triggered until unwatch(), which the owner calls before it closes it.
  Result<void> watch(int fd, uint32_t events, FdOwner& owner);
  void unwatch(int fd);

  // How often the loop has come back from the kernel.
  uint64_t ticks() const { return ticks_; }

 private:
  struct Slot {
    FdOwner* owner = nullptr;
    uint32_t generation = 0;
  };

  EpollLoop(FileDescriptor epoll, FileDescriptor wake, uint64_t seed);
  void arm(Timer& timer) override { timers_.arm(timer); }
  void disarm(Timer& timer) override { timers_.disarm(timer); }
  void read_clock();
  int timeout_ms(Duration longest) const;
  void run_posted();
  void wake();

  FileDescriptor epoll_;
  FileDescriptor wake_;
  TimePoint now_{};
  Random random_;
  TimerQueue timers_;
  std::vector<Slot> slots_;  // by descriptor
  uint64_t ticks_ = 0;
  std::atomic<bool> stopping_ = false;

  std::mutex posted_mutex_;
  std::vector<std::move_only_function<void()>> posted_;
};

}  // namespace weft::io
