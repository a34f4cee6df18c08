#include "io/signals.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>

#include <cerrno>

namespace weft::io {

Result<std::unique_ptr<Signals>> Signals::make(EpollLoop& loop, std::initializer_list<int> numbers) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : numbers) sigaddset(&set, number);
  if (const int refusal = pthread_sigmask(SIG_BLOCK, &set, nullptr); refusal != 0) {
    return fail(system_error("cannot block signals", refusal));
  }
  FileDescriptor fd(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!fd) return fail(system_error("cannot open a signal descriptor", errno));
  const int number = fd.get();
  std::unique_ptr<Signals> made(new Signals(loop, std::move(fd)));
  WEFT_CHECK_OK(loop.watch(number, EPOLLIN, *made));
  return made;
}

Signals::Signals(EpollLoop& loop, FileDescriptor fd) : loop_(loop), fd_(std::move(fd)), readable_(loop) {}

Signals::~Signals() { loop_.unwatch(fd_.get()); }

Task<int> Signals::next() {
  for (;;) {
    signalfd_siginfo info{};
    if (::read(fd_.get(), &info, sizeof info) == sizeof info) co_return static_cast<int>(info.ssi_signo);
    co_await readable_.wait();
  }
}

}  // namespace weft::io
