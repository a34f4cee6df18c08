// What a route does to a request before it is sent on, and to the answer before it is given back:
// path, host, redirect target, header edits, injected faults.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"
#include "model/route.h"
#include "policy/match_route.h"
#include "policy/request_view.h"

namespace weft::policy {

// The new path with its query; nullopt: unchanged.
std::optional<std::string> rewrite_path(const model::ForwardAction& action, const model::RouteMatch& match,
                                        std::string_view path);
// The new authority; empty: unchanged. The weighted cluster's wins over the route's, which wins over the
// endpoint's name (auto_host_rewrite).
std::string_view rewrite_host(const model::ForwardAction& action, const model::WeightedCluster* weighted,
                              std::string_view endpoint_hostname);

// The value of `location`. A port that is the scheme's own is left out.
std::string redirect_location(const model::RedirectAction& action, const model::RouteMatch& match,
                              const RequestView& request);
// Where a virtual host with require_tls sends plain HTTP.
std::string https_location(const RequestView& request);

// Fills in the %...% of a header value; appends to `out`. Called only for values that hold a '%'.
// A reference to a callable that outlives the call.
class ValueFormatter {
 public:
  template <typename Callable>
    requires(!std::is_same_v<std::remove_cvref_t<Callable>, ValueFormatter>)
  ValueFormatter(
      Callable&& callable)  // NOLINT(google-explicit-constructor): made to be passed as an argument
      : object_(&callable), call_([](const void* object, std::string_view value, std::string& out) {
          (*static_cast<std::remove_reference_t<Callable>*>(const_cast<void*>(object)))(value, out);
        }) {}
  void operator()(std::string_view value, std::string& out) const { call_(object_, value, out); }

 private:
  const void* object_;
  void (*call_)(const void*, std::string_view, std::string&);
};

// Removals, then additions, of the weighted cluster, the route, the virtual host and the route configuration,
// in this order (the most specific first, as Envoy's default has it). The names :authority and Host set the
// authority; other pseudo-headers cannot be edited.
void apply_request_edits(http::Request& request, const model::RouteConfig& config,
                         const RouteDecision& decision, const model::WeightedCluster* weighted,
                         const ValueFormatter& format);
void apply_response_edits(http::Headers& headers, const model::RouteConfig& config,
                          const RouteDecision& decision, const model::WeightedCluster* weighted,
                          const ValueFormatter& format);
// One level alone.
void apply_edits(http::Headers& headers, const std::vector<std::string>& remove,
                 const std::vector<model::HeaderEdit>& add, const ValueFormatter& format);

// Delay and abort are drawn independently: one random number each.
struct FaultDecision {
  Duration delay = Duration::zero();  // zero: none
  int abort_http_status = 0;          // 0: none
  int abort_grpc_status = -1;         // -1: none
  bool any() const { return delay > Duration::zero() || abort_http_status != 0 || abort_grpc_status >= 0; }
};
FaultDecision decide_fault(const model::Route& route, uint64_t random_delay, uint64_t random_abort);

// Whether this request is mirrored to that cluster too.
bool decide_mirror(const model::Mirror& mirror, uint64_t random);

// What a consistent-hash policy reads from a request; the caller hashes it (balance/hash.h).
struct HashInput {
  std::optional<std::string_view> value;
  bool make_cookie = false;  // the cookie is absent and the policy asks for one to be made
};
HashInput hash_input(const model::HashPolicy& policy, const RequestView& request, std::string_view peer_ip);

}  // namespace weft::policy
