// ClientHello: what a connection's first bytes say before anything is answered: is this TLS, for which
// server name, offering which protocols. For protocol detection, and for choosing a certificate by SNI.
//
//   const ClientHello hello = parse_client_hello(bytes);   // bytes that will be unread() afterwards
//
// Pure. It looks at no more than it needs and proves nothing: the handshake reads the bytes again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace weft::tls {

struct ClientHello {
  enum class Status : uint8_t {
    complete,
    need_more,  // all bytes so far could be the start of one
    not_tls,
  };
  Status status = Status::need_more;
  std::string server_name;        // lower case; empty if not sent
  std::vector<std::string> alpn;  // in the client's order
};

// More than this is never needed: a hello that has not ended by then is not_tls.
inline constexpr size_t kMostClientHello = 64 * 1024;

ClientHello parse_client_hello(Bytes bytes);

}  // namespace weft::tls
