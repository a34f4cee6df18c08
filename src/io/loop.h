// Loop: the one thread's heart. Who waits for what, what time it is, and what runs next.
//
// There are two: EpollLoop (epoll_loop.h), one a worker thread, and the simulation's (test/sim),
// which runs a whole mesh in one thread from one seed. Everything above io reaches clock,
// randomness, sockets and timers through this class.
//
// A tick of the loop, in order:
//   1. I/O and timers that came due notify Events and run Timer callbacks;
//   2. resumed coroutines run (the ready queue), until none is left;
//   3. deferred work runs once each (Deferred): connections write what piled up during the tick,
//      so that many small messages leave in one system call;
//   4. back to 2 if that made anything ready, else wait in the kernel.
#pragma once

#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/address.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "io/task.h"

namespace weft::io {

class FileDescriptor;
class Loop;
class Stream;
class TaskGroup;

// A node of an intrusive, doubly linked list; leaves its list when it is destroyed.
struct ListNode {
  ListNode* previous = this;
  ListNode* next = this;
  ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  ~ListNode() { unlink(); }
  bool linked() const { return next != this; }
  void unlink() {
    previous->next = next;
    next->previous = previous;
    previous = next = this;
  }
  void insert_before(ListNode& place) {
    unlink();
    previous = place.previous;
    next = &place;
    place.previous->next = this;
    place.previous = this;
  }
};

// A suspended coroutine that is to be resumed. Lives in the coroutine's own frame.
struct Waiter : ListNode {
  std::coroutine_handle<> handle;
};

// Something that may be waited for by one coroutine at a time, any number of times.
//
//   co_await event.wait();     // returns at once if notify() came since the last wait
//
// notify() is remembered until somebody waits; a waiter is resumed by the loop in the same tick,
// never from inside notify(), so a callback may notify without re-entrance.
class Event {
 public:
  explicit Event(Loop& loop) : loop_(loop) {}
  // Who still waits then is never resumed, and may be destroyed later.
  ~Event() {
    if (waiter_ != nullptr) waiter_->event_ = nullptr;
  }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void notify();
  bool waited_for() const { return waiter_ != nullptr; }
  // From now on notify() notifies `other` instead, so that one coroutine can wait for several Events at once:
  // a connection waits for bytes, room, its timers and its exchanges in one place. nullptr ends that.
  // `other` must outlive this, or the forwarding.
  void forward_to(Event* other) {
    forward_ = other;
    if (other != nullptr && std::exchange(notified_, false)) other->notify();
  }
  Loop& loop() const { return loop_; }

  class Awaiter {
   public:
    explicit Awaiter(Event& event) : event_(&event) {}
    ~Awaiter() {
      if (event_ != nullptr && event_->waiter_ == this) event_->waiter_ = nullptr;
    }
    bool await_ready() noexcept { return std::exchange(event_->notified_, false); }
    void await_suspend(std::coroutine_handle<> handle) noexcept {
      WEFT_CHECK(event_->waiter_ == nullptr);
      waiter_.handle = handle;
      event_->waiter_ = this;
    }
    void await_resume() noexcept {}

   private:
    friend class Event;
    Event* event_;  // nullptr once it has nothing more to say to us: notified, or destroyed
    Waiter waiter_;
  };
  Awaiter wait() { return Awaiter(*this); }

 private:
  Loop& loop_;
  Awaiter* waiter_ = nullptr;
  Event* forward_ = nullptr;
  bool notified_ = false;
};

// Work to be done once at the end of the tick (step 3). Arming it again before then changes nothing.
class Deferred : public ListNode {
 public:
  Deferred(Loop& loop, std::move_only_function<void()> run) : loop_(loop), run_(std::move(run)) {}
  void arm();
  void cancel() { unlink(); }

 private:
  friend class Loop;
  Loop& loop_;
  std::move_only_function<void()> run_;
};

// A callback at a time. Arming again replaces the time. Destroying it, or cancel(), forgets it.
// The callback must not destroy its own Timer (nor a Deferred itself).
class Timer : public ListNode {
 public:
  Timer(Loop& loop, std::move_only_function<void()> run) : loop_(loop), run_(std::move(run)) {}
  ~Timer() { cancel(); }
  void arm_at(TimePoint when);
  void arm_after(Duration delay);  // kForever disarms
  void cancel();
  bool armed() const { return armed_; }
  TimePoint when() const { return when_; }

 private:
  friend class Loop;
  friend class TimerQueue;
  Loop& loop_;
  std::move_only_function<void()> run_;
  TimePoint when_{};
  bool armed_ = false;
  size_t slot_ = 0;  // where the queue keeps it
};

// A listening socket. accept() waits for the next connection.
class Acceptor {
 public:
  virtual ~Acceptor() = default;
  virtual Task<Result<std::unique_ptr<Stream>>> accept() = 0;
  virtual SocketAddress address() const = 0;
};

struct ListenOptions {
  int backlog = 4096;
  bool reuse_port = false;   // several workers listen on one address
  bool transparent = false;  // IP_TRANSPARENT, for TPROXY interception
};

struct ConnectOptions {
  Duration timeout = std::chrono::seconds(10);
  std::optional<IpAddress> source;  // bind to it first
  uint32_t mark = 0;                // SO_MARK, 0 is none
  // Make the socket in this network namespace (netns.h), not in ours.
  const FileDescriptor* network_namespace = nullptr;
};

class Loop {
 public:
  Loop();
  virtual ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Monotonic time, read once a tick.
  virtual TimePoint now() const = 0;
  virtual WallTime wall_now() const = 0;
  virtual Random& random() = 0;

  // Fails with the address and the reason: in use, no privilege, …
  virtual Result<std::unique_ptr<Acceptor>> listen(const SocketAddress& address,
                                                   const ListenOptions& options) = 0;
  // Error kinds: timeout, refused, unavailable, denied, overflow (no file descriptors).
  virtual Task<Result<std::unique_ptr<Stream>>> connect(SocketAddress address, ConnectOptions options) = 0;

  // Runs `work` in this loop's thread, in a later tick, outside any coroutine. The one method other threads
  // may call.
  virtual void post(std::move_only_function<void()> work) = 0;

  // Runs a task that nobody owns any more: the last bytes of a stream that was destroyed. It must end by
  // itself, by a deadline of its own, and is destroyed with the loop.
  void keep(Task<void> task);

  // Memory for one read that everything on this loop shares, so that a connection holds a buffer only for
  // bytes it has. Valid until the next co_await. 16 KiB: a TLS record, or most HTTP messages.
  MutableBytes scratch() {
    if (scratch_ == nullptr) scratch_ = std::make_unique_for_overwrite<std::byte[]>(kScratch);
    return {scratch_.get(), kScratch};
  }

  // Resumes at the end of the current tick's step 1, or in the next pass of step 2.
  void make_ready(Waiter& waiter) { waiter.insert_before(ready_); }
  void defer(Deferred& work) {
    if (!work.linked()) work.insert_before(deferred_);
  }

 protected:
  friend class Timer;
  virtual void arm(Timer& timer) = 0;
  virtual void disarm(Timer& timer) = 0;
  static void fire(Timer& timer);
  // Fires a list of timers that came due. A callback may cancel, arm or destroy any other of them.
  static void fire_all(ListNode& due);

  // Destroys what keep() was given. A derived class's destructor begins with it, while timers still work.
  void drop_kept();

  // Steps 2 and 3, until nothing is ready. False if there was nothing to do.
  bool run_ready();

 private:
  static constexpr size_t kScratch = 16 * 1024;
  ListNode ready_;
  ListNode deferred_;
  std::unique_ptr<std::byte[]> scratch_;
  std::unique_ptr<TaskGroup> kept_;
};

inline void Event::notify() {
  if (forward_ != nullptr) {
    forward_->notify();
    return;
  }
  if (waiter_ == nullptr) {
    notified_ = true;
    return;
  }
  Awaiter& waiter = *std::exchange(waiter_, nullptr);
  waiter.event_ = nullptr;
  loop_.make_ready(waiter.waiter_);
}

// Waits without blocking the loop.
Task<void> sleep_for(Loop& loop, Duration delay);

}  // namespace weft::io
