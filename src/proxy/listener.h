// Listener: accepts connections on one address for one worker and sees each to its filter chain.
//
// A connection that was redirected here (the sidecar's 15001 and 15006) is handed, by its original
// destination, to the listener that stands for that address, which need not be bound to a port itself.
//
//   accept ─▶ original destination ─▶ listener ─▶ detect ─▶ filter chain ─▶ TLS ─▶ authorise ─▶ HTTP | TCP
#pragma once

#include <memory>
#include <string>

#include "io/loop.h"
#include "io/task_group.h"
#include "proxy/worker.h"

namespace weft::proxy {

class Listener {
 public:
  // Binds. Errors name the address. `bound` is where another worker's listener of the same name is, when the
  // configuration asks for any free port.
  static Result<std::unique_ptr<Listener>> make(Worker& worker,
                                                std::shared_ptr<const CompiledListener> config,
                                                bool reuse_port,
                                                std::optional<SocketAddress> bound = std::nullopt);
  ~Listener();

  void update(std::shared_ptr<const CompiledListener> config) { config_ = std::move(config); }
  const CompiledListener& config() const { return *config_; }
  SocketAddress address() const;
  // No new connections; those there drain.
  void stop_accepting();

 private:
  Listener(Worker& worker, std::shared_ptr<const CompiledListener> config);
  io::Task<void> accept_loop(io::Acceptor& acceptor);

  Worker& worker_;
  std::shared_ptr<const CompiledListener> config_;
  std::vector<std::unique_ptr<io::Acceptor>> acceptors_;
  io::TaskGroup accepting_;
};

// One accepted connection, to its end.
io::Task<void> serve_connection(std::unique_ptr<io::Stream> stream, Worker& worker,
                                std::shared_ptr<const CompiledListener> listener);

// The listener for an original destination: its exact address, else the wildcard one of its port; null: none.
std::shared_ptr<const CompiledListener> listener_for(const Config& config, const SocketAddress& destination,
                                                     model::Direction direction);

}  // namespace weft::proxy
