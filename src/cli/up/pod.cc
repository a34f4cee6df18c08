#include "cli/up/pod.h"

#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "base/log.h"
#include "cli/files.h"
#include "cli/up/pod_environment.h"
#include "cli/up/redirection.h"
#include "cli/up/sidecar_bootstrap.h"

namespace weft::cli {
namespace {

using objects::Container;
using Proxy = wire::RunningPod::Proxy;

constexpr Duration kProxyGrace = 5s;
constexpr std::string_view kProxyName = "weft-proxy";

bool is_demo(const std::string& image) {
  const std::string_view name = std::string_view(image).substr(
      0, image.find_last_of(':') > image.find_last_of('/') + 1 ? image.rfind(':') : image.size());
  return name == "weft/demo" || name.ends_with("/weft/demo");
}

// The proxy of a gateway pod is a container in Kubernetes; here it is the pod's proxy.
bool is_proxy_image(const Container& container) {
  return container.image == "auto" || container.image.starts_with("weft/gateway") ||
         container.name == "istio-proxy";
}

std::map<std::string, std::string> as_map(const std::vector<std::string>& environment) {
  std::map<std::string, std::string> out;
  for (const auto& each : environment) {
    const size_t equals = each.find('=');
    out[each.substr(0, equals)] = each.substr(equals + 1);
  }
  return out;
}

}  // namespace

RunningPod::RunningPod(const Surroundings& mesh, const Workload& workload, std::string name,
                       IpAddress address)
    : mesh_(mesh),
      object_(workload.pod),
      key_(workload.key()),
      owner_(workload.deployment ? workload.name : ""),
      revision_(workload.revision),
      proxy_kind_(workload.proxy),
      name_(std::move(name)),
      address_(address),
      directory_(mesh.state.path(concat("pods/", workload.namespace_name, "_", name_))),
      tasks_(mesh.loop),
      ending_(mesh.loop) {}

RunningPod::~RunningPod() {
  ending_.cancel_all();
  tasks_.cancel_all();
  if (phase_ != Phase::gone) bury();
}

void RunningPod::start() {
  started_ =
      std::chrono::duration_cast<std::chrono::seconds>(mesh_.loop.wall_now().time_since_epoch()).count();
  tasks_.spawn(life());
}

io::Task<void> RunningPod::life() {
  auto up = co_await bring_up();
  if (!up) {
    log_error("up", "pod ", object_->meta.namespace_name, "/", name_, ": ", up.error().text);
    set(Phase::failed, up.error().text);
    co_return;
  }
  set(Phase::running);
  bool all_good = true;
  for (const auto& container : containers_) {
    co_await container->ended();
    all_good = all_good && container->succeeded();
  }
  // Without containers of its own (a gateway) the pod lives as long as its proxy.
  if (containers_.empty() && proxy_) co_await proxy_->ended();
  if (!draining_) set(all_good ? Phase::succeeded : Phase::failed);
}

io::Task<Result<void>> RunningPod::bring_up() {
  WEFT_CO_CHECK_OK(make_network());
  WEFT_CO_CHECK_OK(write_files());
  mesh_.changed();  // weftd must know the pod before its proxy asks
  if (proxy_kind_ != Proxy::none) WEFT_CO_CHECK_OK(co_await start_proxy());
  WEFT_CO_CHECK_OK(co_await run_init_containers());
  for (const Container& container : object_->spec.containers) {
    if (proxy_kind_ != Proxy::none && is_proxy_image(container)) continue;
    WEFT_CO_TRY(auto made, make_container(container, object_->spec.restart_policy));
    containers_.push_back(std::move(made));
  }
  for (const auto& container : containers_) container->run();
  co_return Result<void>{};
}

Result<void> RunningPod::make_network() {
  WEFT_TRY(link_, mesh_.network.add_pod(object_->meta.namespace_name, name_, address_));
  if (proxy_kind_ != Proxy::sidecar) return {};
  if (mesh_.rootless && mesh_.envoy) {
    return fail(Error::Kind::unsupported, std::string(kNoEnvoyWithoutRoot));
  }
  WEFT_TRY(const Redirection redirection, redirection_of(object_->meta, object_->meta.annotations));
  return mesh_.network.set_rules(
      *link_, redirection_rules(redirection, mesh_.rootless ? ProxyKnownBy::mark : ProxyKnownBy::user));
}

Result<void> RunningPod::write_files() {
  const std::string& where = object_->meta.namespace_name;
  WEFT_CHECK_OK(make_directories(directory_));
  WEFT_CHECK_OK(make_directories(mesh_.state.path("logs")));
  WEFT_CHECK_OK(write_file(directory_ + "/resolv.conf",
                           concat("nameserver ", kDnsAddress, "\nsearch ", where,
                                  ".svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n")));
  return write_file(
      directory_ + "/hosts",
      concat("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n", address_.to_string(), " ",
             object_->spec.hostname.empty() ? name_ : object_->spec.hostname, "\n"));
}

io::ChildOptions RunningPod::child_options(const std::string& log_name) const {
  io::ChildOptions options;
  options.network_namespace = link_->name_space.get();
  options.output_file =
      mesh_.state.path(concat("logs/", object_->meta.namespace_name, "_", name_, "_", log_name, ".log"));
  options.mounts = {{directory_ + "/resolv.conf", "/etc/resolv.conf"}, {directory_ + "/hosts", "/etc/hosts"}};
  options.directory = "/";
  return options;
}

io::Task<Result<void>> RunningPod::start_proxy() {
  // weftd writes it when it starts; a proxy without it would not come up.
  for (int tries = 0; ::access(mesh_.root_certificate.c_str(), R_OK) != 0; ++tries) {
    if (tries == 1000) {
      co_return fail(Error::Kind::timeout,
                     "weftd did not write its root certificate within 10 s; see 'weft logs weftd'");
    }
    co_await io::sleep_for(mesh_.loop, 10ms);
  }
  const std::string bootstrap = directory_ + "/bootstrap.json";
  const wire::RunningPod self = describe();
  const std::string token = mesh_.token(self.namespace_name, self.service_account);
  std::string agent_socket;
  if (mesh_.envoy) {
    agent_socket = directory_ + "/sds.sock";
    WEFT_CO_TRY(auto id,
                identity::SpiffeId::make("cluster.local", self.namespace_name, self.service_account));
    agent_ = std::make_unique<SdsAgent>(mesh_.loop, std::move(id), token, mesh_.root_certificate);
    WEFT_CO_CHECK_OK(agent_->listen(agent_socket));
    if (!mesh_.rootless && ::chown(agent_socket.c_str(), kProxyUser, kProxyUser) != 0) {
      co_return fail(system_error(concat("cannot give ", agent_socket, " to the proxy's user"), errno));
    }
  }
  // It holds the pod's token.
  WEFT_CO_CHECK_OK(write_file(bootstrap,
                              sidecar_bootstrap({.pod = self,
                                                 .control_plane = std::string(kHubAddress),
                                                 .root_file = mesh_.root_certificate,
                                                 .token = token,
                                                 .agent_socket = agent_socket}),
                              0600));
  RunningContainer::Start start;
  start.child = child_options(std::string(kProxyName));
  start.child.arguments = {mesh_.programs.proxy, "-c", bootstrap, "--concurrency", "1"};
  if (mesh_.envoy) {
    // Its shared memory would be one for all pods. And an access log that is ten seconds late (its default)
    // helps nobody who looks for what he just did.
    for (const char* word : {"--disable-hot-restart", "--file-flush-interval-msec", "1000"})
      start.child.arguments.emplace_back(word);
  }
  if (mesh_.rootless) start.child.environment = {concat("WEFT_SOCKET_MARK=", kProxyMark)};
  if (!mesh_.rootless) {
    if (::chown(bootstrap.c_str(), kProxyUser, kProxyUser) != 0) {
      co_return fail(system_error(concat("cannot give ", bootstrap, " to the proxy's user"), errno));
    }
    // The access log goes to /dev/stdout, which the proxy opens again as its own user.
    WEFT_CO_CHECK_OK(write_file(start.child.output_file, ""));
    if (::chown(start.child.output_file.c_str(), kProxyUser, kProxyUser) != 0) {
      co_return fail(
          system_error(concat("cannot give ", start.child.output_file, " to the proxy's user"), errno));
    }
    start.child.user = kProxyUser;
    start.child.group = kProxyUser;
    start.child.keep_capability_net_admin = true;
  }
  start.address = address_.to_string();
  start.name_space = &link_->name_space;
  start.readiness = objects::Probe{
      .kind = objects::Probe::Kind::http, .host = "127.0.0.1", .path = "/healthz/ready", .period = 1s};
  start.readiness_port = 15021;
  proxy_ = std::make_unique<RunningContainer>(mesh_, std::string(kProxyName), std::move(start));
  proxy_->run();
  co_await proxy_->ended_or_ready();
  co_return Result<void>{};
}

io::Task<Result<void>> RunningPod::run_init_containers() {
  for (const Container& container : object_->spec.init_containers) {
    const auto policy = container.restart_always ? objects::PodSpec::RestartPolicy::always
                        : object_->spec.restart_policy == objects::PodSpec::RestartPolicy::never
                            ? objects::PodSpec::RestartPolicy::never
                            : objects::PodSpec::RestartPolicy::on_failure;
    WEFT_CO_TRY(auto made, make_container(container, policy));
    RunningContainer& running = *init_containers_.emplace_back(std::move(made));
    running.run();
    if (container.restart_always) {
      co_await running.ended_or_ready();
      continue;
    }
    co_await running.ended();
    if (!running.succeeded()) {
      co_return fail(Error::Kind::unavailable,
                     concat("init container ", container.name, " failed: ", running.status().reason,
                            "; see 'weft logs ", name_, " -c ", container.name, "'"));
    }
  }
  co_return Result<void>{};
}

Result<std::vector<std::string>> RunningPod::command_of(const Container& container,
                                                        const std::vector<std::string>& environment) const {
  std::vector<std::string> words = container.command;
  if (words.empty()) {
    if (!is_demo(container.image)) {
      return fail(
          Error::Kind::unsupported,
          concat(object_->meta.file, ":", container.line, ": container ", container.name, ": image '",
                 container.image,
                 "' is not pulled here; give a command to run as a local program, or use image weft/demo"));
    }
    words = {mesh_.programs.demo};
  }
  words.insert(words.end(), container.args.begin(), container.args.end());
  const auto values = as_map(environment);
  for (std::string& word : words) word = expand_variables(word, values);
  return words;
}

Result<std::unique_ptr<RunningContainer>> RunningPod::make_container(
    const Container& container, objects::PodSpec::RestartPolicy restart) {
  const std::shared_ptr<const Plan> plan = mesh_.plan();
  const PodFacts facts{
      .pod = *object_, .name = name_, .ip = address_.to_string(), .node_ip = std::string(kHubAddress)};
  WEFT_TRY(auto environment, container_environment(container, facts, *plan));
  for (std::string& each : environment) {
    if (each.starts_with("PATH=")) each = concat("PATH=", mesh_.programs.directory, ":", each.substr(5));
  }
  RunningContainer::Start start;
  start.child = child_options(container.name);
  WEFT_TRY(start.child.arguments, command_of(container, environment));
  start.child.environment = std::move(environment);
  if (!container.working_dir.empty()) start.child.directory = container.working_dir;
  start.restart = restart;
  start.address = address_.to_string();
  start.name_space = &link_->name_space;
  const auto take_probe = [&](const std::optional<objects::Probe>& probe, std::optional<objects::Probe>& into,
                              uint16_t& port) -> Result<void> {
    if (!probe) return {};
    if (probe->kind == objects::Probe::Kind::grpc || probe->https) {
      return fail(Error::Kind::unsupported,
                  concat(object_->meta.file, ":", container.line, ": container ", container.name,
                         ": gRPC and HTTPS probes are not supported here; use httpGet, tcpSocket or exec"));
    }
    into = probe;
    port = probe->port.number != 0 ? probe->port.number : objects::resolve_port(object_->spec, probe->port);
    return {};
  };
  WEFT_CHECK_OK(take_probe(container.readiness, start.readiness, start.readiness_port));
  WEFT_CHECK_OK(take_probe(container.liveness, start.liveness, start.liveness_port));
  WEFT_CHECK_OK(take_probe(container.startup, start.startup, start.startup_port));
  return std::make_unique<RunningContainer>(mesh_, container.name, std::move(start));
}

void RunningPod::drain(Duration settle, Duration patience) {
  if (phase_ == Phase::gone) return;
  if (draining_ && settle > Duration(0)) return;
  // A second call is more in a hurry than the first.
  ending_.cancel_all();
  draining_ = true;
  set(Phase::terminating);
  ending_.spawn(end(settle, patience));
}

io::Task<void> RunningPod::end(Duration settle, Duration patience) {
  if (settle > Duration(0) && ready()) co_await io::sleep_for(mesh_.loop, settle);
  // Whatever life() was about to start, it will not.
  tasks_.cancel_all();
  const TimePoint deadline =
      mesh_.loop.now() + std::min<Duration>(object_->spec.termination_grace_period, patience);
  io::Timer killer(mesh_.loop, [this] {
    for (const auto& container : containers_) container->kill();
    for (const auto& container : init_containers_) container->kill();
  });
  killer.arm_at(deadline);
  for (const auto& container : containers_) container->stop();
  for (const auto& container : containers_) {
    if (container->state() != RunningContainer::State::waiting) co_await container->ended();
  }
  for (const auto& container : init_containers_) container->stop();
  for (const auto& container : init_containers_) {
    if (container->state() != RunningContainer::State::waiting) co_await container->ended();
  }
  if (proxy_) {
    io::Timer proxy_killer(mesh_.loop, [this] { proxy_->kill(); });
    proxy_killer.arm_after(std::min(kProxyGrace, patience));
    proxy_->stop();
    co_await proxy_->ended();
  }
  bury();
  set(Phase::gone);
}

void RunningPod::bury() {
  containers_.clear();
  init_containers_.clear();
  proxy_.reset();
  agent_.reset();
  if (link_) mesh_.network.remove_pod(*link_);
  link_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void RunningPod::set(Phase phase, std::string reason) {
  phase_ = phase;
  if (!reason.empty()) reason_ = std::move(reason);
  mesh_.changed();
}

bool RunningPod::ready() const {
  if (phase_ != Phase::running && phase_ != Phase::terminating) return false;
  if (proxy_kind_ != Proxy::none && (!proxy_ || !proxy_->ready())) return false;
  for (const auto& container : containers_) {
    if (!container->ready()) return false;
  }
  return !containers_.empty() || proxy_ != nullptr;
}

wire::RunningPod RunningPod::describe() const {
  wire::RunningPod out{.namespace_name = object_->meta.namespace_name,
                       .name = name_,
                       .ip = address_,
                       .labels = object_->meta.labels,
                       .annotations = object_->meta.annotations,
                       .service_account = object_->spec.service_account_name,
                       .owner = owner_,
                       .proxy = proxy_kind_,
                       .ready = ready(),
                       .terminating = draining_,
                       .ports = {}};
  for (const auto& container : object_->spec.containers) {
    for (const auto& port : container.ports) {
      if (port.transport == objects::Transport::sctp) continue;
      out.ports.push_back({port.name, port.port, port.transport == objects::Transport::udp ? "UDP" : "TCP"});
    }
  }
  return out;
}

std::optional<wire::RunningPod> RunningPod::running() const {
  if (!link_ || phase_ == Phase::gone || phase_ == Phase::succeeded || phase_ == Phase::failed)
    return std::nullopt;
  return describe();
}

PodStatus RunningPod::status() const {
  PodStatus out{.namespace_name = object_->meta.namespace_name,
                .name = name_,
                .ip = address_.to_string(),
                .owner = owner_,
                .status = {},
                .proxy = std::string(wire::to_string(proxy_kind_)),
                .netns = link_ ? link_->path : "",
                .started = started_,
                .containers = {}};
  for (const auto& container : containers_) out.containers.push_back(container->status());
  // Those that are not started yet count too.
  for (size_t i = containers_.size(); i < object_->spec.containers.size(); ++i) {
    const Container& container = object_->spec.containers[i];
    if (proxy_kind_ != Proxy::none && is_proxy_image(container)) continue;
    if (phase_ == Phase::starting || phase_ == Phase::failed) {
      out.containers.push_back({.name = container.name, .state = "Waiting", .log = {}, .reason = reason_});
    }
  }
  if (proxy_) out.containers.push_back(proxy_->status());
  switch (phase_) {
    case Phase::starting:
      out.status = init_containers_.empty() ? "Pending" : "Init";
      break;
    case Phase::running:
      out.status = "Running";
      break;
    case Phase::succeeded:
      out.status = "Completed";
      break;
    case Phase::failed:
      out.status = "Error";
      break;
    case Phase::terminating:
      out.status = "Terminating";
      break;
    case Phase::gone:
      out.status = "Gone";
      break;
  }
  if (phase_ == Phase::running) {
    for (const auto& container : out.containers) {
      if (container.state == "CrashLoopBackOff") out.status = container.state;
    }
  }
  return out;
}

}  // namespace weft::cli
