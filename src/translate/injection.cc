#include "translate/injection.h"

#include "base/strings.h"

namespace weft::translate {

namespace {

const std::string* find(const objects::Labels& labels, std::string_view key) {
  const auto it = labels.find(std::string(key));
  return it == labels.end() ? nullptr : &it->second;
}

bool is(const std::string* value, std::string_view expected) { return value && *value == expected; }
bool is_yes(const std::string* value) { return is(value, "true") || is(value, "enabled"); }
bool is_no(const std::string* value) { return is(value, "false") || is(value, "disabled"); }

}  // namespace

// Istio's webhooks are called by labels alone: what a namespace asks for holds for its pods, and a pod asks
// for itself where its namespace says nothing. An annotation cannot ask; it can only decline.
bool wants_sidecar(const objects::Labels& namespace_labels, const objects::Labels& namespace_annotations,
                   const objects::Pod& pod) {
  if (pod.spec.host_network || is_gateway(pod)) return false;
  const std::string& where = pod.meta.namespace_name;
  for (const std::string_view never :
       {"kube-system", "kube-public", "kube-node-lease", "local-path-storage"}) {
    if (where == never) return false;
  }

  // The pod's own word: label before annotation, Istio before Linkerd.
  const std::string* label = find(pod.meta.labels, "sidecar.istio.io/inject");
  const std::string* own = label ? label : find(pod.meta.annotations, "sidecar.istio.io/inject");
  const std::string* own_linkerd = find(pod.meta.annotations, "linkerd.io/inject");
  const std::string* ns = find(namespace_labels, "istio-injection");
  // istio-injection: disabled beats what the pod asks for.
  if (is(ns, "disabled")) return false;
  if (is_no(own ? own : own_linkerd)) return false;
  if (is_yes(label) || is(ns, "enabled")) return true;
  // Any revision is ours: there is one control plane.
  if (!ns && (find(namespace_labels, "istio.io/rev") || find(pod.meta.labels, "istio.io/rev"))) return true;

  if (is(own_linkerd, "enabled") || is(own_linkerd, "ingress")) return true;
  const std::string* linkerd = find(namespace_annotations, "linkerd.io/inject");
  if (!linkerd) linkerd = find(namespace_labels, "linkerd.io/inject");
  return is(linkerd, "enabled") || is(linkerd, "ingress");
}

bool is_gateway(const objects::Pod& pod) {
  if (is(find(pod.meta.annotations, "inject.istio.io/templates"), "gateway")) return true;
  const std::string* istio = find(pod.meta.labels, "istio");
  if (is(istio, "ingressgateway") || is(istio, "egressgateway")) return true;
  for (const auto& container : pod.spec.containers) {
    if (container.image == "auto" || container.image == "weft/gateway" ||
        container.image.starts_with("weft/gateway:")) {
      return true;
    }
  }
  return false;
}

std::shared_ptr<const objects::Pod> pod_of(const objects::Deployment& deployment, int replica) {
  auto pod = std::make_shared<objects::Pod>();
  pod->meta = deployment.meta;
  pod->meta.api_version = "v1";
  pod->meta.name = concat(deployment.meta.name, "-", replica);
  pod->meta.labels = deployment.pod_labels;
  pod->meta.annotations = deployment.pod_annotations;
  pod->spec = deployment.pod;
  return pod;
}

}  // namespace weft::translate
