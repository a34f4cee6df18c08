#include "cli/up/container.h"

#include <array>
#include <csignal>

#include "base/log.h"
#include "base/strings.h"
#include "io/stream.h"

namespace weft::cli {
namespace {

constexpr Duration kFirstPause = 500ms;
constexpr Duration kLongestPause = 30s;
constexpr Duration kGoodRun = 10s;  // one that ran so long starts again without a longer pause

// The status of an HTTP answer, by its first line alone; 0 where there is none in time.
io::Task<int> http_status(io::Stream& stream, std::string request, TimePoint deadline) {
  if (!co_await io::write_all(stream, as_bytes(request), deadline)) co_return 0;
  std::string answer;
  std::array<std::byte, 512> buffer;
  while (answer.find('\n') == std::string::npos && answer.size() < 1024) {
    const auto count = co_await io::read_some(stream, buffer, deadline);
    if (!count || *count == 0) co_return 0;
    answer += as_text({buffer.data(), *count});
  }
  if (!answer.starts_with("HTTP/1.") || answer.size() < 12) co_return 0;
  co_return static_cast<int>(parse_unsigned(std::string_view(answer).substr(9, 3)).value_or(0));
}

}  // namespace

io::Task<bool> probe_network(io::EpollLoop& loop, const io::FileDescriptor& name_space, objects::Probe probe,
                             SocketAddress target) {
  const TimePoint deadline = loop.now() + probe.timeout;
  // The socket belongs to the pod's namespace for ever; the loop that serves it need not.
  auto stream = co_await loop.connect(target, {.timeout = probe.timeout, .network_namespace = &name_space});
  if (!stream) co_return false;
  if (probe.kind == objects::Probe::Kind::tcp) co_return true;
  std::string request = concat("GET ", probe.path, " HTTP/1.1\r\nHost: ", target.to_string(),
                               "\r\nUser-Agent: kube-probe/1.34\r\nAccept: */*\r\nConnection: close\r\n");
  for (const auto& [name, value] : probe.headers) request += concat(name, ": ", value, "\r\n");
  const int status = co_await http_status(**stream, request + "\r\n", deadline);
  co_return status >= 200 && status < 400;
}

RunningContainer::RunningContainer(const Surroundings& mesh, std::string name, Start start)
    : mesh_(mesh),
      name_(std::move(name)),
      start_(std::move(start)),
      changed_(mesh.loop),
      probes_(mesh.loop),
      tasks_(mesh.loop) {}

void RunningContainer::run() { tasks_.spawn(life()); }

io::Task<void> RunningContainer::life() {
  Duration pause = kFirstPause;
  for (;;) {
    const TimePoint began = mesh_.loop.now();
    auto child = io::ChildProcess::spawn(mesh_.loop, start_.child);
    std::string how;
    bool success = false;
    if (child) {
      child_ = std::move(*child);
      set(State::running);
      probes_.spawn(probe_all());
      const io::ExitStatus status = co_await child_->exited();
      probes_.cancel_all();
      // What it started and left behind goes with it.
      child_->signal_group(SIGKILL);
      child_.reset();
      success = status.success();
      how = status.to_string();
    } else {
      how = child.error().text;
    }
    became_ready(false);
    const bool again =
        !stopping_ && (start_.restart == objects::PodSpec::RestartPolicy::always ||
                       (start_.restart == objects::PodSpec::RestartPolicy::on_failure && !success));
    if (!again) {
      finished_ = true;
      set(success || stopping_ ? State::completed : State::failed, how);
      co_return;
    }
    if (mesh_.loop.now() - began > kGoodRun) pause = kFirstPause;
    log_warning("up", "container ", name_, " ended: ", how, "; starting it again in ",
                duration_cast<std::chrono::milliseconds>(pause).count(), " ms");
    set(State::backing_off, how);
    co_await io::sleep_for(mesh_.loop, pause);
    pause = std::min(pause * 2, kLongestPause);
    if (stopping_) {
      finished_ = true;
      set(State::completed, how);
      co_return;
    }
    ++restarts_;
  }
}

io::Task<void> RunningContainer::probe_all() {
  if (start_.startup) {
    co_await io::sleep_for(mesh_.loop, start_.startup->initial_delay);
    for (int failures = 0; !co_await probe_once(*start_.startup, start_.startup_port);) {
      if (++failures >= start_.startup->failure_threshold) {
        reason_ = "startup probe failed";
        child_->signal_group(SIGTERM);
        co_return;
      }
      co_await io::sleep_for(mesh_.loop, start_.startup->period);
    }
  }
  if (start_.liveness) probes_.spawn(probe_liveness());
  if (!start_.readiness) {
    became_ready(true);
    co_return;
  }
  const objects::Probe& probe = *start_.readiness;
  co_await io::sleep_for(mesh_.loop, probe.initial_delay);
  int successes = 0;
  int failures = 0;
  for (;;) {
    const bool good = co_await probe_once(probe, start_.readiness_port);
    successes = good ? successes + 1 : 0;
    failures = good ? 0 : failures + 1;
    if (!ready_ && successes >= probe.success_threshold) became_ready(true);
    if (ready_ && failures >= probe.failure_threshold) became_ready(false);
    // Until it is ready the period of a real kubelet only makes people wait.
    co_await io::sleep_for(mesh_.loop, ready_ ? probe.period : std::min<Duration>(probe.period, 100ms));
  }
}

io::Task<void> RunningContainer::probe_liveness() {
  const objects::Probe& probe = *start_.liveness;
  co_await io::sleep_for(mesh_.loop, probe.initial_delay);
  for (int failures = 0;;) {
    failures = co_await probe_once(probe, start_.liveness_port) ? 0 : failures + 1;
    if (failures >= probe.failure_threshold) {
      reason_ = "liveness probe failed";
      log_warning("up", "container ", name_, ": liveness probe failed ", failures, " times; ending it");
      child_->signal_group(SIGTERM);
      co_return;
    }
    co_await io::sleep_for(mesh_.loop, probe.period);
  }
}

io::Task<bool> RunningContainer::probe_once(objects::Probe probe, uint16_t port) {
  if (probe.kind == objects::Probe::Kind::exec) {
    io::ChildOptions options = start_.child;
    options.arguments = probe.command;
    options.output_file = "/dev/null";
    auto child = io::ChildProcess::spawn(mesh_.loop, options);
    if (!child) co_return false;
    io::Timer limit(mesh_.loop, [&child] { (*child)->signal_group(SIGKILL); });
    limit.arm_after(probe.timeout);
    const io::ExitStatus status = co_await (*child)->exited();
    co_return status.success();
  }
  const auto host = IpAddress::parse(probe.host.empty() ? start_.address : probe.host);
  if (!host) co_return false;
  co_return co_await probe_network(mesh_.loop, *start_.name_space, std::move(probe),
                                   {.ip = *host, .port = port, .path = {}});
}

void RunningContainer::set(State state, std::string reason) {
  state_ = state;
  reason_ = std::move(reason);
  changed_.notify();
  mesh_.changed();
}

void RunningContainer::became_ready(bool ready) {
  if (ready_ == ready) return;
  ready_ = ready;
  changed_.notify();
  mesh_.changed();
}

io::Task<void> RunningContainer::ended_or_ready() {
  while (!finished_ && !ready_) co_await changed_.wait();
}

io::Task<void> RunningContainer::ended() {
  while (!finished_) co_await changed_.wait();
}

void RunningContainer::stop() {
  stopping_ = true;
  if (child_) child_->signal_group(SIGTERM);
}

void RunningContainer::kill() {
  stopping_ = true;
  if (child_) child_->signal_group(SIGKILL);
}

ContainerStatus RunningContainer::status() const {
  std::string state;
  switch (state_) {
    case State::waiting:
      state = "Waiting";
      break;
    case State::running:
      state = "Running";
      break;
    case State::backing_off:
      state = "CrashLoopBackOff";
      break;
    case State::completed:
      state = "Completed";
      break;
    case State::failed:
      state = "Error";
      break;
  }
  return {.name = name_,
          .state = state,
          .pid = child_ ? child_->pid() : 0,
          .ready = ready_,
          .restarts = restarts_,
          .log = start_.child.output_file,
          .reason = reason_};
}

}  // namespace weft::cli
