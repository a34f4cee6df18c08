// What a bootstrap's node.metadata tells weft-proxy about itself. Istio's names where Istio has one; Envoy
// carries all of it without acting on it.
//
//   "node": {
//     "id": "sidecar~10.244.0.7~reviews-v1-7d4f.default~default.svc.cluster.local",
//     "cluster": "reviews.default",
//     "metadata": {
//       "NAME": "reviews-v1-7d4f", "NAMESPACE": "default", "SERVICE_ACCOUNT": "reviews",
//       "WORKLOAD_NAME": "reviews-v1", "CLUSTER_ID": "Kubernetes", "TRUST_DOMAIN": "cluster.local",
//       "LABELS": {"app": "reviews", "version": "v1"},
//       "WEFT_CA_CLUSTER": "xds-grpc",    // where certificates are signed; absent: the cluster of ADS
//       "WEFT_TOKEN_FILE": "/run/token",  // bearer token for ADS and CA, read for each call; absent: only
//                                         // ads_config's initial_metadata is sent
//       "WEFT_LEAF_SECONDS": 86400,       // life to ask for; absent: the CA's default
//       "WEFT_DRAIN_SECONDS": 45}}        // how long SIGTERM lets requests finish; default 45
//
// With ADS, NAMESPACE and SERVICE_ACCOUNT the proxy gets its own certificate from the CA and keeps it fresh:
// that is the SDS secret "default"; the mesh's roots, "ROOTCA", come with it and by ADS.
#pragma once

#include <string_view>

namespace weft::wire::node_metadata {

inline constexpr std::string_view kName = "NAME";
inline constexpr std::string_view kNamespace = "NAMESPACE";
inline constexpr std::string_view kServiceAccount = "SERVICE_ACCOUNT";
inline constexpr std::string_view kWorkloadName = "WORKLOAD_NAME";
inline constexpr std::string_view kClusterId = "CLUSTER_ID";
inline constexpr std::string_view kTrustDomain = "TRUST_DOMAIN";
inline constexpr std::string_view kLabels = "LABELS";
inline constexpr std::string_view kCaCluster = "WEFT_CA_CLUSTER";
inline constexpr std::string_view kTokenFile = "WEFT_TOKEN_FILE";
inline constexpr std::string_view kLeafSeconds = "WEFT_LEAF_SECONDS";
inline constexpr std::string_view kDrainSeconds = "WEFT_DRAIN_SECONDS";

}  // namespace weft::wire::node_metadata
