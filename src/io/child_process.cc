#include "io/child_process.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/strings.h"

extern "C" char** environ;

namespace weft::io {

namespace {

constexpr size_t kMostOutput = 16u << 20;

// The step that failed in the child, told through a pipe that exec closes.
struct Failure {
  enum class Step : int { none, name_space, mount, directory, output, session, user, exec };
  Step step;
  int error_number;
};

std::string_view describe(Failure::Step step) {
  switch (step) {
    case Failure::Step::name_space:
      return "enter its network namespace";
    case Failure::Step::mount:
      return "mount its files";
    case Failure::Step::directory:
      return "change to its directory";
    case Failure::Step::output:
      return "open its output file";
    case Failure::Step::session:
      return "start its session";
    case Failure::Step::user:
      return "change to its user";
    case Failure::Step::exec:
      return "execute it";
    case Failure::Step::none:
      break;
  }
  return "start it";
}

struct Pipe {
  FileDescriptor read, write;
  static Result<Pipe> make() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail(system_error("no pipe", errno));
    return Pipe{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
  }
};

// Descriptors the child gets as 0, 1 and 2. -1 is: /dev/null for stdin, ours for the others.
struct Standard {
  int input = -1, output = -1, errors = -1;
};

// PATH is searched here: after fork only the simplest calls are allowed.
Result<std::string> find_program(const std::string& name, const std::vector<char*>& environment) {
  if (name.find('/') != std::string::npos) return name;
  std::string_view path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const char* entry : environment) {
    if (entry != nullptr && std::string_view(entry).starts_with("PATH="))
      path = std::string_view(entry).substr(5);
  }
  for (const std::string_view directory : split(path, ':')) {
    std::string candidate = concat(directory.empty() ? "." : directory, "/", name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return fail(Error::Kind::not_found,
              concat("no program '", name, "' in PATH (", path, "); is it installed?"));
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

// CAP_NET_ADMIN, kept over the change of user and handed through exec as an ambient capability.
bool keep_net_admin() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  data[0].effective = data[0].permitted = data[0].inheritable = 1u << CAP_NET_ADMIN;
  return ::syscall(SYS_capset, &header, data) == 0 &&
         ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0) == 0;
}

class Launch {
 public:
  Launch(const ChildOptions& options, Standard standard) : options_(options), standard_(standard) {}

  Result<pid_t> run() {
    if (options_.arguments.empty()) return fail(Error::Kind::invalid, "no program to run");
    arguments_ = pointers(options_.arguments);
    if (options_.environment) {
      environment_ = pointers(*options_.environment);
    } else {
      for (char** entry = environ; *entry != nullptr; ++entry) environment_.push_back(*entry);
      environment_.push_back(nullptr);
    }
    WEFT_TRY(program_, find_program(options_.arguments[0], environment_));
    WEFT_TRY(Pipe report, Pipe::make());
    parent_ = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) return fail(system_error(concat("cannot run ", program_), errno));
    if (pid == 0) {
      const Failure failure = become_program();
      [[maybe_unused]] const auto told = ::write(report.write.get(), &failure, sizeof failure);
      ::_exit(127);
    }
    report.write.reset();
    Failure failure{};
    if (::read(report.read.get(), &failure, sizeof failure) != sizeof failure) return pid;
    int ignored = 0;
    ::waitpid(pid, &ignored, 0);
    return fail(system_error(concat("cannot run ", program_, ": cannot ", describe(failure.step)),
                             failure.error_number));
  }

 private:
  // In the child, between fork and exec: no allocation, no lock.
  Failure become_program() {
    using Step = Failure::Step;
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    if (options_.new_session && ::setsid() < 0) return failed(Step::session);
    if (options_.network_namespace >= 0 && ::setns(options_.network_namespace, CLONE_NEWNET) != 0) {
      return failed(Step::name_space);
    }
    if (!options_.mounts.empty()) {
      if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) {
        return failed(Step::mount);
      }
      for (const BindMount& bind : options_.mounts) {
        if (::mount(bind.source.c_str(), bind.target.c_str(), nullptr, MS_BIND, nullptr) != 0) {
          return failed(Step::mount);
        }
      }
    }
    if (!redirect()) return failed(Step::output);
    if (!options_.directory.empty() && ::chdir(options_.directory.c_str()) != 0)
      return failed(Step::directory);
    if (!change_user()) return failed(Step::user);
    // After the change of user, which would clear it. If our parent died before this line, nobody will tell
    // us.
    if (options_.dies_with_parent) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent_) ::_exit(127);
    }
    ::execve(program_.c_str(), arguments_.data(), environment_.data());
    return failed(Step::exec);
  }

  static Failure failed(Failure::Step step) { return {step, errno}; }

  bool redirect() const {
    int input = standard_.input;
    if (input < 0) input = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    int output = standard_.output;
    if (output < 0 && !options_.output_file.empty()) output = open_log(options_.output_file);
    int errors = standard_.errors;
    if (errors < 0 && !options_.error_file.empty()) errors = open_log(options_.error_file);
    if (errors < 0 && !options_.output_file.empty() && options_.error_file.empty()) errors = output;
    const bool lost = input < 0 || (output < 0 && !options_.output_file.empty()) ||
                      (errors < 0 && !options_.error_file.empty());
    if (lost) return false;
    return ::dup2(input, 0) == 0 && (output < 0 || ::dup2(output, 1) == 1) &&
           (errors < 0 || ::dup2(errors, 2) == 2);
  }
  static int open_log(const std::string& path) {
    return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  }

  bool change_user() const {
    if (!options_.user && !options_.group) return true;
    if (options_.keep_capability_net_admin) ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    // By raw calls: glibc's would signal threads that do not exist in the child.
    if (options_.group) {
      ::syscall(SYS_setgroups, 0, nullptr);  // refused in a user namespace, where there is nothing to drop
      if (::syscall(SYS_setresgid, *options_.group, *options_.group, *options_.group) != 0) return false;
    }
    if (options_.user && ::syscall(SYS_setresuid, *options_.user, *options_.user, *options_.user) != 0)
      return false;
    return !options_.keep_capability_net_admin || keep_net_admin();
  }

  const ChildOptions& options_;
  Standard standard_;
  std::string program_;
  std::vector<char*> arguments_, environment_;
  pid_t parent_ = 0;
};

ExitStatus from_wait(int raw) {
  if (WIFSIGNALED(raw)) return {.signal = WTERMSIG(raw)};
  return {.code = WEXITSTATUS(raw)};
}

}  // namespace

std::string ExitStatus::to_string() const {
  if (signal == 0) return concat("exit status ", code);
  const char* name = sigabbrev_np(signal);
  return name != nullptr ? concat("killed by SIG", name) : concat("killed by signal ", signal);
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::spawn(EpollLoop& loop, const ChildOptions& options) {
  WEFT_TRY(const pid_t pid, Launch(options, {}).run());
  FileDescriptor handle(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  const int fd = handle.get();
  if (fd < 0) {
    const int refusal = errno;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return fail(system_error("cannot watch a child process", refusal));
  }
  std::unique_ptr<ChildProcess> child(new ChildProcess(loop, pid, std::move(handle)));
  WEFT_CHECK_OK(loop.watch(fd, EPOLLIN, *child));
  return child;
}

ChildProcess::ChildProcess(EpollLoop& loop, pid_t pid, FileDescriptor handle)
    : loop_(loop), pid_(pid), handle_(std::move(handle)), ended_(loop) {}

ChildProcess::~ChildProcess() {
  loop_.unwatch(handle_.get());
  if (status_) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void ChildProcess::on_ready(uint32_t) {
  int raw = 0;
  if (status_ || ::waitpid(pid_, &raw, WNOHANG) != pid_) return;
  status_ = from_wait(raw);
  ended_.notify();
}

Task<ExitStatus> ChildProcess::exited() {
  while (!status_) co_await ended_.wait();
  co_return *status_;
}

// The pid is ours until we reap it, so it cannot be somebody else's.
void ChildProcess::signal(int number) {
  if (running()) ::kill(pid_, number);
}
void ChildProcess::signal_group(int number) { ::kill(-pid_, number); }

Result<CommandOutput> run_command(const ChildOptions& options) {
  WEFT_TRY(Pipe input, Pipe::make());
  WEFT_TRY(Pipe output, Pipe::make());
  WEFT_TRY(Pipe errors, Pipe::make());
  WEFT_TRY(const pid_t pid,
           Launch(options, {input.read.get(), output.write.get(), errors.write.get()}).run());
  input.read.reset();
  output.write.reset();
  errors.write.reset();
  ::fcntl(input.write.get(), F_SETFL, O_NONBLOCK);

  CommandOutput result;
  std::string_view to_write = options.input;
  std::array<char, 16 * 1024> buffer;
  const auto drain = [&](FileDescriptor& from, std::string& into) {
    const ssize_t got = ::read(from.get(), buffer.data(), buffer.size());
    if (got > 0) {
      into.append(buffer.data(),
                  std::min(static_cast<size_t>(got), kMostOutput - std::min(kMostOutput, into.size())));
    } else if (got == 0 || errno != EINTR) {
      from.reset();
    }
  };
  while (output.read || errors.read) {
    if (to_write.empty()) input.write.reset();
    std::array<pollfd, 3> waits{pollfd{output.read.get(), POLLIN, 0}, pollfd{errors.read.get(), POLLIN, 0},
                                pollfd{input.write.get(), POLLOUT, 0}};
    if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) break;
    if (waits[0].revents != 0) drain(output.read, result.output);
    if (waits[1].revents != 0) drain(errors.read, result.errors);
    if (waits[2].revents != 0) {
      // A program that does not read its input is killed by nobody: SIGPIPE would be ours.
      sigset_t pipe_signal, before;
      sigemptyset(&pipe_signal);
      sigaddset(&pipe_signal, SIGPIPE);
      pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
      const ssize_t sent = ::write(input.write.get(), to_write.data(), to_write.size());
      if (sent > 0) to_write.remove_prefix(static_cast<size_t>(sent));
      if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        if (errno == EPIPE) {
          const timespec at_once{};
          ::sigtimedwait(&pipe_signal, nullptr, &at_once);
        }
        to_write = {};
      }
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
  }
  int raw = 0;
  while (::waitpid(pid, &raw, 0) < 0 && errno == EINTR) {
  }
  result.status = from_wait(raw);
  return result;
}

Result<std::string> run_checked(const ChildOptions& options) {
  WEFT_TRY(CommandOutput ran, run_command(options));
  if (ran.status.success()) return std::move(ran.output);
  std::string said(trim(ran.errors.empty() ? ran.output : ran.errors));
  return fail(Error::Kind::io, concat(join(options.arguments, " "), ": ", ran.status.to_string(),
                                      said.empty() ? "" : ": ", said));
}

}  // namespace weft::io
