// ManualLoop: a loop whose clock moves when a test says so, and whose network is memory.
//
//   ManualLoop loop(seed);
//   auto acceptor = loop.listen(*SocketAddress::parse("10.0.0.1:80"), {}).value();
//   tasks.spawn(client(loop));         // connects to 10.0.0.1:80
//   loop.run_until_idle();             // everything that can happen without time passing
//   loop.advance(5s);                  // and what happens in the next five seconds, in order
//
// The same seed gives the same run. One ManualLoop can be a whole mesh in one thread: add_host() gives a
// Loop for a machine with an address, a loopback and a wall clock of its own, which the code under test
// takes for its worker's loop. What the network does to connections is asked of a Network.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "io/loop.h"
#include "io/pipe.h"
#include "io/timer_queue.h"

namespace weft::io {

class ManualAcceptor;
class ManualLoop;

// What lies between the hosts. This one is perfect and takes no time; the simulation's is neither.
class Network : public PipeWire {
 public:
  struct Route {
    enum class Fate : uint8_t {
      connect,
      refuse,  // as if nobody listened
      ignore,  // no answer ever: the connect times out
    };
    Fate fate = Fate::connect;
    Duration delay{};
    // Interception: the connection ends here instead, and its original_destination() is what was asked.
    std::optional<SocketAddress> redirect;
  };
  // `mark` is ConnectOptions::mark: how a sidecar's own connections are told from its application's.
  virtual Route route(const SocketAddress& from, const SocketAddress& to, uint32_t mark) { return {}; }
  Passage pass(const SocketAddress& from, const SocketAddress& to, size_t bytes) override { return {}; }
};

// A machine of the simulation. Its loop, its address, and who listens there.
class ManualHost final : public Loop {
 public:
  ~ManualHost() override;

  const IpAddress& ip() const { return ip_; }
  // Only this machine's idea of the date changes; monotonic time does not.
  void shift_wall_clock(Duration by) { wall_shift_ += by; }

  TimePoint now() const override;
  WallTime wall_now() const override;
  Random& random() override;
  Result<std::unique_ptr<Acceptor>> listen(const SocketAddress& address,
                                           const ListenOptions& options) override;
  Task<Result<std::unique_ptr<Stream>>> connect(SocketAddress address, ConnectOptions options) override;
  void post(std::move_only_function<void()> work) override;

 private:
  friend class ManualLoop;
  friend class ManualAcceptor;
  ManualHost(ManualLoop& world, IpAddress ip) : world_(world), ip_(ip) {}
  void arm(Timer& timer) override;
  void disarm(Timer& timer) override;
  bool run_pass() { return run_ready(); }
  ManualAcceptor* listener_for(const SocketAddress& address) const;
  uint16_t free_port();

  ManualLoop& world_;
  IpAddress ip_;
  Duration wall_shift_{};
  uint16_t last_port_ = 32767;
  std::map<SocketAddress, ManualAcceptor*> listeners_;
};

class ManualLoop final : public Loop {
 public:
  // Starts at time zero of its clock, and on 2026-01-01 of the wall's.
  explicit ManualLoop(uint64_t seed);
  ~ManualLoop() override;

  void run_until_idle();
  void advance(Duration by);
  // Lets time pass until `done`, at most `limit`; false if it never was. Goes from timer to timer.
  bool run_until(const std::function<bool()>& done, Duration limit = std::chrono::hours(1));

  // A machine at `ip`. It must outlive its streams, timers and acceptors, and not the ManualLoop.
  std::unique_ptr<ManualHost> add_host(IpAddress ip);
  // nullptr is the perfect network. It must outlive every connection.
  void set_network(Network* network) { network_ = network != nullptr ? network : &perfect_; }
  void shift_wall_clock(Duration by) { home_->shift_wall_clock(by); }

  TimePoint now() const override { return now_; }
  WallTime wall_now() const override { return home_->wall_now(); }
  Random& random() override { return random_; }
  // Any address will do, and all are this machine's, but those of added hosts.
  Result<std::unique_ptr<Acceptor>> listen(const SocketAddress& address,
                                           const ListenOptions& options) override;
  Task<Result<std::unique_ptr<Stream>>> connect(SocketAddress address, ConnectOptions options) override;
  void post(std::move_only_function<void()> work) override { posted_.push_back(std::move(work)); }

 private:
  friend class ManualHost;
  friend class ManualAcceptor;
  void arm(Timer& timer) override { timers_.arm(timer); }
  void disarm(Timer& timer) override { timers_.disarm(timer); }
  bool run_pass();
  ManualHost& host_of(ManualHost& caller, const SocketAddress& address) const;
  Result<std::unique_ptr<Acceptor>> listen_at(Loop& loop, ManualHost& host, const SocketAddress& address,
                                              const ListenOptions& options);
  Task<Result<std::unique_ptr<Stream>>> connect_from(Loop& loop, ManualHost& host, SocketAddress address,
                                                     ConnectOptions options);

  TimePoint now_{};
  Random random_;
  TimerQueue timers_;
  std::deque<std::move_only_function<void()>> posted_;
  std::vector<ManualHost*> hosts_;  // in the order they were added: that order is the schedule
  Network perfect_;
  Network* network_ = &perfect_;
  std::unique_ptr<ManualHost> home_;
};

}  // namespace weft::io
