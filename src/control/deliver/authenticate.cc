#include "control/deliver/authenticate.h"

#include <algorithm>

#include "base/strings.h"

namespace weft::control {
namespace {

constexpr std::string_view kBearer = "Bearer ";

// Takes as long whatever the difference is.
bool equal_secret(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference = static_cast<unsigned char>(
        difference | (static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i])));
  }
  return difference == 0;
}

std::unexpected<Error> denied(std::string text) { return fail(Error::Kind::denied, std::move(text)); }

}  // namespace

std::string_view to_string(Caller::Proof proof) {
  switch (proof) {
    case Caller::Proof::none:
      return "none";
    case Caller::Proof::token:
      return "token";
    case Caller::Proof::certificate:
      return "certificate";
  }
  return "none";
}

Result<Caller> Callers::identify(const http::Request& request, const net::ConnectionInfo& connection) const {
  const auto* transport = static_cast<const Transport*>(connection.context);
  if (transport != nullptr && transport->certificate) {
    if (transport->certificate->trust_domain() != trust_domain_) {
      return denied(
          concat(transport->certificate->uri(), " is of another trust domain than ", trust_domain_));
    }
    // A certificate outlives the account it was made for; the list of tokens says which accounts there are.
    const auto of_account = [&](const wire::LocalToken& token) {
      return token.namespace_name == transport->certificate->name_space() &&
             token.service_account == transport->certificate->service_account();
    };
    if (!tokens_.empty() && std::ranges::none_of(tokens_, of_account)) {
      return denied(concat(transport->certificate->uri(), " is no longer a service account of this mesh"));
    }
    return Caller{Caller::Proof::certificate, transport->certificate};
  }
  if (const auto authorization = request.headers.get("authorization")) {
    if (!starts_with_ignoring_case(*authorization, kBearer)) {
      return denied("the authorization is no bearer token");
    }
    const std::string_view token = trim(authorization->substr(kBearer.size()));
    const wire::LocalToken* found = nullptr;
    for (const wire::LocalToken& known : tokens_) {
      if (equal_secret(known.token, token)) found = &known;
    }
    if (found == nullptr) return denied("the bearer token is not one of this mesh's");
    WEFT_TRY(identity::SpiffeId id,
             identity::SpiffeId::make(trust_domain_, found->namespace_name, found->service_account));
    return Caller{Caller::Proof::token, std::move(id)};
  }
  if (transport != nullptr && transport->believe) return Caller{};
  return denied("neither a client certificate nor a bearer token was given");
}

Result<void> check_claims(const Caller& caller, const ProxyNode& node, const translate::World* world) {
  if (!caller.id) return {};
  const std::string_view service_account = caller.id->service_account();
  if (caller.id->name_space() != node.namespace_name) {
    return denied(concat(caller.id->uri(), " may not be a proxy of namespace ", node.namespace_name));
  }
  if (!node.service_account.empty() && node.service_account != service_account) {
    return denied(concat(caller.id->uri(), " may not be a proxy of service account ", node.service_account));
  }
  const auto workload = world == nullptr ? nullptr : world->find_workload(node.namespace_name, node.pod);
  if (workload && workload->service_account != service_account) {
    return denied(concat(caller.id->uri(), " may not be the proxy of pod ", node.pod, ", which runs as ",
                         workload->service_account));
  }
  return {};
}

}  // namespace weft::control
