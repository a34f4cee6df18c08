#include "proxy/serve_request.h"

#include "base/strings.h"
#include "policy/rewrite.h"
#include "proxy/forward.h"
#include "proxy/recording.h"
#include "proxy/sanitise.h"

namespace weft::proxy {

using telemetry::Flag;

namespace {

// The routes of a connection manager, as they are now: a long connection follows the configuration.
std::shared_ptr<const policy::CompiledRoutes> routes_of(const Config& config, const CompiledChain& chain) {
  const model::HttpManager& http = *chain.http();
  if (http.rds_name.empty()) return chain.inline_routes;
  const auto it = config.routes.find(http.rds_name);
  return it == config.routes.end() ? nullptr : it->second;
}

// Envoy marks an RBAC denial by its details alone: no response flag.
Outcome denied(const policy::Denial& denial) {
  Outcome outcome = Outcome::make(403, denial.details(), {}, "RBAC: access denied", denial.text);
  outcome.denial_policy = denial.policy;
  outcome.denial_rule = denial.rule;
  outcome.grpc_status = 7;
  return outcome;
}

// What is answered here: no route, a redirect, a direct response, an upgrade that is not allowed.
std::optional<Outcome> answer_without_backend(const http::Request& request,
                                              const policy::RouteDecision& decision,
                                              const policy::CompiledRoutes* routes,
                                              const model::HttpManager& http) {
  const policy::RequestView view(request);
  if (decision.why == policy::RouteDecision::Why::tls_required) {
    Outcome outcome = Outcome::make(301, "direct_response", {}, "");
    outcome.location = policy::https_location(view);
    return outcome;
  }
  if (!decision) {
    std::string why = routes ? decision.why_not(routes->config(), request.authority)
                             : concat("the route configuration '", http.rds_name, "' has not come");
    return Outcome::make(404, "route_not_found", {Flag::no_route_found}, "", std::move(why));
  }
  const model::Route& route = *decision.route;
  if (const auto* redirect = std::get_if<model::RedirectAction>(&route.action)) {
    Outcome outcome = Outcome::make(redirect->status, "direct_response", {}, "");
    outcome.location = policy::redirect_location(*redirect, route.match, view);
    return outcome;
  }
  if (const auto* direct = std::get_if<model::DirectResponse>(&route.action)) {
    return Outcome::make(direct->status, "direct_response", {}, direct->body);
  }
  if (!std::holds_alternative<model::ForwardAction>(route.action)) {
    return Outcome::make(500, "non_forwarding_action", {}, "");
  }
  if (request.is_upgrade() || request.is_connect()) {
    const std::string_view wanted = request.is_upgrade() ? std::string_view(request.protocol) : "CONNECT";
    const auto allows = [&](const std::vector<std::string>& upgrades) {
      return std::any_of(upgrades.begin(), upgrades.end(),
                         [&](const std::string& upgrade) { return equal_ignoring_case(upgrade, wanted); });
    };
    if (!allows(http.upgrades) && !allows(std::get<model::ForwardAction>(route.action).upgrades)) {
      return Outcome::make(403, "upgrade_failed", {}, "",
                           concat("no route here allows an upgrade to ", printable(wanted, 40)));
    }
  }
  return std::nullopt;
}

// The answer to a request on a connection that today's configuration would not let in.
Outcome no_longer_welcome(const http::Request& request) {
  return Outcome::make(
      403, "connection_no_longer_allowed", {}, "RBAC: access denied",
      concat("the connection was made before a change of policy (plain text under STRICT, say); ",
             "a new one is needed for ", printable(request.authority, 120)));
}

}  // namespace

io::Task<void> serve_request(net::ServerExchange& client, Connection& connection) {
  Worker& worker = connection.worker;
  const std::shared_ptr<const Config> config = worker.config();  // the same one to the end
  const bool still_welcome = follow_configuration(connection, *config);
  const CompiledChain& chain = *connection.chain;
  const model::HttpManager& http = *chain.http();
  http::Request& request = client.request();
  Recording recording(connection, client);

  if (!still_welcome) co_return answer(client, recording, http, no_longer_welcome(request));

  // Sanitise: from here on every reader of the request sees the same path and the same names.
  SocketAddress remote;
  if (auto refused = sanitise(request, connection, http, remote)) {
    co_return answer(client, recording, http, std::move(*refused));
  }
  recording.remote(remote);

  // Match.
  const auto routes = routes_of(*config, chain);
  const policy::RouteDecision decision =
      routes ? routes->match(policy::RequestView(request), worker.loop().random().next())
             : policy::RouteDecision{};
  recording.route(decision);

  // Authorise. Without a Permit there is no way on.
  policy::RequestFacts facts{connection.facts(), remote.ip, policy::RequestView(request)};
  auto permit = chain.request_authorizer->authorize(facts);
  note_findings(connection, permit ? permit->findings() : permit.error().findings);
  if (!permit) {
    worker.counts.rbac_denied->add(1);
    co_return answer(client, recording, http, denied(permit.error()));
  }
  worker.counts.rbac_allowed->add(1);

  // Answer here what needs no backend.
  if (auto outcome = answer_without_backend(request, decision, routes.get(), http)) {
    co_return answer(client, recording, http, std::move(*outcome));
  }

  // Inject the faults that the route plans. They come before the router, so timeouts and retries do not see
  // them.
  const policy::FaultDecision fault =
      policy::decide_fault(*decision.route, worker.loop().random().next(), worker.loop().random().next());
  if (fault.delay > Duration::zero()) {
    recording.record.flags.set(Flag::delay_injected);
    co_await io::sleep_for(worker.loop(), fault.delay);
  }
  if (fault.abort_http_status != 0 || fault.abort_grpc_status >= 0) {
    Outcome outcome = Outcome::make(fault.abort_http_status != 0 ? fault.abort_http_status : 200,
                                    "fault_filter_abort", {Flag::fault_injected}, "fault filter abort");
    outcome.grpc_status = fault.abort_grpc_status;
    co_return answer(client, recording, http, std::move(outcome));
  }

  // Pick, send, relay: with retries, until an answer is out.
  Forward forward(client, connection, recording, *routes, decision);
  co_await forward.run(*permit);
  if (!std::get<model::ForwardAction>(decision.route->action).mirrors.empty()) forward.mirror(*permit);
}

}  // namespace weft::proxy
