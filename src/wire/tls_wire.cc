#include "wire/tls_wire.h"

#include <algorithm>

#include "base/check.h"
#include "base/result.h"
#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.pb.h"
#include "wire/parts.h"

namespace weft::wire {

namespace {

using envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer;
using model::SecretRef;
using model::StringMatch;
using model::TlsCommon;
using model::TlsVersion;
using wire::read;
using wire::write;

constexpr char kTlsSocket[] = "envoy.transport_sockets.tls";
constexpr char kRawSocket[] = "envoy.transport_sockets.raw_buffer";
// The cluster by which an Istio sidecar reaches its agent; SecretRef::Source::workload is a secret from
// there.
constexpr char kAgentCluster[] = "sds-grpc";
// The certificate provider of a gRPC client's bootstrap, as Istio's agent names it there.
constexpr char kProvider[] = "default";

// ---- where secrets come from

void write_source(const SecretRef& from, core_pb::ConfigSource& to) {
  to.set_resource_api_version(core_pb::V3);
  if (from.source == SecretRef::Source::ads) {
    to.mutable_ads();
    return;
  }
  auto& api = *to.mutable_api_config_source();
  api.set_api_type(core_pb::ApiConfigSource::GRPC);
  api.set_transport_api_version(core_pb::V3);
  api.set_set_node_on_first_message_only(true);
  api.add_grpc_services()->mutable_envoy_grpc()->set_cluster_name(kAgentCluster);
  to.mutable_initial_fetch_timeout();  // zero: wait for it
}

void write(const SecretRef& from, tls_pb::SdsSecretConfig& to) {
  to.set_name(from.name);
  write_source(from, *to.mutable_sds_config());
}

Read<SecretRef> read(const tls_pb::SdsSecretConfig& from, const Place& at) {
  SecretRef ref;
  if (from.name().empty()) return refuse(at("name"), "is empty");
  ref.name = from.name();
  const Place config = at("sds_config");
  // Without a source the secret would be one of the bootstrap's.
  if (!from.has_sds_config()) return refuse(config, "is missing: say `ads: {}` or name the agent's cluster");
  WEFT_CHECK_OK(check_version(from.sds_config(), config));
  if (from.sds_config().has_ads()) {
    ref.source = SecretRef::Source::ads;
    return ref;
  }
  if (!from.sds_config().has_api_config_source()) return not_supported(config);
  const auto& api = from.sds_config().api_config_source();
  const Place source = config("api_config_source");
  if (api.api_type() != core_pb::ApiConfigSource::GRPC &&
      api.api_type() != core_pb::ApiConfigSource::DELTA_GRPC) {
    return not_supported(source("api_type"));
  }
  if (api.grpc_services_size() != 1 || api.grpc_services(0).envoy_grpc().cluster_name() != kAgentCluster) {
    return refuse(source("grpc_services"),
                  concat("must be envoy_grpc with cluster_name ", kAgentCluster,
                         ", the node's own agent; weft-proxy takes secrets from it, from ADS or from files"),
                  Error::Kind::unsupported);
  }
  ref.source = SecretRef::Source::workload;
  return ref;
}

// Path or text of a data source; which of the two it is must agree with what `ref` holds already.
Read<> read_data(const core_pb::DataSource& from, SecretRef& ref, std::string& to, const Place& at) {
  SecretRef::Source source = SecretRef::Source::inline_;
  switch (from.specifier_case()) {
    case core_pb::DataSource::kFilename:
      source = SecretRef::Source::files;
      to = from.filename();
      break;
    case core_pb::DataSource::kInlineString:
      to = from.inline_string();
      break;
    case core_pb::DataSource::kInlineBytes:
      to = from.inline_bytes();
      break;
    case core_pb::DataSource::SPECIFIER_NOT_SET:
      return refuse(at, "has none of filename, inline_string and inline_bytes");
  }
  if (to.empty()) return refuse(at, "is empty");
  if (ref.source != SecretRef::Source::none && ref.source != source) {
    return refuse(at, "mixes a file with inline text", Error::Kind::unsupported);
  }
  ref.source = source;
  return {};
}

void write_data(const SecretRef& ref, const std::string& from, core_pb::DataSource& to) {
  if (ref.source == SecretRef::Source::files) {
    to.set_filename(from);
  } else {
    to.set_inline_string(from);
  }
}

bool is_discovered(const SecretRef& ref) {
  return ref.source == SecretRef::Source::ads || ref.source == SecretRef::Source::workload;
}

// ---- names of the peer
//
// The model tests any URI or DNS name of the peer; xDS tests those of one kind. A test that only a URI can
// pass ("spiffe://...") travels as URI, an exact one without "://" as DNS, and whatever both could pass
// as the pair of them. Coming back, a test of one kind that the other kind could pass as well would let in
// more than was asked for, so it is refused unless its pair is there.

using SanMatcher = tls_pb::SubjectAltNameMatcher;

bool only_uri(const StringMatch& match) {
  return (match.kind == StringMatch::Kind::exact || match.kind == StringMatch::Kind::prefix) &&
         match.value.find("://") != std::string::npos;
}
bool only_dns(const StringMatch& match) {
  return match.kind == StringMatch::Kind::exact && match.value.find("://") == std::string::npos;
}

// gRPC proposal A29: a client library's own plug-in brings certificates and roots, and the names of the peer
// stand in the older field, the one it reads.
void write_provider(const SecretRef& from, tls_pb::CertificateProviderPluginInstance& to) {
  to.set_instance_name(kProvider);
  to.set_certificate_name(from.name);
}

void write_provider_roots(const TlsCommon& from, tls_pb::CertificateValidationContext& to) {
  write_provider(from.roots, *to.mutable_ca_certificate_provider_instance());
  for (const auto& match : from.subject_alt_names) write(match, *to.add_match_subject_alt_names());
}

void write_names(const TlsCommon& from, tls_pb::CertificateValidationContext& to) {
  const auto add = [&to](const StringMatch& match, SanMatcher::SanType type) {
    auto& matcher = *to.add_match_typed_subject_alt_names();
    matcher.set_san_type(type);
    write(match, *matcher.mutable_matcher());
  };
  for (const auto& match : from.subject_alt_names) {
    if (!only_dns(match)) add(match, SanMatcher::URI);
    if (!only_uri(match)) add(match, SanMatcher::DNS);
  }
}

Read<> read_names(const tls_pb::CertificateValidationContext& from, TlsCommon& to, const Place& at) {
  for (int i = 0; i < from.match_subject_alt_names_size(); ++i) {
    WEFT_TRY(auto match,
             read(from.match_subject_alt_names(i), at("match_subject_alt_names", static_cast<size_t>(i))));
    to.subject_alt_names.push_back(std::move(match));
  }
  struct Half {
    StringMatch match;
    SanMatcher::SanType type;
    size_t index;
    bool paired = false;
  };
  std::vector<Half> halves;
  for (int i = 0; i < from.match_typed_subject_alt_names_size(); ++i) {
    const auto& matcher = from.match_typed_subject_alt_names(i);
    const auto index = static_cast<size_t>(i);
    const Place place = at("match_typed_subject_alt_names", index);
    if (matcher.san_type() != SanMatcher::URI && matcher.san_type() != SanMatcher::DNS) {
      return not_supported(place("san_type"), SanMatcher::SanType_Name(matcher.san_type()));
    }
    WEFT_TRY(auto match, read(matcher.matcher(), place("matcher")));
    const bool is_uri = matcher.san_type() == SanMatcher::URI;
    if ((is_uri && only_uri(match)) || (!is_uri && only_dns(match))) {
      to.subject_alt_names.push_back(std::move(match));
      continue;
    }
    const auto pair = std::ranges::find_if(halves, [&](const Half& half) {
      return !half.paired && half.type != matcher.san_type() && half.match == match;
    });
    if (pair != halves.end()) {
      pair->paired = true;
      continue;
    }
    to.subject_alt_names.push_back(match);
    halves.push_back({std::move(match), matcher.san_type(), index});
  }
  for (const Half& half : halves) {
    if (half.paired) continue;
    return refuse(at("match_typed_subject_alt_names", half.index),
                  "tests one kind of name with a test that a name of another kind could pass: give it for "
                  "both URI and DNS",
                  Error::Kind::unsupported);
  }
  return {};
}

// ---- the common context

tls_pb::TlsParameters::TlsProtocol to_protocol(TlsVersion version) {
  switch (version) {
    case TlsVersion::tls12:
      return tls_pb::TlsParameters::TLSv1_2;
    case TlsVersion::tls13:
      return tls_pb::TlsParameters::TLSv1_3;
    case TlsVersion::automatic:
      break;
  }
  return tls_pb::TlsParameters::TLS_AUTO;
}

Read<TlsVersion> read_version(tls_pb::TlsParameters::TlsProtocol from, const Place& at) {
  switch (from) {
    case tls_pb::TlsParameters::TLS_AUTO:
      return TlsVersion::automatic;
    case tls_pb::TlsParameters::TLSv1_2:
      return TlsVersion::tls12;
    case tls_pb::TlsParameters::TLSv1_3:
      return TlsVersion::tls13;
    default:
      return not_supported(at, "TLS below 1.2");
  }
}

void write_roots(const TlsCommon& from, tls_pb::CommonTlsContext& to) {
  if (from.roots.source == SecretRef::Source::provider) {
    write_provider_roots(from, *to.mutable_validation_context());
    return;
  }
  if (is_discovered(from.roots)) {
    if (from.subject_alt_names.empty()) {
      write(from.roots, *to.mutable_validation_context_sds_secret_config());
      return;
    }
    auto& combined = *to.mutable_combined_validation_context();
    write_names(from, *combined.mutable_default_validation_context());
    write(from.roots, *combined.mutable_validation_context_sds_secret_config());
    return;
  }
  if (from.roots.source == SecretRef::Source::none && from.subject_alt_names.empty()) return;
  auto& context = *to.mutable_validation_context();
  if (from.roots.source != SecretRef::Source::none)
    write_data(from.roots, from.roots.ca, *context.mutable_trusted_ca());
  write_names(from, context);
}

void write(const TlsCommon& from, tls_pb::CommonTlsContext& to) {
  if (from.min_version != TlsVersion::automatic || from.max_version != TlsVersion::automatic ||
      !from.cipher_suites.empty()) {
    auto& params = *to.mutable_tls_params();
    params.set_tls_minimum_protocol_version(to_protocol(from.min_version));
    params.set_tls_maximum_protocol_version(to_protocol(from.max_version));
    for (const auto& suite : from.cipher_suites) params.add_cipher_suites(suite);
  }
  for (const auto& protocol : from.alpn) to.add_alpn_protocols(protocol);
  if (is_discovered(from.certificate)) {
    write(from.certificate, *to.add_tls_certificate_sds_secret_configs());
  } else if (from.certificate.source == SecretRef::Source::provider) {
    write_provider(from.certificate, *to.mutable_tls_certificate_provider_instance());
  } else if (from.certificate.source != SecretRef::Source::none) {
    auto& certificate = *to.add_tls_certificates();
    write_data(from.certificate, from.certificate.certificate, *certificate.mutable_certificate_chain());
    write_data(from.certificate, from.certificate.key, *certificate.mutable_private_key());
  }
  write_roots(from, to);
}

Read<> read_context(const tls_pb::CertificateValidationContext& from, TlsCommon& to, const Place& at) {
  if (from.has_trusted_ca()) {
    WEFT_CHECK_OK(read_data(from.trusted_ca(), to.roots, to.roots.ca, at("trusted_ca")));
  }
  return read_names(from, to, at);
}

Read<> read_roots(const tls_pb::CommonTlsContext& from, TlsCommon& to, const Place& at) {
  switch (from.validation_context_type_case()) {
    case tls_pb::CommonTlsContext::kValidationContext: {
      const Place place = at("validation_context");
      WEFT_CHECK_OK(read_context(from.validation_context(), to, place));
      if (to.roots.source == SecretRef::Source::none && !to.subject_alt_names.empty()) {
        return refuse(place, "tests names without trusted_ca: nothing would vouch for them");
      }
      return {};
    }
    case tls_pb::CommonTlsContext::kValidationContextSdsSecretConfig: {
      WEFT_TRY(to.roots,
               read(from.validation_context_sds_secret_config(), at("validation_context_sds_secret_config")));
      return {};
    }
    case tls_pb::CommonTlsContext::kCombinedValidationContext: {
      const Place combined = at("combined_validation_context");
      const auto& context = from.combined_validation_context();
      const Place fixed = combined("default_validation_context");
      WEFT_CHECK_OK(read_context(context.default_validation_context(), to, fixed));
      if (to.roots.source != SecretRef::Source::none) return not_supported(fixed("trusted_ca"));
      WEFT_TRY(to.roots, read(context.validation_context_sds_secret_config(),
                              combined("validation_context_sds_secret_config")));
      return {};
    }
    case tls_pb::CommonTlsContext::VALIDATION_CONTEXT_TYPE_NOT_SET:
      return {};
  }
  return {};
}

Read<TlsCommon> read(const tls_pb::CommonTlsContext& from, const Place& at) {
  TlsCommon common;
  const Place params = at("tls_params");
  WEFT_TRY(common.min_version, read_version(from.tls_params().tls_minimum_protocol_version(),
                                            params("tls_minimum_protocol_version")));
  WEFT_TRY(common.max_version, read_version(from.tls_params().tls_maximum_protocol_version(),
                                            params("tls_maximum_protocol_version")));
  common.cipher_suites.assign(from.tls_params().cipher_suites().begin(),
                              from.tls_params().cipher_suites().end());
  common.alpn.assign(from.alpn_protocols().begin(), from.alpn_protocols().end());
  const int discovered = from.tls_certificate_sds_secret_configs_size();
  if (discovered + from.tls_certificates_size() > 1) {
    return not_supported(at(discovered > 0 ? "tls_certificate_sds_secret_configs" : "tls_certificates"),
                         "with more than one certificate");
  }
  if (discovered == 1) {
    WEFT_TRY(common.certificate, read(from.tls_certificate_sds_secret_configs(0),
                                      at("tls_certificate_sds_secret_configs", size_t{0})));
  } else if (from.tls_certificates_size() == 1) {
    const Place place = at("tls_certificates", size_t{0});
    const auto& certificate = from.tls_certificates(0);
    SecretRef& ref = common.certificate;
    WEFT_CHECK_OK(
        read_data(certificate.certificate_chain(), ref, ref.certificate, place("certificate_chain")));
    WEFT_CHECK_OK(read_data(certificate.private_key(), ref, ref.key, place("private_key")));
  }
  WEFT_CHECK_OK(read_roots(from, common, at));
  return common;
}

// ---- secrets

// A secret holds its text: one that came with a file's name would need that file's room.
Read<std::string> read_text(const core_pb::DataSource& from, const Place& at) {
  if (from.specifier_case() == core_pb::DataSource::kFilename) return not_supported(at("filename"));
  SecretRef ref;
  std::string text;
  WEFT_CHECK_OK(read_data(from, ref, text, at));
  return text;
}

}  // namespace

void write(const model::DownstreamTls& from, core_pb::TransportSocket& to) {
  tls_pb::DownstreamTlsContext context;
  write(from.common, *context.mutable_common_tls_context());
  context.mutable_require_client_certificate()->set_value(from.require_client_certificate);
  to.set_name(kTlsSocket);
  pack(context, *to.mutable_typed_config());
}

void write(const model::UpstreamTls& from, core_pb::TransportSocket& to) {
  tls_pb::UpstreamTlsContext context;
  write(from.common, *context.mutable_common_tls_context());
  context.set_sni(from.sni);
  // With auto_host_sni the cluster's protocol options say both (cluster_wire.cc).
  context.set_auto_sni_san_validation(from.auto_san_validation && !from.auto_host_sni);
  to.set_name(kTlsSocket);
  pack(context, *to.mutable_typed_config());
}

void write_raw_buffer(core_pb::TransportSocket& to) {
  to.set_name(kRawSocket);
  pack(RawBuffer(), *to.mutable_typed_config());
}

Read<std::optional<model::DownstreamTls>> read_downstream(const core_pb::TransportSocket& from,
                                                          const Place& at) {
  const Place config = at("typed_config");
  if (holds<RawBuffer>(from.typed_config())) return std::nullopt;
  if (!holds<tls_pb::DownstreamTlsContext>(from.typed_config())) return not_supported(at, from.name());
  WEFT_TRY(const auto context, unpack<tls_pb::DownstreamTlsContext>(from.typed_config(), config));
  model::DownstreamTls tls;
  WEFT_TRY(tls.common, read(context.common_tls_context(), config("common_tls_context")));
  tls.require_client_certificate = context.require_client_certificate().value();
  if (tls.common.certificate.source == SecretRef::Source::none) {
    return refuse(config("common_tls_context"), "has no certificate, and a server needs one");
  }
  if (tls.require_client_certificate && tls.common.roots.source == SecretRef::Source::none) {
    return refuse(config("require_client_certificate"), "is true, and there are no roots to verify one by");
  }
  return tls;
}

Read<std::optional<model::UpstreamTls>> read_upstream(const core_pb::TransportSocket& from, const Place& at) {
  const Place config = at("typed_config");
  if (holds<RawBuffer>(from.typed_config())) return std::nullopt;
  if (!holds<tls_pb::UpstreamTlsContext>(from.typed_config())) return not_supported(at, from.name());
  WEFT_TRY(const auto context, unpack<tls_pb::UpstreamTlsContext>(from.typed_config(), config));
  model::UpstreamTls tls;
  WEFT_TRY(tls.common, read(context.common_tls_context(), config("common_tls_context")));
  tls.sni = context.sni();
  tls.auto_san_validation = context.auto_sni_san_validation();
  return tls;
}

tls_pb::Secret to_message(const model::Secret& from) {
  tls_pb::Secret to;
  to.set_name(from.name);
  // xDS has a secret be one or the other.
  if (!from.certificate_chain.empty() || !from.private_key.empty()) {
    to.mutable_tls_certificate()->mutable_certificate_chain()->set_inline_bytes(from.certificate_chain);
    to.mutable_tls_certificate()->mutable_private_key()->set_inline_bytes(from.private_key);
  } else {
    to.mutable_validation_context()->mutable_trusted_ca()->set_inline_bytes(from.trusted_ca);
  }
  return to;
}

Read<std::shared_ptr<const model::Secret>> from_message(const tls_pb::Secret& from, const Place& at) {
  auto secret = std::make_shared<model::Secret>();
  secret->name = from.name();
  if (from.has_tls_certificate()) {
    const Place place = at("tls_certificate");
    WEFT_TRY(secret->certificate_chain,
             read_text(from.tls_certificate().certificate_chain(), place("certificate_chain")));
    WEFT_TRY(secret->private_key, read_text(from.tls_certificate().private_key(), place("private_key")));
    return secret;
  }
  if (!from.has_validation_context()) return refuse(at, "has neither tls_certificate nor validation_context");
  const Place place = at("validation_context");
  WEFT_TRY(secret->trusted_ca, read_text(from.validation_context().trusted_ca(), place("trusted_ca")));
  if (from.validation_context().match_typed_subject_alt_names_size() > 0) {
    return not_supported(place("match_typed_subject_alt_names"));
  }
  if (from.validation_context().match_subject_alt_names_size() > 0) {
    return not_supported(place("match_subject_alt_names"));
  }
  return secret;
}

}  // namespace weft::wire
