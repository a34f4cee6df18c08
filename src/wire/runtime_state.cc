#include "wire/runtime_state.h"

#include <initializer_list>
#include <set>
#include <utility>

#include "base/json.h"
#include "base/strings.h"
#include "yaml/tree.h"

namespace weft::wire {
namespace {

using yaml::Node;

std::unexpected<Error> bad(std::string_view file, const Node& node, std::string_view field,
                           std::string_view cause) {
  return fail(Error::Kind::invalid, concat(file, ":", node.line, ": ", field, ": ", cause));
}

// The mapping's fields, every one of them among `known`.
Result<void> check_fields(std::string_view file, const Node& node, std::string_view what,
                          std::initializer_list<std::string_view> known) {
  if (!node.is_mapping()) return bad(file, node, what, concat("is ", describe(node), ", not an object"));
  for (const Node& child : node.children) {
    bool found = false;
    for (const std::string_view name : known) found = found || name == child.key;
    if (!found) {
      return bad(file, child, concat(what, ".", child.key),
                 "is not a field of this version; use weft and weftd of one release");
    }
  }
  return {};
}

Result<std::string> text_field(std::string_view file, const Node& node, std::string_view name) {
  const Node* child = node.find(name);
  if (child == nullptr || child->is_null()) return std::string();
  if (!child->is_scalar()) return bad(file, *child, name, concat("is ", describe(*child), ", not text"));
  return child->text;
}

Result<std::string> required_text(std::string_view file, const Node& node, std::string_view name) {
  WEFT_TRY(std::string text, text_field(file, node, name));
  if (text.empty()) return bad(file, node, name, "is missing");
  return text;
}

Result<bool> flag_field(std::string_view file, const Node& node, std::string_view name) {
  const Node* child = node.find(name);
  if (child == nullptr || child->is_null()) return false;
  const auto flag = yaml::as_boolean(*child);
  if (!flag) return bad(file, *child, name, concat("is ", describe(*child), ", not true or false"));
  return *flag;
}

Result<std::map<std::string, std::string>> labels_field(std::string_view file, const Node& node,
                                                        std::string_view name) {
  std::map<std::string, std::string> labels;
  const Node* child = node.find(name);
  if (child == nullptr || child->is_null()) return labels;
  if (!child->is_mapping())
    return bad(file, *child, name, concat("is ", describe(*child), ", not an object"));
  for (const Node& label : child->children) {
    if (!label.is_scalar()) return bad(file, label, concat(name, ".", label.key), "is not text");
    labels.emplace(label.key, label.text);
  }
  return labels;
}

Result<IpAddress> address_field(std::string_view file, const Node& node, std::string_view name) {
  WEFT_TRY(const std::string text, required_text(file, node, name));
  auto address = IpAddress::parse(text);
  if (!address) return bad(file, node, name, address.error().text);
  return *address;
}

// The items of a list that may be absent.
Result<const std::vector<Node>*> list_field(std::string_view file, const Node& node, std::string_view name) {
  static const std::vector<Node> none;
  const Node* child = node.find(name);
  if (child == nullptr || child->is_null()) return &none;
  if (!child->is_sequence()) return bad(file, *child, name, concat("is ", describe(*child), ", not a list"));
  return &child->children;
}

Result<RunningPort> parse_port(std::string_view file, const Node& node) {
  WEFT_CHECK_OK(check_fields(file, node, "ports", {"name", "port", "protocol"}));
  RunningPort port;
  WEFT_TRY(port.name, text_field(file, node, "name"));
  const Node* number = node.find("port");
  const auto value = number == nullptr ? std::nullopt : yaml::as_integer(*number);
  if (!value || *value < 1 || *value > 65535)
    return bad(file, node, "port", "is not a number from 1 to 65535");
  port.port = static_cast<uint16_t>(*value);
  WEFT_TRY(std::string protocol, text_field(file, node, "protocol"));
  if (!protocol.empty()) port.protocol = std::move(protocol);
  if (port.protocol != "TCP" && port.protocol != "UDP") {
    return bad(file, node, "protocol", concat("\"", printable(port.protocol), "\" is neither TCP nor UDP"));
  }
  return port;
}

Result<RunningPod::Proxy> parse_proxy(std::string_view file, const Node& node) {
  WEFT_TRY(const std::string text, text_field(file, node, "proxy"));
  if (text.empty() || text == "none") return RunningPod::Proxy::none;
  if (text == "sidecar") return RunningPod::Proxy::sidecar;
  if (text == "router") return RunningPod::Proxy::router;
  return bad(file, node, "proxy", concat("\"", printable(text), "\" is not one of none, sidecar, router"));
}

Result<RunningPod> parse_pod(std::string_view file, const Node& node) {
  WEFT_CHECK_OK(check_fields(file, node, "pods",
                             {"namespace", "name", "ip", "labels", "annotations", "serviceAccount", "owner",
                              "node", "proxy", "ready", "terminating", "ports"}));
  RunningPod pod;
  WEFT_TRY(pod.namespace_name, required_text(file, node, "namespace"));
  WEFT_TRY(pod.name, required_text(file, node, "name"));
  WEFT_TRY(pod.ip, address_field(file, node, "ip"));
  WEFT_TRY(pod.labels, labels_field(file, node, "labels"));
  WEFT_TRY(pod.annotations, labels_field(file, node, "annotations"));
  WEFT_TRY(std::string service_account, text_field(file, node, "serviceAccount"));
  if (!service_account.empty()) pod.service_account = std::move(service_account);
  WEFT_TRY(pod.owner, text_field(file, node, "owner"));
  WEFT_TRY(std::string machine, text_field(file, node, "node"));
  if (!machine.empty()) pod.node = std::move(machine);
  WEFT_TRY(pod.proxy, parse_proxy(file, node));
  WEFT_TRY(pod.ready, flag_field(file, node, "ready"));
  WEFT_TRY(pod.terminating, flag_field(file, node, "terminating"));
  WEFT_TRY(const std::vector<Node>* ports, list_field(file, node, "ports"));
  for (const Node& port : *ports) {
    WEFT_TRY(pod.ports.emplace_back(), parse_port(file, port));
  }
  return pod;
}

Result<ServiceAddress> parse_service(std::string_view file, const Node& node) {
  WEFT_CHECK_OK(check_fields(file, node, "services", {"namespace", "name", "ip"}));
  ServiceAddress service;
  WEFT_TRY(service.namespace_name, required_text(file, node, "namespace"));
  WEFT_TRY(service.name, required_text(file, node, "name"));
  WEFT_TRY(service.ip, address_field(file, node, "ip"));
  return service;
}

Result<Node> parse_versioned(std::string_view text, std::string_view file,
                             std::initializer_list<std::string_view> known) {
  WEFT_TRY(Node root, yaml::parse_one(text, file));
  WEFT_CHECK_OK(check_fields(file, root, "the file", known));
  const Node* version = root.find("version");
  if (version == nullptr || yaml::as_integer(*version) != 1) {
    return bad(file, root, "version", "is not 1; use weft and weftd of one release");
  }
  return root;
}

void write_labels(JsonWriter& json, std::string_view name, const std::map<std::string, std::string>& labels) {
  if (labels.empty()) return;
  json.key(name).begin_object();
  for (const auto& [key, value] : labels) json.field(key, value);
  json.end_object();
}

void write_pod(JsonWriter& json, const RunningPod& pod) {
  json.begin_object();
  json.field("namespace", pod.namespace_name).field("name", pod.name).field("ip", pod.ip.to_string());
  write_labels(json, "labels", pod.labels);
  write_labels(json, "annotations", pod.annotations);
  json.field("serviceAccount", pod.service_account).field("owner", pod.owner).field("node", pod.node);
  json.field("proxy", to_string(pod.proxy)).field("ready", pod.ready).field("terminating", pod.terminating);
  json.key("ports").begin_array();
  for (const RunningPort& port : pod.ports) {
    json.begin_object();
    json.field("name", port.name).field("port", unsigned{port.port}).field("protocol", port.protocol);
    json.end_object();
  }
  json.end_array().end_object();
}

}  // namespace

std::string_view to_string(RunningPod::Proxy proxy) {
  switch (proxy) {
    case RunningPod::Proxy::none:
      return "none";
    case RunningPod::Proxy::sidecar:
      return "sidecar";
    case RunningPod::Proxy::router:
      return "router";
  }
  return "none";
}

Result<RunningWorkloads> parse_workloads(std::string_view text, std::string_view file) {
  WEFT_TRY(const Node root, parse_versioned(text, file, {"version", "pods", "services"}));
  RunningWorkloads workloads;
  std::set<std::pair<std::string_view, std::string_view>> names;
  WEFT_TRY(const std::vector<Node>* pods, list_field(file, root, "pods"));
  workloads.pods.reserve(pods->size());
  for (const Node& pod : *pods) {
    WEFT_TRY(workloads.pods.emplace_back(), parse_pod(file, pod));
    const RunningPod& last = workloads.pods.back();
    if (!names.emplace(last.namespace_name, last.name).second) {
      return bad(file, pod, "pods", concat("pod ", last.namespace_name, "/", last.name, " is there twice"));
    }
  }
  WEFT_TRY(const std::vector<Node>* services, list_field(file, root, "services"));
  for (const Node& service : *services) {
    WEFT_TRY(workloads.services.emplace_back(), parse_service(file, service));
  }
  return workloads;
}

std::string write_workloads(const RunningWorkloads& workloads) {
  JsonWriter json(1);
  json.begin_object().field("version", 1).key("pods").begin_array();
  for (const RunningPod& pod : workloads.pods) write_pod(json, pod);
  json.end_array().key("services").begin_array();
  for (const ServiceAddress& service : workloads.services) {
    json.begin_object();
    json.field("namespace", service.namespace_name).field("name", service.name);
    json.field("ip", service.ip.to_string());
    json.end_object();
  }
  json.end_array().end_object();
  return json.take() + "\n";
}

Result<std::vector<LocalToken>> parse_tokens(std::string_view text, std::string_view file) {
  WEFT_TRY(const Node root, parse_versioned(text, file, {"version", "tokens"}));
  std::vector<LocalToken> tokens;
  WEFT_TRY(const std::vector<Node>* list, list_field(file, root, "tokens"));
  for (const Node& node : *list) {
    WEFT_CHECK_OK(check_fields(file, node, "tokens", {"token", "namespace", "serviceAccount"}));
    LocalToken& token = tokens.emplace_back();
    WEFT_TRY(token.token, required_text(file, node, "token"));
    if (token.token.size() < kMinTokenSize) {
      return bad(file, node, "token", concat("is shorter than ", kMinTokenSize, " characters"));
    }
    WEFT_TRY(token.namespace_name, required_text(file, node, "namespace"));
    WEFT_TRY(token.service_account, required_text(file, node, "serviceAccount"));
  }
  return tokens;
}

std::string write_tokens(const std::vector<LocalToken>& tokens) {
  JsonWriter json(1);
  json.begin_object().field("version", 1).key("tokens").begin_array();
  for (const LocalToken& token : tokens) {
    json.begin_object();
    json.field("token", token.token).field("namespace", token.namespace_name);
    json.field("serviceAccount", token.service_account);
    json.end_object();
  }
  json.end_array().end_object();
  return json.take() + "\n";
}

}  // namespace weft::wire
