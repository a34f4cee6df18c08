#include "io/timer_queue.h"

namespace weft::io {

void TimerQueue::arm(Timer& timer) {
  if (timer.armed_) {
    if (timer.when_ >= heap_[timer.slot_].when) return;  // pushed back: take_due() will notice
    remove(timer.slot_);
  }
  heap_.emplace_back();
  sift_up(heap_.size() - 1, Entry{timer.when_, armed_so_far_++, &timer});
}

void TimerQueue::disarm(Timer& timer) { remove(timer.slot_); }

std::optional<TimePoint> TimerQueue::next() const {
  if (heap_.empty()) return std::nullopt;
  return heap_.front().when;
}

void TimerQueue::take_due(TimePoint now, ListNode& due) {
  while (!heap_.empty() && heap_.front().when <= now) {
    Timer& timer = *heap_.front().timer;
    if (timer.when_ > heap_.front().when) {
      sift_down(0, Entry{timer.when_, armed_so_far_++, &timer});
      continue;
    }
    remove(0);
    timer.insert_before(due);
  }
}

void TimerQueue::place(size_t slot, const Entry& entry) {
  heap_[slot] = entry;
  entry.timer->slot_ = slot;
}

void TimerQueue::sift_up(size_t slot, Entry entry) {
  while (slot > 0) {
    const size_t parent = (slot - 1) / 2;
    if (!entry.before(heap_[parent])) break;
    place(slot, heap_[parent]);
    slot = parent;
  }
  place(slot, entry);
}

void TimerQueue::sift_down(size_t slot, Entry entry) {
  for (;;) {
    size_t child = 2 * slot + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1].before(heap_[child])) ++child;
    if (!heap_[child].before(entry)) break;
    place(slot, heap_[child]);
    slot = child;
  }
  place(slot, entry);
}

void TimerQueue::remove(size_t slot) {
  const Entry last = heap_.back();
  heap_.pop_back();
  if (slot == heap_.size()) return;
  if (slot > 0 && last.before(heap_[(slot - 1) / 2])) {
    sift_up(slot, last);
  } else {
    sift_down(slot, last);
  }
}

}  // namespace weft::io
