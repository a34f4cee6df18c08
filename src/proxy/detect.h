// What protocol does a new connection speak? Told by its first bytes, without taking them away.
//
//   first bytes          transport   application protocols
//   TLS ClientHello      tls         what its ALPN offers; its server name
//   HTTP/2 preface       raw         h2c
//   METHOD SP ...        raw         http/1.1
//   anything else        raw         none
//   nothing, in time     raw         none: the server speaks first
//
// The pure part (classify) is a function of bytes; detect() reads until it is sure, and puts back what it
// read (Stream::unread).
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "io/stream.h"
#include "io/task.h"
#include "proxy/filter_chain_match.h"

namespace weft::proxy {

// A server-first protocol never waits longer, whatever the configuration says.
inline constexpr Duration kLongestDetection = std::chrono::seconds(1);

struct Detected {
  bool sure = false;  // false: more bytes may change it
  bool tls = false;
  std::string server_name;
  std::vector<std::string> application_protocols;
};

Detected classify(Bytes first);

// Fills in what `traits` lacks. closed: the client left before a byte. `inspect_http` and `inspect_tls` say
// what is of interest (needed_inspection()); as soon as the rest alone is undecided, nothing waits for it.
struct DetectOptions {
  bool inspect_tls = true;
  bool inspect_http = true;
  Duration timeout = kLongestDetection;
  bool go_on_after_timeout = true;  // else the connection is closed (Error::Kind::timeout)
};
io::Task<Result<void>> detect(io::Stream& stream, DetectOptions options, ConnectionTraits& traits);

}  // namespace weft::proxy
