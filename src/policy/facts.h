// What authorisation knows of a connection and of a request on it. Views outlive the call they are passed to.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/address.h"
#include "policy/request_view.h"

namespace weft::policy {

struct ConnectionFacts {
  IpAddress source_ip;         // the peer, or what PROXY protocol said
  IpAddress direct_remote_ip;  // the packets' peer
  IpAddress destination_ip;
  uint16_t destination_port = 0;
  std::string_view server_name;  // SNI, lower case
  // From the peer's certificate, only after its chain was verified. All empty: not authenticated.
  std::span<const std::string> peer_uris;
  std::span<const std::string> peer_dns_names;
  std::string_view peer_subject;

  bool authenticated() const {
    return !peer_uris.empty() || !peer_dns_names.empty() || !peer_subject.empty();
  }
  // For messages: the first identity, or "a peer without identity".
  std::string_view peer_name() const {
    if (!peer_uris.empty()) return peer_uris.front();
    if (!peer_dns_names.empty()) return peer_dns_names.front();
    return peer_subject.empty() ? "a peer without identity" : peer_subject;
  }
};

struct RequestFacts {
  ConnectionFacts connection;
  IpAddress remote_ip;  // from X-Forwarded-For as far as trusted, else the source
  RequestView request;  // its path normalised: what is compared is what the backend gets
};

// Either of the two: `request` is null on TCP.
struct Asked {
  const ConnectionFacts& connection;
  const RequestFacts* request = nullptr;

  const IpAddress& remote_ip() const { return request ? request->remote_ip : connection.source_ip; }
};

}  // namespace weft::policy
