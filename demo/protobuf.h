// The messages of demo/echo.proto, written and read by hand so that the demo needs no generator.
#pragma once

#include <string>
#include <string_view>

namespace weft::demo {

// message EchoRequest { string text = 1; int32 count = 2; int32 delay_ms = 3; int32 code = 4; }
struct EchoRequest {
  std::string text;
  int count = 1;
  int delay_ms = 0;
  int code = 0;  // answer with this gRPC status
};

// message EchoReply { string text = 1; string service = 2; string version = 3; string pod = 4; }
struct EchoReply {
  std::string text;
  std::string service;
  std::string version;
  std::string pod;
};

std::string encode(const EchoRequest& message);
std::string encode(const EchoReply& message);
bool decode(std::string_view bytes, EchoRequest& out);
bool decode(std::string_view bytes, EchoReply& out);

// gRPC's frame around a message: a zero flag and four bytes of length.
std::string grpc_frame(std::string_view message);
// Takes one whole message off the front of `buffer`; false where there is none yet.
bool take_grpc_frame(std::string& buffer, std::string& message);

}  // namespace weft::demo
