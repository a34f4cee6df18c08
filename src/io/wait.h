// Waiting for an Event, but not for ever.
//
//   if (!co_await wait_until(stream.readable_event(), deadline)) return fail(Error::Kind::timeout, ...);
#pragma once

#include "io/loop.h"

namespace weft::io {

// Awaiting it gives false if `deadline` passed first. TimePoint::max() is no deadline.
class [[nodiscard]] WaitUntil {
 public:
  WaitUntil(Event& event, TimePoint deadline)
      : event_(event), wait_(event), deadline_(deadline), timer_(event.loop(), [this] { time_out(); }) {}

  bool await_ready() noexcept { return wait_.await_ready(); }
  void await_suspend(std::coroutine_handle<> handle) {
    wait_.await_suspend(handle);
    timer_.arm_at(deadline_);
  }
  bool await_resume() noexcept {
    timer_.cancel();
    return !timed_out_;
  }

 private:
  void time_out() {
    if (!event_.waited_for()) return;  // notified earlier in this tick
    timed_out_ = true;
    event_.notify();
  }

  Event& event_;
  Event::Awaiter wait_;
  TimePoint deadline_;
  Timer timer_;
  bool timed_out_ = false;
};

inline WaitUntil wait_until(Event& event, TimePoint deadline) { return {event, deadline}; }

}  // namespace weft::io
