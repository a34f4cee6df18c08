// A deadline that moves with every request and hardly ever passes.
//
// Arming a timer a request would touch the timer queue twice a request. Here the timer stays armed for the
// earliest time that mattered; when it fires too early it is armed again for what is left.
#pragma once

#include "io/loop.h"

namespace weft::net {

// now + delay, where a sum beyond the clock is never.
inline TimePoint time_after(TimePoint now, Duration delay) {
  return delay >= TimePoint::max() - now ? TimePoint::max() : now + delay;
}

class Deadline {
 public:
  // `wake` is notified when the deadline passes. It must outlive this.
  Deadline(io::Loop& loop, io::Event& wake) : loop_(loop), wake_(wake), timer_(loop, [this] { fire(); }) {}

  void set_after(Duration delay) { set_at(time_after(loop_.now(), delay)); }
  void set_at(TimePoint when) {
    passed_ = false;
    when_ = when;
    if (when != TimePoint::max() && (!timer_.armed() || when < timer_.when())) timer_.arm_at(when);
  }
  void clear() { set_at(TimePoint::max()); }
  bool is_set() const { return when_ != TimePoint::max(); }
  bool passed() const { return passed_; }

 private:
  void fire() {
    if (when_ == TimePoint::max()) return;
    if (loop_.now() < when_) {
      timer_.arm_at(when_);
      return;
    }
    passed_ = true;
    wake_.notify();
  }

  io::Loop& loop_;
  io::Event& wake_;
  io::Timer timer_;
  TimePoint when_ = TimePoint::max();
  bool passed_ = false;
};

}  // namespace weft::net
