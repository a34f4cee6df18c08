#include "objects/object.h"

#include "base/strings.h"

namespace weft::objects {

namespace {

struct KindName {
  std::string_view operator()(const std::shared_ptr<const Namespace>&) const { return "Namespace"; }
  std::string_view operator()(const std::shared_ptr<const ServiceAccount>&) const { return "ServiceAccount"; }
  std::string_view operator()(const std::shared_ptr<const Service>&) const { return "Service"; }
  std::string_view operator()(const std::shared_ptr<const Pod>&) const { return "Pod"; }
  std::string_view operator()(const std::shared_ptr<const Deployment>&) const { return "Deployment"; }
  std::string_view operator()(const std::shared_ptr<const Secret>&) const { return "Secret"; }
  std::string_view operator()(const std::shared_ptr<const ConfigMap>&) const { return "ConfigMap"; }
  std::string_view operator()(const std::shared_ptr<const VirtualService>&) const { return "VirtualService"; }
  std::string_view operator()(const std::shared_ptr<const DestinationRule>&) const {
    return "DestinationRule";
  }
  std::string_view operator()(const std::shared_ptr<const Gateway>&) const { return "Gateway"; }
  std::string_view operator()(const std::shared_ptr<const ServiceEntry>&) const { return "ServiceEntry"; }
  std::string_view operator()(const std::shared_ptr<const PeerAuthentication>&) const {
    return "PeerAuthentication";
  }
  std::string_view operator()(const std::shared_ptr<const AuthorizationPolicy>&) const {
    return "AuthorizationPolicy";
  }
};

}  // namespace

std::string ObjectKey::to_string() const {
  if (namespace_name.empty()) return concat(kind, ' ', name);
  return concat(kind, ' ', namespace_name, '/', name);
}

std::string_view kind_name(const Object& object) { return std::visit(KindName{}, object); }

const ObjectMeta& meta_of(const Object& object) {
  return std::visit([](const auto& held) -> const ObjectMeta& { return held->meta; }, object);
}

ObjectKey key_of(const Object& object) {
  const ObjectMeta& meta = meta_of(object);
  return {std::string(kind_name(object)), meta.namespace_name, meta.name};
}

}  // namespace weft::objects
