// Which route does a request take?
//
// A RouteConfig is compiled once, when it arrives; then each request costs a hash of its host, a few of its
// path, and a walk over the routes that may match. Nothing is allocated.
//
//   CompiledRoutes routes(config);
//   RouteDecision decision = routes.match(RequestView(request), random.next());
//   if (!decision) reply_404(decision.why_not());
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/route.h"
#include "policy/header_match.h"
#include "policy/request_view.h"
#include "policy/route_index.h"

namespace weft::policy {

// The pointers live as long as the CompiledRoutes (which keeps its RouteConfig).
struct RouteDecision {
  enum class Why : uint8_t {
    matched,
    no_virtual_host,  // no domain matches the authority
    no_route,         // the virtual host has no route for this request
    tls_required,     // the virtual host answers plain HTTP with a redirect to https
  };
  Why why = Why::no_virtual_host;
  const model::VirtualHost* virtual_host = nullptr;
  const model::Route* route = nullptr;  // set exactly when `why` is matched

  explicit operator bool() const { return why == Why::matched; }
  // For logs and explain: "no virtual host of route configuration '8080' serves the host 'a.example'".
  std::string why_not(const model::RouteConfig& config, std::string_view authority) const;
};

class CompiledRoutes {
 public:
  explicit CompiledRoutes(std::shared_ptr<const model::RouteConfig> config);
  // Not copied: the look-up tables point into each other.
  CompiledRoutes(CompiledRoutes&&) = default;
  CompiledRoutes& operator=(CompiledRoutes&&) = default;

  // `random` decides routes that take a share of requests only (runtime_per_million).
  RouteDecision match(const RequestView& request, uint64_t random) const;
  // The virtual host that serves an authority: exact domains, then "*.suffix", then "prefix.*", each longest
  // first, then "*". Case, one trailing dot and (by configuration) the port do not count.
  const model::VirtualHost* virtual_host_of(std::string_view authority) const;

  const model::RouteConfig& config() const { return *config_; }

 private:
  // A virtual host and the index of its routes.
  struct Host {
    const model::VirtualHost* given;
    RouteIndex routes;
  };
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using HostMap = std::unordered_map<std::string, const Host*, TextHash, std::equal_to<>>;
  // Wildcard domains by the length of what is not '*', the longest first: one look-up for each length.
  using Wildcards = std::map<size_t, HostMap, std::greater<>>;
  const Host* look_up(std::string_view host) const;
  const Host* host_of(std::string_view authority) const;

  std::shared_ptr<const model::RouteConfig> config_;
  std::vector<Host> hosts_;  // one for each of the configuration's
  HostMap exact_;
  Wildcards suffixes_;
  Wildcards prefixes_;
  const Host* any_ = nullptr;
};

// Whether one route matches. `random` as above.
bool matches(const model::RouteMatch& match, const RequestView& request, uint64_t random);

struct ClusterPick {
  std::string_view cluster;                          // empty: the header that should name it is missing
  const model::WeightedCluster* weighted = nullptr;  // null where a header named the cluster
};
ClusterPick pick_cluster(const model::ForwardAction& action, const RequestView& request, uint64_t random);

}  // namespace weft::policy
