// Who gets a sidecar, and which pods are proxies themselves. The same answers serve `weft up`, the webhook
// and the translation (which must know whether an endpoint speaks mesh TLS).
//
//   if (wants_sidecar(ns ? ns->meta.labels : Labels{}, ns ? ns->meta.annotations : Labels{}, pod))
//   inject(pod);
#pragma once

#include <memory>

#include "objects/deployment.h"
#include "objects/namespace.h"
#include "objects/pod.h"

namespace weft::translate {

// Istio's rules: label istio-injection of the namespace, else its or the pod's istio.io/rev, else the pod's
// label sidecar.istio.io/inject; that label, or the annotation of the name, declines; never with hostNetwork.
// Linkerd's: annotation linkerd.io/inject of pod or namespace.
bool wants_sidecar(const objects::Labels& namespace_labels, const objects::Labels& namespace_annotations,
                   const objects::Pod& pod);

// An ingress or egress gateway: annotation inject.istio.io/templates: gateway, label istio: ingressgateway or
// egressgateway, or a container with image "auto" or "weft/gateway".
bool is_gateway(const objects::Pod& pod);

// The pod a Deployment makes for its n-th replica (from 0): "<deployment>-<n>".
std::shared_ptr<const objects::Pod> pod_of(const objects::Deployment& deployment, int replica);

}  // namespace weft::translate
