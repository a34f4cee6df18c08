#include "net/pool.h"

#include <algorithm>
#include <limits>

#include "base/strings.h"
#include "io/wait.h"
#include "net/deadline.h"

namespace weft::net {
namespace {

Error overflow(std::string_view what, uint32_t most) {
  return {.kind = Error::Kind::overflow,
          .side = Error::Side::backend,
          .text = concat("the circuit breaker's limit of ", most, ' ', what, " is reached")};
}

}  // namespace

struct Pool::Slot : io::ListNode {  // linked in usable_ while it has room
  std::shared_ptr<ClientConnection> connection;
  TimePoint idle_since;
};

// Counts as one of the cluster's requests and, until it is answered, as one of its pending ones.
struct Pool::Pending : io::ListNode {
  Pending(Pool& owner, const http::Request& request, bool no_body)
      : pool(&owner), limits(owner.limits_), head(request), end(no_body), ready(owner.loop_) {
    insert_before(owner.pending_);
    ++owner.counts_.pending;
  }
  ~Pending() {
    leave();
    if (counted) limits->requests.fetch_sub(1, std::memory_order_relaxed);
  }
  void answer(Result<std::unique_ptr<ClientExchange>> what) {
    leave();
    if (what) counted = false;  // the exchange's end will take it back
    result = std::move(what);
    ready.notify();
  }
  void leave() {
    if (std::exchange(answered, true)) return;
    unlink();
    limits->pending.fetch_sub(1, std::memory_order_relaxed);
    if (pool != nullptr) --pool->counts_.pending;
  }

  Pool* pool;  // nullptr once the pool is gone
  std::shared_ptr<Limits> limits;
  const http::Request& head;
  bool end;
  bool counted = true;
  bool answered = false;
  io::Event ready;
  Result<std::unique_ptr<ClientExchange>> result;
};

Pool::Pool(io::Loop& loop, Connector connector, PoolOptions options, std::shared_ptr<Limits> limits)
    : loop_(loop),
      connector_(std::move(connector)),
      options_(options),
      limits_(limits ? std::move(limits) : std::make_shared<Limits>()),
      sweep_(loop, [this] { sweep(); }),
      idle_(loop, [this] { close_idle(); }),
      tasks_(loop) {
  if (options_.protocol == PoolOptions::Protocol::http1) speaks_ = Speaks::http1;
  if (options_.protocol == PoolOptions::Protocol::http2) speaks_ = Speaks::http2;
}

Pool::~Pool() {
  while (pending_.linked()) {
    auto& pending = static_cast<Pending&>(*pending_.next);
    pending.pool = nullptr;
    pending.answer(fail({.kind = Error::Kind::cancelled,
                         .side = Error::Side::backend,
                         .retryable = true,
                         .text = "the pool of this endpoint was removed while the request waited"}));
  }
  for (auto& slot : slots_) {
    slot->connection->on_change(nullptr);
    // What still runs goes on being counted; the counter outlives us.
    slot->connection->on_exchange_end(
        [limits = limits_] { limits->requests.fetch_sub(1, std::memory_order_relaxed); });
    slot->connection->drain();
  }
}

const PoolCounts& Pool::counts() {
  counts_.open = slots_.size();
  counts_.active = 0;
  for (const auto& slot : slots_) counts_.active += slot->connection->active();
  return counts_;
}

Pool::Slot* Pool::usable() {
  while (usable_.linked()) {
    auto& slot = static_cast<Slot&>(*usable_.next);
    if (!slot.connection->is_closed() && slot.connection->capacity() > 0) return &slot;
    slot.unlink();
  }
  return nullptr;
}

std::unique_ptr<ClientExchange> Pool::try_send(const http::Request& head, bool end) {
  if (draining_ || pending_.linked()) return nullptr;
  if (limits_->requests.load(std::memory_order_relaxed) >=
      limits_->max_requests.load(std::memory_order_relaxed)) {
    return nullptr;
  }
  Slot* const slot = usable();
  if (slot == nullptr) return nullptr;
  limits_->requests.fetch_add(1, std::memory_order_relaxed);
  return start_on(*slot, head, end);
}

std::unique_ptr<ClientExchange> Pool::start_on(Slot& slot, const http::Request& head, bool end) {
  ++counts_.requests;
  auto exchange = slot.connection->start(head, end);
  slot.unlink();
  list(slot);
  return exchange;
}

io::Task<Result<std::unique_ptr<ClientExchange>>> Pool::send(const http::Request& head, bool end,
                                                             TimePoint deadline) {
  if (auto exchange = try_send(head, end)) co_return exchange;
  if (draining_) {
    co_return fail({.kind = Error::Kind::unavailable,
                    .side = Error::Side::backend,
                    .retryable = true,
                    .text = "the pool of this endpoint is draining"});
  }
  if (!Limits::take(limits_->requests, limits_->max_requests, limits_->request_overflows)) {
    co_return fail(overflow("active requests", limits_->max_requests));
  }
  if (!Limits::take(limits_->pending, limits_->max_pending, limits_->pending_overflows)) {
    limits_->requests.fetch_sub(1, std::memory_order_relaxed);
    co_return fail(overflow("pending requests", limits_->max_pending));
  }
  Pending pending(*this, head, end);
  open_if_wanted();
  deadline = std::min(deadline, time_after(loop_.now(), options_.queue_timeout));
  while (!pending.answered) {
    if (!co_await io::wait_until(pending.ready, deadline) && !pending.answered) {
      co_return fail({.kind = Error::Kind::timeout,
                      .side = Error::Side::backend,
                      .retryable = true,
                      .text = "no connection came free before the deadline"});
    }
  }
  co_return std::move(pending.result);
}

// ------------------------------------------------------------------ making connections

size_t Pool::expected_streams() const {
  switch (speaks_) {
    case Speaks::http1:
      return 1;
    case Speaks::http2:
      return std::min<size_t>(options_.client.max_concurrent_streams, 100);
    case Speaks::unknown:
      return std::numeric_limits<size_t>::max();  // one will tell
  }
  return 1;
}

bool Pool::wants_connection() const {
  if (counts_.pending == 0) return false;
  if (counts_.connecting == 0) return true;
  const size_t expected = expected_streams();
  return expected < counts_.pending && counts_.connecting * expected < counts_.pending;
}

// Opens a connection for requests that wait, within the cluster's limit. A pool without any may have one all
// the same, as Envoy's may: else an endpoint could starve under the connections of its neighbours.
void Pool::open_if_wanted() {
  while (wants_connection()) {
    const bool only = slots_.empty() && counts_.connecting == 0;
    if (!Limits::take(limits_->connections, limits_->max_connections, limits_->connection_overflows)) {
      if (!only) return;
      limits_->connections.fetch_add(1, std::memory_order_relaxed);
    }
    std::shared_ptr<void> counted(
        nullptr, [limits = limits_](void*) { limits->connections.fetch_sub(1, std::memory_order_relaxed); });
    ++counts_.connecting;
    tasks_.spawn(open_connection(std::move(counted)));
  }
}

namespace {
io::Task<void> attempt(io::Task<Result<Pool::Connected>> connecting, Result<Pool::Connected>& result,
                       io::Event& done) {
  result = co_await std::move(connecting);
  done.notify();
}
}  // namespace

io::Task<void> Pool::open_connection(std::shared_ptr<void> counted) {
  Result<Connected> result = fail(
      {.kind = Error::Kind::timeout,
       .text = concat("no connection within ",
                      duration_cast<std::chrono::milliseconds>(options_.connect_timeout).count(), " ms")});
  bool in_time = false;
  {
    io::Event done(loop_);
    io::TaskGroup connecting(loop_);
    const TimePoint deadline = time_after(loop_.now(), options_.connect_timeout);
    connecting.spawn(attempt(connector_(), result, done));
    in_time = co_await io::wait_until(done, deadline);
  }
  --counts_.connecting;
  if (!in_time) ++counts_.connect_timeouts;
  if (!result) {
    ++counts_.connect_failures;
    Error error = std::move(result).error();
    error.side = Error::Side::backend;
    error.retryable = true;  // nothing was sent
    if (connect_told_) connect_told_(false, &error);
    // Others that get through serve the whole queue. A failure always answers somebody, or a connector that
    // fails at once would be asked for ever.
    if (counts_.connecting == 0 && slots_.empty()) {
      fail_pending(error);
    } else if (pending_.linked()) {
      static_cast<Pending&>(*pending_.next).answer(std::unexpected(error));
    }
    sweep_.arm();
    co_return;
  }
  ++counts_.connections_made;
  if (connect_told_) connect_told_(true, nullptr);
  adopt(std::move(*result), std::move(counted));
}

void Pool::adopt(Connected connected, std::shared_ptr<void> counted) {
  const bool http2 = options_.protocol == PoolOptions::Protocol::http2 ||
                     (options_.protocol == PoolOptions::Protocol::by_alpn && connected.alpn == "h2");
  speaks_ = http2 ? Speaks::http2 : Speaks::http1;
  auto slot = std::make_unique<Slot>();
  slot->connection = http2 ? make_http2_client(std::move(connected.stream), options_.client)
                           : make_http1_client(std::move(connected.stream), options_.client);
  slot->connection->keep(std::move(counted));
  slot->connection->on_change([this] { sweep_.arm(); });
  slot->connection->on_exchange_end([this, s = slot.get()] { exchange_ended(*s); });
  slot->idle_since = loop_.now();
  Slot& added = *slot;
  slots_.push_back(std::move(slot));
  list(added);
  serve_pending();
  sweep_.arm();
}

void Pool::list(Slot& slot) {
  if (slot.linked() || slot.connection->is_closed() || slot.connection->capacity() == 0) return;
  slot.insert_before(*usable_.next);  // first of the list
}

void Pool::exchange_ended(Slot& slot) {
  limits_->requests.fetch_sub(1, std::memory_order_relaxed);
  if (slot.connection->active() == 0) slot.idle_since = loop_.now();
  list(slot);
  if (pending_.linked() || slot.connection->is_closed() || !idle_.armed() || draining_) sweep_.arm();
}

void Pool::serve_pending() {
  while (pending_.linked()) {
    Slot* const slot = usable();
    if (slot == nullptr) return;
    auto& pending = static_cast<Pending&>(*pending_.next);
    pending.answer(start_on(*slot, pending.head, pending.end));
  }
}

void Pool::fail_pending(const Error& error) {
  while (pending_.linked()) static_cast<Pending&>(*pending_.next).answer(std::unexpected(error));
}

// ------------------------------------------------------------------ keeping and closing them

// At the end of a tick in which something changed.
void Pool::sweep() {
  const size_t before = slots_.size();
  std::erase_if(slots_, [](const std::unique_ptr<Slot>& slot) { return slot->connection->is_dead(); });
  counts_.connections_closed += before - slots_.size();
  for (const auto& slot : slots_) list(*slot);
  serve_pending();
  open_if_wanted();
  if (draining_) {
    for (const auto& slot : slots_) {
      if (!pending_.linked() && !slot->connection->is_closed()) slot->connection->drain();
    }
  }
  close_idle();
}

// Closes what has idled too long, or is one too many, and sets the timer for the next.
void Pool::close_idle() {
  if (options_.idle_timeout == kForever && slots_.size() <= options_.max_idle) return;
  TimePoint next = TimePoint::max();
  size_t idle = 0;
  const TimePoint now = loop_.now();
  for (auto slot = slots_.rbegin(); slot != slots_.rend(); ++slot) {
    ClientConnection& connection = *(*slot)->connection;
    if (connection.is_closed() || connection.active() > 0) continue;
    const TimePoint until = time_after((*slot)->idle_since, options_.idle_timeout);
    if (until <= now || ++idle > options_.max_idle) {
      (*slot)->unlink();
      connection.drain();
      sweep_.arm();
    } else {
      next = std::min(next, until);
    }
  }
  idle_.arm_at(next);
}

void Pool::drain() {
  draining_ = true;
  sweep_.arm();
}

bool Pool::drained() const {
  return draining_ && slots_.empty() && counts_.connecting == 0 && counts_.pending == 0;
}

void Pool::close_connections() {
  for (const auto& slot : slots_) {
    slot->unlink();
    slot->connection->drain();
  }
  sweep_.arm();
}

}  // namespace weft::net
