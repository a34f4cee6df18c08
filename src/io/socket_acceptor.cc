#include "io/socket_acceptor.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/log.h"
#include "base/strings.h"
#include "io/kernel_address.h"
#include "io/socket_stream.h"

namespace weft::io {

namespace {

constexpr int kMostInARow = 64;
constexpr Duration kPauseWithoutDescriptors = 100ms;

Error cannot_listen(const SocketAddress& address, int error_number) {
  std::string_view hint;
  if (error_number == EADDRINUSE) hint = " (another program listens there; stop it or choose another port)";
  if (error_number == EACCES) hint = " (ports below 1024 need CAP_NET_BIND_SERVICE)";
  if (error_number == EADDRNOTAVAIL) hint = " (no interface of this machine has that address)";
  if (error_number == EPERM) hint = " (transparent interception needs CAP_NET_ADMIN)";
  Error error = system_error(concat("cannot listen on ", address.to_string()), error_number);
  error.text.append(hint);
  return error;
}

// A socket file that nobody answers is what a program that was killed left behind.
void remove_dead_socket(const KernelAddress& address, const std::string& path) {
  struct stat status{};
  if (path[0] == '@' || ::stat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return;
  const FileDescriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (::connect(probe.get(), address.get(), address.size()) != 0 && errno == ECONNREFUSED) {
    ::unlink(path.c_str());
  }
}

}  // namespace

Result<std::unique_ptr<Acceptor>> SocketAcceptor::make(EpollLoop& loop, const SocketAddress& address,
                                                       const ListenOptions& options) {
  WEFT_TRY(const KernelAddress where, KernelAddress::make(address));
  FileDescriptor socket(::socket(where.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return fail(cannot_listen(address, errno));
  const int fd = socket.get();
  const int on = 1;
  if (address.is_unix()) {
    remove_dead_socket(where, address.path);
  } else {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (options.reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
      return fail(cannot_listen(address, errno));
    }
    if (options.transparent) {
      const bool v4 = address.ip.is_v4();
      if (setsockopt(fd, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_TRANSPARENT : IPV6_TRANSPARENT, &on, sizeof on) !=
          0) {
        return fail(cannot_listen(address, errno));
      }
    }
  }
  if (::bind(fd, where.get(), where.size()) != 0 || ::listen(fd, options.backlog) != 0) {
    return fail(cannot_listen(address, errno));
  }
  SocketAddress bound = address;
  if (!address.is_unix()) {
    KernelAddress name;
    if (getsockname(fd, name.get(), name.size_pointer()) != 0) return fail(cannot_listen(address, errno));
    bound = name.value();
  }
  std::unique_ptr<SocketAcceptor> acceptor(new SocketAcceptor(loop, std::move(socket), std::move(bound)));
  WEFT_CHECK_OK(loop.watch(fd, EPOLLIN, *acceptor));
  return acceptor;
}

Result<std::unique_ptr<Acceptor>> SocketAcceptor::adopt(EpollLoop& loop, FileDescriptor socket) {
  const int fd = socket.get();
  KernelAddress name;
  if (getsockname(fd, name.get(), name.size_pointer()) != 0)
    return fail(system_error("not a socket that listens", errno));
  std::unique_ptr<SocketAcceptor> acceptor(new SocketAcceptor(loop, std::move(socket), name.value()));
  WEFT_CHECK_OK(loop.watch(fd, EPOLLIN, *acceptor));
  return acceptor;
}

SocketAcceptor::SocketAcceptor(EpollLoop& loop, FileDescriptor socket, SocketAddress address)
    : loop_(loop),
      socket_(std::move(socket)),
      address_(std::move(address)),
      connections_(loop),
      resume_(loop, [this] { connections_.notify(); }) {}

SocketAcceptor::~SocketAcceptor() {
  loop_.unwatch(socket_.get());
  if (address_.is_unix() && address_.path[0] != '@') ::unlink(address_.path.c_str());
}

void SocketAcceptor::on_ready(uint32_t) {
  may_have_more_ = true;
  if (!resume_.armed()) connections_.notify();
}

Task<Result<std::unique_ptr<Stream>>> SocketAcceptor::accept() {
  for (;;) {
    if (may_have_more_ && !resume_.armed()) {
      if (++taken_in_a_row_ > kMostInARow) {
        pause(Duration::zero());
      } else {
        auto taken = take();
        if (!taken || *taken) co_return taken;
        if (may_have_more_ && !resume_.armed()) continue;
      }
    }
    co_await connections_.wait();
    taken_in_a_row_ = 0;
  }
}

void SocketAcceptor::pause(Duration delay) { resume_.arm_after(delay); }

Result<std::unique_ptr<Stream>> SocketAcceptor::take() {
  KernelAddress peer;
  FileDescriptor socket(
      ::accept4(socket_.get(), peer.get(), peer.size_pointer(), SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (socket) {
    short_of_descriptors_ = false;
    // A refusal here is as transient as one of accept4 itself; the client sees a closed connection.
    auto stream = SocketStream::make(loop_, std::move(socket));
    if (!stream) return nullptr;
    (*stream)->set_peer_address(peer.value());
    return std::move(*stream);
  }
  switch (errno) {
    case EAGAIN:
      may_have_more_ = false;
      return nullptr;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      if (!std::exchange(short_of_descriptors_, true)) {
        log_warning("io", "accept on ", address_.to_string(), " waits: ", system_error("accept", errno).text,
                    "; raise the limit of open files (ulimit -n)");
      }
      pause(kPauseWithoutDescriptors);
      return nullptr;
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
    case EOPNOTSUPP:
      return fail(system_error(concat("accept on ", address_.to_string()), errno));
    default:
      return nullptr;  // that connection died before we took it, or a signal: there may be another
  }
}

}  // namespace weft::io
