#include "objects/support.h"

#include <algorithm>
#include <iterator>

namespace weft::objects {

namespace {

// A path that begins with "*." is the end of a path: trafficPolicy stands in several places.
// A value that ends with '*' is the beginning of a value.
constexpr Unsupported kUnsupported[] = {
    {"VirtualService", "spec.http.delegate", "", "write the delegate's routes here"},
    {"VirtualService", "spec.http.corsPolicy", "", "let the application answer preflight requests"},
    {"VirtualService", "spec.http.fault.delay.exponentialDelay", "", "use fixedDelay"},
    {"VirtualService", "spec.http.fault.abort.http2Error", "", "use httpStatus or grpcStatus"},
    {"VirtualService", "spec.http.match.headers", "@request.auth.claims*",
     "there is no JWT verification yet"},
    {"VirtualService", "spec.http.match.withoutHeaders", "@request.auth.claims*",
     "there is no JWT verification yet"},
    {"VirtualService", "spec.http.match.statPrefix", "",
     "leave it out: istio_requests_total counts by source and destination"},
    {"VirtualService", "spec.tcp.match.sourceSubnet", "", "use sourceLabels"},

    {"DestinationRule", "spec.workloadSelector", "", "leave it out: the rule then holds for every client"},
    {"DestinationRule", "*.trafficPolicy.tunnel", "", ""},
    {"DestinationRule", "*.trafficPolicy.proxyProtocol", "", ""},
    {"DestinationRule", "*.trafficPolicy.retryBudget", "", "use connectionPool.http.maxRetries"},
    {"DestinationRule", "*.connectionPool.http.http2KeepAlive", "", "use connectionPool.tcp.tcpKeepalive"},
    {"DestinationRule", "*.consistentHash.httpCookie.attributes", "", ""},
    {"DestinationRule", "*.loadBalancer.localityLbSetting", "", ""},
    {"DestinationRule", "*.loadBalancer.zoneAwareLbSetting", "", ""},
    {"DestinationRule", "*.loadBalancer.warmup", "", ""},
    {"DestinationRule", "*.loadBalancer.warmupDurationSecs", "", ""},
    {"DestinationRule", "*.outlierDetection.outlierDetectionHttpErrorCodes", "", ""},
    {"DestinationRule", "*.tls.caCrl", "", ""},

    {"Gateway", "spec.servers.defaultEndpoint", "", "route to the endpoint with a VirtualService"},
    {"Gateway", "spec.servers.bind", "unix://*", "listen on a port"},
    {"Gateway", "spec.servers.tls.credentialNames", "", "use credentialName"},
    {"Gateway", "spec.servers.tls.tlsCertificates", "",
     "use serverCertificate and privateKey, or credentialName"},
    {"Gateway", "spec.servers.tls.caCertCredentialName", "",
     "put ca.crt into the Secret that credentialName names"},
    {"Gateway", "spec.servers.tls.caCrl", "", ""},
    {"Gateway", "spec.servers.tls.verifyCertificateSpki", "", "use subjectAltNames"},
    {"Gateway", "spec.servers.tls.verifyCertificateHash", "", "use subjectAltNames"},
    {"Gateway", "spec.servers.tls.mode", "AUTO_PASSTHROUGH",
     "use PASSTHROUGH and a VirtualService with tls routes"},

    {"ServiceEntry", "spec.workloadSelector", "", "list the endpoints"},
    {"ServiceEntry", "spec.endpoints.network", "", "leave it out: the mesh is one network"},
    {"ServiceEntry", "spec.resolution", "DYNAMIC_DNS", "name each host and use DNS"},

    {"AuthorizationPolicy", "spec.targetRef", "", "use selector"},
    {"AuthorizationPolicy", "spec.targetRefs", "", "use selector"},
    {"AuthorizationPolicy", "spec.action", "CUSTOM", ""},
    {"AuthorizationPolicy", "spec.rules.from.source.requestPrincipals", "",
     "there is no JWT verification yet"},
    {"AuthorizationPolicy", "spec.rules.from.source.notRequestPrincipals", "",
     "there is no JWT verification yet"},
    {"AuthorizationPolicy", "spec.rules.when.key", "request.auth.*", "there is no JWT verification yet"},
    {"AuthorizationPolicy", "spec.rules.when.key", "experimental.envoy.filters.*", ""},
};

bool path_fits(std::string_view pattern, std::string_view path) {
  if (!pattern.starts_with("*.")) return pattern == path;
  return path.ends_with(pattern.substr(1));
}

bool value_fits(std::string_view pattern, std::string_view value) {
  if (pattern.empty()) return true;
  if (pattern.ends_with('*')) return value.starts_with(pattern.substr(0, pattern.size() - 1));
  return pattern == value;
}

}  // namespace

std::span<const Unsupported> unsupported_fields() { return kUnsupported; }

bool may_be_unsupported(std::string_view kind, std::string_view name) {
  return std::any_of(std::begin(kUnsupported), std::end(kUnsupported),
                     [&](const Unsupported& one) { return one.path.ends_with(name) && one.kind == kind; });
}

const Unsupported* find_unsupported(std::string_view kind, std::string_view path, std::string_view value) {
  const auto* found =
      std::find_if(std::begin(kUnsupported), std::end(kUnsupported), [&](const Unsupported& one) {
        return one.kind == kind && path_fits(one.path, path) && value_fits(one.value, value);
      });
  return found == std::end(kUnsupported) ? nullptr : found;
}

}  // namespace weft::objects
