// TimerQueue: which Timer comes due next. A binary heap; arming, removing and taking are O(log n).
//
//   queue.arm(timer);                       // Timer::arm_at has set when()
//   queue.take_due(now, due);               // moves what came due to a list, in the order armed
//
// Most timers are deadlines that are pushed back and never come due, so pushing one back costs
// nothing: the heap keeps the old time, and asks the timer again when that time comes.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "io/loop.h"

namespace weft::io {

class TimerQueue {
 public:
  void arm(Timer& timer);
  void disarm(Timer& timer);
  // No timer is due before this; it may be early, never late.
  std::optional<TimePoint> next() const;
  void take_due(TimePoint now, ListNode& due);
  size_t size() const { return heap_.size(); }

 private:
  struct Entry {
    TimePoint when;
    uint64_t order;  // equal times come due in the order they were armed
    Timer* timer;
    bool before(const Entry& other) const {
      return when != other.when ? when < other.when : order < other.order;
    }
  };
  void place(size_t slot, const Entry& entry);
  void sift_up(size_t slot, Entry entry);
  void sift_down(size_t slot, Entry entry);
  void remove(size_t slot);

  std::vector<Entry> heap_;
  uint64_t armed_so_far_ = 0;
};

}  // namespace weft::io
