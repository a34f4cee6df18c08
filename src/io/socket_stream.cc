#include "io/socket_stream.h"

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "base/strings.h"
#include "io/kernel_address.h"
#include "io/netns.h"
#include "io/wait.h"

namespace weft::io {

namespace {

constexpr uint32_t kBothWays = EPOLLIN | EPOLLOUT | EPOLLRDHUP;
// Gathers are short (head, body, trailers); what does not fit is a partial write.
constexpr size_t kMostPieces = 64;
// SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST: netfilter's headers do not agree with libc's.
constexpr int kOriginalDestination = 80;

SocketAddress name_of(int fd, int (*ask)(int, sockaddr*, socklen_t*)) {
  KernelAddress address;
  if (ask(fd, address.get(), address.size_pointer()) != 0) return {};
  return address.value();
}

}  // namespace

Result<std::unique_ptr<SocketStream>> SocketStream::make(EpollLoop& loop, FileDescriptor socket) {
  const int fd = socket.get();
  std::unique_ptr<SocketStream> stream(new SocketStream(loop, std::move(socket)));
  int domain = 0;
  socklen_t size = sizeof domain;
  getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
  if (domain == AF_UNIX) {
    stream->trust_short_ = false;
  } else {
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  WEFT_CHECK_OK(loop.watch(fd, kBothWays, *stream));
  return stream;
}

SocketStream::SocketStream(EpollLoop& loop, FileDescriptor socket)
    : Stream(loop), epoll_loop_(loop), socket_(std::move(socket)) {}

SocketStream::~SocketStream() {
  if (socket_) epoll_loop_.unwatch(socket_.get());
}

void SocketStream::on_ready(uint32_t events) {
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) hung_up_ = true;
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
    can_read_ = true;
    readable_.notify();
  }
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
    if (!std::exchange(can_write_, true)) writable_.notify();
  }
}

IoResult SocketStream::do_read(MutableBytes into) {
  if (failed_) return {IoStatus::failed, 0};
  if (at_eof_) return {IoStatus::eof, 0};
  if (!can_read_ || into.empty()) return {IoStatus::blocked, 0};
  for (;;) {
    const ssize_t got = ::recv(socket_.get(), into.data(), into.size(), 0);
    if (got > 0) {
      const auto count = static_cast<size_t>(got);
      if (count < into.size() && trust_short_ && !hung_up_) can_read_ = false;
      return {IoStatus::ok, count};
    }
    if (got == 0) {
      at_eof_ = true;
      return {IoStatus::eof, 0};
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN) {
      can_read_ = false;
      return {IoStatus::blocked, 0};
    }
    return fail_with("read", errno);
  }
}

IoResult SocketStream::try_write(std::span<const Bytes> pieces) {
  if (failed_) return {IoStatus::failed, 0};
  if (!can_write_) return {IoStatus::blocked, 0};
  std::array<iovec, kMostPieces> vectors;
  size_t used = 0;
  size_t asked = 0;
  for (const Bytes piece : pieces) {
    if (piece.empty()) continue;
    if (used == kMostPieces) break;
    // The kernel's interface has no const; it does not write through it.
    vectors[used++] = {const_cast<std::byte*>(piece.data()), piece.size()};
    asked += piece.size();
  }
  if (asked == 0) return {IoStatus::ok, 0};
  for (;;) {
    ssize_t sent = 0;
    if (used == 1) {
      sent = ::send(socket_.get(), vectors[0].iov_base, vectors[0].iov_len, MSG_NOSIGNAL);
    } else {
      msghdr message{};
      message.msg_iov = vectors.data();
      message.msg_iovlen = used;
      sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    }
    if (sent >= 0) {
      const auto count = static_cast<size_t>(sent);
      if (count < asked && trust_short_ && !hung_up_) can_write_ = false;
      return {IoStatus::ok, count};
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN) {
      can_write_ = false;
      return {IoStatus::blocked, 0};
    }
    return fail_with("write", errno);
  }
}

IoResult SocketStream::fail_with(std::string_view what, int error_number) {
  failed_ = true;
  error_ = system_error(what, error_number);
  return {IoStatus::failed, 0};
}

void SocketStream::shutdown_write() {
  if (!failed_) ::shutdown(socket_.get(), SHUT_WR);
}

// SO_LINGER of 0 makes close() send RST, so that the peer does not take a cut message for a whole one.
void SocketStream::abort() {
  if (!socket_) return;
  local_ = local_address();
  peer_ = peer_address();
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  epoll_loop_.unwatch(socket_.get());
  socket_.reset();
  if (!failed_) {
    failed_ = true;
    error_ = Error{.kind = Error::Kind::cancelled, .text = "the connection was aborted on our side"};
  }
  readable_.notify();
  writable_.notify();
}

SocketAddress SocketStream::local_address() const {
  if (!local_) local_ = name_of(socket_.get(), ::getsockname);
  return *local_;
}

SocketAddress SocketStream::peer_address() const {
  if (!peer_) peer_ = name_of(socket_.get(), ::getpeername);
  return *peer_;
}

std::optional<SocketAddress> SocketStream::original_destination() const {
  const SocketAddress local = local_address();
  if (local.is_unix() || !socket_) return std::nullopt;
  KernelAddress meant;
  const int level = local.ip.is_v4() ? SOL_IP : SOL_IPV6;
  if (getsockopt(socket_.get(), level, kOriginalDestination, meant.get(), meant.size_pointer()) != 0)
    return std::nullopt;
  // Connection tracking knows every connection; one that was not redirected meant to come here.
  SocketAddress destination = meant.value();
  if (destination == local) return std::nullopt;
  return destination;
}

namespace {

// The mark of every connection of this process, from WEFT_SOCKET_MARK. A mesh that runs without root has one
// user alone, so its interception cannot tell a proxy by its user: it tells it by this.
uint32_t process_mark() {
  static const uint32_t mark = [] {
    const char* text = std::getenv("WEFT_SOCKET_MARK");
    return text == nullptr ? 0u : static_cast<uint32_t>(parse_unsigned(text).value_or(0));
  }();
  return mark;
}

Result<FileDescriptor> open_for(const SocketAddress& address, const ConnectOptions& options) {
  const int domain = address.is_unix() ? AF_UNIX : address.ip.is_v4() ? AF_INET : AF_INET6;
  FileDescriptor socket(::socket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return fail(system_error("no socket", errno));
  const uint32_t mark = options.mark != 0 ? options.mark : process_mark();
  if (mark != 0 && setsockopt(socket.get(), SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0) {
    return fail(system_error("SO_MARK (needs CAP_NET_ADMIN)", errno));
  }
  if (options.source && !address.is_unix()) {
    const int on = 1;
    // The port is chosen at connect(), when the whole four-tuple is known.
    setsockopt(socket.get(), SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    const KernelAddress source(SocketAddress{.ip = *options.source});
    if (::bind(socket.get(), source.get(), source.size()) != 0) {
      return fail(system_error(concat("source address ", options.source->to_string()), errno));
    }
  }
  return socket;
}

Result<FileDescriptor> open_in_namespace(const SocketAddress& address, const ConnectOptions& options) {
  if (options.network_namespace == nullptr) return open_for(address, options);
  Result<FileDescriptor> opened;
  WEFT_CHECK_OK(run_in_namespace(*options.network_namespace, [&] { opened = open_for(address, options); }));
  return opened;
}

std::string connecting_to(const SocketAddress& address) { return concat("connect to ", address.to_string()); }

}  // namespace

Task<Result<std::unique_ptr<Stream>>> connect_socket(EpollLoop& loop, SocketAddress address,
                                                     ConnectOptions options) {
  auto target = KernelAddress::make(address);
  if (!target) co_return fail(std::move(target).error());
  auto opened = open_in_namespace(address, options);
  if (!opened) co_return fail(std::move(opened).error().within(connecting_to(address)));

  const int fd = opened->get();
  int refusal = ::connect(fd, target->get(), target->size()) == 0 ? 0 : errno;
  // EAGAIN on a Unix socket: its backlog is full, and nothing would tell when it no longer is.
  const bool waiting = refusal == EINPROGRESS || refusal == EINTR;
  if (refusal != 0 && !waiting) co_return fail(system_error(connecting_to(address), refusal));

  auto made = SocketStream::make(loop, std::move(*opened));
  if (!made) co_return fail(std::move(made).error().within(connecting_to(address)));
  std::unique_ptr<SocketStream> stream = std::move(*made);
  if (waiting) {
    stream->can_write_ = false;
    if (!co_await wait_until(stream->writable_event(), loop.now() + options.timeout)) {
      co_return fail(Error::Kind::timeout, concat(connecting_to(address), ": no answer"));
    }
    socklen_t size = sizeof refusal;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &refusal, &size);
    if (refusal != 0) co_return fail(system_error(connecting_to(address), refusal));
  }
  stream->set_peer_address(std::move(address));
  co_return std::unique_ptr<Stream>(std::move(stream));
}

}  // namespace weft::io
