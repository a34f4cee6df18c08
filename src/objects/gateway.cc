#include "objects/gateway.h"

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "objects/readers.h"

namespace weft::objects {

namespace {

bool is_http(GatewayProtocol protocol) {
  return protocol == GatewayProtocol::http || protocol == GatewayProtocol::http2 ||
         protocol == GatewayProtocol::grpc || protocol == GatewayProtocol::grpc_web;
}

bool is_tls(GatewayProtocol protocol) {
  return protocol == GatewayProtocol::https || protocol == GatewayProtocol::tls;
}

// Istio takes protocols in any case.
void read_protocol(FieldReader& fields, GatewayProtocol& out) {
  constexpr std::pair<std::string_view, GatewayProtocol> kProtocols[] = {
      {"HTTP", GatewayProtocol::http},         {"HTTPS", GatewayProtocol::https},
      {"HTTP2", GatewayProtocol::http2},       {"GRPC", GatewayProtocol::grpc},
      {"GRPC-WEB", GatewayProtocol::grpc_web}, {"TLS", GatewayProtocol::tls},
      {"TCP", GatewayProtocol::tcp},           {"MONGO", GatewayProtocol::mongo}};
  std::string text;
  const bool there = fields.text("protocol", text, [&](const std::string& word) -> std::optional<Problem> {
    std::vector<std::string_view> words;
    for (const auto& [name, protocol] : kProtocols) {
      if (equal_ignoring_case(name, word)) return std::nullopt;
      words.push_back(name);
    }
    return not_among(word, words);
  });
  if (!there) return;
  for (const auto& [name, protocol] : kProtocols) {
    if (equal_ignoring_case(name, text)) out = protocol;
  }
}

void read_port(FieldReader& fields, GatewayServer& out) {
  fields.port("number", out.port);
  fields.require("number");
  read_protocol(fields, out.protocol);
  fields.require("protocol");
  fields.text("name", out.port_name, check_not_empty);
  fields.require("name");
  fields.accept("targetPort");
  if (fields.has("targetPort")) fields.error("targetPort", "has no effect in a Gateway", "remove it");
}

// "[namespace/]host", the namespace a name, "*" or ".".
std::optional<Problem> check_server_host(const std::string& text) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos) return check_host_or_ip(text);
  const std::string namespace_name = text.substr(0, slash);
  if (namespace_name != "*" && namespace_name != ".") {
    if (auto problem = check_dns_label(namespace_name)) return problem;
  }
  return check_host_or_ip(text.substr(slash + 1));
}

std::optional<Problem> check_bind(const std::string& text) {
  constexpr std::string_view kUnix = "unix://";
  return text.starts_with(kUnix) ? check_unix_path(text.substr(kUnix.size())) : check_ip(text);
}

void read_certificate(FieldReader& fields, ServerTls::Certificate& out) {
  fields.text("serverCertificate", out.server_certificate);
  fields.text("privateKey", out.private_key);
  fields.text("caCertificates", out.ca_certificates);
}

// Where a server's certificate comes from, by its mode.
void check_certificates(FieldReader& fields, const ServerTls& tls) {
  using Mode = ServerTls::Mode;
  fields.at_most_one_of({"credentialName", "credentialNames", "tlsCertificates"});
  const auto forbid = [&](std::string_view mode) {
    for (const std::string_view name :
         {"serverCertificate", "privateKey", "caCertificates", "credentialName"}) {
      if (fields.has(name)) fields.error(name, concat("cannot stand with mode ", mode), "remove it");
    }
  };
  switch (tls.mode) {
    case Mode::istio_mutual:
      return forbid("ISTIO_MUTUAL, which uses the mesh's certificates");
    case Mode::passthrough:
    case Mode::auto_passthrough:
      for (const std::string_view name :
           {"serverCertificate", "privateKey", "caCertificates", "credentialName"}) {
        if (fields.has(name))
          fields.warning(name, "has no effect where TLS passes through", "set mode: SIMPLE to end TLS here");
      }
      return;
    case Mode::simple:
    case Mode::mutual:
    case Mode::optional_mutual:
      break;
  }
  if (!tls.credential_name.empty() || !tls.credential_names.empty() || !tls.tls_certificates.empty()) return;
  fields.require("serverCertificate", "set credentialName, or name the files of certificate and key");
  fields.require("privateKey", "set credentialName, or name the files of certificate and key");
  if (tls.mode != Mode::simple) {
    fields.require("caCertificates",
                   "clients' certificates are checked against it: name its file, or set credentialName");
  }
}

void read_tls(FieldReader& fields, ServerTls& out) {
  using Mode = ServerTls::Mode;
  using Version = ServerTls::Version;
  const auto read_version = [&](std::string_view name, Version& version) {
    fields.choice(name, version,
                  {{"TLS_AUTO", Version::automatic},
                   {"TLSV1_0", Version::tls1_0},
                   {"TLSV1_1", Version::tls1_1},
                   {"TLSV1_2", Version::tls1_2},
                   {"TLSV1_3", Version::tls1_3}});
  };
  fields.boolean("httpsRedirect", out.https_redirect);
  fields.choice("mode", out.mode,
                {{"PASSTHROUGH", Mode::passthrough},
                 {"SIMPLE", Mode::simple},
                 {"MUTUAL", Mode::mutual},
                 {"AUTO_PASSTHROUGH", Mode::auto_passthrough},
                 {"ISTIO_MUTUAL", Mode::istio_mutual},
                 {"OPTIONAL_MUTUAL", Mode::optional_mutual}});
  fields.text("serverCertificate", out.server_certificate);
  fields.text("privateKey", out.private_key);
  fields.text("caCertificates", out.ca_certificates);
  fields.text("caCrl", out.ca_crl);
  fields.text("credentialName", out.credential_name);
  fields.texts("credentialNames", out.credential_names, check_not_empty);
  fields.text("caCertCredentialName", out.ca_cert_credential_name);
  fields.list("tlsCertificates", out.tls_certificates, read_certificate);
  fields.texts("subjectAltNames", out.subject_alt_names, check_not_empty);
  fields.texts("verifyCertificateSpki", out.verify_certificate_spki, check_not_empty);
  fields.texts("verifyCertificateHash", out.verify_certificate_hash, check_not_empty);
  read_version("minProtocolVersion", out.min_version);
  read_version("maxProtocolVersion", out.max_version);
  fields.texts("cipherSuites", out.cipher_suites, check_not_empty);
  fields.boolean("insecureSkipVerify", out.insecure_skip_verify);
  check_certificates(fields, out);
  if (out.max_version != Version::automatic && out.min_version > out.max_version) {
    fields.error("maxProtocolVersion", "is below minProtocolVersion", "raise it");
  }
}

void check_tls_fits_protocol(FieldReader& fields, const GatewayServer& server) {
  if (is_tls(server.protocol)) {
    fields.require("tls", "HTTPS and TLS servers say how: mode and credentialName");
    return;
  }
  if (!server.tls) return;
  if (!is_http(server.protocol)) {
    fields.error("tls", "cannot stand in a server whose protocol is neither HTTPS nor TLS",
                 "set the protocol to TLS");
    return;
  }
  // A plain server may only send its clients to HTTPS.
  if (server.tls->mode != ServerTls::Mode::passthrough || !server.tls->server_certificate.empty()) {
    fields.error("tls", "cannot end TLS in a server whose protocol is plain HTTP",
                 "set the protocol to HTTPS");
  }
}

void read_server(FieldReader& fields, GatewayServer& out) {
  out.line = fields.line();
  fields.text("name", out.name);
  fields.object("port", out, read_port);
  fields.require("port");
  fields.text("bind", out.bind, check_bind);
  fields.texts("hosts", out.hosts, check_server_host);
  fields.require("hosts", "name them, or write '*' for all");
  if (fields.has("hosts") && out.hosts.empty() && fields.clean()) {
    fields.error("hosts", "is empty", "name them, or write '*' for all");
  }
  fields.object("tls", out.tls, read_tls);
  if (fields.has("port") && fields.clean()) check_tls_fits_protocol(fields, out);
  fields.accept("defaultEndpoint");
}

void read_spec(FieldReader& fields, Gateway& out) {
  fields.labels("selector", out.selector);
  fields.list("servers", out.servers, read_server);
  if (out.servers.empty() && fields.clean())
    fields.error("servers", "is required", "list at least one server");
  std::set<std::string> names;
  for (const GatewayServer& server : out.servers) {
    if (!server.port_name.empty() && !names.insert(server.port_name).second) {
      fields.error("servers", concat("two ports are called ", quoted(server.port_name)),
                   "give each its own name");
    }
  }
}

}  // namespace

void read_object(FieldReader& fields, Gateway& out) {
  fields.object("spec", out, read_spec);
  fields.require("spec");
  fields.accept("status");
}

}  // namespace weft::objects
