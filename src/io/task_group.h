// TaskGroup: who owns the coroutines that nobody awaits.
//
// The problem: a connection starts a task for each stream, and must not die before them, nor leave
// one running on freed memory. A member TaskGroup is that owner:
//
//   tasks_.spawn(serve(stream));      // runs at once until it first waits
//   ...
//   ~Connection() {}                  // tasks_ is destroyed: tasks that still wait unwind
//
// A task that finishes is freed at the end of the tick. It is our bug to destroy a group from inside
// one of its own tasks: hand the owner to a Deferred instead.
#pragma once

#include <cstddef>
#include <functional>

#include "io/loop.h"
#include "io/task.h"

namespace weft::io {

class TaskGroup {
 public:
  explicit TaskGroup(Loop& loop);
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  void spawn(Task<void> task);
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Resumes when the last task has ended (at once if there is none).
  Task<void> wait_empty();
  // Destroys every task that waits. Must not be called from one of them.
  void cancel_all();

 private:
  struct Entry;
  static Task<void> run(Entry* entry, Task<void> task);
  void finished(Entry& entry);
  void sweep();

  ListNode entries_;
  ListNode finished_;
  size_t size_ = 0;
  Event empty_;
  Deferred sweep_;
};

}  // namespace weft::io
