#include "demo/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>

namespace weft::demo {
namespace {

// Connects within the time, then leaves the socket blocking. 0, or the errno of the refusal.
int connect_within(int fd, const sockaddr* address, socklen_t size, double timeout) {
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  int error = ::connect(fd, address, size) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    pollfd waiting{fd, POLLOUT, 0};
    const int ready = ::poll(&waiting, 1, timeout > 0 ? static_cast<int>(timeout * 1000) : -1);
    socklen_t length = sizeof error;
    if (ready == 1) {
      ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    } else {
      error = ETIMEDOUT;
    }
  }
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
  return error;
}

}  // namespace

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = other.fd_;
    other.fd_ = -1;
  }
  return *this;
}

std::expected<Socket, std::string> Socket::connect(const std::string& host, const std::string& port,
                                                   double timeout) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0) {
    return std::unexpected("cannot resolve " + host + ": " + ::gai_strerror(error));
  }
  std::string failure = "cannot connect to " + host + ":" + port;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    Socket socket(::socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.open()) continue;
    const int error = connect_within(socket.fd(), each->ai_addr, each->ai_addrlen, timeout);
    if (error == 0) {
      const int on = 1;
      ::setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      ::freeaddrinfo(found);
      return socket;
    }
    failure = "cannot connect to " + host + ":" + port + ": " + std::strerror(error);
  }
  ::freeaddrinfo(found);
  return std::unexpected(failure);
}

std::expected<Socket, std::string> Socket::listen(int port) {
  const auto refuse = [port] {
    return std::unexpected("cannot listen on port " + std::to_string(port) + ": " + std::strerror(errno));
  };
  Socket socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const bool v6 = socket.open();
  if (!v6) socket = Socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.open()) return refuse();
  const int on = 1;
  const int off = 0;
  ::setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in6 any6{};
  any6.sin6_family = AF_INET6;
  any6.sin6_port = htons(static_cast<uint16_t>(port));
  sockaddr_in any4{};
  any4.sin_family = AF_INET;
  any4.sin_port = any6.sin6_port;
  if (v6) ::setsockopt(socket.fd(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  const int bound = v6 ? ::bind(socket.fd(), reinterpret_cast<sockaddr*>(&any6), sizeof any6)
                       : ::bind(socket.fd(), reinterpret_cast<sockaddr*>(&any4), sizeof any4);
  if (bound != 0 || ::listen(socket.fd(), 1024) != 0) return refuse();
  return socket;
}

void Socket::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void Socket::shut_write() { ::shutdown(fd_, SHUT_WR); }

void Socket::set_timeout(double seconds) {
  timeval time{};
  time.tv_sec = static_cast<time_t>(seconds);
  time.tv_usec = static_cast<suseconds_t>((seconds - std::floor(seconds)) * 1e6);
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

long Socket::read(char* into, size_t size) {
  for (;;) {
    const long count = ::recv(fd_, into, size, 0);
    if (count >= 0 || errno != EINTR) return count;
  }
}

bool Socket::write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const long count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

std::string Socket::peer() const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (::getpeername(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      ::getnameinfo(reinterpret_cast<sockaddr*>(&address), size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "unknown";
  }
  std::string name = host;
  if (name.starts_with("::ffff:")) name = name.substr(7);
  return name + ":" + port;
}

HostPort split_host_port(std::string_view text) {
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    HostPort parts{std::string(text.substr(1, close - 1)), ""};
    if (close != std::string_view::npos && text.substr(close + 1).starts_with(':'))
      parts.port = text.substr(close + 2);
    return parts;
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return {std::string(text), ""};
  return {std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

}  // namespace weft::demo
