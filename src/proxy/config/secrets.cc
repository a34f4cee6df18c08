#include "proxy/config/secrets.h"

#include <fstream>
#include <sstream>

#include "base/strings.h"

namespace weft::proxy {

namespace {

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Error::Kind::not_found, concat("cannot read ", path));
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

Error missing(std::string_view name) {
  Error error;
  error.kind = Error::Kind::not_found;
  error.text = concat("the secret '", name, "' has not come yet");
  return error;
}

}  // namespace

Result<Secrets::Material> Secrets::resolve(const model::TlsCommon& tls) const {
  using Source = model::SecretRef::Source;
  Material material;
  switch (tls.certificate.source) {
    case Source::none:
      break;
    case Source::workload:
      if (!workload) return fail(missing("default"));
      material.certificate_chain = workload->certificate_chain;
      material.private_key = workload->private_key;
      break;
    case Source::ads: {
      const auto* secret = by_name ? model::Snapshot::find(*by_name, tls.certificate.name) : nullptr;
      if (secret == nullptr) return fail(missing(tls.certificate.name));
      material.certificate_chain = secret->certificate_chain;
      material.private_key = secret->private_key;
      break;
    }
    case Source::files: {
      WEFT_TRY(material.certificate_chain, read_file(tls.certificate.certificate));
      WEFT_TRY(material.private_key, read_file(tls.certificate.key));
      break;
    }
    case Source::inline_:
      material.certificate_chain = tls.certificate.certificate;
      material.private_key = tls.certificate.key;
      break;
    case Source::provider:
      return fail(missing("default"));
  }
  switch (tls.roots.source) {
    case Source::none:
      break;
    case Source::workload:
      if (!workload) return fail(missing("ROOTCA"));
      material.roots = workload->roots;
      break;
    case Source::ads: {
      const auto* secret = by_name ? model::Snapshot::find(*by_name, tls.roots.name) : nullptr;
      if (secret == nullptr) return fail(missing(tls.roots.name));
      material.roots = secret->trusted_ca;
      break;
    }
    case Source::files: {
      WEFT_TRY(material.roots, read_file(tls.roots.ca));
      break;
    }
    case Source::inline_:
      material.roots = tls.roots.ca;
      break;
    case Source::provider:
      return fail(missing("ROOTCA"));
  }
  return material;
}

}  // namespace weft::proxy
