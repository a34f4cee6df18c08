// What takes long, done on a thread of its own while the loop serves others.
//
//   const auto view = co_await on_thread(loop, [&] { return read_everything(); });
//
// `work` and what it uses must be left alone by the loop meanwhile. Destroying the waiting task waits for the
// thread to end.
#pragma once

#include <memory>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

#include "io/loop.h"

namespace weft::cli {

template <typename Work>
io::Task<std::invoke_result_t<Work&>> on_thread(io::Loop& loop, Work work) {
  struct Shared {
    explicit Shared(io::Loop& on) : done(on) {}
    std::optional<std::invoke_result_t<Work&>> result;  // the thread's, until `done`
    io::Event done;
  };
  const auto shared = std::make_shared<Shared>(loop);
  const std::jthread thread([&loop, shared, work = std::move(work)]() mutable {
    shared->result.emplace(work());
    loop.post([shared] { shared->done.notify(); });
  });
  co_await shared->done.wait();
  co_return std::move(*shared->result);
}

}  // namespace weft::cli
