// A mesh in one process and one thread: weftd, sidecars with real certificates, applications and their
// clients, on a network that delays, loses and cuts, while clocks jump and programs are started again.
//
// Whatever happens, this holds:
//   - no request reaches a workload whose policy forbids it, nor any plain-text one under STRICT;
//   - every request ends in an answer or an error: none hangs, none is lost without a word;
//   - a POST is delivered once at most, for no policy here allows more;
// and once the network has healed:
//   - every proxy comes to have the newest configuration;
//   - what is allowed succeeds, and what is forbidden does not.
//
// A run is its seed. WEFT_SIM_SEEDS says how many (10), WEFT_SIM_SEED runs one alone:
//
//   WEFT_SIM_SEED=1234 sim_test
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/log.h"
#include "base/strings.h"
#include "cli/up/sidecar_bootstrap.h"
#include "control/control_plane.h"
#include "control/ingest/files.h"
#include "io/manual_loop.h"
#include "io/task_group.h"
#include "net/http_client.h"
#include "net/server_connection.h"
#include "proxy/proxy.h"
#include "wire/bootstrap.h"
#include "wire/runtime_state.h"

namespace weft {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// ConnectOptions::mark of what an application opens, as opposed to its sidecar.
constexpr uint32_t kApplication = 7;
constexpr uint16_t kControlPort = 15012;

constexpr std::string_view kObjects = R"(
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: bank}
spec: {selector: {app: bank}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: bank-serves-shop}
spec:
  selector: {matchLabels: {app: bank}}
  rules:
  - from: [{source: {principals: [cluster.local/ns/default/sa/shop]}}]
    to: [{operation: {notPaths: [/vault*]}}]
)";

// The network: perfect within a machine, and as bad as it is told to be between machines.
class Weather final : public io::Network {
 public:
  explicit Weather(uint64_t seed) : random_(seed) {}

  void fair() {
    bad_ = 0;
    cut_off_.clear();
  }
  void storm(double bad) { bad_ = bad; }
  void cut_off(IpAddress ip) { cut_off_.insert(ip.to_string()); }
  void add_sidecar(IpAddress ip) { sidecars_.insert(ip.to_string()); }

  Route route(const SocketAddress& from, const SocketAddress& to, uint32_t mark) override {
    Route route;
    const std::string here = from.ip.to_string();
    const std::string there = to.ip.to_string();
    if (mark == kApplication && sidecars_.contains(here)) {
      route.redirect = SocketAddress{.ip = from.ip, .port = 15001};
      return route;
    }
    if (here == there || from.ip.is_loopback() || to.ip.is_loopback()) return route;
    if (sidecars_.contains(there)) route.redirect = SocketAddress{.ip = to.ip, .port = 15006};
    if (separated(here, there) || random_.unit() < bad_ * 0.2) route.fate = Route::Fate::ignore;
    if (random_.unit() < bad_ * 0.2) route.fate = Route::Fate::refuse;
    route.delay = delay();
    return route;
  }

  io::Passage pass(const SocketAddress& from, const SocketAddress& to, size_t) override {
    io::Passage passage;
    const std::string here = from.ip.to_string();
    const std::string there = to.ip.to_string();
    if (here == there || from.ip.is_loopback() || to.ip.is_loopback()) return passage;
    // What is lost here stays lost, as behind a firewall that forgot the connection. The control plane's
    // streams find that out by themselves; TCP between sidecars is left to the kernel's patience, which is
    // longer than a run.
    const bool control = to.port == kControlPort || from.port == kControlPort;
    if (separated(here, there)) passage.fate = control ? io::Passage::Fate::lose : io::Passage::Fate::reset;
    if (control && random_.unit() < bad_ * 0.02) passage.fate = io::Passage::Fate::lose;
    if (random_.unit() < bad_ * 0.03) passage.fate = io::Passage::Fate::reset;
    passage.delay = delay();
    return passage;
  }

 private:
  bool separated(const std::string& a, const std::string& b) const {
    return cut_off_.contains(a) || cut_off_.contains(b);
  }
  Duration delay() {
    const auto usual = std::chrono::microseconds(100 + random_.below(400));
    return random_.unit() < bad_ ? usual + std::chrono::milliseconds(random_.below(800)) : Duration(usual);
  }

  Random random_;
  double bad_ = 0;
  std::set<std::string> cut_off_;
  std::set<std::string> sidecars_;
};

struct Expectation {
  std::string to;  // service
  bool allowed = false;
};

// One request, from its client's side.
struct Request {
  std::string id, method, path;
  Expectation expected;
  bool ended = false;
  Result<net::HttpReply> reply = fail(Error::Kind::internal, "not ended");
};

// A workload: its machine, its application, and its sidecar if it has one.
class Workload {
 public:
  Workload(io::ManualLoop& world, wire::RunningPod running)
      : pod(std::move(running)), host(world.add_host(pod.ip)), tasks_(*host) {
    acceptor_ = *host->listen(SocketAddress{.ip = IpAddress::any(), .port = 8080}, {});
    tasks_.spawn(accept(*this));
  }
  ~Workload() { stop_proxy(); }

  void start_proxy(const std::string& bootstrap_text) {
    auto bootstrap = wire::parse_bootstrap(bootstrap_text, "sidecar.json");
    ASSERT_TRUE(bootstrap) << bootstrap.error().text;
    auto made = proxy::Proxy::make(*host, {host.get()}, std::move(*bootstrap), {.hostname = pod.name});
    ASSERT_TRUE(made) << made.error().text;
    proxy = std::move(*made);
  }
  void stop_proxy() { proxy.reset(); }

  wire::RunningPod pod;
  std::unique_ptr<io::ManualHost> host;
  std::unique_ptr<proxy::Proxy> proxy;
  std::map<std::string, int> served;  // by request id
  Duration clock_wrong_by{};

 private:
  static io::Task<void> accept(Workload& workload) {
    for (;;) {
      auto stream = co_await workload.acceptor_->accept();
      if (!stream) co_return;
      Workload* const of = &workload;
      workload.tasks_.spawn(net::serve_http(
          std::move(*stream), {}, [of](net::ServerExchange& exchange) { return serve(*of, exchange); }));
    }
  }
  static io::Task<void> serve(Workload& workload, net::ServerExchange& exchange) {
    ++workload.served[std::string(exchange.request().headers.get("x-id").value_or("without id"))];
    auto body = co_await net::read_body(exchange, 1 << 20);
    if (!body) co_return;
    if (workload.host->random().below(4) == 0) co_await io::sleep_for(*workload.host, 300ms);
    co_await net::reply_all(exchange, {}, concat(workload.pod.name, " got ", body->size()));
  }

  std::unique_ptr<io::Acceptor> acceptor_;
  io::TaskGroup tasks_;
};

class Mesh {
 public:
  explicit Mesh(uint64_t seed) : random_(seed), world_(seed), weather_(seed ^ 0x5bd1e995) {
    std::string pattern = (fs::temp_directory_path() / "weft-sim-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    fs::create_directories(directory_ + "/mesh");
    fs::create_directories(directory_ + "/state");
    world_.set_network(&weather_);
    control_host_ = world_.add_host(*IpAddress::parse("10.1.0.1"));
    add("web-0", "web", "10.0.0.1", true);
    add("shop-0", "shop", "10.0.0.2", true);
    add("shop-1", "shop", "10.0.0.3", true);
    add("bank-0", "bank", "10.0.0.4", true);
    add("outsider-0", "outsider", "10.0.0.9", false);
    write("mesh/mesh.yaml", kObjects);
    write_state();
    // Files are older than everything that happens here.
    const auto later = std::chrono::hours(24 * 365 * 20);
    control_host_->shift_wall_clock(later);
    for (Workload& workload : workloads_) workload.host->shift_wall_clock(later);
    start_control_plane();
    for (Workload& workload : workloads_) start_proxy(workload);
  }
  ~Mesh() {
    clients_.reset();
    settle();
    for (Workload& workload : workloads_) workload.stop_proxy();
    settle();
    plane_.reset();
    settle();
    workloads_.clear();
    control_host_.reset();
    fs::remove_all(directory_);
  }

  void run() {
    begin_calm();
    for (int round = 0; round < 6 && !testing::Test::HasFailure(); ++round) {
      weather_.storm(0.05 + random_.unit() * 0.4);
      for (int i = 0; i < 12; ++i) {
        send_something();
        if (random_.below(3) == 0) disturb();
        advance(std::chrono::milliseconds(random_.below(1500)));
      }
    }
    heal();
  }

 private:
  void add(std::string name, std::string app, std::string ip, bool sidecar) {
    wire::RunningPod pod;
    pod.namespace_name = "default";
    pod.name = std::move(name);
    pod.labels = {{"app", app}};
    pod.service_account = std::move(app);
    pod.ip = *IpAddress::parse(ip);
    pod.proxy = sidecar ? wire::RunningPod::Proxy::sidecar : wire::RunningPod::Proxy::none;
    pod.ready = true;
    pod.ports = {{.name = "http", .port = 8080}};
    if (sidecar) weather_.add_sidecar(pod.ip);
    workloads_.emplace_back(world_, std::move(pod));
  }
  static std::string token_of(const wire::RunningPod& pod) {
    return concat(pod.service_account, std::string(40, 't'));
  }
  void write(std::string_view file, std::string_view text) {
    ASSERT_TRUE(control::write_file(concat(directory_, "/", file), text, 0600));
  }
  void write_state() {
    wire::RunningWorkloads state;
    std::vector<wire::LocalToken> tokens;
    std::set<std::string> accounts;
    for (const Workload& workload : workloads_) {
      state.pods.push_back(workload.pod);
      if (accounts.insert(workload.pod.service_account).second)
        tokens.push_back({token_of(workload.pod), "default", workload.pod.service_account});
    }
    state.services = {{"default", "shop", address_of("shop")}, {"default", "bank", address_of("bank")}};
    write("state/workloads.json", wire::write_workloads(state));
    write("state/tokens.json", wire::write_tokens(tokens));
  }
  static IpAddress address_of(std::string_view service) {
    return *IpAddress::parse(service == "shop" ? "10.96.0.1" : "10.96.0.2");
  }

  void start_control_plane() {
    control::ControlPlaneOptions options;
    options.config_directories = {directory_ + "/mesh"};
    options.state_directory = directory_ + "/state";
    options.certificates.leaf_life = 10min;
    options.secure = SocketAddress{.ip = control_host_->ip(), .port = kControlPort};
    auto made = control::ControlPlane::make(*control_host_, std::move(options));
    ASSERT_TRUE(made) << made.error().text;
    plane_ = std::move(*made);
  }
  void start_proxy(Workload& workload) {
    if (workload.pod.proxy == wire::RunningPod::Proxy::none) return;
    workload.start_proxy(cli::sidecar_bootstrap({.pod = workload.pod,
                                                 .control_plane = control_host_->ip().to_string(),
                                                 .root_file = directory_ + "/state/root-cert.pem",
                                                 .token = token_of(workload.pod),
                                                 .agent_socket = ""}));
  }
  void settle() { world_.run_until_idle(); }

  // Time passes, and the invariants are looked at.
  void advance(Duration by) {
    world_.advance(by);
    check();
  }
  void check() {
    for (const Request& request : requests_) {
      int times = 0;
      for (const Workload& workload : workloads_) {
        const auto it = workload.served.find(request.id);
        if (it == workload.served.end()) continue;
        times += it->second;
        EXPECT_EQ(workload.pod.service_account, request.expected.to) << describe(request);
      }
      EXPECT_TRUE(times == 0 || request.expected.allowed)
          << "was let through against policy: " << describe(request);
      if (request.method == "POST") EXPECT_LE(times, 1) << "was sent twice: " << describe(request);
      if (request.ended && request.reply && request.reply->status == 200)
        EXPECT_GE(times, 1) << "was answered by nobody: " << describe(request);
    }
  }
  static std::string describe(const Request& request) {
    return concat(request.id, " ", request.method, " ", request.expected.to, request.path, " -> ",
                  !request.ended               ? "not ended"
                  : !request.reply.has_value() ? request.reply.error().text
                                               : std::to_string(request.reply->status));
  }

  // ---- clients

  static io::Task<Result<net::Pool::Connected>> connect(io::Loop& loop, SocketAddress to) {
    WEFT_CO_TRY(auto stream, co_await loop.connect(to, {.mark = kApplication}));
    co_return net::Pool::Connected{std::move(stream), ""};
  }
  static io::Task<void> send(io::Loop& loop, net::HttpCall call, Request& request) {
    request.reply = co_await net::http_call(loop, std::move(call));
    request.ended = true;
  }
  Request& start_request(Workload& from, SocketAddress to, std::string path, Expectation expected) {
    Request& request = requests_.emplace_back();
    request.id = concat(from.pod.name, "-", requests_.size());
    request.method = random_.below(2) == 0 ? "GET" : "POST";
    request.path = std::move(path);
    request.expected = std::move(expected);
    net::HttpCall call;
    io::Loop* const loop = from.host.get();
    call.connector = [loop, to] { return connect(*loop, to); };
    call.method = request.method;
    call.authority = request.expected.to;
    call.path = request.path;
    call.headers.add("x-id", request.id);
    if (request.method == "POST") call.body = std::string(random_.below(20000), 'x');
    call.timeout = 60s;
    clients_->spawn(send(*loop, std::move(call), request));
    return request;
  }
  Workload& named(std::string_view name) {
    for (Workload& workload : workloads_) {
      if (workload.pod.name == name) return workload;
    }
    ADD_FAILURE() << "no workload " << name;
    return workloads_.front();
  }
  void send_one(size_t kind) {
    const auto service = [](std::string_view name) {
      return SocketAddress{.ip = address_of(name), .port = 80};
    };
    const auto pod = [this](std::string_view name) {
      return SocketAddress{.ip = named(name).pod.ip, .port = 8080};
    };
    switch (kind) {
      case 0:
        start_request(named("web-0"), service("shop"), "/", {"shop", true});
        break;
      case 1:
        start_request(named("shop-0"), service("bank"), "/", {"bank", true});
        break;
      case 2:
        start_request(named("shop-1"), service("bank"), "/vault/gold", {"bank", false});
        break;
      case 3:
        start_request(named("web-0"), service("bank"), "/", {"bank", false});
        break;
      case 4:
        start_request(named("outsider-0"), pod("shop-0"), "/", {"shop", false});
        break;
      case 5:
        start_request(named("outsider-0"), pod("bank-0"), "/", {"bank", false});
        break;
      default:
        start_request(named("web-0"), pod("bank-0"), "/", {"bank", false});
    }
  }
  static constexpr size_t kKinds = 7;
  void send_something() {
    for (uint64_t n = random_.below(4); n > 0; --n) send_one(random_.below(kKinds));
  }

  // ---- what happens to the mesh

  Workload& any_sidecar() {
    for (;;) {
      auto it = workloads_.begin();
      std::advance(it, static_cast<ptrdiff_t>(random_.below(workloads_.size())));
      if (it->pod.proxy != wire::RunningPod::Proxy::none) return *it;
    }
  }
  static void set_clock(Workload& workload, Duration wrong_by) {
    workload.host->shift_wall_clock(wrong_by - workload.clock_wrong_by);
    workload.clock_wrong_by = wrong_by;
  }
  void disturb() {
    settle();
    switch (random_.below(7)) {
      case 0: {  // a sidecar dies and is started again
        Workload& workload = any_sidecar();
        workload.stop_proxy();
        advance(std::chrono::milliseconds(random_.below(500)));
        start_proxy(workload);
        break;
      }
      case 1:  // weftd dies and is started again
        plane_.reset();
        advance(std::chrono::milliseconds(random_.below(3000)));
        start_control_plane();
        break;
      case 2:  // a clock is wrong, by what time servers forgive
        set_clock(any_sidecar(), std::chrono::seconds(random_.below(60)) - 30s);
        break;
      case 3:  // a machine is cut off, or all come back
        if (random_.below(2) == 0) {
          weather_.cut_off(any_sidecar().pod.ip);
        } else {
          weather_.fair();
        }
        break;
      case 4:
        weather_.cut_off(control_host_->ip());
        break;
      case 5: {  // the configuration changes where it does not matter
        write(concat("mesh/extra-", random_.below(3), ".yaml"),
              concat("apiVersion: v1\nkind: Service\nmetadata: {name: extra-", changes_++,
                     "}\nspec: {selector: {app: shop}, ports: [{name: http, port: 81}]}\n"));
        if (plane_) plane_->objects_changed();
        break;
      }
      default: {  // a pod is not ready, or is again
        Workload& workload = named(random_.below(2) == 0 ? "shop-0" : "shop-1");
        workload.pod.ready = !workload.pod.ready;
        write_state();
        if (plane_) plane_->state_changed();
      }
    }
  }

  bool agreed() {
    const uint64_t newest = plane_->publisher().generation();
    for (const Workload& workload : workloads_) {
      if (workload.pod.proxy == wire::RunningPod::Proxy::none) continue;
      const control::Connection* connection = plane_->ads().find(concat(workload.pod.name, ".default"));
      if (connection == nullptr || connection->settled() != newest) return false;
      if (!workload.proxy->ready()) return false;
    }
    return true;
  }
  std::string who_lags() {
    std::string text = concat("the newest generation is ", plane_->publisher().generation());
    for (const Workload& workload : workloads_) {
      if (workload.pod.proxy == wire::RunningPod::Proxy::none) continue;
      const control::Connection* connection = plane_->ads().find(concat(workload.pod.name, ".default"));
      text += concat("; ", workload.pod.name, connection ? " has " : " is not connected",
                     connection ? std::to_string(connection->settled()) : "",
                     workload.proxy->ready() ? "" : " and is not ready");
    }
    return text;
  }
  void begin_calm() {
    ASSERT_TRUE(world_.run_until([this] { return agreed(); }, 60s)) << who_lags();
    advance(1s);
    expect_order();
  }
  // In fair weather everything allowed succeeds, and nothing else.
  void expect_order() {
    const size_t before = requests_.size();
    for (size_t kind = 0; kind < kKinds; ++kind) send_one(kind);
    advance(30s);
    size_t number = 0;
    for (const Request& request : requests_) {
      if (number++ < before) continue;
      EXPECT_TRUE(request.ended) << describe(request);
      const bool succeeded = request.ended && request.reply && request.reply->status == 200;
      EXPECT_EQ(succeeded, request.expected.allowed) << describe(request);
    }
  }
  void heal() {
    weather_.fair();
    for (Workload& workload : workloads_) {
      workload.pod.ready = true;
      set_clock(workload, 0s);
    }
    write_state();
    plane_->state_changed();
    advance(1s);
    // What was sent before ends, one way or the other, within its client's patience.
    advance(61s);
    for (const Request& request : requests_) EXPECT_TRUE(request.ended) << "hangs: " << describe(request);
    EXPECT_TRUE(world_.run_until([this] { return agreed(); }, 5min)) << who_lags();
    // Ejected and half-open things have their time to be found out.
    advance(5min);
    expect_order();
  }

  Random random_;
  io::ManualLoop world_;
  Weather weather_;
  std::string directory_;
  std::unique_ptr<io::ManualHost> control_host_;
  std::list<Workload> workloads_;
  std::unique_ptr<control::ControlPlane> plane_;
  std::list<Request> requests_;
  std::unique_ptr<io::TaskGroup> clients_ = std::make_unique<io::TaskGroup>(world_);
  uint64_t changes_ = 0;
};

uint64_t number_from(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  const auto number = text != nullptr ? parse_unsigned(text) : std::nullopt;
  return number ? *number : otherwise;
}

TEST(MeshSim, holds_what_it_promises_whatever_the_network_does) {
  set_log_level(LogLevel::off);
  const uint64_t only = number_from("WEFT_SIM_SEED", 0);
  const uint64_t seeds = only != 0 ? 1 : number_from("WEFT_SIM_SEEDS", 10);
  for (uint64_t i = 1; i <= seeds; ++i) {
    const uint64_t seed = only != 0 ? only : i;
    if (only != 0) set_log_level(LogLevel::debug);
    Mesh mesh(seed);
    if (!HasFatalFailure()) mesh.run();
    ASSERT_FALSE(HasFailure()) << "seed " << seed << ": run it alone with WEFT_SIM_SEED=" << seed;
  }
}

}  // namespace
}  // namespace weft
