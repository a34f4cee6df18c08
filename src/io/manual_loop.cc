#include "io/manual_loop.h"

#include <algorithm>

#include "base/strings.h"
#include "io/wait.h"

namespace weft::io {

class ManualAcceptor final : public Acceptor {
 public:
  ManualAcceptor(Loop& loop, ManualHost& host, SocketAddress address, int backlog)
      : loop_(loop),
        host_(host),
        address_(std::move(address)),
        backlog_(static_cast<size_t>(backlog)),
        connections_(loop) {
    host_.listeners_.emplace(address_, this);
  }
  ~ManualAcceptor() override { host_.listeners_.erase(address_); }

  Task<Result<std::unique_ptr<Stream>>> accept() override {
    while (waiting_.empty()) co_await connections_.wait();
    std::unique_ptr<Stream> stream = std::move(waiting_.front());
    waiting_.pop_front();
    co_return stream;
  }
  SocketAddress address() const override { return address_; }

  Loop& loop() const { return loop_; }
  bool full() const { return waiting_.size() >= backlog_; }
  void add(std::unique_ptr<Stream> stream) {
    waiting_.push_back(std::move(stream));
    connections_.notify();
  }

 private:
  Loop& loop_;
  ManualHost& host_;
  SocketAddress address_;
  size_t backlog_;
  std::deque<std::unique_ptr<Stream>> waiting_;
  Event connections_;
};

// ---- ManualHost

ManualHost::~ManualHost() {
  drop_kept();
  std::erase(world_.hosts_, this);
}
TimePoint ManualHost::now() const { return world_.now_; }
WallTime ManualHost::wall_now() const {
  constexpr WallTime kStart = std::chrono::sys_days(std::chrono::January / 1 / 2026);
  return kStart + world_.now_.time_since_epoch() + wall_shift_;
}
Random& ManualHost::random() { return world_.random_; }
void ManualHost::arm(Timer& timer) { world_.timers_.arm(timer); }
void ManualHost::disarm(Timer& timer) { world_.timers_.disarm(timer); }
void ManualHost::post(std::move_only_function<void()> work) { world_.posted_.push_back(std::move(work)); }

Result<std::unique_ptr<Acceptor>> ManualHost::listen(const SocketAddress& address,
                                                     const ListenOptions& options) {
  return world_.listen_at(*this, *this, address, options);
}
Task<Result<std::unique_ptr<Stream>>> ManualHost::connect(SocketAddress address, ConnectOptions options) {
  return world_.connect_from(*this, *this, std::move(address), options);
}

ManualAcceptor* ManualHost::listener_for(const SocketAddress& address) const {
  if (const auto found = listeners_.find(address); found != listeners_.end()) return found->second;
  if (address.is_unix()) return nullptr;
  const auto any = listeners_.find(SocketAddress{.ip = IpAddress::any(), .port = address.port});
  return any != listeners_.end() ? any->second : nullptr;
}

uint16_t ManualHost::free_port() {
  last_port_ = last_port_ == 65535 ? 32768 : static_cast<uint16_t>(last_port_ + 1);
  return last_port_;
}

// ---- ManualLoop

ManualLoop::ManualLoop(uint64_t seed) : random_(seed), home_(new ManualHost(*this, IpAddress::loopback())) {}
ManualLoop::~ManualLoop() { drop_kept(); }

std::unique_ptr<ManualHost> ManualLoop::add_host(IpAddress ip) {
  std::unique_ptr<ManualHost> host(new ManualHost(*this, ip));
  hosts_.push_back(host.get());
  return host;
}

bool ManualLoop::run_pass() {
  bool did_something = false;
  for (std::deque<std::move_only_function<void()>> batch = std::exchange(posted_, {}); auto& work : batch) {
    work();
    did_something = true;
  }
  ListNode due;
  timers_.take_due(now_, due);
  did_something |= due.linked();
  fire_all(due);
  did_something |= run_ready();
  did_something |= home_->run_pass();
  for (size_t i = 0; i < hosts_.size(); ++i) did_something |= hosts_[i]->run_pass();
  return did_something;
}

void ManualLoop::run_until_idle() {
  while (run_pass()) {
  }
}

void ManualLoop::advance(Duration by) {
  const TimePoint end = now_ + by;
  run_until_idle();
  for (auto next = timers_.next(); next && *next <= end; next = timers_.next()) {
    now_ = std::max(now_, *next);
    run_until_idle();
  }
  now_ = end;
}

bool ManualLoop::run_until(const std::function<bool()>& done, Duration limit) {
  const TimePoint end = now_ + limit;
  for (;;) {
    run_until_idle();
    if (done()) return true;
    const auto next = timers_.next();
    if (!next || *next > end) return false;
    now_ = std::max(now_, *next);
  }
}

Result<std::unique_ptr<Acceptor>> ManualLoop::listen(const SocketAddress& address,
                                                     const ListenOptions& options) {
  return listen_at(*this, *home_, address, options);
}
Task<Result<std::unique_ptr<Stream>>> ManualLoop::connect(SocketAddress address, ConnectOptions options) {
  return connect_from(*this, *home_, std::move(address), options);
}

// A Unix path and the loopback are each machine's own.
ManualHost& ManualLoop::host_of(ManualHost& caller, const SocketAddress& address) const {
  if (address.is_unix() || address.ip.is_loopback() || address.ip == caller.ip_) return caller;
  for (ManualHost* host : hosts_) {
    if (host->ip_ == address.ip) return *host;
  }
  return *home_;
}

Result<std::unique_ptr<Acceptor>> ManualLoop::listen_at(Loop& loop, ManualHost& host,
                                                        const SocketAddress& address,
                                                        const ListenOptions& options) {
  SocketAddress bound = address;
  if (!bound.is_unix() && bound.port == 0) bound.port = host.free_port();
  if (host.listeners_.contains(bound)) {
    return fail(Error::Kind::conflict,
                concat("cannot listen on ", bound.to_string(), ": Address already in use"));
  }
  return std::make_unique<ManualAcceptor>(loop, host, std::move(bound), options.backlog);
}

Task<Result<std::unique_ptr<Stream>>> ManualLoop::connect_from(Loop& loop, ManualHost& host,
                                                               SocketAddress address,
                                                               ConnectOptions options) {
  const std::string what = concat("connect to ", address.to_string());
  const TimePoint deadline = now_ + options.timeout;
  SocketAddress from{.ip = options.source.value_or(address.ip.is_loopback() ? address.ip : host.ip_),
                     .port = host.free_port()};
  const Network::Route route = network_->route(from, address, options.mark);
  const bool answered = route.fate != Network::Route::Fate::ignore && now_ + route.delay <= deadline;
  if (!answered) {
    co_await sleep_for(loop, options.timeout);
    co_return fail(Error::Kind::timeout, what + ": no answer");
  }
  if (route.delay > Duration::zero()) co_await sleep_for(loop, route.delay);

  const SocketAddress& target = route.redirect ? *route.redirect : address;
  ManualHost& there = host_of(host, target);
  ManualAcceptor* acceptor = there.listener_for(target);
  if (route.fate == Network::Route::Fate::refuse || acceptor == nullptr) {
    co_return fail(Error::Kind::refused, what + ": Connection refused");
  }
  if (acceptor->full()) {  // Linux drops the SYN
    co_await sleep_for(loop, deadline - now_);
    co_return fail(Error::Kind::timeout, what + ": no answer");
  }
  PipeOptions pipe;
  pipe.first_address = std::move(from);
  pipe.second_address = target;
  if (route.redirect) pipe.original_destination = address;
  pipe.wire = network_;
  auto [ours, theirs] = make_pipe(loop, acceptor->loop(), std::move(pipe));
  acceptor->add(std::move(theirs));
  co_return std::move(ours);
}

}  // namespace weft::io
