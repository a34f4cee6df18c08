// One object of any kind that Weft reads. Values are immutable and shared: a store keeps them, a
// translation reads them.
//
//   std::visit([](const auto& object) { use(object->meta); }, any);
//   if (const auto* rule = get_if<DestinationRule>(any)) ...
#pragma once

#include <compare>
#include <memory>
#include <variant>

#include "objects/authorization_policy.h"
#include "objects/deployment.h"
#include "objects/destination_rule.h"
#include "objects/gateway.h"
#include "objects/namespace.h"
#include "objects/peer_authentication.h"
#include "objects/pod.h"
#include "objects/secret.h"
#include "objects/service.h"
#include "objects/service_entry.h"
#include "objects/virtual_service.h"

namespace weft::objects {

using Object = std::variant<std::shared_ptr<const Namespace>, std::shared_ptr<const ServiceAccount>,
                            std::shared_ptr<const Service>, std::shared_ptr<const Pod>,
                            std::shared_ptr<const Deployment>, std::shared_ptr<const Secret>,
                            std::shared_ptr<const ConfigMap>, std::shared_ptr<const VirtualService>,
                            std::shared_ptr<const DestinationRule>, std::shared_ptr<const Gateway>,
                            std::shared_ptr<const ServiceEntry>, std::shared_ptr<const PeerAuthentication>,
                            std::shared_ptr<const AuthorizationPolicy>>;

// What there can be only one of.
struct ObjectKey {
  std::string kind;            // "VirtualService"
  std::string namespace_name;  // empty for Namespace
  std::string name;

  std::string to_string() const;  // "VirtualService default/reviews", "Namespace production"
  auto operator<=>(const ObjectKey&) const = default;
};

std::string_view kind_name(const Object& object);
const ObjectMeta& meta_of(const Object& object);
ObjectKey key_of(const Object& object);

template <typename Kind>
const Kind* get_if(const Object& object) {
  const auto* held = std::get_if<std::shared_ptr<const Kind>>(&object);
  return held ? held->get() : nullptr;
}

}  // namespace weft::objects
