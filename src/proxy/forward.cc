#include "proxy/forward.h"

#include <algorithm>

#include "balance/hash.h"
#include "base/strings.h"
#include "http/grpc.h"
#include "io/wait.h"
#include "policy/rewrite.h"
#include "proxy/mesh_headers.h"
#include "proxy/sanitise.h"

namespace weft::proxy {

using telemetry::Flag;

namespace {

// What of a request body is kept so that it can be sent again.
constexpr size_t kReplayLimit = 64 * 1024;

// Sends the events of an exchange to one Event while it lives.
class EventsTo {
 public:
  EventsTo(net::Exchange& exchange, io::Event& wake) : exchange_(exchange) {
    exchange_.incoming_event().forward_to(&wake);
    exchange_.outgoing_event().forward_to(&wake);
  }
  ~EventsTo() {
    exchange_.incoming_event().forward_to(nullptr);
    exchange_.outgoing_event().forward_to(nullptr);
  }
  EventsTo(const EventsTo&) = delete;
  EventsTo& operator=(const EventsTo&) = delete;

 private:
  net::Exchange& exchange_;
};

Carriage carriage_to(const BackendCluster& cluster, const balance::Host& host, const http::Request& request) {
  if (request.is_upgrade() || request.is_connect()) return Carriage::http1;
  if (cluster.speaks_mesh_tls(host)) return Carriage::mesh;
  using Protocol = model::Cluster::Protocol;
  switch (cluster.model().protocol) {
    case Protocol::http1:
      return Carriage::http1;
    case Protocol::http2:
      return Carriage::http2;
    case Protocol::automatic:
      return cluster.model().tls ? Carriage::mesh : Carriage::http1;
    case Protocol::as_client:
      return request.version == http::Version::http2 ? Carriage::http2 : Carriage::http1;
  }
  return Carriage::http1;
}

void add_mesh_notes(http::Request& request, const Self& self) {
  const std::string note = describe_http(request.version, request.headers);
  if (!note.empty()) request.headers.add(kHttpField, note);
  request.headers.add(kPeerField, self.description);
}

// Sends a copy and reads its answer to the end, so that the connection can be used again.
io::Task<void> send_copy(std::shared_ptr<BackendCluster> cluster, std::shared_ptr<balance::Host> host,
                         http::Request request, std::string body, io::Loop& loop) {
  constexpr Duration kPatience = 15s;
  const balance::ActiveRequest active(host);
  const TimePoint deadline = loop.now() + kPatience;
  ++cluster->requests_total;
  auto sent = co_await cluster->pool(host, carriage_to(*cluster, *host, request)).send(request, body.empty());
  if (!sent) {
    ++cluster->requests_error;
    co_return;
  }
  net::ClientExchange& exchange = **sent;
  io::Event wake(loop);
  const EventsTo events(exchange, wake);
  Bytes left = as_bytes(body);
  for (;;) {
    if (!left.empty()) {
      left = left.subspan(exchange.write(left));
      if (left.empty()) exchange.finish(nullptr);
    }
    switch (exchange.poll()) {
      case net::Incoming::head:
        exchange.accept_head();
        continue;
      case net::Incoming::data:
        exchange.consume(exchange.data().size());
        continue;
      case net::Incoming::failed:
        ++cluster->requests_error;
        co_return;
      case net::Incoming::trailers:
      case net::Incoming::end:
        co_return;
      case net::Incoming::blocked:
        break;
    }
    if (!co_await io::wait_until(wake, deadline)) co_return;
  }
}

bool has_no_body(const http::Request& request) {
  return request.content_length == 0 && !request.is_upgrade() && !request.is_connect();
}

}  // namespace

void answer(net::ServerExchange& client, Recording& recording, const model::HttpManager& http,
            Outcome outcome) {
  const bool grpc = recording.record.grpc;
  Reply reply = reply_to(outcome, grpc);
  add_response_headers(reply.head, http, client.request());
  recording.response(reply.head);
  recording.answered(std::move(outcome));
  if (client.head_sent()) {
    client.reset(Error::Kind::internal);
    return;
  }
  const bool no_body = reply.body.empty() || client.request().method == "HEAD";
  client.send_head(reply.head, no_body);
  if (!no_body) {
    // The bodies made here are far below what an exchange takes at once.
    recording.record.bytes_sent = client.write(as_bytes(reply.body));
    client.finish(nullptr);
  }
}

Forward::Forward(net::ServerExchange& client, Connection& connection, Recording& recording,
                 const policy::CompiledRoutes& routes, const policy::RouteDecision& decision)
    : client_(client),
      connection_(connection),
      recording_(recording),
      routes_(routes),
      decision_(decision),
      action_(std::get<model::ForwardAction>(decision.route->action)),
      http_(*connection.chain->http()),
      request_(client.request()),
      loop_(connection.worker.loop()),
      wake_(loop_),
      timeout_(loop_,
               [this] {
                 timeout_passed_ = true;
                 wake_.notify();
               }),
      try_timeout_(loop_,
                   [this] {
                     try_timeout_passed_ = true;
                     wake_.notify();
                   }),
      idle_(loop_,
            [this] {
              const TimePoint due = last_activity_ + idle_timeout_;
              if (loop_.now() < due) {
                idle_.arm_at(due);
                return;
              }
              idle_passed_ = true;
              wake_.notify();
            }),
      last_activity_(loop_.now()),
      idle_timeout_(action_.idle_timeout.value_or(http_.stream_idle_timeout)) {}

Forward::~Forward() {
  if (holds_retry_slot_) cluster_->limits()->retries.fetch_sub(1, std::memory_order_relaxed);
}

io::Task<void> Forward::run(const policy::Permit& permit) {
  const policy::ClusterPick picked =
      policy::pick_cluster(action_, policy::RequestView(request_), loop_.random().next());
  weighted_ = picked.weighted;
  cluster_ = connection_.worker.backends().find(picked.cluster);
  recording_.cluster(picked.cluster, cluster_);
  if (!cluster_) {
    co_return answer(
        client_, recording_, http_,
        Outcome::make(action_.cluster_not_found_status, "cluster_not_found", {Flag::no_cluster_found}, "",
                      concat("the route '", decision_.route->name, "' names the cluster '", picked.cluster,
                             "', which does not exist: is its host or subset defined?")));
  }
  const EventsTo client_events(client_, wake_);
  retry_ = action_.retry                   ? &*action_.retry
           : decision_.virtual_host->retry ? &*decision_.virtual_host->retry
                                           : nullptr;
  prepare_request();
  arm_timers();
  const std::optional<uint64_t> hash = hash_of_request();

  // A name that is being looked up for the first time is worth the wait of a connection.
  const TimePoint patience = loop_.now() + cluster_->model().connect_timeout;
  while (cluster_->resolving() && loop_.now() < patience) co_await io::sleep_for(loop_, 2ms);

  for (;;) {
    ++attempt_;
    std::vector<const balance::Host*> avoid;
    if (retry_ == nullptr || retry_->avoid_previous_hosts || retry_->is_default) {
      for (const auto& host : tried_) avoid.push_back(host.get());
    }
    auto host = cluster_->pick(permit, {.hash = hash, .avoid = avoid}, connection_.original_destination());
    Attempt attempt = host ? co_await try_once(*host) : pick_failed(host.error());
    if (attempt.answered) co_return;
    policy::RetryDecision again = attempt.again;
    if (!again && (timeout_passed_ || !host || !may_retry(attempt.outcome, again))) {
      if (again.why == policy::RetryDecision::Why::attempts_used && attempt_ > 1) {
        attempt.reply->flags.set(Flag::upstream_retry_limit_exceeded);
      }
      ++cluster_->requests_error;
      recording_.record.attempts = attempt_;
      co_return answer(client_, recording_, http_, *std::move(attempt.reply));
    }
    tried_.push_back(*host);
    connection_.worker.counts.retries->add(1);
    ++cluster_->retries;
    const TimePoint next_try = loop_.now() + again.back_off;
    while (loop_.now() < next_try && !timeout_passed_ && !idle_passed_ && !client_is_gone()) {
      (void)co_await io::wait_until(wake_, next_try);
    }
    if (client_is_gone()) co_return client_left();
    if (timeout_passed_ || idle_passed_) {
      ++cluster_->timeouts;
      connection_.worker.counts.timeouts->add(1);
      recording_.record.attempts = attempt_;
      co_return answer(client_, recording_, http_, *timed_out().reply);
    }
  }
}

// A copy goes out when the request itself is done with, so that it can slow nothing down. Bodies above
// kReplayLimit, and those that did not arrive whole, are not copied; neither are tunnels.
void Forward::mirror(const policy::Permit& permit) {
  if (!cluster_ || request_.is_upgrade() || request_.is_connect()) return;
  if (upload_ && !upload_->whole()) return;
  for (const model::Mirror& wanted : action_.mirrors) {
    if (!policy::decide_mirror(wanted, loop_.random().next())) continue;
    auto cluster = connection_.worker.backends().find(wanted.cluster);
    if (!cluster) continue;
    auto host = cluster->pick(permit, {}, connection_.original_destination());
    if (!host) continue;
    http::Request copy = request_;
    copy.authority += "-shadow";
    copy.headers.remove(kHttpField);
    copy.headers.remove(kPeerField);
    if (cluster->model().mesh_tls) add_mesh_notes(copy, connection_.worker.self());
    std::string body(upload_ ? as_text(upload_->kept()) : std::string_view());
    copy.content_length = body.size();
    connection_.worker.copies().spawn(
        send_copy(std::move(cluster), std::move(*host), std::move(copy), std::move(body), loop_));
  }
}

// Rewrites and edits, once; what differs from try to try is the endpoint alone.
void Forward::prepare_request() {
  add_proxy_headers(request_, connection_, http_);
  const auto format = [this](std::string_view value, std::string& out) {
    auto compiled = telemetry::AccessLogFormat::compile(value, {}, telemetry::AccessLogFormat::Use::header);
    if (compiled) compiled->append(recording_.record, out);
  };
  policy::apply_request_edits(request_, routes_.config(), decision_, weighted_, format);
  if (auto path = policy::rewrite_path(action_, decision_.route->match, request_.path)) {
    request_.headers.set("x-envoy-original-path", request_.path);
    request_.path = std::move(*path);
  }
  if (const std::string_view host = policy::rewrite_host(action_, weighted_, ""); !host.empty()) {
    request_.authority = host;
  }
  // HTTP/1.0 need not say whom it asks; HTTP/1.1 and HTTP/2 do, so the next hop would refuse it.
  if (request_.authority.empty()) request_.authority = cluster_->model().service_host;
  if (request_.authority.empty()) request_.authority = connection_.traits.destination.to_string();
  if (decision_.virtual_host->include_attempt_count) request_.headers.set("x-envoy-attempt-count", "1");
  if (cluster_->model().mesh_tls) add_mesh_notes(request_, connection_.worker.self());
}

void Forward::arm_timers() {
  Duration timeout = action_.timeout;
  if (recording_.record.grpc && action_.max_grpc_timeout) {
    if (const auto field = request_.headers.get("grpc-timeout")) {
      if (const auto asked = http::parse_grpc_timeout(*field)) {
        const Duration cap = *action_.max_grpc_timeout;
        timeout = cap > Duration::zero() ? std::min(*asked, cap) : *asked;
      }
    }
  }
  if (timeout > Duration::zero()) timeout_.arm_after(timeout);
  if (idle_timeout_ > Duration::zero()) idle_.arm_after(idle_timeout_);
}

std::optional<uint64_t> Forward::hash_of_request() {
  std::optional<uint64_t> hash;
  const std::string peer_ip =
      action_.hash_policies.empty() ? "" : recording_.record.downstream_remote.ip.to_string();
  for (const model::HashPolicy& policy : action_.hash_policies) {
    policy::HashInput input = policy::hash_input(policy, policy::RequestView(request_), peer_ip);
    std::string made;
    if (input.make_cookie) {
      made = std::to_string(loop_.random().next());
      cookie_to_set_ =
          concat(policy.name, "=\"", made,
                 "\"; Max-Age=", std::chrono::duration_cast<std::chrono::seconds>(*policy.cookie_ttl).count(),
                 policy.cookie_path.empty() ? "" : "; Path=", policy.cookie_path, "; HttpOnly");
      input.value = made;
    }
    if (!input.value) continue;
    hash = balance::combine_hash(hash, balance::hash64(*input.value));
    if (policy.terminal) break;
  }
  return hash;
}

Forward::Attempt Forward::pick_failed(PickFailure failure) const {
  Attempt attempt;
  attempt.outcome.provably_unprocessed = true;
  const std::string& name = cluster_->name();
  if (failure == PickFailure::awaits_secret) {
    attempt.reply =
        Outcome::make(503, "no_healthy_upstream", {Flag::no_healthy_upstream}, "no healthy upstream",
                      concat(name, " waits for the secret '", cluster_->config().awaits_secret, "'"));
    return attempt;
  }
  attempt.reply = Outcome::make(
      503, "no_healthy_upstream", {Flag::no_healthy_upstream}, "no healthy upstream",
      failure == PickFailure::no_hosts
          ? concat(name, " has no endpoint: do its selector and its pods' labels agree, and are they ready?")
          : concat("every one of the ", cluster_->hosts().size(), " endpoints of ", name,
                   " is ejected or unhealthy"));
  return attempt;
}

Forward::Attempt Forward::connection_failed(const Error& error) const {
  Attempt attempt;
  attempt.outcome.idempotent = http::is_idempotent(request_.method);
  attempt.outcome.provably_unprocessed = true;
  attempt.outcome.request_started = false;
  if (error.kind == Error::Kind::overflow) {
    attempt.reply =
        Outcome::make(503, "upstream_reset_before_response_started{overflow}", {Flag::upstream_overflow},
                      concat("upstream connect error or disconnect/reset before headers. reset reason: "
                             "overflow"),
                      error.text);
    attempt.reply->overloaded = true;
    attempt.outcome.provably_unprocessed = false;  // a full pool is no reason to fill it again
    return attempt;
  }
  attempt.outcome.connect_failure = true;
  const bool timeout = error.kind == Error::Kind::timeout;
  attempt.reply =
      Outcome::make(503,
                    timeout ? "upstream_reset_before_response_started{connection_timeout}"
                            : "upstream_reset_before_response_started{connection_failure}",
                    {Flag::upstream_connection_failure},
                    concat("upstream connect error or disconnect/reset before headers. reset reason: ",
                           timeout ? "connection timeout" : "connection failure"),
                    error.text);
  return attempt;
}

Forward::Attempt Forward::backend_failed(const net::ClientExchange& backend, bool) const {
  Attempt attempt;
  const Error error = backend.error();
  attempt.outcome.idempotent = http::is_idempotent(request_.method);
  attempt.outcome.provably_unprocessed = backend.provably_unprocessed();
  attempt.outcome.stale_connection = backend.connection_reused_and_closed();
  attempt.outcome.refused_stream = error.kind == Error::Kind::refused;
  attempt.outcome.reset = !attempt.outcome.refused_stream;
  const std::string prefix = "upstream connect error or disconnect/reset before headers. reset reason: ";
  switch (error.kind) {
    case Error::Kind::protocol:
      attempt.reply = Outcome::make(502, "upstream_reset_before_response_started{protocol_error}",
                                    {Flag::upstream_protocol_error}, prefix + "protocol error", error.text);
      break;
    case Error::Kind::reset:
    case Error::Kind::refused:
      attempt.reply = Outcome::make(503, "upstream_reset_before_response_started{remote_reset}",
                                    {Flag::upstream_remote_reset}, prefix + "remote reset", error.text);
      break;
    default:
      attempt.reply = Outcome::make(503, "upstream_reset_before_response_started{connection_termination}",
                                    {Flag::upstream_connection_termination},
                                    prefix + "connection termination", error.text);
  }
  return attempt;
}

Forward::Attempt Forward::timed_out() const {
  Attempt attempt;
  attempt.outcome.idempotent = http::is_idempotent(request_.method);
  if (idle_passed_) {
    attempt.reply = Outcome::make(504, "stream_idle_timeout", {Flag::stream_idle_timeout}, "stream timeout");
    return attempt;
  }
  attempt.outcome.per_try_timeout = try_timeout_passed_;
  attempt.reply = Outcome::make(504, timeout_passed_ ? "response_timeout" : "upstream_per_try_timeout",
                                {Flag::upstream_request_timeout}, "upstream request timeout");
  attempt.reply->grpc_status = 4;  // DEADLINE_EXCEEDED
  return attempt;
}

bool Forward::client_is_gone() { return client_.poll() == net::Incoming::failed; }

void Forward::client_left() {
  recording_.client_left(client_);
  recording_.record.attempts = attempt_;
}

bool Forward::may_retry(const policy::AttemptOutcome& outcome, policy::RetryDecision& decision) {
  policy::AttemptOutcome told = outcome;
  told.idempotent = http::is_idempotent(request_.method);
  told.replayable = !upload_ || upload_->replayable();
  if (idle_passed_) return false;
  policy::Budget budget = policy::Budget::available;
  const auto& limits = cluster_->limits();
  bool took_slot = false;
  if (limits && !holds_retry_slot_) {
    took_slot = net::Limits::take(limits->retries, limits->max_retries, limits->retry_overflows);
    if (!took_slot) budget = policy::Budget::exhausted;
  }
  decision = policy::decide_retry(retry_, attempt_, told, budget, loop_.random());
  if (took_slot) {
    if (decision.retry) {
      holds_retry_slot_ = true;
    } else {
      limits->retries.fetch_sub(1, std::memory_order_relaxed);
    }
  }
  return decision.retry;
}

io::Task<void> Forward::wait_for_connection(
    net::Pool& pool, const http::Request& request, bool end,
    std::optional<Result<std::unique_ptr<net::ClientExchange>>>& result, io::Event& wake) {
  result.emplace(co_await pool.send(request, end));
  wake.notify();
}

// A pooled connection for the request, or why there is none. Gives up where the client or a timer does.
io::Task<Result<std::unique_ptr<net::ClientExchange>>> Forward::lend(net::Pool& pool, bool end) {
  std::optional<Result<std::unique_ptr<net::ClientExchange>>> result;
  io::TaskGroup waiting(loop_);
  waiting.spawn(wait_for_connection(pool, request_, end, result, wake_));
  while (!result) {
    if (client_is_gone()) co_return fail(Error::Kind::cancelled, "the client left");
    if (timeout_passed_ || try_timeout_passed_ || idle_passed_) {
      co_return fail(Error::Kind::timeout, "no connection came about before the request's timeout");
    }
    co_await wake_.wait();
  }
  co_return std::move(*result);
}

io::Task<Forward::Attempt> Forward::try_once(std::shared_ptr<balance::Host> host) {
  const balance::ActiveRequest active(host);
  recording_.host(host);
  recording_.record.upstream_host = host->address();
  ++cluster_->requests_total;
  try_timeout_passed_ = false;
  if (retry_ != nullptr && retry_->per_try_timeout > Duration::zero())
    try_timeout_.arm_after(retry_->per_try_timeout);
  if (attempt_ > 1 && decision_.virtual_host->include_attempt_count) {
    request_.headers.set("x-envoy-attempt-count", std::to_string(attempt_));
  }
  if (action_.auto_host_rewrite && !host->endpoint().hostname.empty())
    request_.authority = host->endpoint().hostname;

  // Send.
  const bool end = has_no_body(request_);
  net::Pool& pool = cluster_->pool(host, carriage_to(*cluster_, *host, request_));
  std::unique_ptr<net::ClientExchange> backend = pool.try_send(request_, end);
  if (!backend) {
    auto lent = co_await lend(pool, end);
    if (!lent) {
      if (lent.error().kind == Error::Kind::cancelled && client_is_gone()) {
        client_left();
        co_return Attempt{.answered = true};
      }
      if (timeout_passed_ || try_timeout_passed_ || idle_passed_) co_return timed_out();
      if (lent.error().kind == Error::Kind::overflow) {
        connection_.worker.counts.overflows->add(1);
      } else {
        cluster_->report(*host, balance::AttemptResult::local_origin_failure);
      }
      recording_.transport_failure(lent.error().text);
      co_return connection_failed(lent.error());
    }
    backend = std::move(*lent);
  }
  const EventsTo backend_events(*backend, wake_);
  recording_.record.upstream_local = backend->local_address();
  if (!recording_.record.request_sent) recording_.record.request_sent = recording_.since_start();
  if (!end) {
    if (!upload_) {
      upload_.emplace(client_, *backend);
      if (recording_.record.grpc) upload_->count_messages();
      if (retry_ != nullptr || !action_.mirrors.empty()) upload_->keep_for_replay(kReplayLimit);
    } else {
      upload_->restart(*backend);
    }
  }

  // Await the head, while the body goes out.
  for (;;) {
    if (upload_ && upload_->pump() == BodyPump::State::from_failed) {
      client_left();
      co_return Attempt{.answered = true};
    }
    note_upload();
    switch (backend->poll()) {
      case net::Incoming::head: {
        http::Response& head = backend->response();
        last_activity_ = loop_.now();
        if (head.informational()) {
          if (head.status != 100) client_.send_informational(head);
          backend->accept_head();
          continue;
        }
        cluster_->report(*host, balance::result_of_status(head.status));
        if (head.status >= 500) ++host->errors;
        policy::AttemptOutcome outcome;
        outcome.status = head.status;
        if (const auto text = head.headers.get("grpc-status")) {
          if (const auto code = parse_unsigned(*text)) outcome.grpc_status = static_cast<int>(*code);
        }
        outcome.rate_limited = head.headers.has("x-envoy-ratelimited");
        // Decided while the answer is still here: where nobody tries again, the client gets all of it.
        if (retry_ != nullptr && policy::is_retriable(*retry_, outcome)) {
          Attempt attempt;
          attempt.outcome = outcome;
          if (!timeout_passed_ && may_retry(outcome, attempt.again)) co_return attempt;
          if (attempt_ > 1) recording_.record.flags.set(Flag::upstream_retry_limit_exceeded);
        }
        http::Response taken = std::move(head);
        backend->accept_head();
        recording_.record.attempts = attempt_;
        co_await relay(*backend, std::move(taken));
        co_return Attempt{.answered = true};
      }
      case net::Incoming::failed: {
        cluster_->report(*host, balance::AttemptResult::local_origin_failure);
        ++host->errors;
        Attempt attempt = backend_failed(*backend, true);
        recording_.transport_failure(backend->error().text);
        co_return attempt;
      }
      case net::Incoming::blocked:
      case net::Incoming::data:
      case net::Incoming::trailers:
      case net::Incoming::end:
        break;
    }
    if (timeout_passed_ || try_timeout_passed_ || idle_passed_) {
      cluster_->report(*host, balance::AttemptResult::local_origin_failure);
      ++cluster_->timeouts;
      connection_.worker.counts.timeouts->add(1);
      backend->reset(Error::Kind::timeout);
      co_return timed_out();
    }
    if ((end || upload_->done()) && client_is_gone()) {
      backend->reset(Error::Kind::cancelled);
      client_left();
      co_return Attempt{.answered = true};
    }
    co_await wake_.wait();
  }
}

// The request has come whole, and was passed on whole.
void Forward::note_upload() {
  telemetry::RequestRecord& record = recording_.record;
  if (record.request_received || (upload_ && !upload_->done())) return;
  record.request_received = record.request_sent_fully = recording_.since_start();
}

void Forward::prepare_response(http::Response& head) {
  if (const auto note = head.headers.get(kHttpField)) {
    const std::string kept(*note);
    head.headers.remove(kHttpField);
    restore_http(kept, head.version, head.headers);
  }
  const auto format = [this](std::string_view value, std::string& out) {
    auto compiled = telemetry::AccessLogFormat::compile(value, {}, telemetry::AccessLogFormat::Use::header);
    if (compiled) compiled->append(recording_.record, out);
  };
  policy::apply_response_edits(head.headers, routes_.config(), decision_, weighted_, format);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      recording_.since_start() - recording_.record.request_sent.value_or(Duration::zero()));
  head.headers.set("x-envoy-upstream-service-time", std::to_string(took.count()));
  add_response_headers(head, http_, request_);
  if (!cookie_to_set_.empty()) head.headers.add("set-cookie", cookie_to_set_);
  if (connection_.mesh_peer) {
    const std::string note = describe_http(head.version, head.headers);
    if (!note.empty()) head.headers.add(kHttpField, note);
  }
}

// Both bodies, with backpressure, to the end of the answer (of both directions, for a tunnel).
io::Task<void> Forward::relay(net::ClientExchange& backend, http::Response head) {
  try_timeout_.cancel();
  recording_.record.response_received = recording_.since_start();
  recording_.record.upstream_protocol = http::to_string(head.version);
  prepare_response(head);
  recording_.response(std::move(head));
  const http::Response& sent = recording_.response_head();
  recording_.grpc_status(sent.headers.get("grpc-status"));

  const bool end = backend.poll() == net::Incoming::end;
  client_.send_head(sent, end);
  recording_.record.response_sent = recording_.since_start();
  BodyPump download(backend, client_);
  if (recording_.record.grpc) download.count_messages();
  if (end) {
    recording_.record.bytes_received = upload_ ? upload_->bytes() : 0;
    recording_.record.request_messages = upload_ ? upload_->messages() : 0;
    co_return;
  }
  if (backend.is_tunnel()) {
    timeout_.cancel();
    timeout_passed_ = false;
    if (!upload_) upload_.emplace(client_, backend);
  }
  for (;;) {
    const uint64_t moved = download.bytes() + (upload_ ? upload_->bytes() : 0);
    const auto down = download.pump();
    if (upload_) upload_->pump();
    note_upload();
    if (download.bytes() + (upload_ ? upload_->bytes() : 0) != moved) last_activity_ = loop_.now();
    recording_.record.bytes_sent = download.bytes();
    recording_.record.response_messages = download.messages();
    recording_.record.request_messages = upload_ ? upload_->messages() : 0;
    recording_.record.bytes_received = upload_ ? upload_->bytes() : 0;

    if (down == BodyPump::State::done &&
        (!backend.is_tunnel() || !upload_ || upload_->state() != BodyPump::State::running)) {
      if (download.trailers() != nullptr) {
        recording_.response_trailers(*download.trailers());
      }
      recording_.record.response_received_fully = recording_.since_start();
      co_return;
    }
    if (down == BodyPump::State::from_failed) {
      const Error error = backend.error();
      recording_.transport_failure(error.text);
      const bool broken = error.kind == Error::Kind::protocol;
      const bool reset = error.kind == Error::Kind::reset;
      recording_.record.flags.set(broken  ? Flag::upstream_protocol_error
                                  : reset ? Flag::upstream_remote_reset
                                          : Flag::upstream_connection_termination);
      recording_.record.response_code_details =
          broken  ? "upstream_reset_after_response_started{protocol_error}"
          : reset ? "upstream_reset_after_response_started{remote_reset}"
                  : "upstream_reset_after_response_started{connection_termination}";
      client_.reset(Error::Kind::reset);
      co_return;
    }
    if (client_is_gone() || (upload_ && upload_->state() == BodyPump::State::from_failed)) {
      backend.reset(Error::Kind::cancelled);
      co_return client_left();
    }
    if (timeout_passed_ || idle_passed_) {
      recording_.record.flags.set(idle_passed_ ? Flag::stream_idle_timeout : Flag::upstream_request_timeout);
      recording_.record.response_code_details = idle_passed_ ? "stream_idle_timeout" : "response_timeout";
      backend.reset(Error::Kind::timeout);
      client_.reset(Error::Kind::timeout);
      co_return;
    }
    co_await wake_.wait();
  }
}

}  // namespace weft::proxy
