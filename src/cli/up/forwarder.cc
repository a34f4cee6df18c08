#include "cli/up/forwarder.h"

#include <vector>

#include "io/stream.h"

namespace weft::cli {
namespace {

constexpr size_t kMaxConnections = 10'000;

// One direction, until its end or a failure of either side. False on a failure.
io::Task<bool> pump(io::Stream& from, io::Stream& to) {
  std::vector<std::byte> buffer(64 * 1024);
  for (;;) {
    const auto count = co_await io::read_some(from, buffer);
    if (!count) co_return false;
    if (*count == 0) {
      to.shutdown_write();
      co_return true;
    }
    if (!co_await io::write_all(to, Bytes(buffer.data(), *count))) co_return false;
  }
}

// Runs `pump` and tells when it has ended: the other direction may still run.
io::Task<void> pump_and_tell(io::Stream& from, io::Stream& to, bool& good, io::Event& ended) {
  good = co_await pump(from, to);
  if (!good) {
    from.abort();
    to.abort();
  }
  ended.notify();
}

}  // namespace

void Forwarder::open(const std::string& name, std::unique_ptr<io::Acceptor> acceptor) {
  targets_[name];
  tasks_.spawn(accept_loop(name, *acceptors_.emplace_back(std::move(acceptor))));
}

io::Task<void> Forwarder::accept_loop(std::string name, io::Acceptor& acceptor) {
  for (;;) {
    auto client = co_await acceptor.accept();
    if (!client) {
      co_await io::sleep_for(loop_, 50ms);
      continue;
    }
    const auto& target = targets_[name];
    if (target && tasks_.size() < kMaxConnections) tasks_.spawn(relay(std::move(*client), *target));
  }
}

io::Task<void> Forwarder::relay(std::unique_ptr<io::Stream> client, SocketAddress target) {
  auto backend = co_await loop_.connect(target, {});
  if (!backend) {
    client->abort();
    co_return;
  }
  bool backwards_good = false;
  io::Event backwards_ended(loop_);
  io::TaskGroup backwards(loop_);
  backwards.spawn(pump_and_tell(**backend, *client, backwards_good, backwards_ended));
  const bool good = co_await pump(*client, **backend);
  if (!good) {
    client->abort();
    (*backend)->abort();
  }
  co_await backwards.wait_empty();
}

}  // namespace weft::cli
