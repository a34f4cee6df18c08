#include "io/task_group.h"

#include <utility>

namespace weft::io {

struct TaskGroup::Entry : ListNode {
  explicit Entry(TaskGroup& owner) : group(owner) {}
  static void* operator new(size_t size) { return allocate_frame(size); }
  static void operator delete(void* memory, size_t size) noexcept { free_frame(memory, size); }

  TaskGroup& group;
  Task<void> runner;
};

TaskGroup::TaskGroup(Loop& loop) : empty_(loop), sweep_(loop, [this] { sweep(); }) {}

TaskGroup::~TaskGroup() {
  cancel_all();
  sweep();
}

void TaskGroup::spawn(Task<void> task) {
  auto* entry = new Entry(*this);
  entry->insert_before(entries_);
  ++size_;
  entry->runner = run(entry, std::move(task));
  entry->runner.handle().resume();
}

Task<void> TaskGroup::run(Entry* entry, Task<void> task) {
  co_await task;
  task = Task<void>();  // its locals go now, not at the end of the tick
  entry->group.finished(*entry);
}

// The runner is still on the stack: it is freed by the sweep.
void TaskGroup::finished(Entry& entry) {
  entry.insert_before(finished_);
  sweep_.arm();
  if (--size_ == 0) empty_.notify();
}

void TaskGroup::sweep() {
  while (finished_.linked()) delete static_cast<Entry*>(finished_.next);
}

Task<void> TaskGroup::wait_empty() {
  while (size_ > 0) co_await empty_.wait();
}

void TaskGroup::cancel_all() {
  while (entries_.linked()) {
    auto* entry = static_cast<Entry*>(entries_.next);
    entry->unlink();
    --size_;
    delete entry;
  }
  empty_.notify();
}

}  // namespace weft::io
