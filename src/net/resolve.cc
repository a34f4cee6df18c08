#include "net/resolve.h"

#include <netdb.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/strings.h"
#include "io/wait.h"
#include "net/deadline.h"

namespace weft::net {

namespace {

Error resolver_error(const std::string& name, int code) {
  Error error;
  error.text = concat("cannot resolve '", printable(name, 253), "': ", gai_strerror(code));
  switch (code) {
    case EAI_NONAME:
    case EAI_NODATA:
      error.kind = Error::Kind::not_found;
      break;
    case EAI_AGAIN:
      error.kind = Error::Kind::unavailable;
      break;
    default:
      error.kind = Error::Kind::io;
  }
  return error;
}

Result<std::vector<IpAddress>> look_up(const std::string& name, Resolver::Family family) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_family = family == Resolver::Family::v4   ? AF_INET
                    : family == Resolver::Family::v6 ? AF_INET6
                                                     : AF_UNSPEC;
  addrinfo* list = nullptr;
  if (const int code = getaddrinfo(name.c_str(), nullptr, &hints, &list); code != 0) {
    return fail(resolver_error(name, code));
  }
  std::vector<IpAddress> addresses;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    char text[NI_MAXHOST];
    if (getnameinfo(entry->ai_addr, entry->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0)
      continue;
    if (auto ip = IpAddress::parse(text)) addresses.push_back(*ip);
  }
  freeaddrinfo(list);
  if (addresses.empty()) return fail(resolver_error(name, EAI_NONAME));
  std::stable_sort(addresses.begin(), addresses.end(),
                   [](const IpAddress& a, const IpAddress& b) { return a.is_v4() && !b.is_v4(); });
  return addresses;
}

class SystemResolver final : public Resolver {
 public:
  SystemResolver(size_t threads, size_t max_pending) : max_threads_(threads), max_pending_(max_pending) {}

  ~SystemResolver() override {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    work_came_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  io::Task<Result<std::vector<IpAddress>>> resolve(std::string name, io::Loop& loop, Family family,
                                                   Duration timeout) override {
    if (auto ip = IpAddress::parse(name)) co_return std::vector<IpAddress>{*ip};
    // Shared with the answer under way, which may come when nobody waits any more.
    const auto question = std::make_shared<Question>(loop, std::move(name), family);
    if (!ask(question)) {
      co_return fail(Error::Kind::overflow, concat("more than ", max_pending_, " names wait to be resolved"));
    }
    const TimePoint deadline = time_after(loop.now(), timeout);
    while (!question->answer) {
      if (!co_await io::wait_until(question->answered, deadline)) {
        co_return fail(Error::Kind::timeout,
                       concat("no answer in time for '", printable(question->name, 253), "'"));
      }
    }
    co_return std::move(*question->answer);
  }

 private:
  struct Question {
    Question(io::Loop& its_loop, std::string its_name, Family its_family)
        : loop(its_loop), answered(its_loop), name(std::move(its_name)), family(its_family) {}
    io::Loop& loop;
    io::Event answered;
    std::string name;
    Family family;
    std::optional<Result<std::vector<IpAddress>>> answer;  // the loop's thread alone
  };

  // Threads start with the first names, so that a proxy without DNS clusters has none.
  bool ask(std::shared_ptr<Question> question) {
    const std::lock_guard lock(mutex_);
    if (pending_.size() >= max_pending_) return false;
    pending_.push_back(std::move(question));
    if (idle_ == 0 && threads_.size() < max_threads_) threads_.emplace_back([this] { work(); });
    work_came_.notify_one();
    return true;
  }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      ++idle_;
      work_came_.wait(lock, [this] { return stop_ || !pending_.empty(); });
      --idle_;
      if (stop_) return;
      auto question = std::move(pending_.front());
      pending_.pop_front();
      lock.unlock();
      auto answer = look_up(question->name, question->family);
      io::Loop& loop = question->loop;
      loop.post([question = std::move(question), answer = std::move(answer)]() mutable {
        question->answer.emplace(std::move(answer));
        question->answered.notify();
      });
      lock.lock();
    }
  }

  const size_t max_threads_;
  const size_t max_pending_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable work_came_;
  std::deque<std::shared_ptr<Question>> pending_;
  std::vector<std::thread> threads_;
  size_t idle_ = 0;
  bool stop_ = false;
};

}  // namespace

std::unique_ptr<Resolver> make_system_resolver(size_t threads, size_t max_pending) {
  return std::make_unique<SystemResolver>(threads, max_pending);
}

}  // namespace weft::net
