#include "io/loop.h"

#include "io/task_group.h"

namespace weft::io {

Loop::Loop() = default;
Loop::~Loop() { WEFT_CHECK(kept_ == nullptr); }

void Loop::keep(Task<void> task) {
  if (kept_ == nullptr) kept_ = std::make_unique<TaskGroup>(*this);
  kept_->spawn(std::move(task));
}

void Loop::drop_kept() { kept_.reset(); }

void Deferred::arm() { loop_.defer(*this); }

void Timer::arm_at(TimePoint when) {
  if (when == TimePoint::max()) {
    cancel();
    return;
  }
  if (linked()) {  // came due in this tick, but has not fired
    unlink();
    armed_ = false;
  }
  when_ = when;
  loop_.arm(*this);
  armed_ = true;
}

void Timer::arm_after(Duration delay) {
  const TimePoint now = loop_.now();
  arm_at(delay >= TimePoint::max() - now ? TimePoint::max() : now + delay);
}

void Timer::cancel() {
  if (!armed_) return;
  if (linked()) {
    unlink();
  } else {
    loop_.disarm(*this);
  }
  armed_ = false;
}

void Loop::fire(Timer& timer) {
  timer.unlink();
  timer.armed_ = false;
  timer.run_();
}

void Loop::fire_all(ListNode& due) {
  while (due.linked()) fire(static_cast<Timer&>(*due.next));
}

bool Loop::run_ready() {
  bool did_something = false;
  for (;;) {
    while (ready_.linked()) {
      auto& waiter = static_cast<Waiter&>(*ready_.next);
      waiter.unlink();
      waiter.handle.resume();
      did_something = true;
    }
    if (!deferred_.linked()) return did_something;
    // Work deferred from here on belongs to the next pass.
    ListNode pass;
    pass.insert_before(deferred_);
    deferred_.unlink();
    while (pass.linked()) {
      auto& work = static_cast<Deferred&>(*pass.next);
      work.unlink();
      work.run_();
      did_something = true;
    }
  }
}

Task<void> sleep_for(Loop& loop, Duration delay) {
  Event due(loop);
  Timer timer(loop, [&due] { due.notify(); });
  timer.arm_after(delay);
  co_await due.wait();
}

}  // namespace weft::io
