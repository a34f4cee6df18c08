#include "identity/spiffe_id.h"

#include <algorithm>

#include "base/strings.h"

namespace weft::identity {

namespace {

// SPIFFE-ID 2.1 and 2.3.
constexpr size_t kMostDomain = 255;
constexpr size_t kMostUri = 2048;

bool domain_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}
bool path_char(char c) { return domain_char(c) || (c >= 'A' && c <= 'Z'); }

std::unexpected<Error> bad(std::string_view uri, std::string_view why) {
  return fail(Error::Kind::invalid, concat("'", printable(uri, 120), "' is not a SPIFFE ID: ", why));
}

struct MeshPath {
  std::string_view name_space, service_account;
};

// /ns/<namespace>/sa/<service account>
MeshPath mesh_path(std::string_view path) {
  const auto parts = split(path, '/');
  if (parts.size() != 5 || parts[1] != "ns" || parts[3] != "sa") return {};
  return {parts[2], parts[4]};
}

}  // namespace

Result<SpiffeId> SpiffeId::parse(std::string_view uri) {
  if (!uri.starts_with(kScheme)) return bad(uri, "it must start with spiffe://");
  if (uri.size() > kMostUri) return bad(uri, "it is longer than 2048 bytes");
  const std::string_view rest = uri.substr(kScheme.size());
  const std::string_view domain = rest.substr(0, rest.find('/'));
  const std::string_view path = rest.substr(domain.size());
  if (domain.empty() || domain.size() > kMostDomain)
    return bad(uri, "its trust domain must have 1 to 255 bytes");
  if (!std::all_of(domain.begin(), domain.end(), domain_char)) {
    return bad(uri, "a trust domain has only a-z, 0-9, '.', '-' and '_'");
  }
  if (!path.empty()) {
    for (const std::string_view segment : split(path.substr(1), '/')) {
      if (segment.empty()) return bad(uri, "its path has an empty segment");
      if (segment == "." || segment == "..") return bad(uri, "its path has a relative segment");
      if (!std::all_of(segment.begin(), segment.end(), path_char)) {
        return bad(uri, "a path has only letters, digits, '.', '-' and '_'");
      }
    }
  }
  SpiffeId id;
  id.uri_ = uri;
  id.domain_size_ = domain.size();
  return id;
}

Result<SpiffeId> SpiffeId::make(std::string_view trust_domain, std::string_view name_space,
                                std::string_view service_account) {
  WEFT_TRY(SpiffeId id, parse(concat(kScheme, trust_domain, "/ns/", name_space, "/sa/", service_account)));
  // A part with a slash in it would parse, as another identity.
  if (id.trust_domain() != trust_domain || id.name_space() != name_space ||
      id.service_account() != service_account) {
    return bad(id.uri(), "a trust domain, namespace or service account has no '/'");
  }
  return id;
}

std::string_view SpiffeId::name_space() const { return mesh_path(path()).name_space; }
std::string_view SpiffeId::service_account() const { return mesh_path(path()).service_account; }

}  // namespace weft::identity
