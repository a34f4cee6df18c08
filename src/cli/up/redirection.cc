#include "cli/up/redirection.h"

#include "base/strings.h"

namespace weft::cli {
namespace {

// The proxy's own ports: HBONE, merged metrics, health, proxy metrics, admin.
constexpr std::string_view kProxyPorts = "15000, 15001, 15006, 15008, 15020, 15021, 15090";

const std::string* find(const objects::Labels& labels, const std::string& key) {
  const auto it = labels.find(key);
  return it == labels.end() ? nullptr : &it->second;
}

class Reader {
 public:
  Reader(const objects::ObjectMeta& meta, const objects::Labels& annotations)
      : meta_(meta), annotations_(annotations) {}

  Result<void> ports(const std::string& key, std::vector<PortRange>& into, bool* all = nullptr) const {
    const std::string* text = find(annotations_, key);
    if (text == nullptr) return {};
    if (all != nullptr) *all = trim(*text) == "*";
    if (trim(*text) == "*") {
      if (all == nullptr) into.push_back({1, 65535});
      return {};
    }
    for (const auto word : split(*text, ',')) {
      if (trim(word).empty()) continue;
      const auto dash = word.find('-');
      const auto first = parse_unsigned(trim(word.substr(0, dash)));
      const auto last = dash == std::string_view::npos ? first : parse_unsigned(trim(word.substr(dash + 1)));
      if (!first || !last || *first < 1 || *last > 65535 || *first > *last)
        return bad(key, word, "a port or a range of ports");
      into.push_back({static_cast<uint16_t>(*first), static_cast<uint16_t>(*last)});
    }
    return {};
  }

  Result<void> ranges(const std::string& key, std::vector<Cidr>& into, bool* all = nullptr) const {
    const std::string* text = find(annotations_, key);
    if (text == nullptr) return {};
    if (all != nullptr) *all = trim(*text) == "*";
    if (trim(*text) == "*") return {};
    for (const auto word : split(*text, ',')) {
      if (trim(word).empty()) continue;
      auto range = Cidr::parse(trim(word));
      if (!range) return bad(key, word, "an address range like 10.0.0.0/8");
      into.push_back(*range);
    }
    return {};
  }

  std::unexpected<Error> bad(const std::string& key, std::string_view value, std::string_view wanted) const {
    return fail(Error::Kind::invalid,
                concat(meta_.file, ":", meta_.line, ": ", meta_.namespace_name, "/", meta_.name,
                       ": annotation ", key, ": '", trim(value), "' is not ", wanted));
  }

 private:
  const objects::ObjectMeta& meta_;
  const objects::Labels& annotations_;
};

std::string port_set(const std::vector<PortRange>& ports) {
  std::string out = "{ ";
  for (const auto& [first, last] : ports) {
    if (out.size() > 2) out += ", ";
    out += first == last ? concat(first) : concat(first, "-", last);
  }
  return out + " }";
}

// One rule an address family that the ranges have.
void add_ranges(std::string& out, const std::vector<Cidr>& ranges, std::string_view verdict) {
  for (const Cidr& range : ranges) {
    out +=
        concat("    ", range.base.is_v4() ? "ip" : "ip6", " daddr ", range.to_string(), " ", verdict, "\n");
  }
}

}  // namespace

Result<Redirection> redirection_of(const objects::ObjectMeta& meta, const objects::Labels& annotations) {
  const Reader read(meta, annotations);
  const std::string istio = "traffic.sidecar.istio.io/";
  Redirection out;
  WEFT_CHECK_OK(read.ranges(istio + "includeOutboundIPRanges", out.outbound_ranges, &out.outbound_all));
  WEFT_CHECK_OK(read.ranges(istio + "excludeOutboundIPRanges", out.outbound_exclude));
  WEFT_CHECK_OK(read.ranges("config.linkerd.io/skip-subnets", out.outbound_exclude));
  WEFT_CHECK_OK(read.ports(istio + "includeOutboundPorts", out.outbound_ports));
  WEFT_CHECK_OK(read.ports(istio + "excludeOutboundPorts", out.outbound_exclude_ports));
  WEFT_CHECK_OK(read.ports("config.linkerd.io/skip-outbound-ports", out.outbound_exclude_ports));
  WEFT_CHECK_OK(read.ports(istio + "includeInboundPorts", out.inbound_ports, &out.inbound_all));
  WEFT_CHECK_OK(read.ports(istio + "excludeInboundPorts", out.inbound_exclude_ports));
  WEFT_CHECK_OK(read.ports("config.linkerd.io/skip-inbound-ports", out.inbound_exclude_ports));
  if (const std::string* mode = find(annotations, "sidecar.istio.io/interceptionMode")) {
    if (*mode == "NONE") {
      out.none = true;
    } else if (*mode != "REDIRECT") {
      return read.bad("sidecar.istio.io/interceptionMode", *mode,
                      "REDIRECT or NONE; TPROXY is not supported");
    }
  }
  return out;
}

std::string redirection_rules(const Redirection& redirection, ProxyKnownBy known_by) {
  if (redirection.none) return {};
  std::string out = "table inet weft_redirect\ndelete table inet weft_redirect\ntable inet weft_redirect {\n";

  // Before the DNAT of services (-100), which sees only what is not redirected.
  out += "  chain outbound {\n    type nat hook output priority -110; policy accept;\n";
  if (known_by == ProxyKnownBy::user) {
    out += concat("    meta skuid ", kProxyUser, " return\n    meta skgid ", kProxyUser, " return\n");
  } else {
    out += concat("    meta mark ", kProxyMark, " return\n");
  }
  out += "    oif lo return\n    meta l4proto != tcp return\n";
  if (!redirection.outbound_exclude_ports.empty()) {
    out += concat("    tcp dport ", port_set(redirection.outbound_exclude_ports), " return\n");
  }
  add_ranges(out, redirection.outbound_exclude, "return");
  if (!redirection.outbound_ports.empty()) {
    out += concat("    tcp dport ", port_set(redirection.outbound_ports), " redirect to :15001\n");
  }
  if (redirection.outbound_all) {
    out += "    meta l4proto tcp redirect to :15001\n";
  } else {
    add_ranges(out, redirection.outbound_ranges, "meta l4proto tcp redirect to :15001");
  }
  out += "  }\n";

  out += "  chain inbound {\n    type nat hook prerouting priority -110; policy accept;\n";
  out += concat("    iif lo return\n    meta l4proto != tcp return\n    tcp dport { ", kProxyPorts,
                " } return\n");
  if (!redirection.inbound_exclude_ports.empty()) {
    out += concat("    tcp dport ", port_set(redirection.inbound_exclude_ports), " return\n");
  }
  if (redirection.inbound_all) {
    out += "    meta l4proto tcp redirect to :15006\n";
  } else if (!redirection.inbound_ports.empty()) {
    out += concat("    tcp dport ", port_set(redirection.inbound_ports), " redirect to :15006\n");
  }
  return out + "  }\n}\n";
}

}  // namespace weft::cli
