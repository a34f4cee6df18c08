#include "control/admin/pages.h"

#include <utility>

#include "base/json.h"
#include "base/strings.h"
#include "control/status/programmed.h"
#include "telemetry/prometheus.h"
#include "wire/dump.h"
#include "yaml/tree.h"

namespace weft::control {
namespace {

using net::HttpAnswer;
using net::HttpPage;
using wire::ResourceType;

// The host of an authority, without port and brackets.
std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    return end == std::string_view::npos ? authority : authority.substr(1, end - 1);
  }
  return authority.substr(0, authority.find(':'));
}

std::string_view sync_name(ResourceType type) {
  switch (type) {
    case ResourceType::listener:
      return "listener";
    case ResourceType::route:
      return "route";
    case ResourceType::cluster:
      return "cluster";
    case ResourceType::endpoint:
      return "endpoint";
    case ResourceType::secret:
      return "secret";
  }
  return "other";
}

// A scalar as JSON has it: its type is what Kubernetes would read.
void write_scalar(JsonWriter& json, const yaml::Node& node) {
  switch (yaml::scalar_type(node)) {
    case yaml::ScalarType::null:
      json.null();
      return;
    case yaml::ScalarType::boolean:
      json.value(yaml::as_boolean(node).value_or(false));
      return;
    case yaml::ScalarType::integer:
      if (const auto number = yaml::as_integer(node)) {
        json.value(*number);
        return;
      }
      break;
    case yaml::ScalarType::floating:
      if (const auto number = yaml::as_number(node)) {
        json.value(*number);
        return;
      }
      break;
    case yaml::ScalarType::text:
      break;
  }
  json.value(node.text);
}

void write_tree(JsonWriter& json, const yaml::Node& node) {
  switch (node.kind) {
    case yaml::Node::Kind::null:
      json.null();
      return;
    case yaml::Node::Kind::scalar:
      write_scalar(json, node);
      return;
    case yaml::Node::Kind::sequence:
      json.begin_array();
      for (const yaml::Node& item : node.children) write_tree(json, item);
      json.end_array();
      return;
    case yaml::Node::Kind::mapping:
      json.begin_object();
      for (const yaml::Node& member : node.children) {
        json.key(member.key);
        write_tree(json, member);
      }
      json.end_object();
      return;
  }
}

// One object as it was written, with where it stands; of a Secret only the names of its keys.
void write_object(JsonWriter& json, const yaml::Node& object, std::string_view file) {
  if (!object.is_mapping()) return;
  const yaml::Node* kind = object.find("kind");
  if (const yaml::Node* items = object.find("items");
      items != nullptr && items->is_sequence() && kind != nullptr && kind->text.ends_with("List")) {
    for (const yaml::Node& item : items->children) write_object(json, item, file);
    return;
  }
  const bool secret = kind != nullptr && kind->text == "Secret";
  json.begin_object().field("source", concat(file, ":", object.line));
  for (const yaml::Node& member : object.children) {
    json.key(member.key);
    if (secret && (member.key == "data" || member.key == "stringData") && member.is_mapping()) {
      json.begin_object();
      for (const yaml::Node& value : member.children) json.field(value.key, "[redacted]");
      json.end_object();
    } else if (secret && member.key == "metadata") {
      // kubectl keeps the whole object, values and all, in an annotation.
      json.begin_object();
      for (const yaml::Node& value : member.children) {
        if (value.key == "annotations") continue;
        json.key(value.key);
        write_tree(json, value);
      }
      json.end_object();
    } else {
      write_tree(json, member);
    }
  }
  json.end_object();
}

void write_endpoint(JsonWriter& json, const model::Endpoint& endpoint) {
  json.begin_object().field("address",
                            endpoint.hostname.empty() ? endpoint.address.to_string() : endpoint.hostname);
  json.field("healthy", endpoint.healthy).field("weight", endpoint.weight);
  json.field("tlsMode", endpoint.mesh_tls ? "istio" : "disabled");
  if (endpoint.workload) {
    json.field("workload", endpoint.workload->workload)
        .field("namespace", endpoint.workload->workload_namespace);
    json.field("principal", endpoint.workload->principal);
  }
  json.end_object();
}

std::string_view severity_name(const yaml::Complaint& complaint) {
  return complaint.is_error() ? "error" : "warning";
}

}  // namespace

std::optional<HttpAnswer> refuse_stranger(const http::Request& request, const net::ConnectionInfo& from) {
  if (!from.peer.is_unix() && !from.peer.ip.is_loopback()) {
    return HttpAnswer::text(403,
                            "this page answers to the machine that weftd runs on alone; "
                            "call it there, at the loopback address\n");
  }
  const std::string_view host = host_of(request.authority);
  if (!host.empty() && host != "localhost" && !IpAddress::parse(host)) {
    return HttpAnswer::text(403, "call this page by address or as localhost\n");
  }
  if (request.method != "GET" && request.method != "HEAD" && request.headers.has("origin")) {
    return HttpAnswer::text(403, "not for web pages; use weft or curl\n");
  }
  return std::nullopt;
}

void AdminPages::local(net::HttpServer& server, std::string method, std::string path, Page page) {
  server.route(std::move(method), std::move(path), [page = std::move(page)](const HttpPage& asked) {
    if (auto refusal = refuse_stranger(asked.request, asked.connection)) return std::move(*refusal);
    return page(asked);
  });
}

void AdminPages::add_to(net::HttpServer& server) {
  server.route("GET", "/metrics", [this](const HttpPage&) {
    return HttpAnswer{.content_type = std::string(telemetry::kPrometheusContentType),
                      .body = telemetry::write_prometheus(sources_.registry.collect())};
  });
  server.route("GET", "/ready", [this](const HttpPage&) {
    return sources_.publisher.generation() > 0 ? HttpAnswer::text(200, "ready\n")
                                               : HttpAnswer::text(503, "no configuration was read yet\n");
  });
  server.route("GET", "/version", [](const HttpPage&) {
    JsonWriter json;
    json.begin_object().field("component", "weftd").field("version", WEFT_VERSION).end_object();
    return HttpAnswer::json(200, json.take() + "\n");
  });
  const auto json_page = [&](std::string path, std::string (AdminPages::*write)() const) {
    local(server, "GET", std::move(path),
          [this, write](const HttpPage&) { return HttpAnswer::json(200, (this->*write)()); });
  };
  json_page("/debug/syncz", &AdminPages::syncz);
  json_page("/debug/configz", &AdminPages::configz);
  json_page("/debug/connections", &AdminPages::connections);
  json_page("/debug/complaintz", &AdminPages::complaintz);
  json_page("/debug/ca", &AdminPages::ca);
  local(server, "GET", "/debug/statusz", [this](const HttpPage&) {
    return HttpAnswer::json(200, statuses_json(sources_.publisher, sources_.ads));
  });
  local(server, "GET", "/debug/endpointz", [this](const HttpPage& page) { return endpointz(page); });
  local(server, "GET", "/debug/config_dump", [this](const HttpPage& page) { return config_dump(page); });
  local(server, "POST", "/ca/rotate", [this](const HttpPage& page) { return rotate(page); });
}

// ---------------------------------------------------------------- proxies

std::string AdminPages::syncz() const {
  JsonWriter json(2);
  json.begin_array();
  for (const Connection* connection : sources_.ads.connections()) {
    json.begin_object().field("cluster_id", connection->node.cluster_id);
    json.field("proxy", connection->node.short_id()).field("proxy_type", to_string(connection->node.type));
    json.field("istio_version", connection->node.version);
    json.field("connection", connection->number).field("proof", to_string(connection->caller.proof));
    json.field("generation", connection->settled());
    for (const ResourceType type : wire::kResourceTypes) {
      const TypeStatus status = connection->session.status(type);
      const std::string name(sync_name(type));
      if (!status.requested) continue;
      json.field(name + "_sent", status.nonce_sent).field(name + "_acked", status.nonce_acked);
      json.field(name + "_version", status.version_acked);
      json.field(name + "_resources", uint64_t{connection->session.sent(type).size()});
      json.field(name + "_rejects", status.rejects);
      if (!status.error.empty()) json.field(name + "_error", status.error);
    }
    json.end_object();
  }
  json.end_array();
  return json.take() + "\n";
}

std::string AdminPages::connections() const {
  JsonWriter json(2);
  json.begin_object().field("totalClients", uint64_t{sources_.ads.connections().size()});
  json.key("clients").begin_array();
  for (const Connection* connection : sources_.ads.connections()) {
    json.begin_object();
    json.field("connectionId", concat(connection->node.id, "-", connection->number));
    json.field("connectedAt", wire::iso_time(connection->connected_at));
    json.field("address", connection->peer.to_string()).field("proof", to_string(connection->caller.proof));
    if (connection->caller.id) json.field("identity", connection->caller.id->uri());
    json.key("watches").begin_object();
    for (const ResourceType type : wire::kResourceTypes) {
      const TypeStatus status = connection->session.status(type);
      if (status.requested) json.field(wire::type_url(type), uint64_t{status.subscribed});
    }
    json.end_object().end_object();
  }
  json.end_array().end_object();
  return json.take() + "\n";
}

HttpAnswer AdminPages::config_dump(const HttpPage& page) const {
  const auto proxy = page.query("proxyID");
  if (!proxy) return HttpAnswer::text(400, "say which proxy: ?proxyID=POD.NAMESPACE\n");
  const Connection* connection = sources_.ads.find(*proxy);
  if (connection == nullptr) {
    return HttpAnswer::text(
        404, concat("no proxy ", printable(*proxy), " is connected; /debug/syncz lists those that are\n"));
  }
  wire::ConfigDump dump;
  const auto fill = [&](wire::ConfigDump::Section& section, ResourceType type) {
    section.version = connection->session.status(type).version_acked;
    for (const auto& [name, sent] : connection->session.sent(type)) {
      if (!sent.any) continue;
      wire::DumpedResource& resource = section.dynamic.emplace_back();
      resource.name = name;
      resource.version = sent.version;
      resource.any = sent.any;
      resource.last_updated = connection->connected_at;
      if (sent.state == SentResource::State::rejected) {
        resource.error = sent.error;
        resource.error_version = sent.version;
      }
    }
  };
  fill(dump.listeners, ResourceType::listener);
  fill(dump.clusters, ResourceType::cluster);
  fill(dump.routes, ResourceType::route);
  fill(dump.endpoints, ResourceType::endpoint);
  fill(dump.secrets, ResourceType::secret);
  return HttpAnswer::json(200, wire::config_dump_json(dump));
}

// ---------------------------------------------------------------- configuration

std::string AdminPages::configz() const {
  JsonWriter json(2);
  json.begin_array();
  for (const auto& [name, file] : sources_.store.files()) {
    for (const yaml::Document& document : yaml::parse(file.text, name).documents) {
      if (!yaml::any_error(document.complaints)) write_object(json, document.root, name);
    }
  }
  json.end_array();
  return json.take() + "\n";
}

HttpAnswer AdminPages::endpointz(const HttpPage& page) const {
  JsonWriter json(2);
  json.begin_array();
  if (const auto proxy = page.query("proxyID")) {
    const Connection* connection = sources_.ads.find(*proxy);
    if (connection == nullptr || !connection->snapshot) {
      return HttpAnswer::text(404, concat("no proxy ", printable(*proxy), " is connected\n"));
    }
    for (const auto& [name, set] : connection->snapshot->endpoints) {
      json.begin_object().field("clusterName", name).key("endpoints").begin_array();
      for (const model::Endpoint& endpoint : set->endpoints) write_endpoint(json, endpoint);
      json.end_array().end_object();
    }
  } else if (const auto& world = sources_.publisher.world()) {
    for (const translate::ServiceRef& service : world->services()) {
      for (size_t i = 0; i < service->ports.size(); ++i) {
        json.begin_object().field("service", concat(service->host, ":", service->ports[i].number));
        json.field("namespace", service->namespace_name).key("endpoints").begin_array();
        for (const translate::Instance& instance : service->instances) {
          if (i >= instance.ports.size() || instance.ports[i] == 0) continue;
          json.begin_object();
          json.field("address", instance.workload && instance.workload->ip
                                    ? instance.workload->ip->to_string()
                                    : instance.address);
          json.field("port", unsigned{instance.ports[i]}).field("ready", instance.ready);
          if (instance.workload) {
            json.field("pod", instance.workload->name).field("principal", instance.workload->principal);
            json.field("tlsMode", instance.workload->sidecar ? "istio" : "disabled");
          }
          json.end_object();
        }
        json.end_array().end_object();
      }
    }
  }
  json.end_array();
  return HttpAnswer::json(200, json.take() + "\n");
}

std::string AdminPages::complaintz() const {
  JsonWriter json(2);
  json.begin_array();
  for (const yaml::Complaint& complaint : sources_.publisher.complaints()) {
    json.begin_object().field("severity", severity_name(complaint)).field("file", complaint.file);
    json.field("line", complaint.line).field("column", complaint.column).field("subject", complaint.subject);
    json.field("field", complaint.field).field("cause", complaint.cause);
    json.field("nextStep", complaint.next_step).field("code", complaint.code);
    const auto file = sources_.store.files().find(complaint.file);
    json.field("lastGoodInForce", file != sources_.store.files().end() && file->second.stale);
    json.field("text", complaint.to_string()).end_object();
  }
  json.end_array();
  return json.take() + "\n";
}

// ---------------------------------------------------------------- authority

std::string AdminPages::ca() const {
  const Rotation& rotation = sources_.authority.rotation();
  JsonWriter json(2);
  json.begin_object().field("trustDomain", sources_.authority.trust_domain());
  json.field("phase", to_string(rotation.phase()));
  const auto write = [&](std::string_view name, const identity::Certificate& certificate) {
    json.key(name)
        .begin_object()
        .field("subject", certificate.subject())
        .field("serial", certificate.serial());
    json.field("notBefore", wire::iso_time(certificate.not_before()));
    json.field("notAfter", wire::iso_time(certificate.not_after()));
    json.field("fingerprint", certificate.fingerprint()).end_object();
  };
  write("root", rotation.root().certificate());
  write("issuer", rotation.issuer().certificate());
  if (rotation.other_root()) write("otherRoot", rotation.other_root()->certificate());
  json.field("bundle", rotation.bundle().to_pem()).end_object();
  return json.take() + "\n";
}

HttpAnswer AdminPages::rotate(const HttpPage& page) {
  const std::string what = page.query("what").value_or("");
  if (what != "root" && what != "issuer")
    return HttpAnswer::text(400, "say what: ?what=root or ?what=issuer\n");
  const auto rotated = what == "root" ? sources_.authority.rotate_root() : sources_.authority.rotate_issuer();
  if (rotated) return HttpAnswer::json(200, ca());
  return HttpAnswer::text(rotated.error().kind == Error::Kind::conflict ? 409 : 500,
                          rotated.error().text + "\n");
}

}  // namespace weft::control
