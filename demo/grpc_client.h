// Calls the demo's gRPC service.
#pragma once

#include <string>

#include "demo/http1.h"
#include "demo/protobuf.h"

namespace weft::demo {

struct GrpcCall {
  std::string host;
  std::string port;
  std::string authority;
  std::string method = "Unary";  // Unary, ServerStream, ClientStream, Both
  HeaderList metadata;
  EchoRequest request;
  int messages = 1;  // that the client sends: ClientStream, Both
  double timeout = 10;
};

struct GrpcOutcome {
  int status = 2;  // UNKNOWN until the server says
  std::string message;
  std::vector<EchoReply> replies;
};

GrpcOutcome call_grpc(const GrpcCall& call);

}  // namespace weft::demo
