#include "cli/up/mesh.h"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>

#include "base/log.h"
#include "cli/files.h"
#include "cli/up/cleanup.h"
#include "cli/up/on_thread.h"
#include "cli/up/roll_out.h"
#include "cli/up/service_rules.h"
#include "cli/up/status.h"
#include "io/netns.h"

namespace weft::cli {

namespace fs = std::filesystem;

namespace {

constexpr Duration kCoalesce = 30ms;    // between an event of a file and reading it
constexpr Duration kDoubt = 100ms;      // between two looks at what an editor may be writing
constexpr int kMostLooks = 10;          // at a file that never rests
constexpr Duration kSettle = 1s;        // in which proxies learn that a pod is leaving
constexpr Duration kLastPatience = 4s;  // of a whole mesh that ends
constexpr int kMaxPods = 2000;

std::string random_token() {
  std::string bytes(24, '\0');
  size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t count = ::getrandom(bytes.data() + have, bytes.size() - have, 0);
    if (count > 0) have += static_cast<size_t>(count);
  }
  return hex_encode(bytes);
}

std::string gateway_label(const objects::Labels& labels) {
  const auto it = labels.find("istio");
  if (it == labels.end()) return {};
  if (it->second == "ingressgateway") return "ingress";
  if (it->second == "egressgateway") return "egress";
  return {};
}

void print(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) std::fprintf(stderr, "%s\n", line.c_str());
}

// `name` is "ingress:80".
void announce_gateway(const std::string& name, const std::string& address) {
  const bool https = name.ends_with(":443");
  std::printf("%s gateway port %s: %s%s\n", name.substr(0, name.find(':')).c_str(),
              name.substr(name.find(':') + 1).c_str(), https ? "https://" : "http://", address.c_str());
  std::fflush(stdout);
}

}  // namespace

Mesh::Mesh(io::EpollLoop& loop, UpOptions options)
    : loop_(loop),
      options_(std::move(options)),
      state_(MeshState::of(options_.mesh)),
      plan_(std::make_shared<Plan>()),
      changed_(loop),
      rules_changed_(loop),
      publish_(loop, [this] { publish(); }),
      tasks_(loop) {}

Result<std::unique_ptr<Mesh>> Mesh::make(io::EpollLoop& loop, UpOptions options) {
  WEFT_CHECK_OK(check_mesh_name(options.mesh));
  return std::unique_ptr<Mesh>(new Mesh(loop, std::move(options)));
}

// In the order that things stand on each other, backwards.
Mesh::~Mesh() {
  publish_.cancel();
  shutting_down_ = true;
  tasks_.cancel_all();
  pods_.clear();
  control_plane_.reset();
  dns_.reset();
  forwarder_.reset();
  network_.reset();
  if (!owns_state_) return;
  if (auto clean = clean_up(state_); !clean) log_error("up", clean.error().text);
}

Result<void> Mesh::start() {
  began_ = loop_.now();
  WEFT_CHECK_OK(check_tools());
  WEFT_TRY(signals_, io::Signals::make(loop_, {SIGTERM, SIGINT, SIGHUP}));
  WEFT_TRY(programs_.demo, find_program("weft-demo"));
  if (options_.data_plane == "envoy") {
    WEFT_TRY(programs_.proxy, find_envoy());
  } else {
    WEFT_TRY(programs_.proxy, find_program("weft-proxy"));
  }
  WEFT_TRY(programs_.control_plane, find_program("weftd"));
  programs_.directory = fs::path(programs_.demo).parent_path().string();

  for (std::string& directory : options_.directories)
    directory = fs::absolute(directory).lexically_normal().string();
  for (const std::string& directory : options_.directories) {
    if (!fs::is_directory(directory)) {
      return fail(Error::Kind::invalid,
                  concat(directory, " is not a directory; give the directory that holds the YAML files"));
    }
  }
  objects_ = std::make_unique<ObjectSource>(options_.directories);
  WEFT_CHECK_OK(objects_->read());
  print(objects_->take_news());
  if (objects_->has_errors())
    return fail(Error::Kind::invalid, "the mesh was not started: mend what is said above and try again");
  if (options_.rootless && options_.data_plane == "envoy") {
    for (const Workload& workload : make_plan(objects_->objects(), {}).workloads) {
      if (workload.proxy != wire::RunningPod::Proxy::sidecar) continue;
      return fail(Error::Kind::unsupported, concat(workload.pod->meta.file, ":", workload.pod->meta.line,
                                                   ": ", workload.key(), ": ", kNoEnvoyWithoutRoot));
    }
  }
  WEFT_CHECK_OK(take_state_directory());
  objects_->follow(state_.path("objects"), state_.path("builtin"));
  WEFT_TRY(View view, look({}, true));
  WEFT_TRY(host_ports_, io::HostPorts::make());
  forwarder_ = std::make_unique<Forwarder>(loop_);
  plan_ = view.plan;
  WEFT_CHECK_OK(open_host_ports());
  if (options_.rootless) WEFT_CHECK_OK(io::become_root_in_user_namespace());
  WEFT_TRY(network_,
           Network::make(options_.mesh, pins_directory(state_, options_.rootless), options_.rootless));
  dns_ = std::make_unique<DnsServer>(loop_);
  WEFT_CHECK_OK(dns_->listen({.ip = *IpAddress::parse(kDnsAddress), .port = 53, .path = {}}));

  surroundings_.reset(
      new Surroundings{.loop = loop_,
                       .network = *network_,
                       .state = state_,
                       .programs = programs_,
                       .rootless = options_.rootless,
                       .envoy = options_.data_plane == "envoy",
                       .root_certificate = state_.path("root-cert.pem"),
                       .token = [this](const std::string& where,
                                       const std::string& account) { return token_of(where, account); },
                       .plan = [this] { return plan_; },
                       .changed = [this] { publish_.arm(); }});
  take(std::move(view));
  WEFT_CHECK_OK(start_control_plane());
  for (const std::string& directory : options_.directories) {
    WEFT_TRY(auto watch, io::FileWatch::make(loop_, directory));
    tasks_.spawn(follow_files(*watches_.emplace_back(std::move(watch))));
  }
  WEFT_TRY(auto watch, io::FileWatch::make(loop_, state_.path("objects")));
  tasks_.spawn(follow_files(*watches_.emplace_back(std::move(watch))));
  tasks_.spawn(follow_changes());
  tasks_.spawn(write_rules());
  tasks_.spawn(follow_signals());
  return {};
}

// ---- start

Result<std::string> Mesh::find_program(const std::string& name) const {
  std::error_code error;
  const fs::path beside = fs::read_symlink("/proc/self/exe", error).parent_path() / name;
  if (!error && ::access(beside.c_str(), X_OK) == 0) return beside.string();
  return fail(Error::Kind::not_found, concat("the program ", name, " is not beside this one (",
                                             beside.string(), "); build all of Weft with 'make build'"));
}

Result<std::string> Mesh::find_envoy() const {
  std::vector<std::string> places;
  if (const char* given = std::getenv("WEFT_ENVOY"); given != nullptr && *given != '\0')
    places.emplace_back(given);
  std::error_code error;
  fs::path above = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (int i = 0; i < 3; ++i, above = above.parent_path()) {
    places.push_back((above / "third_party/envoy/envoy").string());
  }
  for (const char* directory : {"/usr/local/bin", "/usr/bin"}) places.push_back(concat(directory, "/envoy"));
  for (const std::string& place : places) {
    if (::access(place.c_str(), X_OK) == 0) return place;
  }
  return fail(
      Error::Kind::not_found,
      "there is no Envoy; fetch one with tools/fetch_envoy.sh, or name it in the variable WEFT_ENVOY");
}

Result<void> Mesh::take_state_directory() {
  if (auto before = MeshState::open(options_.mesh)) {
    auto status = before->read_status();
    if (status && is_running(*status)) {
      return fail(Error::Kind::conflict,
                  concat("mesh '", options_.mesh, "' already runs (process ", status->pid,
                         "); stop it with 'weft down --mesh ", options_.mesh,
                         "', or give this one another name with --mesh"));
    }
    log_info("up", "cleaning up what an earlier mesh '", options_.mesh, "' left");
  }
  WEFT_CHECK_OK(clean_up(state_));
  WEFT_CHECK_OK(make_directories(state_.directory()));
  owns_state_ = true;
  for (const char* name : {"objects", "builtin", "pods", "logs"})
    WEFT_CHECK_OK(make_directories(state_.path(name)));
  tell_status();
  return {};
}

Result<void> Mesh::start_control_plane() {
  // It reads the same directories; what `weft apply` added comes first, so that it wins.
  std::vector<std::string> words{programs_.control_plane,
                                 "--state",
                                 state_.directory(),
                                 "--overlay",
                                 state_.path("objects"),
                                 "--secure-name",
                                 std::string(kHubAddress),
                                 "--access-log",
                                 "/dev/stdout"};
  for (const std::string& option : options_.control_plane_options) words.push_back(option);
  for (const std::string& directory : options_.directories) words.push_back(directory);
  words.push_back(state_.path("builtin"));
  RunningContainer::Start start;
  start.child.arguments = std::move(words);
  start.child.output_file = state_.path("logs/weftd.log");
  control_plane_ = std::make_unique<RunningContainer>(*surroundings_, "weftd", std::move(start));
  control_plane_->run();
  return {};
}

// ---- what users want

Result<Mesh::View> Mesh::look(const translate::AddressMap& known, bool believe) {
  View view;
  WEFT_TRY(const auto written, objects_->read());
  view.in_doubt = written.in_doubt && !believe;
  if (view.in_doubt) return view;
  WEFT_CHECK_OK(write_builtin_gateways());
  WEFT_TRY(const auto all, objects_->read());
  view.in_doubt = all.in_doubt && !believe;
  if (view.in_doubt) return view;
  view.news = objects_->take_news();
  auto scale = state_.read_scale();
  if (!scale) view.news.push_back(scale.error().text);
  view.plan =
      std::make_shared<Plan>(make_plan(objects_->objects(), scale ? *scale : std::map<std::string, int>{}));
  view.addresses = translate::allocate_vips(objects_->objects(), known);
  return view;
}

// The gateways that every mesh has open the ports that users' Gateway objects ask for, now and later.
Result<void> Mesh::write_builtin_gateways() {
  if (!options_.gateways) return {};
  std::string text = default_gateways(objects_->written());
  if (text == builtin_text_) return {};
  WEFT_CHECK_OK(write_file(state_.path("builtin/gateways.yaml"), text));
  builtin_text_ = std::move(text);
  return {};
}

void Mesh::take(View view) {
  print(view.news);
  plan_ = std::move(view.plan);
  addresses_ = std::move(view.addresses);
  if (auto opened = open_host_ports(); !opened) log_error("up", opened.error().text);
  publish_.arm();
}

// Those of the ingress gateway that are not open yet.
Result<void> Mesh::open_host_ports() {
  std::set<uint16_t> ports;
  for (const auto& service : plan_->services) {
    if (gateway_label(service->selector) != "ingress") continue;
    for (const auto& port : service->ports) ports.insert(port.port);
  }
  Result<void> outcome;
  for (const uint16_t port : ports) {
    if (gateways_.contains(concat("ingress:", port)) || closed_ports_.contains(port)) continue;
    auto opened = open_host_port(port);
    if (opened) continue;
    closed_ports_.insert(port);
    outcome = std::move(opened);
  }
  return outcome;
}

Result<void> Mesh::open_host_port(uint16_t port) {
  const std::optional<int> asked = port == 80    ? options_.http_port
                                   : port == 443 ? options_.https_port
                                                 : std::nullopt;
  const int above = port == 80 || port == 443 ? 8000 : port < 1024 ? 10000 : 0;
  const auto wanted = static_cast<uint16_t>(asked.value_or(port + above));
  auto socket = host_ports_->listen({.ip = IpAddress::loopback(), .port = wanted, .path = {}});
  if (!socket && asked) {
    return fail(std::move(socket).error().within(
        concat("cannot open port ", wanted, " of the host for the ingress gateway; choose another with --",
               port == 443 ? "https" : "http", "-port (0 takes any)")));
  }
  if (!socket) socket = host_ports_->listen({.ip = IpAddress::loopback(), .port = 0, .path = {}});
  if (!socket) {
    return fail(std::move(socket).error().within(
        concat("port ", port, " of the ingress gateway cannot be reached from this host")));
  }
  WEFT_TRY(auto acceptor, loop_.adopt_listening(std::move(*socket)));
  const std::string name = concat("ingress:", port);
  gateways_[name] = acceptor->address().to_string();
  forwarder_->open(name, std::move(acceptor));
  if (announced_) announce_gateway(name, gateways_[name]);
  return {};
}

// ---- while it runs

io::Task<void> Mesh::follow_files(io::FileWatch& watch) {
  for (;;) {
    co_await watch.changed().wait();
    changed_.notify();
  }
}

io::Task<void> Mesh::follow_changes() {
  for (;;) {
    co_await changed_.wait();
    co_await io::sleep_for(loop_, kCoalesce);
    for (int looks = 1; !shutting_down_; ++looks) {
      const bool believe = looks == kMostLooks;
      auto view =
          co_await on_thread(loop_, [this, believe, known = addresses_] { return look(known, believe); });
      if (!view) {
        log_error("up", view.error().text, "; the mesh goes on with what it had");
        break;
      }
      if (!view->in_doubt) {
        take(std::move(*view));
        break;
      }
      co_await io::sleep_for(loop_, kDoubt);
    }
  }
}

io::Task<void> Mesh::follow_signals() {
  for (;;) {
    const int which = co_await signals_->next();
    if (which == SIGHUP) {
      changed_.notify();
      continue;
    }
    if (shutting_down_) {  // a second Ctrl-C
      loop_.stop();
      co_return;
    }
    log_info("up", "stopping");
    tasks_.spawn(shut_down());
  }
}

io::Task<void> Mesh::shut_down() {
  shutting_down_ = true;
  for (const auto& [key, pod] : pods_) pod->drain(Duration(0), kLastPatience);
  const TimePoint deadline = loop_.now() + kLastPatience + 2s;
  const auto all_gone = [this] {
    for (const auto& [key, pod] : pods_) {
      if (pod->phase() != RunningPod::Phase::gone) return false;
    }
    return true;
  };
  while (!all_gone() && loop_.now() < deadline) co_await io::sleep_for(loop_, 10ms);
  if (control_plane_) {
    control_plane_->stop();
    io::Timer killer(loop_, [this] { control_plane_->kill(); });
    killer.arm_after(2s);
    co_await control_plane_->ended();
  }
  loop_.stop();
}

void Mesh::publish() {
  std::erase_if(pods_, [](const auto& each) { return each.second->phase() == RunningPod::Phase::gone; });
  if (!shutting_down_) roll_out();
  std::vector<wire::RunningPod> running;
  for (const auto& [key, pod] : pods_) {
    if (auto told = pod->running()) running.push_back(std::move(*told));
  }
  tell_control_plane(running);
  tell_network(running);
  tell_gateways();
  tell_status();
  if (!shutting_down_) announce();
}

void Mesh::roll_out() {
  std::map<std::string, std::vector<PodState>> states;
  for (const auto& [key, pod] : pods_) {
    states[pod->workload_key()].push_back({.name = pod->name(),
                                           .revision = pod->revision(),
                                           .ready = pod->ready(),
                                           .terminating = pod->terminating(),
                                           .failed = pod->phase() == RunningPod::Phase::failed});
  }
  std::set<std::string> wanted;
  for (const Workload& workload : plan_->workloads) {
    wanted.insert(workload.key());
    for (const Step& step : next_steps(workload, states[workload.key()])) {
      const std::string key = concat(workload.namespace_name, "/", step.pod);
      if (step.kind == Step::Kind::drain) {
        pods_.at(key)->drain(kSettle, kForever);
      } else if (pods_.size() < kMaxPods) {
        auto& pod = pods_[key] =
            std::make_unique<RunningPod>(*surroundings_, workload, step.pod, next_address());
        pod->start();
      } else {
        log_error("up", "pod ", key, " is not started: ", kMaxPods, " pods run already");
      }
    }
  }
  for (const auto& [key, pod] : pods_) {
    if (!wanted.contains(pod->workload_key()) && !pod->terminating()) pod->drain(kSettle, kForever);
  }
}

IpAddress Mesh::next_address() {
  std::set<uint32_t> used;
  for (const auto& [key, pod] : pods_) {
    if (pod) used.insert(pod->address().v4_host_order());
  }
  // Not given out again soon: somebody may still know the old pod by it.
  for (;;) {
    const uint32_t candidate = next_address_++;
    if (next_address_ >= kPodNetwork + 65534) next_address_ = kPodNetwork + 2;
    if ((candidate & 255) != 255 && (candidate & 255) != 0 && !used.contains(candidate))
      return IpAddress::v4(candidate);
  }
}

void Mesh::tell_control_plane(const std::vector<wire::RunningPod>& pods) {
  wire::RunningWorkloads workloads{.pods = pods, .services = {}};
  for (const auto& service : plan_->services) {
    const auto& meta = service->meta;
    const auto it = addresses_.find(translate::service_host(meta.name, meta.namespace_name, {}));
    if (it == addresses_.end()) continue;
    if (auto address = IpAddress::parse(it->second))
      workloads.services.push_back({meta.namespace_name, meta.name, *address});
  }
  std::string text = wire::write_workloads(workloads);
  if (text == told_workloads_) return;
  if (auto written = write_file(state_.path(wire::kWorkloadsFile), text); !written) {
    log_error("up", written.error().text, "; weftd goes on with what it was told before");
    return;
  }
  told_workloads_ = std::move(text);
}

void Mesh::tell_network(const std::vector<wire::RunningPod>& pods) {
  auto zone = std::make_shared<DnsZone>(DnsZone::make(*plan_, pods, addresses_));
  for (const char* name : {"istiod.istio-system.svc.cluster.local", "istiod.istio-system.svc",
                           "weftd.istio-system.svc.cluster.local"}) {
    zone->add(name, *IpAddress::parse(kHubAddress));
  }
  dns_->set_zone(std::move(zone));
  wanted_rules_ = service_rules(virtual_ports(*plan_, pods, addresses_));
  if (wanted_rules_ != told_rules_) rules_changed_.notify();
}

io::Task<void> Mesh::write_rules() {
  for (;;) {
    co_await rules_changed_.wait();
    const std::string rules = wanted_rules_;
    if (rules == told_rules_) continue;
    const auto set = co_await on_thread(loop_, [this, &rules] { return network_->set_hub_rules(rules); });
    if (!set) {
      log_error("up", set.error().text);
      continue;
    }
    told_rules_ = rules;
    publish_.arm();  // what became ready meanwhile may be announced
  }
}

void Mesh::tell_gateways() {
  std::optional<IpAddress> ingress;
  for (const Workload& workload : plan_->workloads) {
    if (gateway_label(workload.pod->meta.labels) != "ingress") continue;
    for (const auto& [key, pod] : pods_) {
      if (pod->workload_key() != workload.key() || !pod->ready()) continue;
      if (!ingress || !pod->terminating()) ingress = pod->address();
    }
  }
  for (const auto& [name, address] : gateways_) {
    const auto port = parse_unsigned(std::string_view(name).substr(name.find(':') + 1));
    std::optional<SocketAddress> target;
    if (ingress) target = SocketAddress{.ip = *ingress, .port = static_cast<uint16_t>(*port), .path = {}};
    forwarder_->set_target(name, target);
  }
}

void Mesh::tell_status() {
  MeshStatus status{.name = options_.mesh,
                    .pid = ::getpid(),
                    .pid_started = process_start(::getpid()),
                    .rootless = options_.rootless,
                    .directories = options_.directories,
                    .hub = network_ ? network_->hub_path() : "",
                    .gateways = gateways_,
                    .pods = {},
                    .services = service_statuses(*plan_, addresses_, gateways_)};
  for (const auto& [key, pod] : pods_) status.pods.push_back(pod->status());
  if (auto written = state_.write_status(status); !written) log_error("up", written.error().text);
}

void Mesh::announce() {
  if (announced_ || wanted_rules_ != told_rules_) return;
  size_t proxies = 0;
  for (const auto& [key, pod] : pods_) {
    if (!pod->ready()) return;
    const auto running = pod->running();
    if (running && running->proxy != wire::RunningPod::Proxy::none) ++proxies;
  }
  size_t wanted = 0;
  for (const Workload& workload : plan_->workloads) wanted += static_cast<size_t>(workload.replicas);
  if (pods_.size() < wanted) return;
  announced_ = true;
  if (auto written = write_file(state_.path("ready"), ""); !written) log_error("up", written.error().text);
  const auto took = duration_cast<std::chrono::milliseconds>(loop_.now() - began_).count();
  std::printf("mesh '%s': %zu pods (%zu with a proxy) and %zu services are ready after %lld.%01lld s\n",
              options_.mesh.c_str(), pods_.size(), proxies, plan_->services.size(),
              static_cast<long long>(took / 1000), static_cast<long long>(took % 1000 / 100));
  for (const auto& [name, address] : gateways_) announce_gateway(name, address);
  std::printf(
      "Changes to %s take effect at once. 'weft get pods' shows what runs; Ctrl-C or 'weft down' ends it.\n",
      options_.directories.front().c_str());
  std::fflush(stdout);
}

std::string Mesh::token_of(const std::string& namespace_name, const std::string& account) {
  for (const auto& token : tokens_) {
    if (token.namespace_name == namespace_name && token.service_account == account) return token.token;
  }
  tokens_.push_back({.token = random_token(), .namespace_name = namespace_name, .service_account = account});
  if (auto written = write_file(state_.path(wire::kTokensFile), wire::write_tokens(tokens_), 0600);
      !written) {
    log_error("up", written.error().text);
  }
  return tokens_.back().token;
}

}  // namespace weft::cli
