// Istio Gateway (networking.istio.io): the servers of an ingress or egress proxy.
#pragma once

#include "objects/meta.h"

namespace weft::objects {

enum class GatewayProtocol : uint8_t { http, https, http2, grpc, grpc_web, tls, tcp, mongo };

struct ServerTls {
  enum class Mode : uint8_t { passthrough, simple, mutual, auto_passthrough, istio_mutual, optional_mutual };
  enum class Version : uint8_t { automatic, tls1_0, tls1_1, tls1_2, tls1_3 };
  struct Certificate {
    std::string server_certificate;
    std::string private_key;
    std::string ca_certificates;
  };

  bool https_redirect = false;
  Mode mode = Mode::passthrough;
  std::string server_certificate;
  std::string private_key;
  std::string ca_certificates;
  std::string ca_crl;
  std::string credential_name;
  std::vector<std::string> credential_names;
  std::string ca_cert_credential_name;
  std::vector<Certificate> tls_certificates;
  std::vector<std::string> subject_alt_names;
  std::vector<std::string> verify_certificate_spki;
  std::vector<std::string> verify_certificate_hash;
  Version min_version = Version::automatic;
  Version max_version = Version::automatic;
  std::vector<std::string> cipher_suites;
  std::optional<bool> insecure_skip_verify;
};

struct GatewayServer {
  std::string name;
  uint16_t port = 0;
  GatewayProtocol protocol = GatewayProtocol::http;
  std::string port_name;
  std::string bind;
  std::vector<std::string> hosts;  // "[namespace/]host"; namespace "*" or "."
  std::optional<ServerTls> tls;
  int line = 0;
};

struct Gateway {
  ObjectMeta meta;
  Labels selector;
  std::vector<GatewayServer> servers;
};

}  // namespace weft::objects
