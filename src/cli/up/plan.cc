#include "cli/up/plan.h"

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "translate/injection.h"

namespace weft::cli {
namespace {

using objects::Container;
using objects::Probe;

// A text that differs where two pod templates differ in anything that a running process was started with.
class Fingerprint {
 public:
  template <typename... Parts>
  void add(const Parts&... parts) {
    ((append_to(text_, parts), text_ += '\x1f'), ...);
  }
  void add(const std::vector<std::string>& list) {
    for (const auto& each : list) add(each);
    text_ += '\x1e';
  }
  void add(const objects::Labels& labels) {
    for (const auto& [key, value] : labels) add(key, value);
    text_ += '\x1e';
  }
  void add(const std::optional<Probe>& probe) {
    if (!probe) return add("no probe");
    add(static_cast<int>(probe->kind), probe->host, probe->port.number, probe->port.name, probe->path,
        probe->https ? 1 : 0, probe->grpc_service, probe->initial_delay.count(), probe->period.count(),
        probe->timeout.count(), probe->success_threshold, probe->failure_threshold);
    add(probe->command);
    for (const auto& [name, value] : probe->headers) add(name, value);
  }
  void add(const Container& container) {
    add(container.name, container.image, container.working_dir, container.restart_always ? 1 : 0);
    add(container.command);
    add(container.args);
    for (const auto& each : container.env_from) add(each.prefix, each.config_map, each.secret);
    for (const auto& each : container.env) {
      add(each.name, static_cast<int>(each.source), each.value, each.field_path, each.key.object,
          each.key.key);
    }
    for (const auto& each : container.ports) add(each.name, each.port, static_cast<int>(each.transport));
    add(container.readiness);
    add(container.liveness);
    add(container.startup);
  }
  uint64_t hash() const { return stable_hash(text_); }

 private:
  std::string text_;
};

std::string revision_of(const objects::Pod& pod, wire::RunningPod::Proxy proxy) {
  Fingerprint print;
  print.add(pod.meta.labels);
  print.add(pod.meta.annotations);
  print.add(pod.spec.service_account_name, pod.spec.termination_grace_period.count(), pod.spec.hostname,
            pod.spec.subdomain, static_cast<int>(pod.spec.restart_policy), static_cast<int>(proxy));
  for (const auto& container : pod.spec.init_containers) print.add(container);
  print.add("containers");
  for (const auto& container : pod.spec.containers) print.add(container);

  // Kubernetes' alphabet of generated names: no vowels, so no words.
  static constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string name;
  for (uint64_t hash = print.hash(); name.size() < 8; hash /= kAlphabet.size())
    name += kAlphabet[hash % kAlphabet.size()];
  return name;
}

class Planner {
 public:
  Planner(const std::vector<objects::Object>& all, const std::map<std::string, int>& replicas)
      : objects_(all), replicas_(replicas) {
    for (const auto& object : objects_) {
      if (const auto* name_space = objects::get_if<objects::Namespace>(object)) {
        namespaces_[name_space->meta.name] = name_space;
      }
    }
  }

  Plan make() {
    for (const auto& object : objects_) {
      std::visit([this](const auto& held) { take(held); }, object);
    }
    std::ranges::sort(plan_.workloads, {},
                      [](const Workload& each) { return std::pair(each.namespace_name, each.name); });
    return std::move(plan_);
  }

 private:
  template <typename Kind>
  void take(const std::shared_ptr<const Kind>&) {}
  void take(const std::shared_ptr<const objects::Service>& service) { plan_.services.push_back(service); }
  void take(const std::shared_ptr<const objects::ServiceEntry>& entry) { plan_.entries.push_back(entry); }
  void take(const std::shared_ptr<const objects::ConfigMap>& map) { plan_.config_maps[key(map->meta)] = map; }
  void take(const std::shared_ptr<const objects::Secret>& secret) {
    plan_.secrets[key(secret->meta)] = secret;
  }
  void take(const std::shared_ptr<const objects::Pod>& pod) { add(pod, 1, false); }
  void take(const std::shared_ptr<const objects::Deployment>& deployment) {
    auto pod = std::make_shared<objects::Pod>();
    pod->meta = deployment->meta;
    pod->meta.labels = deployment->pod_labels;
    pod->meta.annotations = deployment->pod_annotations;
    pod->spec = deployment->pod;
    const auto scaled = replicas_.find(key(deployment->meta));
    add(std::move(pod), scaled == replicas_.end() ? deployment->replicas : scaled->second, true);
  }

  static std::string key(const objects::ObjectMeta& meta) {
    return concat(meta.namespace_name, "/", meta.name);
  }

  void add(std::shared_ptr<const objects::Pod> pod, int replicas, bool deployment) {
    Workload workload{.namespace_name = pod->meta.namespace_name,
                      .name = pod->meta.name,
                      .deployment = deployment,
                      .replicas = replicas,
                      .revision = {},
                      .pod = pod,
                      .proxy = proxy_of(*pod)};
    workload.revision = revision_of(*pod, workload.proxy);
    plan_.workloads.push_back(std::move(workload));
  }

  wire::RunningPod::Proxy proxy_of(const objects::Pod& pod) const {
    if (translate::is_gateway(pod)) return wire::RunningPod::Proxy::router;
    const auto it = namespaces_.find(pod.meta.namespace_name);
    const objects::Labels none;
    const bool sidecar =
        it == namespaces_.end()
            ? translate::wants_sidecar(none, none, pod)
            : translate::wants_sidecar(it->second->meta.labels, it->second->meta.annotations, pod);
    return sidecar ? wire::RunningPod::Proxy::sidecar : wire::RunningPod::Proxy::none;
  }

  const std::vector<objects::Object>& objects_;
  const std::map<std::string, int>& replicas_;
  std::map<std::string, const objects::Namespace*> namespaces_;
  Plan plan_;
};

bool has_gateway(const std::vector<objects::Object>& all, std::string_view which) {
  return std::ranges::any_of(all, [which](const objects::Object& object) {
    const objects::Labels* labels = nullptr;
    if (const auto* pod = objects::get_if<objects::Pod>(object)) labels = &pod->meta.labels;
    if (const auto* deployment = objects::get_if<objects::Deployment>(object))
      labels = &deployment->pod_labels;
    if (labels == nullptr) return false;
    const auto it = labels->find("istio");
    return it != labels->end() && it->second == which;
  });
}

// The ports that the Gateways of this label open, besides those that every gateway has.
std::set<uint16_t> gateway_ports(const std::vector<objects::Object>& all, const std::string& which) {
  std::set<uint16_t> ports{80, 443};
  for (const auto& object : all) {
    const auto* gateway = objects::get_if<objects::Gateway>(object);
    if (gateway == nullptr) continue;
    const auto it = gateway->selector.find("istio");
    if (it == gateway->selector.end() || it->second != which) continue;
    for (const auto& server : gateway->servers) ports.insert(server.port);
  }
  return ports;
}

std::string port_name(uint16_t port) {
  if (port == 80) return "http2";
  if (port == 443) return "https";
  return concat("tcp-", port);
}

std::string gateway_objects(const std::string& which, const std::set<uint16_t>& ports) {
  const std::string name = concat("istio-", which);
  std::string out = concat("---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: ", name,
                           "-service-account, namespace: istio-system}\n");
  out += concat("---\napiVersion: v1\nkind: Service\nmetadata: {name: ", name,
                ", namespace: istio-system, labels: {app: ", name, ", istio: ", which,
                "}}\nspec:\n  selector: {istio: ", which, "}\n  ports:\n");
  for (const uint16_t port : ports)
    out += concat("  - {name: ", port_name(port), ", port: ", port, ", targetPort: ", port, "}\n");
  out += concat(
      "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: ", name,
      ", namespace: istio-system}\nspec:\n  selector: {matchLabels: {istio: ", which,
      "}}\n  template:\n    metadata:\n      labels: {app: ", name, ", istio: ", which,
      "}\n      annotations: {inject.istio.io/templates: gateway}\n    spec:\n      serviceAccountName: ",
      name, "-service-account\n      containers:\n      - {name: istio-proxy, image: auto}\n");
  return out;
}

}  // namespace

uint64_t stable_hash(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  return hash;
}

std::string Workload::pod_name(int replica) const {
  return deployment ? concat(name, "-", revision, "-", replica) : name;
}

Plan make_plan(const std::vector<objects::Object>& objects, const std::map<std::string, int>& replicas) {
  return Planner(objects, replicas).make();
}

std::string default_gateways(const std::vector<objects::Object>& objects) {
  std::string out;
  for (const std::string which : {"ingressgateway", "egressgateway"}) {
    if (!has_gateway(objects, which)) out += gateway_objects(which, gateway_ports(objects, which));
  }
  return out;
}

}  // namespace weft::cli
