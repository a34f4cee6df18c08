#include "io/host_ports.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/strings.h"
#include "io/kernel_address.h"

namespace weft::io {
namespace {

// What one descriptor needs beside a message.
struct Rights {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> bytes{};
};

int open_port(const SocketAddress& address, FileDescriptor& out) {
  const KernelAddress where(address);
  FileDescriptor socket(::socket(where.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return errno;
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(socket.get(), where.get(), where.size()) != 0 || ::listen(socket.get(), SOMAXCONN) != 0)
    return errno;
  out = std::move(socket);
  return 0;
}

// The number says why not; with 0 comes the socket.
void answer(int to, int error_number, int socket) {
  iovec text{&error_number, sizeof error_number};
  Rights rights;
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  if (error_number == 0) {
    message.msg_control = rights.bytes.data();
    message.msg_controllen = rights.bytes.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &socket, sizeof socket);
  }
  ::sendmsg(to, &message, MSG_NOSIGNAL);
}

// The child: until the other end is closed.
[[noreturn]] void serve(int parent) {
  const int null = ::open("/dev/null", O_RDWR);
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, standard);
  // Nothing of the mesh lives on because this process holds it open.
  ::dup2(parent, 3);
  ::close_range(4, ~0u, 0);
  std::array<char, 128> question;
  for (;;) {
    const ssize_t size = ::recv(3, question.data(), question.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) ::_exit(0);
    const auto address = SocketAddress::parse(std::string_view(question.data(), static_cast<size_t>(size)));
    FileDescriptor socket;
    const int error_number = address ? open_port(*address, socket) : EINVAL;
    answer(3, error_number, socket.get());
  }
}

}  // namespace

Result<HostPorts> HostPorts::make() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return fail(system_error("cannot make a socket pair", errno));
  FileDescriptor ours(ends[0]);
  const FileDescriptor theirs(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return fail(system_error("cannot start a process", errno));
  if (child == 0) serve(theirs.get());
  return HostPorts(std::move(ours));
}

Result<FileDescriptor> HostPorts::listen(const SocketAddress& address) {
  const std::string question = address.to_string();
  const auto lost = [&](int error_number) {
    return fail(system_error(concat("cannot listen on ", question), error_number));
  };
  if (::send(child_.get(), question.data(), question.size(), MSG_NOSIGNAL) < 0) return lost(errno);
  int error_number = 0;
  iovec text{&error_number, sizeof error_number};
  Rights rights;
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = rights.bytes.data();
  message.msg_controllen = rights.bytes.size();
  ssize_t size = 0;
  do {
    size = ::recvmsg(child_.get(), &message, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return lost(errno);
  if (size != sizeof error_number) return lost(EPIPE);
  if (error_number == EADDRINUSE) {
    return fail(system_error(
        concat("cannot listen on ", question, " (another program does; stop it, or choose another port)"),
        error_number));
  }
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (error_number != 0 || header == nullptr) return lost(error_number != 0 ? error_number : EBADF);
  int socket = -1;
  std::memcpy(&socket, CMSG_DATA(header), sizeof socket);
  return FileDescriptor(socket);
}

}  // namespace weft::io
