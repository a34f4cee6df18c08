#include "translate/gateway.h"

namespace weft::translate {

namespace {

constexpr std::string_view kScheme = "kubernetes://";
constexpr std::string_view kRootsSuffix = "-cacert";

std::string first_of(const objects::Secret& secret, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const auto it = secret.data.find(key);
    if (it != secret.data.end() && !it->second.empty()) return it->second;
  }
  return {};
}

const objects::Secret* find(const World& world, std::string_view namespace_name, std::string_view name) {
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos) return world.find_secret(namespace_name, name);
  // A proxy is given the secrets of its own namespace only.
  if (name.substr(0, slash) != namespace_name) return nullptr;
  return world.find_secret(namespace_name, name.substr(slash + 1));
}

}  // namespace

std::optional<model::Secret> secret_for(const World& world, std::string_view namespace_name,
                                        std::string_view name) {
  if (!name.starts_with(kScheme)) return std::nullopt;
  const std::string_view credential = name.substr(kScheme.size());
  model::Secret out;
  out.name = name;
  if (credential.ends_with(kRootsSuffix)) {
    const objects::Secret* secret = find(world, namespace_name, credential);
    if (!secret) {
      // Or the roots stand beside the certificate.
      secret = find(world, namespace_name, credential.substr(0, credential.size() - kRootsSuffix.size()));
    }
    if (!secret) return std::nullopt;
    out.trusted_ca = first_of(*secret, {"ca.crt", "cacert"});
    if (out.trusted_ca.empty()) return std::nullopt;
    return out;
  }
  const objects::Secret* secret = find(world, namespace_name, credential);
  if (!secret) return std::nullopt;
  out.certificate_chain = first_of(*secret, {"tls.crt", "cert"});
  out.private_key = first_of(*secret, {"tls.key", "key"});
  if (out.certificate_chain.empty() || out.private_key.empty()) return std::nullopt;
  return out;
}

}  // namespace weft::translate
