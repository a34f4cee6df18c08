// Listening ports of the host's network, for a process that has left it.
//
//   WEFT_TRY(auto ports, HostPorts::make());         // still in the host's network, before any thread
//   ... this process moves into a namespace of its own ...
//   WEFT_TRY(FileDescriptor socket, ports.listen(address));
//
// A child that stays behind makes the sockets and hands them over; it ends with this process, however that
// ends. Without privilege there is no way back into the host's network but this.
#pragma once

#include "base/address.h"
#include "base/result.h"
#include "io/file_descriptor.h"

namespace weft::io {

class HostPorts {
 public:
  static Result<HostPorts> make();

  // A TCP socket that listens. Takes as long as the system calls do.
  Result<FileDescriptor> listen(const SocketAddress& address);

 private:
  explicit HostPorts(FileDescriptor child) : child_(std::move(child)) {}

  FileDescriptor child_;  // one datagram a question, one an answer
};

}  // namespace weft::io
