// Forward: takes a request that may pass to a backend, and the backend's answer to the client.
//
//   pick cluster ─▶ pick endpoint ─▶ send ─▶ await head ─▶ relay bodies ─▶ done
//                        ▲                     │ failed, and another try is allowed
//                        └──── back-off ◀──────┘
//
// Everything it waits for (client, backend, timers, a pooled connection) notifies one Event, so one
// coroutine sees them all, and whatever ends first decides.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "io/loop.h"
#include "io/task.h"
#include "io/task_group.h"
#include "net/exchange.h"
#include "policy/authorize.h"
#include "policy/match_route.h"
#include "policy/retry.h"
#include "proxy/backend_cluster.h"
#include "proxy/connection.h"
#include "proxy/outcome.h"
#include "proxy/recording.h"
#include "proxy/relay.h"

namespace weft::proxy {

// Answers a request from here, once, and records that.
void answer(net::ServerExchange& client, Recording& recording, const model::HttpManager& http,
            Outcome outcome);

class Forward {
 public:
  // All outlive it. `decision` matched a route with a ForwardAction.
  Forward(net::ServerExchange& client, Connection& connection, Recording& recording,
          const policy::CompiledRoutes& routes, const policy::RouteDecision& decision);
  ~Forward();
  io::Task<void> run(const policy::Permit& permit);
  // After run(): sends the copies that the route asks for (Istio's mirror), and nobody waits for their
  // answers.
  void mirror(const policy::Permit& permit);

 private:
  // How one try ended.
  struct Attempt {
    bool answered = false;           // the client has its answer, or is gone
    policy::AttemptOutcome outcome;  // else: what happened,
    std::optional<Outcome> reply;    // and what the client is told if nobody tries again
    policy::RetryDecision again;     // yes: it was decided already, for want of the answer afterwards
  };

  void prepare_request();
  void arm_timers();
  std::optional<uint64_t> hash_of_request();
  Attempt pick_failed(PickFailure failure) const;
  Attempt connection_failed(const Error& error) const;
  Attempt backend_failed(const net::ClientExchange& backend, bool sent) const;
  Attempt timed_out() const;
  bool client_is_gone();
  void client_left();

  io::Task<Attempt> try_once(std::shared_ptr<balance::Host> host);
  io::Task<Result<std::unique_ptr<net::ClientExchange>>> lend(net::Pool& pool, bool end);
  static io::Task<void> wait_for_connection(
      net::Pool& pool, const http::Request& request, bool end,
      std::optional<Result<std::unique_ptr<net::ClientExchange>>>& result, io::Event& wake);
  io::Task<void> relay(net::ClientExchange& backend, http::Response head);
  bool may_retry(const policy::AttemptOutcome& outcome, policy::RetryDecision& decision);
  void note_upload();
  void prepare_response(http::Response& head);

  net::ServerExchange& client_;
  Connection& connection_;
  Recording& recording_;
  const policy::CompiledRoutes& routes_;
  const policy::RouteDecision& decision_;
  const model::ForwardAction& action_;
  const model::HttpManager& http_;
  http::Request& request_;
  io::Loop& loop_;

  std::shared_ptr<BackendCluster> cluster_;
  const model::WeightedCluster* weighted_ = nullptr;
  const model::RetryPolicy* retry_ = nullptr;
  uint32_t attempt_ = 0;
  bool holds_retry_slot_ = false;
  std::vector<std::shared_ptr<balance::Host>> tried_;
  std::string cookie_to_set_;

  io::Event wake_;
  io::Timer timeout_;
  io::Timer try_timeout_;
  io::Timer idle_;
  bool timeout_passed_ = false;
  bool try_timeout_passed_ = false;
  bool idle_passed_ = false;
  TimePoint last_activity_;
  Duration idle_timeout_;
  std::optional<BodyPump> upload_;
};

}  // namespace weft::proxy
