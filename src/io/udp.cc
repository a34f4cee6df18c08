#include "io/udp.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/strings.h"
#include "io/kernel_address.h"
#include "io/wait.h"

namespace weft::io {

Result<std::unique_ptr<UdpSocket>> UdpSocket::open(EpollLoop& loop, const SocketAddress& address,
                                                   UdpOptions options) {
  const std::string what = concat("cannot listen on UDP ", address.to_string());
  if (address.is_unix()) return fail(Error::Kind::invalid, what + ": a UDP address is an IP and a port");
  const KernelAddress where(address);
  FileDescriptor socket(::socket(where.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return fail(system_error(what, errno));
  const int fd = socket.get();
  const int on = 1;
  if (options.reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
    return fail(system_error(what, errno));
  }
  if (options.mark != 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &options.mark, sizeof options.mark) != 0) {
    return fail(system_error(concat(what, ": SO_MARK (needs CAP_NET_ADMIN)"), errno));
  }
  if (::bind(fd, where.get(), where.size()) != 0) return fail(system_error(what, errno));
  KernelAddress bound;
  if (getsockname(fd, bound.get(), bound.size_pointer()) != 0) return fail(system_error(what, errno));
  std::unique_ptr<UdpSocket> made(new UdpSocket(loop, std::move(socket), bound.value()));
  WEFT_CHECK_OK(loop.watch(fd, EPOLLIN, *made));
  return made;
}

UdpSocket::UdpSocket(EpollLoop& loop, FileDescriptor socket, SocketAddress address)
    : loop_(loop), socket_(std::move(socket)), address_(std::move(address)), readable_(loop) {}

UdpSocket::~UdpSocket() { loop_.unwatch(socket_.get()); }

Task<Result<Datagram>> UdpSocket::receive(MutableBytes into, TimePoint deadline) {
  for (;;) {
    KernelAddress from;
    const ssize_t got =
        ::recvfrom(socket_.get(), into.data(), into.size(), MSG_TRUNC, from.get(), from.size_pointer());
    if (got >= 0) {
      const auto size = static_cast<size_t>(got);
      co_return Datagram{
          .size = std::min(size, into.size()), .truncated = size > into.size(), .from = from.value()};
    }
    if (errno == EINTR) continue;
    // An ICMP answer to something we sent: it names no datagram, so there is nobody to tell.
    if (errno == ECONNREFUSED || errno == EHOSTUNREACH || errno == ENETUNREACH) continue;
    if (errno != EAGAIN) co_return fail(system_error(concat("receive on UDP ", address_.to_string()), errno));
    if (!co_await wait_until(readable_, deadline)) {
      co_return fail(Error::Kind::timeout, "no datagram before the deadline");
    }
  }
}

Result<void> UdpSocket::send_to(Bytes bytes, const SocketAddress& to) {
  const KernelAddress where(to);
  const ssize_t sent =
      ::sendto(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL, where.get(), where.size());
  if (sent >= 0) return {};
  if (errno == EAGAIN) return fail(Error::Kind::overflow, "the UDP socket's send buffer is full");
  return fail(system_error(concat("send to UDP ", to.to_string()), errno));
}

}  // namespace weft::io
