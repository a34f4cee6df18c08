// weft-proxy: sidecar and gateway. Wiring, in order: flags, bootstrap, loops, proxy, signals, drain.

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <random>
#include <sstream>
#include <thread>

#include "base/log.h"
#include "io/epoll_loop.h"
#include "io/signals.h"
#include "proxy/proxy.h"
#include "wire/node_metadata.h"

namespace {

using namespace weft;

constexpr const char* kUsage =
    "weft-proxy -c FILE [--concurrency N] [--log-level LEVEL]\n"
    "\n"
    "  -c, --config-path FILE   Envoy bootstrap, JSON or YAML\n"
    "      --concurrency N      worker threads; default: the processors there are\n"
    "  -l, --log-level LEVEL    trace, debug, info, warning, error, off; default info\n"
    "      --mode validate      say whether the bootstrap is good, and exit\n"
    "      --version            print the version and exit\n";

struct Flags {
  std::string config_path;
  unsigned concurrency = 0;
  bool validate = false;
};

// Prints what is wrong and ends the process: 2 for the command line, 1 for the rest.
[[noreturn]] void die(int status, std::string_view text) {
  std::fprintf(stderr, "weft-proxy: %.*s\n", static_cast<int>(text.size()), text.data());
  std::exit(status);
}

Flags parse_flags(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    std::string flag = argv[i];
    std::string value;
    if (const size_t equals = flag.find('='); flag.starts_with("--") && equals != std::string::npos) {
      value = flag.substr(equals + 1);
      flag.resize(equals);
    }
    const auto take = [&]() -> std::string {
      if (!value.empty()) return value;
      if (i + 1 >= argc) die(2, concat(flag, " needs a value\n", kUsage));
      return argv[++i];
    };
    if (flag == "-c" || flag == "--config-path") {
      flags.config_path = take();
    } else if (flag == "--concurrency") {
      const auto number = parse_unsigned(take());
      if (!number || *number == 0 || *number > 256) die(2, "--concurrency is a number from 1 to 256");
      flags.concurrency = static_cast<unsigned>(*number);
    } else if (flag == "-l" || flag == "--log-level") {
      const auto level = parse_log_level(take());
      if (!level) die(2, level.error().text);
      set_log_level(*level);
    } else if (flag == "--mode") {
      const std::string mode = take();
      if (mode != "serve" && mode != "validate") die(2, "--mode is serve or validate");
      flags.validate = mode == "validate";
    } else if (flag == "--version") {
      std::puts("weft-proxy " WEFT_VERSION);
      std::exit(0);
    } else if (flag == "-h" || flag == "--help") {
      std::fputs(kUsage, stdout);
      std::exit(0);
    } else {
      die(2, concat("unknown flag ", flag, "\n", kUsage));
    }
  }
  if (flags.config_path.empty()) die(2, concat("-c FILE is needed\n", kUsage));
  return flags;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    die(1, concat("cannot read ", path, ": is the path right, and readable for uid ", getuid(), "?"));
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

std::unique_ptr<io::EpollLoop> make_loop(std::random_device& seed) {
  auto loop = io::EpollLoop::make(uint64_t{seed()} << 32 | seed());
  if (!loop) die(1, loop.error().to_string());
  return std::move(*loop);
}

Duration drain_time(const wire::Bootstrap& bootstrap) {
  if (const wire::Value* seconds = bootstrap.node.metadata.find(wire::node_metadata::kDrainSeconds)) {
    if (const double* number = std::get_if<double>(&seconds->held); number && *number >= 0) {
      return std::chrono::milliseconds(static_cast<int64_t>(*number * 1000));
    }
  }
  return std::chrono::seconds(45);
}

// SIGTERM: drain, wait until the last connection is gone or the time is up, leave. A second signal leaves
// now.
io::Task<void> await_end(io::EpollLoop& loop, io::Signals& signals, proxy::Proxy& proxy, Duration patience) {
  co_await signals.next();
  proxy.drain();
  const TimePoint give_up = loop.now() + patience;
  io::TaskGroup second(loop);
  bool again = false;
  second.spawn([](io::Signals& more, bool& told) -> io::Task<void> {
    co_await more.next();
    told = true;
  }(signals, again));
  while (proxy.open_connections() > 0 && loop.now() < give_up && !again) co_await io::sleep_for(loop, 20ms);
  if (proxy.open_connections() > 0) {
    log_warning("proxy", proxy.open_connections(), " connections did not end in time and are reset");
    proxy.expire();
    co_await io::sleep_for(loop, 50ms);
  }
  loop.stop();
}

}  // namespace

int main(int argc, char** argv) {
  const Flags flags = parse_flags(argc, argv);
  auto bootstrap = wire::parse_bootstrap(read_file(flags.config_path), flags.config_path);
  if (!bootstrap) die(1, bootstrap.error().text);
  if (flags.validate) {
    std::printf("configuration '%s' OK\n", flags.config_path.c_str());
    return 0;
  }

  std::random_device seed;
  const auto main_loop = make_loop(seed);
  auto signals = io::Signals::make(*main_loop, {SIGTERM, SIGINT});
  if (!signals) die(1, signals.error().to_string());

  const unsigned workers =
      flags.concurrency > 0 ? flags.concurrency : std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::unique_ptr<io::EpollLoop>> worker_loops;
  std::vector<io::Loop*> loops;
  for (unsigned i = 0; i < workers; ++i) {
    worker_loops.push_back(make_loop(seed));
    loops.push_back(worker_loops.back().get());
  }

  char hostname[256] = "";
  gethostname(hostname, sizeof hostname - 1);
  const Duration patience = drain_time(*bootstrap);
  proxy::Proxy::Options options{.hostname = hostname,
                                .bootstrap_file = flags.config_path,
                                .drain_time = patience,
                                .quit = [loop = main_loop.get()] { loop->stop(); }};
  auto proxy = proxy::Proxy::make(*main_loop, loops, std::move(*bootstrap), std::move(options));
  if (!proxy) die(1, proxy.error().to_string());

  std::vector<std::thread> threads;
  for (auto& loop : worker_loops) threads.emplace_back([l = loop.get()] { l->run(); });
  {
    io::TaskGroup tasks(*main_loop);
    tasks.spawn(await_end(*main_loop, **signals, **proxy, patience));
    main_loop->run();
  }
  for (auto& loop : worker_loops) loop->stop();
  for (std::thread& thread : threads) thread.join();
  proxy->reset();
  return 0;
}
