#include "wire/route_wire.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.pb.h"
#include "wire/parts.h"

namespace weft::wire {

namespace {

namespace fault_pb = envoy::extensions::filters::http::fault::v3;
using PreviousHosts = envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;
using model::ForwardAction;
using model::HashPolicy;
using model::RetryPolicy;
using wire::read;
using wire::write;

// What an Envoy accepts as the body of a direct response without being told (4 KiB), and what we tell it.
constexpr size_t kEnvoyBodyLimit = 4096;
// Envoy's timeout of a route that says none.
constexpr Duration kDefaultTimeout = std::chrono::seconds(15);
constexpr uint32_t kMillion = 1'000'000;

// ---- retry

struct RetryWord {
  std::string_view word;
  RetryPolicy::Condition condition;
};
constexpr RetryWord kRetryWords[] = {
    {"5xx", RetryPolicy::on_5xx},
    {"gateway-error", RetryPolicy::gateway_error},
    {"connect-failure", RetryPolicy::connect_failure},
    {"refused-stream", RetryPolicy::refused_stream},
    {"retriable-4xx", RetryPolicy::retriable_4xx},
    {"reset", RetryPolicy::reset},
    {"reset-before-request", RetryPolicy::reset_before_request},
    {"retriable-status-codes", RetryPolicy::retriable_status_codes},
    {"retriable-headers", RetryPolicy::retriable_headers},
    {"envoy-ratelimited", RetryPolicy::envoy_ratelimited},
    {"cancelled", RetryPolicy::grpc_cancelled},
    {"deadline-exceeded", RetryPolicy::grpc_deadline_exceeded},
    {"internal", RetryPolicy::grpc_internal},
    {"resource-exhausted", RetryPolicy::grpc_resource_exhausted},
    {"unavailable", RetryPolicy::grpc_unavailable},
    {"http3-post-connect-failure", RetryPolicy::http3_post_connect_failure},
};

void write(const RetryPolicy& from, route_pb::RetryPolicy& to) {
  std::string on;
  for (const auto& [word, condition] : kRetryWords) {
    if ((from.on & condition) != 0) on += concat(on.empty() ? "" : ",", word);
  }
  to.set_retry_on(on);
  to.mutable_num_retries()->set_value(from.attempts);
  if (from.per_try_timeout > Duration::zero()) write(from.per_try_timeout, *to.mutable_per_try_timeout());
  if (from.per_try_idle_timeout > Duration::zero()) {
    write(from.per_try_idle_timeout, *to.mutable_per_try_idle_timeout());
  }
  for (const uint32_t code : from.status_codes) to.add_retriable_status_codes(code);
  write(from.back_off_base, *to.mutable_retry_back_off()->mutable_base_interval());
  write(from.back_off_max, *to.mutable_retry_back_off()->mutable_max_interval());
  if (from.avoid_previous_hosts) {
    auto& predicate = *to.add_retry_host_predicate();
    predicate.set_name("envoy.retry_host_predicates.previous_hosts");
    pack(PreviousHosts(), *predicate.mutable_typed_config());
  }
  to.set_host_selection_retry_max_attempts(from.host_selection_attempts);
}

Read<uint32_t> read_conditions(std::string_view text, const Place& at) {
  uint32_t on = 0;
  for (std::string_view word : split(text, ',')) {
    word = trim(word);
    if (word.empty()) continue;
    const auto* known = std::ranges::find(kRetryWords, word, &RetryWord::word);
    if (known == std::end(kRetryWords)) return not_supported(at, concat("\"", printable(word), "\""));
    on |= known->condition;
  }
  return on;
}

Read<RetryPolicy> read(const route_pb::RetryPolicy& from, const Place& at) {
  RetryPolicy policy;
  WEFT_TRY(policy.on, read_conditions(from.retry_on(), at("retry_on")));
  if (from.has_num_retries()) policy.attempts = from.num_retries().value();
  if (from.has_per_try_timeout()) {
    WEFT_TRY(policy.per_try_timeout, read(from.per_try_timeout(), at("per_try_timeout")));
  }
  if (from.has_per_try_idle_timeout()) {
    WEFT_TRY(policy.per_try_idle_timeout, read(from.per_try_idle_timeout(), at("per_try_idle_timeout")));
  }
  policy.status_codes.assign(from.retriable_status_codes().begin(), from.retriable_status_codes().end());
  if (from.has_retry_back_off()) {
    const Place back_off = at("retry_back_off");
    WEFT_TRY(policy.back_off_base, read(from.retry_back_off().base_interval(), back_off("base_interval")));
    if (policy.back_off_base <= Duration::zero()) return refuse(back_off("base_interval"), "must be above 0");
    policy.back_off_max = 10 * policy.back_off_base;
    if (from.retry_back_off().has_max_interval()) {
      WEFT_TRY(policy.back_off_max, read(from.retry_back_off().max_interval(), back_off("max_interval")));
    }
    if (policy.back_off_max < policy.back_off_base) {
      return refuse(back_off("max_interval"), "is below base_interval");
    }
  }
  for (int i = 0; i < from.retry_host_predicate_size(); ++i) {
    const Place predicate = at("retry_host_predicate", static_cast<size_t>(i));
    if (!holds<PreviousHosts>(from.retry_host_predicate(i).typed_config())) {
      return not_supported(predicate, from.retry_host_predicate(i).name());
    }
    policy.avoid_previous_hosts = true;
  }
  if (from.host_selection_retry_max_attempts() > 0) {
    policy.host_selection_attempts =
        static_cast<uint32_t>(std::min<int64_t>(from.host_selection_retry_max_attempts(), 100));
  }
  return policy;
}

// ---- match

void write(const model::RouteMatch& from, route_pb::RouteMatch& to) {
  using Path = model::RouteMatch::Path;
  switch (from.path_kind) {
    case Path::prefix:
      to.set_prefix(from.path);
      break;
    case Path::exact:
      to.set_path(from.path);
      break;
    case Path::regex:
      to.mutable_safe_regex()->set_regex(from.regex ? from.regex->pattern() : from.path);
      break;
    case Path::path_separated_prefix:
      to.set_path_separated_prefix(from.path);
      break;
    case Path::connect:
      to.mutable_connect_matcher();
      break;
  }
  if (from.ignore_case) to.mutable_case_sensitive()->set_value(false);
  for (const auto& header : from.headers) write(header, *to.add_headers());
  for (const auto& query : from.query) {
    auto& parameter = *to.add_query_parameters();
    parameter.set_name(query.name);
    if (query.present_only) {
      parameter.set_present_match(true);
    } else {
      write(query.value, *parameter.mutable_string_match());
    }
  }
  if (from.grpc_only) to.mutable_grpc();
  if (from.runtime_per_million) {
    write_per_million(*from.runtime_per_million, *to.mutable_runtime_fraction()->mutable_default_value());
  }
}

Read<model::RouteMatch> read(const route_pb::RouteMatch& from, const Place& at) {
  using Path = model::RouteMatch::Path;
  model::RouteMatch match;
  switch (from.path_specifier_case()) {
    case route_pb::RouteMatch::kPrefix:
      match.path = from.prefix();
      break;
    case route_pb::RouteMatch::kPath:
      match.path_kind = Path::exact;
      match.path = from.path();
      break;
    case route_pb::RouteMatch::kSafeRegex: {
      match.path_kind = Path::regex;
      WEFT_TRY(match.regex, read(from.safe_regex(), at("safe_regex")));
      match.path = match.regex->pattern();
      break;
    }
    case route_pb::RouteMatch::kPathSeparatedPrefix:
      match.path_kind = Path::path_separated_prefix;
      match.path = from.path_separated_prefix();
      if (!match.path.starts_with('/') || match.path.ends_with('/') ||
          match.path.find_first_of("?#") != std::string::npos) {
        return refuse(at("path_separated_prefix"),
                      concat("is \"", printable(match.path),
                             "\"; it begins with / and neither ends with it nor holds ? or #"));
      }
      break;
    case route_pb::RouteMatch::kConnectMatcher:
      match.path_kind = Path::connect;
      break;
    case route_pb::RouteMatch::PATH_SPECIFIER_NOT_SET:
      return refuse(at, "has none of prefix, path, safe_regex, path_separated_prefix and connect_matcher");
  }
  match.ignore_case = from.has_case_sensitive() && !from.case_sensitive().value();
  for (int i = 0; i < from.headers_size(); ++i) {
    WEFT_TRY(auto header, read(from.headers(i), at("headers", static_cast<size_t>(i))));
    match.headers.push_back(std::move(header));
  }
  for (int i = 0; i < from.query_parameters_size(); ++i) {
    const auto& parameter = from.query_parameters(i);
    const Place place = at("query_parameters", static_cast<size_t>(i));
    model::QueryMatch query;
    if (parameter.name().empty()) return refuse(place("name"), "is empty");
    query.name = parameter.name();
    query.present_only = !parameter.has_string_match();
    if (parameter.has_string_match()) {
      WEFT_TRY(query.value, read(parameter.string_match(), place("string_match")));
    } else if (parameter.has_present_match() && !parameter.present_match()) {
      return not_supported(place("present_match"), "false");
    }
    match.query.push_back(std::move(query));
  }
  match.grpc_only = from.has_grpc();
  if (from.has_runtime_fraction()) {
    const Place place = at("runtime_fraction");
    WEFT_TRY(match.runtime_per_million,
             read_per_million(from.runtime_fraction().default_value(), place("default_value")));
  }
  return match;
}

// ---- actions

void write(const model::WeightedCluster& from, route_pb::WeightedCluster::ClusterWeight& to) {
  to.set_name(from.cluster);
  to.mutable_weight()->set_value(from.weight);
  write_edits(from.edits, to);
  if (!from.host_rewrite.empty()) to.set_host_rewrite_literal(from.host_rewrite);
}

void write(const HashPolicy& from, route_pb::RouteAction::HashPolicy& to) {
  switch (from.kind) {
    case HashPolicy::Kind::header:
      to.mutable_header()->set_header_name(from.name);
      break;
    case HashPolicy::Kind::cookie:
      to.mutable_cookie()->set_name(from.name);
      if (from.cookie_ttl) write(*from.cookie_ttl, *to.mutable_cookie()->mutable_ttl());
      to.mutable_cookie()->set_path(from.cookie_path);
      break;
    case HashPolicy::Kind::source_ip:
      to.mutable_connection_properties()->set_source_ip(true);
      break;
    case HashPolicy::Kind::query_parameter:
      to.mutable_query_parameter()->set_name(from.name);
      break;
  }
  to.set_terminal(from.terminal);
}

Read<HashPolicy> read(const route_pb::RouteAction::HashPolicy& from, const Place& at) {
  HashPolicy policy;
  policy.terminal = from.terminal();
  switch (from.policy_specifier_case()) {
    case route_pb::RouteAction::HashPolicy::kHeader:
      policy.kind = HashPolicy::Kind::header;
      policy.name = from.header().header_name();
      break;
    case route_pb::RouteAction::HashPolicy::kCookie:
      policy.kind = HashPolicy::Kind::cookie;
      policy.name = from.cookie().name();
      policy.cookie_path = from.cookie().path();
      if (from.cookie().has_ttl()) {
        const Place cookie = at("cookie");
        WEFT_TRY(policy.cookie_ttl, read(from.cookie().ttl(), cookie("ttl")));
      }
      break;
    case route_pb::RouteAction::HashPolicy::kConnectionProperties:
      policy.kind = HashPolicy::Kind::source_ip;
      if (!from.connection_properties().source_ip()) {
        return refuse(at("connection_properties"), "names no property; source_ip is the one there is");
      }
      break;
    case route_pb::RouteAction::HashPolicy::kQueryParameter:
      policy.kind = HashPolicy::Kind::query_parameter;
      policy.name = from.query_parameter().name();
      break;
    case route_pb::RouteAction::HashPolicy::POLICY_SPECIFIER_NOT_SET:
      return refuse(at, "says nothing to hash");
  }
  if (policy.kind != HashPolicy::Kind::source_ip && policy.name.empty()) return refuse(at, "has no name");
  return policy;
}

void write_clusters(const ForwardAction& from, route_pb::RouteAction& to) {
  if (!from.cluster_header.empty()) {
    to.set_cluster_header(from.cluster_header);
    return;
  }
  const bool plain = from.clusters.size() == 1 && from.clusters[0].weight == 1 &&
                     from.clusters[0].edits.empty() && from.clusters[0].host_rewrite.empty();
  if (plain) {
    to.set_cluster(from.clusters[0].cluster);
    return;
  }
  for (const auto& cluster : from.clusters) write(cluster, *to.mutable_weighted_clusters()->add_clusters());
}

Read<> read_clusters(const route_pb::RouteAction& from, ForwardAction& to, const Place& at) {
  switch (from.cluster_specifier_case()) {
    case route_pb::RouteAction::kCluster:
      if (from.cluster().empty()) return refuse(at("cluster"), "is empty");
      to.clusters.push_back({.cluster = from.cluster()});
      to.total_weight = 1;
      return {};
    case route_pb::RouteAction::kClusterHeader:
      if (from.cluster_header().empty()) return refuse(at("cluster_header"), "is empty");
      to.cluster_header = from.cluster_header();
      return {};
    case route_pb::RouteAction::kWeightedClusters:
      break;
    case route_pb::RouteAction::CLUSTER_SPECIFIER_NOT_SET:
      return refuse(at, "has none of cluster, cluster_header and weighted_clusters");
  }
  const Place weighted = at("weighted_clusters");
  uint64_t total = 0;
  for (int i = 0; i < from.weighted_clusters().clusters_size(); ++i) {
    const auto& part = from.weighted_clusters().clusters(i);
    const Place place = weighted("clusters", static_cast<size_t>(i));
    model::WeightedCluster cluster;
    if (part.name().empty()) return refuse(place("name"), "is empty");
    cluster.cluster = part.name();
    cluster.weight = part.weight().value();
    WEFT_TRY(cluster.edits, read_edits(part, place));
    cluster.host_rewrite = part.host_rewrite_literal();
    total += cluster.weight;
    to.clusters.push_back(std::move(cluster));
  }
  if (total == 0) return refuse(weighted, "has no weight above 0");
  if (total > 0xffffffffu) return refuse(weighted, "has weights whose sum is above 4294967295");
  to.total_weight = static_cast<uint32_t>(total);
  return {};
}

void write(const ForwardAction& from, route_pb::RouteAction& to) {
  write_clusters(from, to);
  if (from.prefix_rewrite) to.set_prefix_rewrite(*from.prefix_rewrite);
  if (from.regex_rewrite) {
    write(*from.regex_rewrite, *to.mutable_regex_rewrite()->mutable_pattern());
    to.mutable_regex_rewrite()->set_substitution(from.regex_substitution);
  }
  if (from.auto_host_rewrite) {
    to.mutable_auto_host_rewrite()->set_value(true);
  } else if (!from.host_rewrite.empty()) {
    to.set_host_rewrite_literal(from.host_rewrite);
  }
  write(from.timeout, *to.mutable_timeout());
  if (from.idle_timeout) write(*from.idle_timeout, *to.mutable_idle_timeout());
  // The deprecated field, as Istio does: an Envoy that finds max_stream_duration no longer reads `timeout`.
  if (from.max_grpc_timeout) write(*from.max_grpc_timeout, *to.mutable_max_grpc_timeout());
  if (from.max_stream_duration) {
    write(*from.max_stream_duration, *to.mutable_max_stream_duration()->mutable_max_stream_duration());
  }
  if (from.retry) write(*from.retry, *to.mutable_retry_policy());
  for (const auto& mirror : from.mirrors) {
    auto& policy = *to.add_request_mirror_policies();
    policy.set_cluster(mirror.cluster);
    write_per_million(mirror.per_million, *policy.mutable_runtime_fraction()->mutable_default_value());
  }
  for (const auto& policy : from.hash_policies) write(policy, *to.add_hash_policy());
  for (const auto& upgrade : from.upgrades) {
    auto& config = *to.add_upgrade_configs();
    config.set_upgrade_type(upgrade);
    config.mutable_enabled()->set_value(true);
  }
  switch (from.cluster_not_found_status) {
    case 404:
      to.set_cluster_not_found_response_code(route_pb::RouteAction::NOT_FOUND);
      break;
    case 500:
      to.set_cluster_not_found_response_code(route_pb::RouteAction::INTERNAL_SERVER_ERROR);
      break;
    default:
      to.set_cluster_not_found_response_code(route_pb::RouteAction::SERVICE_UNAVAILABLE);
      break;
  }
}

// A rewrite may not name a group that its pattern lacks.
Read<> check_substitution(const Regex& regex, std::string_view substitution, const Place& at) {
  for (size_t i = 0; i + 1 < substitution.size(); ++i) {
    if (substitution[i] != '\\') continue;
    const char next = substitution[++i];
    if (next == '\\') continue;
    if (next < '0' || next > '9')
      return refuse(at, concat("has \"\\", printable({&next, 1}), "\", which means nothing"));
    if (next - '0' > regex.groups()) {
      return refuse(at, concat("names group ", next - '0', ", and the pattern has ", regex.groups()));
    }
  }
  if (substitution.ends_with('\\') && !substitution.ends_with("\\\\"))
    return refuse(at, "ends with a backslash");
  return {};
}

template <typename Message, typename Action>
Read<> read_regex_rewrite(const Message& from, Action& to, const Place& at) {
  const Place rewrite = at("regex_rewrite");
  WEFT_TRY(to.regex_rewrite, read(from.regex_rewrite().pattern(), rewrite("pattern")));
  to.regex_substitution = from.regex_rewrite().substitution();
  return check_substitution(*to.regex_rewrite, to.regex_substitution, rewrite("substitution"));
}

Read<> read_timeouts(const route_pb::RouteAction& from, ForwardAction& to, const Place& at) {
  to.timeout = kDefaultTimeout;
  if (from.has_timeout()) {
    WEFT_TRY(to.timeout, read(from.timeout(), at("timeout")));
  }
  if (from.has_idle_timeout()) {
    WEFT_TRY(to.idle_timeout, read(from.idle_timeout(), at("idle_timeout")));
  }
  if (from.has_max_grpc_timeout()) {
    WEFT_TRY(to.max_grpc_timeout, read(from.max_grpc_timeout(), at("max_grpc_timeout")));
  }
  if (from.has_max_stream_duration()) {
    const Place place = at("max_stream_duration");
    const auto& duration = from.max_stream_duration();
    if (duration.max_stream_duration().seconds() != 0 || duration.max_stream_duration().nanos() != 0) {
      return not_supported(place("max_stream_duration"));
    }
    if (duration.has_grpc_timeout_header_max()) {
      WEFT_TRY(to.max_grpc_timeout,
               read(duration.grpc_timeout_header_max(), place("grpc_timeout_header_max")));
    }
  }
  return {};
}

Read<ForwardAction> read(const route_pb::RouteAction& from, const Place& at) {
  ForwardAction action;
  WEFT_CHECK_OK(read_clusters(from, action, at));
  if (!from.prefix_rewrite().empty()) action.prefix_rewrite = from.prefix_rewrite();
  if (from.has_regex_rewrite()) {
    if (action.prefix_rewrite) return refuse(at, "has both prefix_rewrite and regex_rewrite");
    WEFT_CHECK_OK(read_regex_rewrite(from, action, at));
  }
  action.host_rewrite = from.host_rewrite_literal();
  action.auto_host_rewrite = from.auto_host_rewrite().value();
  WEFT_CHECK_OK(read_timeouts(from, action, at));
  if (from.has_retry_policy()) {
    WEFT_TRY(action.retry, read(from.retry_policy(), at("retry_policy")));
  }
  for (int i = 0; i < from.request_mirror_policies_size(); ++i) {
    const auto& policy = from.request_mirror_policies(i);
    const Place place = at("request_mirror_policies", static_cast<size_t>(i));
    if (policy.cluster().empty()) return refuse(place("cluster"), "is empty");
    model::Mirror mirror{.cluster = policy.cluster(), .per_million = kMillion};
    if (policy.has_runtime_fraction()) {
      const Place fraction = place("runtime_fraction");
      WEFT_TRY(mirror.per_million,
               read_per_million(policy.runtime_fraction().default_value(), fraction("default_value")));
    }
    action.mirrors.push_back(std::move(mirror));
  }
  if (from.priority() != core_pb::DEFAULT) return not_supported(at("priority"), "HIGH");
  for (int i = 0; i < from.hash_policy_size(); ++i) {
    WEFT_TRY(auto policy, read(from.hash_policy(i), at("hash_policy", static_cast<size_t>(i))));
    action.hash_policies.push_back(std::move(policy));
  }
  for (int i = 0; i < from.upgrade_configs_size(); ++i) {
    const auto& config = from.upgrade_configs(i);
    if (config.has_enabled() && !config.enabled().value()) {
      // It would take away what the connection manager allows.
      const Place place = at("upgrade_configs", static_cast<size_t>(i));
      return not_supported(place("enabled"), "false");
    }
    action.upgrades.push_back(config.upgrade_type());
  }
  switch (from.cluster_not_found_response_code()) {
    case route_pb::RouteAction::NOT_FOUND:
      action.cluster_not_found_status = 404;
      break;
    case route_pb::RouteAction::INTERNAL_SERVER_ERROR:
      action.cluster_not_found_status = 500;
      break;
    case route_pb::RouteAction::SERVICE_UNAVAILABLE:
      action.cluster_not_found_status = 503;
      break;
    default:
      return not_supported(at("cluster_not_found_response_code"));
  }
  return action;
}

void write(const model::RedirectAction& from, route_pb::RedirectAction& to) {
  if (from.https) {
    to.set_https_redirect(true);
  } else if (!from.scheme.empty()) {
    to.set_scheme_redirect(from.scheme);
  }
  to.set_host_redirect(from.host);
  to.set_port_redirect(from.port);
  if (from.path) {
    to.set_path_redirect(*from.path);
  } else if (from.prefix_rewrite) {
    to.set_prefix_rewrite(*from.prefix_rewrite);
  } else if (from.regex_rewrite) {
    write(*from.regex_rewrite, *to.mutable_regex_rewrite()->mutable_pattern());
    to.mutable_regex_rewrite()->set_substitution(from.regex_substitution);
  }
  switch (from.status) {
    case 302:
      to.set_response_code(route_pb::RedirectAction::FOUND);
      break;
    case 303:
      to.set_response_code(route_pb::RedirectAction::SEE_OTHER);
      break;
    case 307:
      to.set_response_code(route_pb::RedirectAction::TEMPORARY_REDIRECT);
      break;
    case 308:
      to.set_response_code(route_pb::RedirectAction::PERMANENT_REDIRECT);
      break;
    default:
      to.set_response_code(route_pb::RedirectAction::MOVED_PERMANENTLY);
      break;
  }
  to.set_strip_query(from.strip_query);
}

Read<model::RedirectAction> read(const route_pb::RedirectAction& from, const Place& at) {
  model::RedirectAction action;
  action.https = from.https_redirect();
  action.scheme = from.scheme_redirect();
  action.host = from.host_redirect();
  WEFT_TRY(action.port, read_port(from.port_redirect(), at("port_redirect")));
  switch (from.path_rewrite_specifier_case()) {
    case route_pb::RedirectAction::kPathRedirect:
      action.path = from.path_redirect();
      break;
    case route_pb::RedirectAction::kPrefixRewrite:
      action.prefix_rewrite = from.prefix_rewrite();
      break;
    case route_pb::RedirectAction::kRegexRewrite:
      WEFT_CHECK_OK(read_regex_rewrite(from, action, at));
      break;
    case route_pb::RedirectAction::PATH_REWRITE_SPECIFIER_NOT_SET:
      break;
  }
  switch (from.response_code()) {
    case route_pb::RedirectAction::MOVED_PERMANENTLY:
      action.status = 301;
      break;
    case route_pb::RedirectAction::FOUND:
      action.status = 302;
      break;
    case route_pb::RedirectAction::SEE_OTHER:
      action.status = 303;
      break;
    case route_pb::RedirectAction::TEMPORARY_REDIRECT:
      action.status = 307;
      break;
    case route_pb::RedirectAction::PERMANENT_REDIRECT:
      action.status = 308;
      break;
    default:
      return not_supported(at("response_code"));
  }
  action.strip_query = from.strip_query();
  return action;
}

Read<model::DirectResponse> read(const route_pb::DirectResponseAction& from, const Place& at) {
  if (from.status() < 200 || from.status() > 599) {
    return refuse(at("status"), concat("is ", from.status(), "; a status is 200 to 599"));
  }
  model::DirectResponse response;
  response.status = static_cast<int>(from.status());
  switch (from.body().specifier_case()) {
    case core_pb::DataSource::kInlineString:
      response.body = from.body().inline_string();
      break;
    case core_pb::DataSource::kInlineBytes:
      response.body = from.body().inline_bytes();
      break;
    case core_pb::DataSource::kFilename: {
      const Place body = at("body");
      return not_supported(body("filename"));
    }
    case core_pb::DataSource::SPECIFIER_NOT_SET:
      break;
  }
  return response;
}

// ---- faults

void write_fault(const model::Route& from, route_pb::Route& to) {
  if (!from.fault_delay && !from.fault_abort) return;
  fault_pb::HTTPFault fault;
  if (from.fault_delay) {
    write(from.fault_delay->delay, *fault.mutable_delay()->mutable_fixed_delay());
    write_per_million(from.fault_delay->per_million, *fault.mutable_delay()->mutable_percentage());
  }
  if (from.fault_abort) {
    if (from.fault_abort->grpc_status >= 0) {
      fault.mutable_abort()->set_grpc_status(static_cast<uint32_t>(from.fault_abort->grpc_status));
    } else {
      fault.mutable_abort()->set_http_status(static_cast<uint32_t>(from.fault_abort->http_status));
    }
    write_per_million(from.fault_abort->per_million, *fault.mutable_abort()->mutable_percentage());
  }
  pack(fault, (*to.mutable_typed_per_filter_config())[kFaultFilter]);
}

Read<> read_fault(const fault_pb::HTTPFault& from, model::Route& to, const Place& at) {
  if (from.has_delay()) {
    const Place delay = at("delay");
    model::FaultDelay fault;
    WEFT_TRY(fault.delay, read(from.delay().fixed_delay(), delay("fixed_delay")));
    WEFT_TRY(fault.per_million, read_per_million(from.delay().percentage(), delay("percentage")));
    to.fault_delay = fault;
  }
  if (from.has_abort()) {
    const Place abort = at("abort");
    model::FaultAbort fault;
    if (from.abort().error_type_case() == fault_pb::FaultAbort::kHttpStatus) {
      if (from.abort().http_status() < 200 || from.abort().http_status() > 599) {
        return refuse(abort("http_status"),
                      concat("is ", from.abort().http_status(), "; a status is 200 to 599"));
      }
      fault.http_status = static_cast<int>(from.abort().http_status());
    } else if (from.abort().error_type_case() == fault_pb::FaultAbort::kGrpcStatus) {
      if (from.abort().grpc_status() > 16) return refuse(abort("grpc_status"), "is above 16");
      fault.grpc_status = static_cast<int>(from.abort().grpc_status());
    } else {
      return refuse(abort, "has neither http_status nor grpc_status");
    }
    WEFT_TRY(fault.per_million, read_per_million(from.abort().percentage(), abort("percentage")));
    to.fault_abort = fault;
  }
  return {};
}

Read<> read_filter_configs(const route_pb::Route& from, model::Route& to, const Place& at) {
  for (const auto& [filter, any] : from.typed_per_filter_config()) {
    const Place place = at("typed_per_filter_config", filter);
    if (filter != kFaultFilter || !holds<fault_pb::HTTPFault>(any)) return not_supported(place);
    WEFT_TRY(const auto fault, unpack<fault_pb::HTTPFault>(any, place));
    WEFT_CHECK_OK(read_fault(fault, to, place));
  }
  return {};
}

// ---- routes and hosts

bool holds_default_retry(const core_pb::Metadata& metadata) {
  const Value weft = metadata_of(metadata, kWeft);
  const Value* flag = weft.find("default_retry");
  return flag != nullptr && *flag == Value(true);
}

void write(const model::Route& from, route_pb::Route& to) {
  to.set_name(from.name);
  write(from.match, *to.mutable_match());
  if (const auto* forward = std::get_if<ForwardAction>(&from.action)) {
    write(*forward, *to.mutable_route());
    if (forward->retry && forward->retry->is_default) {
      set_metadata(*to.mutable_metadata(), kWeft, "default_retry", true);
    }
  } else if (const auto* redirect = std::get_if<model::RedirectAction>(&from.action)) {
    write(*redirect, *to.mutable_redirect());
  } else if (const auto* direct = std::get_if<model::DirectResponse>(&from.action)) {
    to.mutable_direct_response()->set_status(static_cast<uint32_t>(direct->status));
    if (!direct->body.empty()) to.mutable_direct_response()->mutable_body()->set_inline_string(direct->body);
  } else {
    to.mutable_non_forwarding_action();
  }
  write_edits(from.edits, to);
  write_fault(from, to);
  if (!from.origin.empty()) set_metadata(*to.mutable_metadata(), kWeft, "origin", from.origin);
  if (!from.config_path.empty()) set_metadata(*to.mutable_metadata(), kIstio, "config", from.config_path);
}

Read<model::Route> read(const route_pb::Route& from, const Place& at) {
  model::Route route;
  route.name = from.name();
  WEFT_TRY(route.match, read(from.match(), at("match")));
  switch (from.action_case()) {
    case route_pb::Route::kRoute: {
      WEFT_TRY(auto action, read(from.route(), at("route")));
      if (action.retry) action.retry->is_default = holds_default_retry(from.metadata());
      route.action = std::move(action);
      break;
    }
    case route_pb::Route::kRedirect: {
      WEFT_TRY(auto action, read(from.redirect(), at("redirect")));
      route.action = std::move(action);
      break;
    }
    case route_pb::Route::kDirectResponse: {
      WEFT_TRY(auto action, read(from.direct_response(), at("direct_response")));
      route.action = std::move(action);
      break;
    }
    case route_pb::Route::kNonForwardingAction:
      route.action = model::NonForwarding();
      break;
    case route_pb::Route::ACTION_NOT_SET:
      return refuse(at, "has none of route, redirect, direct_response and non_forwarding_action");
  }
  WEFT_TRY(route.edits, read_edits(from, at));
  WEFT_CHECK_OK(read_filter_configs(from, route, at));
  route.origin = metadata_of(from.metadata(), kWeft).text("origin");
  route.config_path = metadata_of(from.metadata(), kIstio).text("config");
  return route;
}

void write(const model::VirtualHost& from, route_pb::VirtualHost& to) {
  to.set_name(from.name);
  for (const auto& domain : from.domains) to.add_domains(domain);
  for (const auto& route : from.routes) write(route, *to.add_routes());
  write_edits(from.edits, to);
  if (from.require_tls) to.set_require_tls(route_pb::VirtualHost::ALL);
  to.set_include_request_attempt_count(from.include_attempt_count);
  if (!from.retry) return;
  write(*from.retry, *to.mutable_retry_policy());
  if (from.retry->is_default) set_metadata(*to.mutable_metadata(), kWeft, "default_retry", true);
}

Read<model::VirtualHost> read(const route_pb::VirtualHost& from, const Place& at) {
  model::VirtualHost host;
  if (from.name().empty()) return refuse(at("name"), "is empty");
  host.name = from.name();
  if (from.domains().empty()) return refuse(at("domains"), "is empty; \"*\" is every host");
  host.domains.assign(from.domains().begin(), from.domains().end());
  host.routes.reserve(static_cast<size_t>(from.routes_size()));
  for (int i = 0; i < from.routes_size(); ++i) {
    WEFT_TRY(auto route, read(from.routes(i), at("routes", static_cast<size_t>(i))));
    host.routes.push_back(std::move(route));
  }
  WEFT_TRY(host.edits, read_edits(from, at));
  if (from.require_tls() != route_pb::VirtualHost::NONE && from.require_tls() != route_pb::VirtualHost::ALL) {
    return not_supported(at("require_tls"), "EXTERNAL_ONLY");
  }
  host.require_tls = from.require_tls() == route_pb::VirtualHost::ALL;
  host.include_attempt_count = from.include_request_attempt_count();
  if (from.has_retry_policy()) {
    WEFT_TRY(host.retry, read(from.retry_policy(), at("retry_policy")));
    host.retry->is_default = holds_default_retry(from.metadata());
  }
  return host;
}

size_t longest_body(const model::RouteConfig& config) {
  size_t longest = 0;
  for (const auto& host : config.virtual_hosts) {
    for (const auto& route : host.routes) {
      const auto* direct = std::get_if<model::DirectResponse>(&route.action);
      if (direct != nullptr) longest = std::max(longest, direct->body.size());
    }
  }
  return longest;
}

}  // namespace

route_pb::RouteConfiguration to_message(const model::RouteConfig& from) {
  route_pb::RouteConfiguration to;
  to.set_name(from.name);
  for (const auto& host : from.virtual_hosts) write(host, *to.add_virtual_hosts());
  write_edits(from.edits, to);
  to.set_ignore_port_in_host_matching(from.ignore_port_in_host);
  // Clusters may come after the routes that name them.
  to.mutable_validate_clusters()->set_value(false);
  if (const size_t longest = longest_body(from); longest > kEnvoyBodyLimit) {
    to.mutable_max_direct_response_body_size_bytes()->set_value(static_cast<uint32_t>(longest));
  }
  return to;
}

namespace {

// Exact, "*.suffix", "prefix.*" or "*"; and no host may belong to two.
Read<> check_domains(const model::RouteConfig& config, const Place& at) {
  std::set<std::string> seen;
  for (size_t i = 0; i < config.virtual_hosts.size(); ++i) {
    const auto& domains = config.virtual_hosts[i].domains;
    for (size_t j = 0; j < domains.size(); ++j) {
      const Place host = at("virtual_hosts", i);
      const Place place = host("domains", j);
      const size_t star = domains[j].find('*');
      const bool star_is_at_an_end = star == 0 || star + 1 == domains[j].size();
      if (domains[j].empty()) return refuse(place, "is empty");
      if (star != std::string::npos &&
          (!star_is_at_an_end || domains[j].find('*', star + 1) != std::string::npos)) {
        return refuse(place, concat("is \"", printable(domains[j]),
                                    "\"; a wildcard stands at the beginning or the end"));
      }
      if (!seen.insert(to_lower(domains[j])).second) {
        return refuse(place, concat("is \"", printable(domains[j]), "\", and so is another's"));
      }
    }
  }
  return {};
}

}  // namespace

Read<std::shared_ptr<const model::RouteConfig>> from_message(const route_pb::RouteConfiguration& from,
                                                             const Place& at) {
  auto config = std::make_shared<model::RouteConfig>();
  config->name = from.name();
  config->virtual_hosts.reserve(static_cast<size_t>(from.virtual_hosts_size()));
  for (int i = 0; i < from.virtual_hosts_size(); ++i) {
    WEFT_TRY(auto host, read(from.virtual_hosts(i), at("virtual_hosts", static_cast<size_t>(i))));
    config->virtual_hosts.push_back(std::move(host));
  }
  WEFT_CHECK_OK(check_domains(*config, at));
  WEFT_TRY(config->edits, read_edits(from, at));
  config->ignore_port_in_host = from.ignore_port_in_host_matching();
  return config;
}

}  // namespace weft::wire
