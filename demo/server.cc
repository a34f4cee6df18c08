#include "demo/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <functional>
#include <set>
#include <thread>

#include "demo/h2_server.h"
#include "demo/websocket.h"

namespace weft::demo {
namespace {

constexpr size_t kMaxBody = 64u << 20;

// The connections that are open, so that an end of the program can wake the idle ones and wait for the rest.
class Connections {
 public:
  void add(int fd) {
    const std::lock_guard lock(mutex_);
    open_.insert(fd);
  }
  void remove(int fd) {
    const std::lock_guard lock(mutex_);
    open_.erase(fd);
    idle_.erase(fd);
    changed_.notify_all();
  }
  // An idle connection is one that waits for a request: it may be ended at any moment.
  void set_idle(int fd, bool idle) {
    const std::lock_guard lock(mutex_);
    idle ? static_cast<void>(idle_.insert(fd)) : static_cast<void>(idle_.erase(fd));
    if (idle && draining_) ::shutdown(fd, SHUT_RD);
  }
  bool draining() const { return draining_; }
  void drain(double seconds) {
    std::unique_lock lock(mutex_);
    draining_ = true;
    for (const int fd : idle_) ::shutdown(fd, SHUT_RD);
    changed_.wait_for(lock, std::chrono::duration<double>(seconds), [this] { return open_.empty(); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<int> open_;
  std::set<int> idle_;
  std::atomic<bool> draining_ = false;
};

std::string head_of(const Answer& answer, bool keep_alive) {
  std::string head =
      "HTTP/1.1 " + std::to_string(answer.status) + " " + std::string(reason_phrase(answer.status)) + "\r\n";
  const bool bodiless = answer.status == 204 || answer.status == 304;
  if (!bodiless) {
    head += "content-type: " + answer.content_type +
            "\r\ncontent-length: " + std::to_string(answer.body.size()) + "\r\n";
  }
  for (const auto& [name, value] : answer.headers) head += name + ": " + value + "\r\n";
  if (!keep_alive) head += "connection: close\r\n";
  return head + "\r\n";
}

bool wants_to_stay(const Message& message, std::string_view protocol) {
  const std::string connection = header(message.headers, "connection");
  if (protocol == "HTTP/1.0") return same_word(connection, "keep-alive");
  return !same_word(connection, "close");
}

// False where the connection must end.
bool answer_one(Application& application, Connections& connections, Socket& socket, MessageReader& reader) {
  Message message;
  connections.set_idle(socket.fd(), true);
  const auto outcome = reader.read_head(message);
  connections.set_idle(socket.fd(), false);
  if (outcome == MessageReader::Outcome::closed) return false;

  const std::string& line = message.first_line;
  const size_t first = line.find(' ');
  const size_t second = line.rfind(' ');
  if (outcome == MessageReader::Outcome::failed || first == std::string::npos || second == first ||
      !std::string_view(line).substr(second + 1).starts_with("HTTP/1.")) {
    socket.write_all("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    return false;
  }
  Question question{.method = line.substr(0, first),
                    .path = line.substr(first + 1, second - first - 1),
                    .authority = header(message.headers, "host"),
                    .protocol = line.substr(second + 1),
                    .headers = message.headers,
                    .body = {},
                    .peer = socket.peer()};
  if (same_word(header(message.headers, "upgrade"), "websocket")) {
    serve_websocket(socket, reader, message);
    return false;
  }
  if (same_word(header(message.headers, "expect"), "100-continue"))
    socket.write_all("HTTP/1.1 100 Continue\r\n\r\n");
  if (!reader.read_body(message, MessageReader::Body::of_request, kMaxBody)) {
    socket.write_all("HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    return false;
  }
  question.body = std::move(message.body);

  const Answer answer = application.answer(question);
  if (answer.delay_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(answer.delay_ms));
  const bool stay = wants_to_stay(message, question.protocol) && !connections.draining();
  std::string bytes = head_of(answer, stay);
  const bool bodiless = question.method == "HEAD" || answer.status == 204 || answer.status == 304;
  if (!bodiless) bytes += answer.body;
  return socket.write_all(bytes) && stay;
}

void serve_http(Application& application, Connections& connections, Socket& socket) {
  MessageReader reader(socket);
  connections.set_idle(socket.fd(), true);
  const std::string_view start = reader.peek(3);
  connections.set_idle(socket.fd(), false);
  if (start.starts_with("PRI")) {
    serve_http2(application, socket, reader.take_some(), [&connections] { return connections.draining(); });
    return;
  }
  while (answer_one(application, connections, socket, reader)) {
  }
}

void serve_tcp_echo(Socket& socket) {
  char bytes[16384];
  for (long count; (count = socket.read(bytes, sizeof bytes)) > 0;) {
    if (!socket.write_all({bytes, static_cast<size_t>(count)})) return;
  }
}

void serve_server_first(const Identity& identity, Socket& socket) {
  if (!socket.write_all("220 " + identity.service + " " + identity.version + " " + identity.pod +
                        " ready\r\n"))
    return;
  serve_tcp_echo(socket);
}

using Service = std::function<void(Socket&)>;

void accept_loop(Socket listener, Connections& connections, Service service) {
  for (;;) {
    Socket socket(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket.open()) {
      if (errno == EMFILE || errno == ENFILE) std::this_thread::sleep_for(std::chrono::milliseconds(20));
      if (errno == EINVAL || errno == EBADF) return;
      continue;
    }
    const int on = 1;
    ::setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connections.add(socket.fd());
    std::thread([&connections, service, held = std::move(socket)]() mutable {
      service(held);
      // The descriptor's number must not be given out again before it is forgotten here.
      connections.remove(held.fd());
      held.shut_write();
      held.close();
    }).detach();
  }
}

}  // namespace

int serve(Application& application, const Ports& ports, double grace) {
  sigset_t ends;
  ::sigemptyset(&ends);
  ::sigaddset(&ends, SIGTERM);
  ::sigaddset(&ends, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  // Detached threads use it to the end of the process.
  auto& connections = *new Connections;
  std::vector<int> listeners;
  const auto listen = [&](const std::vector<int>& numbers, const char* what, const Service& service) {
    for (const int port : numbers) {
      auto listener = Socket::listen(port);
      if (!listener) {
        std::fprintf(stderr, "weft-demo: %s: %s\n", what, listener.error().c_str());
        return false;
      }
      std::fprintf(stderr, "weft-demo: %s %s serves %s on port %d\n", application.identity().service.c_str(),
                   application.identity().version.c_str(), what, port);
      listeners.push_back(listener->fd());
      std::thread(accept_loop, std::move(*listener), std::ref(connections), service).detach();
    }
    return true;
  };
  const bool up = listen(ports.http, "HTTP and gRPC",
                         [&](Socket& socket) { serve_http(application, connections, socket); }) &&
                  listen(ports.tcp, "TCP echo", serve_tcp_echo) &&
                  listen(ports.server_first, "TCP (server speaks first)",
                         [&](Socket& socket) { serve_server_first(application.identity(), socket); });
  if (!up) return 1;

  int caught = 0;
  ::sigwait(&ends, &caught);
  for (const int fd : listeners) ::shutdown(fd, SHUT_RDWR);
  connections.drain(grace);
  std::_Exit(0);
}

}  // namespace weft::demo
