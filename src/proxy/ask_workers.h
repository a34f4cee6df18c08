// Asks every worker something in its own thread, and gathers the answers in the main one.
//
//   auto answers = co_await ask_workers<Answer>(proxy, [](Worker& worker) { return look(worker); });
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "proxy/proxy.h"

namespace weft::proxy {

template <typename T>
io::Task<std::vector<T>> ask_workers(Proxy& proxy, std::function<T(Worker&)> question) {
  struct Gathering {
    explicit Gathering(io::Loop& loop) : all(loop) {}
    io::Event all;
    std::vector<T> answers;
    size_t missing = 0;
  };
  // Shared with the answers under way, which may come when nobody waits any more.
  const auto gathering = std::make_shared<Gathering>(proxy.loop());
  gathering->missing = proxy.workers().size();
  gathering->answers.resize(gathering->missing);
  for (size_t i = 0; i < proxy.workers().size(); ++i) {
    Worker* const worker = proxy.workers()[i].get();
    io::Loop* const main = &proxy.loop();
    worker->loop().post([gathering, question, worker, main, i] {
      main->post([gathering, answer = question(*worker), i]() mutable {
        gathering->answers[i] = std::move(answer);
        if (--gathering->missing == 0) gathering->all.notify();
      });
    });
  }
  while (gathering->missing > 0) co_await gathering->all.wait();
  co_return std::move(gathering->answers);
}

}  // namespace weft::proxy
