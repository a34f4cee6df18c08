// Signals: SIGTERM and its kin as something to wait for, instead of a handler that may do nothing.
//
//   auto signals = Signals::make(loop, {SIGTERM, SIGINT});   // before any other thread starts
//   const int which = co_await (*signals)->next();
//
// The signals stay blocked in this thread, and in those it starts, when the object is gone.
#pragma once

#include <csignal>
#include <initializer_list>
#include <memory>

#include "io/epoll_loop.h"

namespace weft::io {

class Signals final : private FdOwner {
 public:
  static Result<std::unique_ptr<Signals>> make(EpollLoop& loop, std::initializer_list<int> numbers);
  ~Signals() override;

  // The number of the next signal. Two of the same that come quickly may be one, as always with signals.
  Task<int> next();

 private:
  Signals(EpollLoop& loop, FileDescriptor fd);
  void on_ready(uint32_t events) override { readable_.notify(); }

  EpollLoop& loop_;
  FileDescriptor fd_;
  Event readable_;
};

}  // namespace weft::io
