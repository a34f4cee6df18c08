// What TLS costs: handshakes, full and resumed, and bytes, both ends in one thread over a pipe in memory.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include "tls/test_support.h"

namespace weft::tls {
namespace {

using testing::MaybeStream;

struct Ends {
  explicit Ends(bool tickets = true) {
    client_settings.common.session_tickets = server_settings.common.session_tickets = tickets;
    server_context = ServerContext::make(server_settings).value();
    client_context = ClientContext::make(client_settings).value();
  }
  void shake() {
    client = testing::not_yet();
    server = testing::not_yet();
    auto [near, far] = io::make_pipe(loop, {.capacity = 1 << 20});
    io::TaskGroup tasks(loop);
    tasks.spawn(testing::accept_into(std::move(far), server_context, TimePoint::max(), server));
    tasks.spawn(testing::connect_into(std::move(near), client_context, TimePoint::max(), client));
    loop.run_until_idle();
    WEFT_CHECK(client.has_value() && server.has_value());
  }
  io::ManualLoop loop{1};
  testing::Authority authority{loop.wall_now()};
  ServerSettings server_settings{.identity = authority.workload("shop", "cart"),
                                 .trust = authority.bundle(),
                                 .client_certificate = ClientCertificate::required,
                                 .common = {.alpn = {"h2"}}};
  ClientSettings client_settings{.identity = authority.workload("web", "front"),
                                 .trust = authority.bundle(),
                                 .common = {.alpn = {"h2"}}};
  std::shared_ptr<const ServerContext> server_context;
  std::shared_ptr<const ClientContext> client_context;
  MaybeStream client = testing::not_yet();
  MaybeStream server = testing::not_yet();
};

// Both ends; a proxy pays for one of them.
void full_handshake(benchmark::State& state) {
  Ends ends(state.range(0) != 0);
  for (auto _ : state) {
    if (state.range(0) != 0) ends.client_context = ends.client_context->for_server({}, "");
    ends.shake();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(full_handshake)->ArgName("tickets")->Arg(0)->Arg(1);

void resumed_handshake(benchmark::State& state) {
  Ends ends;
  std::array<std::byte, 16> buffer;
  const auto shake = [&] {
    ends.shake();
    // The ticket comes with the first bytes of the server.
    (void)(*ends.server)->try_write(as_bytes("x"));
    (void)(*ends.client)->try_read(buffer);
  };
  shake();
  for (auto _ : state) shake();
  WEFT_CHECK((*ends.server)->peer().resumed);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(resumed_handshake);

// One message written and read: seal, copy through the pipe, open.
void message(benchmark::State& state) {
  Ends ends;
  ends.shake();
  const std::string text(static_cast<size_t>(state.range(0)), 'x');
  std::vector<std::byte> buffer(text.size() + 16384);
  for (auto _ : state) {
    size_t sent = 0, got = 0;
    while (got < text.size()) {
      if (sent < text.size()) sent += (*ends.client)->try_write(as_bytes(text).subspan(sent)).count;
      got += (*ends.server)->try_read(buffer).count;
    }
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(message)->Arg(200)->Arg(1024)->Arg(16384)->Arg(262144);

void idle_connection_memory(benchmark::State& state) {
  for (auto _ : state) {
    Ends ends;
    ends.shake();
    std::array<std::byte, 16> buffer;
    (void)(*ends.client)->try_read(buffer);
    std::vector<MaybeStream> kept;
    kept.reserve(4000);
    malloc_trim(0);
    const size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 1000; ++i) {
      ends.client_context = ends.client_context->for_server({}, "");
      ends.shake();
      (void)(*ends.client)->try_read(buffer);
      kept.push_back(std::move(ends.client));
      kept.push_back(std::move(ends.server));
    }
    state.counters["bytes_per_pair"] = static_cast<double>(mallinfo2().uordblks - before) / 1000;
  }
}
BENCHMARK(idle_connection_memory)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace weft::tls
