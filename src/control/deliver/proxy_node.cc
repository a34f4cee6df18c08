#include "control/deliver/proxy_node.h"

#include "base/strings.h"

namespace weft::control {
namespace {

// RFC 1123 labels joined by dots: what Kubernetes lets a name be. It ends up in logs and file names.
bool is_name(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  for (const char c : text) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    if (!fine) return false;
  }
  return true;
}

}  // namespace

std::string_view to_string(ProxyNode::Type type) {
  return type == ProxyNode::Type::router ? "router" : "sidecar";
}

Result<ProxyNode> parse_proxy_node(const wire::Node& node) {
  const auto refuse = [&](std::string_view why) {
    return fail(Error::Kind::invalid,
                concat("node id \"", printable(node.id), "\" ", why,
                       "; it must be sidecar~<ip>~<pod>.<namespace>~<namespace>.svc.<domain>, or router~…"));
  };
  const std::vector<std::string_view> parts = split(node.id, '~');
  if (parts.size() != 4) return refuse("has not four parts");

  ProxyNode proxy;
  proxy.id = node.id;
  if (parts[0] == "sidecar") {
    proxy.type = ProxyNode::Type::sidecar;
  } else if (parts[0] == "router") {
    proxy.type = ProxyNode::Type::router;
  } else {
    return refuse("is of no type that is served");
  }
  const auto ip = IpAddress::parse(parts[1]);
  if (!ip) return refuse("has no IP address");
  proxy.ip = *ip;

  // A pod's name may hold dots, a namespace may not.
  const size_t dot = parts[2].rfind('.');
  if (dot == std::string_view::npos) return refuse("names no namespace");
  proxy.pod = parts[2].substr(0, dot);
  proxy.namespace_name = parts[2].substr(dot + 1);
  if (!is_name(proxy.pod) || !is_name(proxy.namespace_name)) return refuse("names no pod");
  proxy.dns_domain = parts[3];
  if (!is_name(proxy.dns_domain)) return refuse("has no DNS domain");
  if (split(proxy.dns_domain, '.').front() != proxy.namespace_name) return refuse("names two namespaces");

  const std::string_view claimed = node.metadata.text("NAMESPACE");
  if (!claimed.empty() && claimed != proxy.namespace_name) return refuse("is not of metadata.NAMESPACE");
  proxy.service_account = node.metadata.text("SERVICE_ACCOUNT");
  proxy.version = node.metadata.text("ISTIO_VERSION");
  if (proxy.version.empty()) proxy.version = node.user_agent_version;
  proxy.cluster_id = node.metadata.text("CLUSTER_ID");
  proxy.grpc_client = node.metadata.text("GENERATOR") == "grpc";
  if (const wire::Value* labels = node.metadata.find("LABELS"); labels != nullptr && labels->object()) {
    for (const auto& [key, value] : *labels->object()) proxy.labels.emplace(key, labels->text(key));
  }
  proxy.raw = node;
  return proxy;
}

}  // namespace weft::control
