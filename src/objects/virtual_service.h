// Istio VirtualService (networking.istio.io): where requests and connections for a host go.
//
// Host names are as written: short ones are not yet resolved against the rule's namespace. `line` is
// where the rule stands in its file, so that an explanation can point at it.
#pragma once

#include "objects/meta.h"

namespace weft::objects {

struct Destination {
  std::string host;
  std::string subset;
  uint16_t port = 0;  // 0: not written
  int line = 0;
};

struct HeaderOperations {
  std::vector<std::pair<std::string, std::string>> set;
  std::vector<std::pair<std::string, std::string>> add;
  std::vector<std::string> remove;
  bool empty() const { return set.empty() && add.empty() && remove.empty(); }
};

struct HeaderEdits {
  HeaderOperations request;
  HeaderOperations response;
  bool empty() const { return request.empty() && response.empty(); }
};

// One entry of http[].match: its conditions must all hold. The first three after the name select who
// gets the route and are not looked at per request.
struct HttpMatch {
  std::string name;
  std::vector<std::string> gateways;  // empty: those of the VirtualService
  Labels source_labels;
  std::string source_namespace;

  std::optional<StringMatch> uri;
  std::optional<StringMatch> scheme;
  std::optional<StringMatch> method;
  std::optional<StringMatch> authority;
  std::vector<std::pair<std::string, StringMatch>> headers;
  std::vector<std::pair<std::string, StringMatch>> without_headers;
  std::vector<std::pair<std::string, StringMatch>> query_params;
  uint16_t port = 0;  // 0: any
  bool ignore_uri_case = false;
  std::string stat_prefix;
  int line = 0;
};

struct HttpDestination {
  Destination destination;
  int weight = 0;  // relative to the sum; a single destination gets everything
  HeaderEdits headers;
};

struct HttpRedirect {
  enum class DerivePort : uint8_t { unset, from_protocol_default, from_request_port };
  std::string uri;             // the whole path, or ...
  std::string prefix_rewrite;  // ... what replaces the matched prefix
  std::string authority;
  std::string scheme;
  uint16_t port = 0;
  DerivePort derive_port = DerivePort::unset;
  int code = 301;
};

struct DirectResponse {
  int status = 0;
  std::string body;
  bool has_body = false;
};

struct HttpRewrite {
  std::string uri;
  std::string authority;
  struct Regex {
    std::string match;
    std::string rewrite;
  };
  std::optional<Regex> uri_regex;
};

struct HttpRetry {
  int attempts = 0;  // 0 turns retries off
  std::optional<Duration> per_try_timeout;
  std::string retry_on;  // comma-separated, no spaces; empty: the default conditions
  std::optional<bool> retry_remote_localities;
  std::optional<bool> retry_ignore_previous_hosts;
  std::optional<Duration> backoff;
};

// Percentages are 0 to 100. Unset means 0 for faults.
struct HttpFault {
  struct Delay {
    Duration fixed{0};
    double percent = 0;
  };
  struct Abort {
    int http_status = 0;      // one of the two
    std::string grpc_status;  // "UNAVAILABLE" or "14"
    double percent = 0;
  };
  std::optional<Delay> delay;
  std::optional<Abort> abort;
};

struct HttpMirror {
  Destination destination;
  double percent = 100;
  bool single = false;  // written as mirror, not as an item of mirrors
};

struct CorsPolicy {
  enum class Preflight : uint8_t { forward, ignore };
  std::vector<StringMatch> allow_origins;
  std::vector<std::string> allow_methods;
  std::vector<std::string> allow_headers;
  std::vector<std::string> expose_headers;
  std::optional<Duration> max_age;
  std::optional<bool> allow_credentials;
  Preflight unmatched_preflights = Preflight::forward;
};

struct Delegate {
  std::string name;
  std::string namespace_name;  // empty: that of the root VirtualService
};

// Exactly one of route, redirect, direct_response and delegate is there.
struct HttpRoute {
  std::string name;
  std::vector<HttpMatch> match;  // any of them; empty: every request
  std::vector<HttpDestination> route;
  std::optional<HttpRedirect> redirect;
  std::optional<DirectResponse> direct_response;
  std::optional<Delegate> delegate;
  std::optional<HttpRewrite> rewrite;
  std::optional<Duration> timeout;  // absent: none; 0: none
  std::optional<HttpRetry> retries;
  std::optional<HttpFault> fault;
  std::vector<HttpMirror> mirrors;  // mirror and mirrors
  std::optional<CorsPolicy> cors;
  HeaderEdits headers;
  int line = 0;
};

struct L4Destination {
  Destination destination;
  int weight = 0;
};

struct TlsMatch {
  std::vector<std::string> sni_hosts;
  std::vector<std::string> destination_subnets;  // known to parse as Cidr
  uint16_t port = 0;
  std::vector<std::string> gateways;
  Labels source_labels;
  std::string source_namespace;
  int line = 0;
};

struct TlsRoute {
  std::vector<TlsMatch> match;  // any of them
  std::vector<L4Destination> route;
  int line = 0;
};

struct TcpMatch {
  std::vector<std::string> destination_subnets;  // known to parse as Cidr
  uint16_t port = 0;
  std::vector<std::string> gateways;
  Labels source_labels;
  std::string source_namespace;
  std::string source_subnet;
  int line = 0;
};

struct TcpRoute {
  std::vector<TcpMatch> match;  // any of them; empty: every connection
  std::vector<L4Destination> route;
  int line = 0;
};

struct VirtualService {
  ObjectMeta meta;
  std::vector<std::string> hosts;     // empty only for a delegate
  std::vector<std::string> gateways;  // empty: "mesh"
  std::vector<HttpRoute> http;
  std::vector<TlsRoute> tls;
  std::vector<TcpRoute> tcp;
  std::vector<std::string> export_to;  // empty: the mesh's default; ".", "*", "~" or namespaces
};

}  // namespace weft::objects
