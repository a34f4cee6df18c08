#include "objects/service_entry.h"

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "objects/readers.h"

namespace weft::objects {

namespace {

using Resolution = ServiceEntry::Resolution;

constexpr std::string_view kUnix = "unix://";

std::optional<Problem> check_entry_host(const std::string& text) {
  if (text == "*") return Problem{"'*' is every host", "name the hosts"};
  return check_host_or_ip(text);
}

std::optional<Problem> check_endpoint_address(const std::string& text) {
  if (text.starts_with(kUnix)) return check_unix_path(text.substr(kUnix.size()));
  return check_ip(text) ? check_fqdn(text) : std::nullopt;
}

void read_protocol(FieldReader& fields, EntryProtocol& out) {
  constexpr std::pair<std::string_view, EntryProtocol> kProtocols[] = {{"HTTP", EntryProtocol::http},
                                                                       {"HTTPS", EntryProtocol::https},
                                                                       {"HTTP2", EntryProtocol::http2},
                                                                       {"GRPC", EntryProtocol::grpc},
                                                                       {"GRPC-WEB", EntryProtocol::grpc_web},
                                                                       {"TLS", EntryProtocol::tls},
                                                                       {"TCP", EntryProtocol::tcp},
                                                                       {"MONGO", EntryProtocol::mongo},
                                                                       {"REDIS", EntryProtocol::redis},
                                                                       {"MYSQL", EntryProtocol::mysql},
                                                                       {"UDP", EntryProtocol::udp}};
  std::string text;
  const bool there = fields.text("protocol", text, [&](const std::string& word) -> std::optional<Problem> {
    std::vector<std::string_view> words;
    for (const auto& [name, protocol] : kProtocols) {
      if (equal_ignoring_case(name, word)) return std::nullopt;
      words.push_back(name);
    }
    return word.empty() ? std::nullopt : std::optional(not_among(word, words));
  });
  if (!there) return;
  for (const auto& [name, protocol] : kProtocols) {
    if (equal_ignoring_case(name, text)) out = protocol;
  }
}

void read_port(FieldReader& fields, EntryPort& out) {
  out.line = fields.line();
  fields.port("number", out.number);
  fields.require("number");
  fields.text("name", out.name, check_dns_label);
  fields.require("name");
  read_protocol(fields, out.protocol);
  fields.port("targetPort", out.target_port);
}

void read_endpoint(FieldReader& fields, WorkloadEntry& out) {
  out.line = fields.line();
  fields.text("address", out.address, check_endpoint_address);
  fields.integer_map("ports", out.ports, {1, 65535, "a port is a number from 1 to 65535"});
  fields.labels("labels", out.labels);
  fields.text("network", out.network);
  fields.text("locality", out.locality);
  fields.integer("weight", out.weight, {0, UINT32_MAX, "a weight is 0 or more"});
  fields.text("serviceAccount", out.service_account, check_dns_subdomain);
  if (!fields.has("address") && !fields.has("network")) fields.require("address");
  if (out.address.starts_with(kUnix) && !out.ports.empty()) {
    fields.error("ports", "cannot stand beside the address of a Unix socket", "remove them");
  }
}

void check_ports(FieldReader& fields, const std::vector<EntryPort>& ports) {
  std::set<uint16_t> numbers;
  std::set<std::string> names;
  for (const EntryPort& port : ports) {
    if (port.number != 0 && !numbers.insert(port.number).second) {
      fields.error("ports", concat("port ", port.number, " is listed twice"), "remove one");
    }
    if (!port.name.empty() && !names.insert(port.name).second) {
      fields.error("ports", concat("two ports are called ", quoted(port.name)), "give each its own name");
    }
  }
}

void check_endpoints(FieldReader& fields, const ServiceEntry& entry) {
  for (const WorkloadEntry& endpoint : entry.endpoints) {
    for (const auto& [name, number] : endpoint.ports) {
      const bool known =
          std::any_of(entry.ports.begin(), entry.ports.end(),
                      [&, &wanted = name](const EntryPort& port) { return port.name == wanted; });
      if (!known) {
        fields.error("endpoints",
                     concat("the endpoint on line ", endpoint.line, " has a port ", quoted(name),
                            ", which is not among the ports of the entry"),
                     "use the names of spec.ports");
      }
    }
    const bool is_unix = endpoint.address.starts_with(kUnix);
    if (is_unix && entry.ports.size() != 1) {
      fields.error("endpoints", "a Unix socket serves exactly one port", "leave one port in spec.ports");
    }
    const bool is_dns =
        entry.resolution == Resolution::dns || entry.resolution == Resolution::dns_round_robin;
    if (is_dns && is_unix) {
      fields.error("endpoints", "a Unix socket is not resolved by DNS", "set resolution: STATIC");
    }
    if (entry.resolution == Resolution::static_addresses && !is_unix && !endpoint.address.empty() &&
        check_ip(endpoint.address)) {
      fields.error("endpoints",
                   concat(quoted(endpoint.address), " is not an IP address, and resolution is STATIC"),
                   "set resolution: DNS");
    }
  }
}

void check_resolution(FieldReader& fields, const ServiceEntry& entry) {
  const bool has_range =
      std::any_of(entry.addresses.begin(), entry.addresses.end(),
                  [](const std::string& one) { return one.find('/') != std::string::npos; });
  const bool has_wildcard = std::any_of(entry.hosts.begin(), entry.hosts.end(),
                                        [](const std::string& host) { return host.starts_with('*'); });
  switch (entry.resolution) {
    case Resolution::none:
      if (!entry.endpoints.empty()) {
        fields.error("endpoints",
                     "cannot stand with resolution NONE, which keeps the address the client chose",
                     "set resolution: STATIC or DNS");
      }
      return;
    case Resolution::static_addresses:
      if (entry.endpoints.empty() && !entry.workload_selector) {
        fields.warning("resolution", "STATIC has no endpoints, so no request can be served",
                       "list endpoints");
      }
      return;
    case Resolution::dns:
    case Resolution::dns_round_robin:
      if (has_range)
        fields.error("addresses", "a range cannot stand with resolution DNS", "list single addresses");
      if (has_wildcard && entry.endpoints.empty()) {
        fields.error("hosts", "a host with a wildcard cannot be resolved",
                     "list endpoints, or set resolution: NONE");
      }
      if (entry.resolution == Resolution::dns_round_robin && entry.endpoints.size() > 1) {
        fields.error("endpoints", "DNS_ROUND_ROBIN takes at most one endpoint", "set resolution: DNS");
      }
      return;
    case Resolution::dynamic_dns:
      return;
  }
}

void read_spec(FieldReader& fields, ServiceEntry& out) {
  // The API's own bounds.
  for (const std::string_view name : {"hosts", "addresses", "ports"}) fields.at_most(name, 256);
  fields.at_most("endpoints", 4096);
  fields.texts("hosts", out.hosts, check_entry_host);
  if (out.hosts.empty() && fields.clean()) fields.error("hosts", "is required", "name the hosts");
  fields.texts("addresses", out.addresses, check_cidr);
  fields.list("ports", out.ports, read_port);
  check_ports(fields, out.ports);
  fields.choice("location", out.location,
                {{"MESH_EXTERNAL", ServiceEntry::Location::mesh_external},
                 {"MESH_INTERNAL", ServiceEntry::Location::mesh_internal}});
  fields.choice("resolution", out.resolution,
                {{"NONE", Resolution::none},
                 {"STATIC", Resolution::static_addresses},
                 {"DNS", Resolution::dns},
                 {"DNS_ROUND_ROBIN", Resolution::dns_round_robin},
                 {"DYNAMIC_DNS", Resolution::dynamic_dns}});
  fields.list("endpoints", out.endpoints, read_endpoint);
  read_workload_selector(fields, out.workload_selector, "workloadSelector", "labels");
  fields.at_most_one_of({"endpoints", "workloadSelector"});
  read_export_to(fields, out.export_to);
  fields.texts("subjectAltNames", out.subject_alt_names, check_not_empty);
  if (!fields.clean()) return;
  check_endpoints(fields, out);
  check_resolution(fields, out);
}

}  // namespace

void read_object(FieldReader& fields, ServiceEntry& out) {
  fields.object("spec", out, read_spec);
  fields.require("spec");
  fields.accept("status");
}

}  // namespace weft::objects
