#include <array>
#include <utility>

#include "base/strings.h"
#include "translate/world.h"

namespace weft::translate {

namespace {

constexpr std::array<std::pair<std::string_view, Protocol>, 11> kNames{{
    {"http", Protocol::http},
    {"http2", Protocol::http2},
    {"grpc", Protocol::grpc},
    {"grpc-web", Protocol::grpc_web},
    {"https", Protocol::https},
    {"tls", Protocol::tls},
    {"tcp", Protocol::tcp},
    {"mongo", Protocol::mongo},
    {"redis", Protocol::redis},
    {"mysql", Protocol::mysql},
    {"udp", Protocol::udp},
}};

std::optional<Protocol> parse(std::string_view name) {
  for (const auto& [known, protocol] : kNames) {
    if (equal_ignoring_case(name, known)) return protocol;
  }
  return std::nullopt;
}

}  // namespace

bool is_http2(Protocol protocol) {
  return protocol == Protocol::http2 || protocol == Protocol::grpc || protocol == Protocol::grpc_web;
}
bool is_http(Protocol protocol) { return protocol == Protocol::http || is_http2(protocol); }
bool is_tls(Protocol protocol) { return protocol == Protocol::https || protocol == Protocol::tls; }

std::string_view to_string(Protocol protocol) {
  for (const auto& [name, known] : kNames) {
    if (known == protocol) return name;
  }
  return "auto";
}

Protocol select_protocol(std::string_view app_protocol, std::string_view port_name, uint16_t port,
                         objects::Transport transport) {
  if (transport != objects::Transport::tcp) return Protocol::udp;
  if (!app_protocol.empty()) {
    if (equal_ignoring_case(app_protocol, "kubernetes.io/h2c")) return Protocol::http2;
    if (equal_ignoring_case(app_protocol, "kubernetes.io/ws")) return Protocol::http;
    if (equal_ignoring_case(app_protocol, "kubernetes.io/wss")) return Protocol::https;
    if (const auto protocol = parse(app_protocol)) return *protocol;
  }
  if (equal_ignoring_case(port_name.substr(0, 8), "grpc-web")) return Protocol::grpc_web;
  if (const auto protocol = parse(port_name.substr(0, port_name.find('-')))) return *protocol;
  // SMTP, DNS, MySQL and MongoDB: there the server may speak first, and a proxy that waits for the
  // client's first bytes would wait for ever.
  if (port == 25 || port == 53 || port == 3306 || port == 27017) return Protocol::tcp;
  return Protocol::automatic;
}

}  // namespace weft::translate
