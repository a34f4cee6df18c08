#include "demo/load.h"

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "demo/arguments.h"
#include "demo/client.h"

namespace weft::demo {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kEnded = "the connection ended before the answer";

std::atomic<bool> stopped = false;

struct Tally {
  uint64_t total = 0;
  uint64_t failed = 0;       // no answer, or 5xx
  uint64_t reconnected = 0;  // a kept connection had been closed; the request went over another
  std::map<int, uint64_t> by_status;
  std::map<std::string, uint64_t> by_version;
  std::map<std::string, uint64_t> by_service;
  std::map<std::string, uint64_t> by_pod;
  std::map<std::string, uint64_t> errors;
  std::vector<float> latencies_ms;

  void add(const Tally& other) {
    total += other.total;
    failed += other.failed;
    reconnected += other.reconnected;
    for (const auto& [key, count] : other.by_status) by_status[key] += count;
    for (const auto& [key, count] : other.by_version) by_version[key] += count;
    for (const auto& [key, count] : other.by_service) by_service[key] += count;
    for (const auto& [key, count] : other.by_pod) by_pod[key] += count;
    for (const auto& [key, count] : other.errors) errors[key] += count;
    latencies_ms.insert(latencies_ms.end(), other.latencies_ms.begin(), other.latencies_ms.end());
  }
};

struct Plan {
  Url url;
  std::string method;
  std::string body;
  HeaderList headers;
  double rps = 0;
  double duration = 0;
  uint64_t count = 0;
  double timeout = 10;
  bool keep_alive = true;
  Clock::time_point start;
};

// Which request is next, shared by all connections.
class Tickets {
 public:
  explicit Tickets(const Plan& plan) : plan_(plan) {}

  // Waits until the next request is due; false where there is none.
  bool take() {
    const uint64_t number = next_++;
    if (plan_.count > 0 && number >= plan_.count) return false;
    auto due = Clock::now();
    if (plan_.rps > 0)
      due = plan_.start +
            std::chrono::nanoseconds(static_cast<int64_t>(1e9 / plan_.rps * static_cast<double>(number)));
    if (plan_.count == 0 && due - plan_.start >= std::chrono::duration<double>(plan_.duration)) return false;
    while (!stopped && Clock::now() < due) {
      std::this_thread::sleep_until(std::min(due, Clock::now() + std::chrono::milliseconds(100)));
    }
    return !stopped;
  }

 private:
  const Plan& plan_;
  std::atomic<uint64_t> next_ = 0;
};

void count_answer(Tally& tally, const Fetched& fetched) {
  ++tally.total;
  if (!fetched.error.empty()) {
    ++tally.failed;
    ++tally.errors[fetched.error];
    return;
  }
  ++tally.by_status[fetched.status];
  if (fetched.status >= 500) ++tally.failed;
  const auto& headers = fetched.message.headers;
  if (const std::string version = header(headers, "x-demo-version"); !version.empty())
    ++tally.by_version[version];
  if (const std::string service = header(headers, "x-demo-service"); !service.empty())
    ++tally.by_service[service];
  if (const std::string pod = header(headers, "x-demo-pod"); !pod.empty()) ++tally.by_pod[pod];
}

// One connection of the load: made when needed, kept while the server keeps it.
class Caller {
 public:
  explicit Caller(const Plan& plan) : plan_(plan) {}

  Fetched call(Tally& tally) {
    const bool reused = socket_.has_value();
    Fetched fetched = try_once();
    // As every HTTP client does: a connection that was closed while it was idle is no failure of the request.
    if (reused && fetched.error == kEnded && plan_.method == "GET") {
      ++tally.reconnected;
      fetched = try_once();
    }
    return fetched;
  }

 private:
  Fetched try_once() {
    Fetched fetched;
    if (!socket_) {
      auto connected = Socket::connect(plan_.url.host, plan_.url.port, plan_.timeout);
      if (!connected) {
        fetched.error = connected.error();
        std::this_thread::sleep_for(std::chrono::milliseconds(20));  // do not spin on a refusal
        return fetched;
      }
      connected->set_timeout(plan_.timeout);
      socket_.emplace(std::move(*connected));
      reader_.emplace(*socket_);
    }
    fetched = fetch(*socket_, *reader_, plan_.method, plan_.url, plan_.headers, plan_.body, plan_.keep_alive);
    if (!fetched.error.empty() || !plan_.keep_alive ||
        same_word(header(fetched.message.headers, "connection"), "close")) {
      reader_.reset();
      socket_.reset();
    }
    return fetched;
  }

  const Plan& plan_;
  std::optional<Socket> socket_;
  std::optional<MessageReader> reader_;
};

void work(const Plan& plan, Tickets& tickets, Tally& tally) {
  Caller caller(plan);
  while (tickets.take()) {
    const auto began = Clock::now();
    const Fetched fetched = caller.call(tally);
    count_answer(tally, fetched);
    if (fetched.error.empty()) {
      tally.latencies_ms.push_back(std::chrono::duration<float, std::milli>(Clock::now() - began).count());
    }
  }
}

double quantile(const std::vector<float>& sorted, double q) {
  if (sorted.empty()) return 0;
  return static_cast<double>(
      sorted[std::min(sorted.size() - 1, static_cast<size_t>(q * static_cast<double>(sorted.size())))]);
}

std::string key_text(int key) { return "\"" + std::to_string(key) + "\""; }
std::string key_text(const std::string& key) { return json_text(key); }

template <typename Key>
std::string counts_json(const std::map<Key, uint64_t>& counts) {
  std::string out = "{";
  for (const auto& [key, count] : counts) {
    if (out.size() > 1) out += ',';
    out += key_text(key) + ':' + std::to_string(count);
  }
  return out + '}';
}

void print_json(const Tally& tally, double seconds) {
  std::printf("{\"reconnected\":%llu,", static_cast<unsigned long long>(tally.reconnected));
  std::printf("\"total\":%llu,\"failed\":%llu,\"seconds\":%.3f,\"rps\":%.1f,",
              static_cast<unsigned long long>(tally.total), static_cast<unsigned long long>(tally.failed),
              seconds, static_cast<double>(tally.total) / seconds);
  std::printf("\"status\":%s,\"versions\":%s,\"services\":%s,\"pods\":%s,\"errors\":%s,",
              counts_json(tally.by_status).c_str(), counts_json(tally.by_version).c_str(),
              counts_json(tally.by_service).c_str(), counts_json(tally.by_pod).c_str(),
              counts_json(tally.errors).c_str());
  std::printf("\"latency_ms\":{\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f}}\n",
              quantile(tally.latencies_ms, 0.5), quantile(tally.latencies_ms, 0.9),
              quantile(tally.latencies_ms, 0.99), quantile(tally.latencies_ms, 1));
}

template <typename Key>
void print_counts(const char* title, const std::map<Key, uint64_t>& counts, uint64_t total) {
  for (const auto& [key, count] : counts) {
    std::string name;
    if constexpr (std::is_same_v<Key, int>) {
      name = std::to_string(key);
    } else {
      name = key;
    }
    std::printf("%-10s %-40s %8llu  %5.1f%%\n", title, name.c_str(), static_cast<unsigned long long>(count),
                100.0 * static_cast<double>(count) / static_cast<double>(std::max<uint64_t>(total, 1)));
  }
}

void print_text(const Tally& tally, double seconds) {
  std::printf("requests   %llu in %.1f s (%.1f/s), %llu failed\n",
              static_cast<unsigned long long>(tally.total), seconds,
              static_cast<double>(tally.total) / seconds, static_cast<unsigned long long>(tally.failed));
  print_counts("status", tally.by_status, tally.total);
  print_counts("version", tally.by_version, tally.total);
  print_counts("service", tally.by_service, tally.total);
  print_counts("error", tally.errors, tally.total);
  std::printf("latency    p50 %.2f ms, p90 %.2f ms, p99 %.2f ms, max %.2f ms\n",
              quantile(tally.latencies_ms, 0.5), quantile(tally.latencies_ms, 0.9),
              quantile(tally.latencies_ms, 0.99), quantile(tally.latencies_ms, 1));
}

}  // namespace

int run_load(const std::vector<std::string>& words) {
  const Arguments arguments(
      words, {"json", "no-keepalive", "fail"},
      {"url", "rps", "connections", "duration", "count", "header", "method", "body", "timeout", "connect"});
  const std::string text = arguments.rest().empty() ? arguments.text("url", "") : arguments.rest().front();
  const auto url = parse_url(text);
  if (!url) usage_error(text.empty() ? "load needs --url URL" : "'" + text + "' is not an http:// URL");
  Plan plan{.url = *url,
            .method = arguments.text("method", "GET"),
            .body = arguments.text("body", ""),
            .headers = parse_headers(arguments.all("header")),
            .rps = arguments.number("rps", 0),
            .duration = arguments.number("duration", 10),
            .count = static_cast<uint64_t>(arguments.number("count", 0)),
            .timeout = arguments.number("timeout", 10),
            .keep_alive = !arguments.flag("no-keepalive"),
            .start = Clock::now()};
  if (const std::string to = arguments.text("connect", ""); !to.empty()) {
    const auto [host, port] = split_host_port(to);
    plan.url.host = host;
    if (!port.empty()) plan.url.port = port;
  }
  ::signal(SIGINT, [](int) { stopped = true; });
  ::signal(SIGTERM, [](int) { stopped = true; });

  Tickets tickets(plan);
  std::vector<Tally> tallies(
      static_cast<size_t>(std::clamp(arguments.number("connections", 4), 1.0, 10000.0)));
  {
    std::vector<std::jthread> threads;
    for (Tally& tally : tallies)
      threads.emplace_back(work, std::cref(plan), std::ref(tickets), std::ref(tally));
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - plan.start).count();
  Tally sum;
  for (const Tally& tally : tallies) sum.add(tally);
  std::ranges::sort(sum.latencies_ms);
  arguments.flag("json") ? print_json(sum, seconds) : print_text(sum, seconds);
  return arguments.flag("fail") && sum.failed > 0 ? 1 : 0;
}

}  // namespace weft::demo
