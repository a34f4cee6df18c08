// Blocking TCP sockets with deadlines.
//
//   auto socket = Socket::connect("reviews", "8080", 5.0);
//   if (!socket) std::fputs(socket.error().c_str(), stderr);
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

namespace weft::demo {

class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Socket& operator=(Socket&& other) noexcept;
  ~Socket() { close(); }

  static std::expected<Socket, std::string> connect(const std::string& host, const std::string& port,
                                                    double timeout);
  // On every address, both families.
  static std::expected<Socket, std::string> listen(int port);

  int fd() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  void close();
  void shut_write();
  // Seconds that one read or write may wait; 0 is for ever.
  void set_timeout(double seconds);

  // 0 at the end, -1 on an error or a timeout; errno says which.
  long read(char* into, size_t size);
  bool write_all(std::string_view bytes);
  std::string peer() const;

 private:
  int fd_ = -1;
};

// "host:port" or "[v6]:port"; an empty port where there is none.
struct HostPort {
  std::string host;
  std::string port;
};
HostPort split_host_port(std::string_view text);

}  // namespace weft::demo
