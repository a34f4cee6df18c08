#pragma once
#include "net/server_connection.h"
namespace weft::net {
class Http2Server {
 public:
  Http2Server(std::unique_ptr<io::Stream> stream, ServerOptions, Handler) : stream_(std::move(stream)) {}
  io::Task<void> run() { co_return; }
  std::unique_ptr<io::Stream> stream_;
};
}  // namespace weft::net
