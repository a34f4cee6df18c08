#include "objects/load.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/strings.h"
#include "objects/support.h"

namespace weft::objects {
namespace {

std::string golden(std::string_view name) {
  std::ifstream in(concat(WEFT_SOURCE_DIR, "/test/golden/objects/", name));
  std::ostringstream out;
  out << in.rdbuf();
  EXPECT_FALSE(out.str().empty()) << name;
  return out.str();
}

std::string all_of(const Loaded& loaded) {
  std::string out;
  for (const Complaint& complaint : loaded.complaints) out += complaint.to_string() + "\n";
  return out;
}

// The first object of the kind; the test ends where there is none.
template <typename Kind>
const Kind& first(const Loaded& loaded) {
  for (const Object& object : loaded.objects) {
    if (const Kind* kind = get_if<Kind>(object)) return *kind;
  }
  ADD_FAILURE() << "not read:\n" << all_of(loaded);
  static const Kind kNothing{};
  return kNothing;
}

template <typename Kind>
Kind read_spec(std::string_view api_version, std::string_view kind, std::string_view spec) {
  const Loaded loaded = load_text(
      concat("apiVersion: ", api_version, "\nkind: ", kind, "\nmetadata: {name: x}\nspec: ", spec, "\n"),
      "t.yaml");
  EXPECT_TRUE(loaded.complaints.empty()) << all_of(loaded);
  return first<Kind>(loaded);
}

class Canary : public ::testing::Test {
 protected:
  Loaded loaded_ = load_text(golden("canary.yaml"), "canary.yaml");
};

TEST_F(Canary, reads_metadata) {
  const auto& meta = first<AuthorizationPolicy>(loaded_).meta;
  EXPECT_EQ(meta.api_version, "security.istio.io/v1beta1");
  EXPECT_EQ(meta.name, "reviews");
  EXPECT_EQ(meta.namespace_name, "shop");
  EXPECT_EQ(meta.annotations.at("istio.io/dry-run"), "true");
  EXPECT_EQ(meta.file, "canary.yaml");
  EXPECT_GT(meta.line, 100);
  EXPECT_EQ(first<Namespace>(loaded_).meta.namespace_name, "");
  EXPECT_EQ(first<Namespace>(loaded_).meta.order, 0);
  EXPECT_EQ(first<Service>(loaded_).meta.order, 2);
}

TEST_F(Canary, reads_service_and_pods) {
  const auto& service = first<Service>(loaded_);
  ASSERT_EQ(service.ports.size(), 2u);
  EXPECT_EQ(service.ports[0].target.name, "web");
  EXPECT_EQ(service.ports[0].app_protocol, "http");
  EXPECT_EQ(service.ports[1].target.number, 9091);
  EXPECT_FALSE(service.headless);

  const auto& deployment = first<Deployment>(loaded_);
  EXPECT_EQ(deployment.replicas, 2);
  EXPECT_EQ(deployment.pod_labels.at("version"), "v1");
  EXPECT_EQ(deployment.pod_annotations.at("sidecar.istio.io/inject"), "true");
  EXPECT_EQ(deployment.pod.service_account_name, "reviews");
  const Container& app = deployment.pod.containers.at(0);
  EXPECT_EQ(app.args, (std::vector<std::string>{"--http", "9080"}));
  EXPECT_EQ(app.env.at(1).source, EnvVar::Source::field);
  EXPECT_EQ(app.env.at(1).field_path, "metadata.name");
  ASSERT_TRUE(app.readiness);
  EXPECT_EQ(app.readiness->path, "/ready");
  EXPECT_EQ(app.readiness->period, 2s);
  EXPECT_EQ(resolve_port(deployment.pod, app.readiness->port), 9080);
  EXPECT_EQ(resolve_port(deployment.pod, {.name = "nothing"}), 0);

  std::vector<std::string> ignored;
  for (const IgnoredField& field : deployment.pod.ignored) ignored.push_back(field.path);
  EXPECT_EQ(ignored, (std::vector<std::string>{"spec.template.spec.containers[0].resources",
                                               "spec.template.spec.containers[0].volumeMounts",
                                               "spec.template.spec.volumes"}));

  const auto& pod = first<Pod>(loaded_);
  EXPECT_EQ(pod.spec.termination_grace_period, 5s);
  EXPECT_EQ(pod.spec.restart_policy, PodSpec::RestartPolicy::never);
  EXPECT_EQ(pod.spec.containers.at(0).env_from.at(0).config_map, "settings");
  EXPECT_EQ(pod.spec.containers.at(0).env_from.at(0).prefix, "S_");
}

TEST_F(Canary, reads_secrets_decoded) {
  const auto& secret = first<Secret>(loaded_);
  EXPECT_EQ(secret.data.at("tls.crt"), "CERT");
  EXPECT_EQ(secret.data.at("tls.key"), "KEY");
  EXPECT_EQ(first<ConfigMap>(loaded_).data.at("colour"), "blue");
}

TEST_F(Canary, reads_routes) {
  const auto& service = first<VirtualService>(loaded_);
  EXPECT_EQ(service.hosts.size(), 2u);
  ASSERT_EQ(service.http.size(), 6u);

  const HttpRoute& admin = service.http[0];
  ASSERT_EQ(admin.match.size(), 2u);
  EXPECT_EQ(admin.match[0].uri->kind, StringMatch::Kind::prefix);
  EXPECT_EQ(admin.match[0].uri->text, "/admin");
  EXPECT_EQ(admin.match[0].headers.at(0).second.kind, StringMatch::Kind::regex);
  EXPECT_EQ(admin.match[0].headers.at(1).second.kind, StringMatch::Kind::present);
  EXPECT_EQ(admin.match[0].without_headers.at(0).first, "x-debug");
  EXPECT_EQ(admin.match[0].query_params.at(0).second.text, "1");
  EXPECT_EQ(admin.match[0].port, 9080);
  EXPECT_TRUE(admin.match[0].ignore_uri_case);
  EXPECT_EQ(admin.match[0].source_labels.at("app"), "web");
  EXPECT_EQ(admin.route.at(0).destination.port, 9080);
  EXPECT_EQ(admin.route.at(0).headers.request.set.at(0).first, "x-version");
  EXPECT_EQ(admin.route.at(0).headers.request.remove.at(0), "x-old");
  EXPECT_GT(admin.match[1].line, admin.match[0].line);

  EXPECT_EQ(service.http[1].rewrite->uri_regex->rewrite, "/\\2/\\1");
  EXPECT_EQ(service.http[2].redirect->code, 308);
  EXPECT_EQ(service.http[3].direct_response->status, 418);
  EXPECT_EQ(service.http[3].direct_response->body, "short and stout");
  EXPECT_EQ(service.http[4].fault->delay->fixed, 1s);
  EXPECT_EQ(service.http[4].fault->delay->percent, 50);
  EXPECT_EQ(service.http[4].fault->abort->percent, 0.5);

  const HttpRoute& split = service.http[5];
  EXPECT_EQ(split.timeout, 10s);
  EXPECT_EQ(split.retries->attempts, 3);
  EXPECT_EQ(split.retries->per_try_timeout, 2s);
  EXPECT_EQ(split.retries->retry_on, "5xx,reset,503");
  EXPECT_EQ(split.route.at(1).weight, 10);
  EXPECT_EQ(split.route.at(1).destination.subset, "v2");
}

TEST_F(Canary, reads_traffic_policy) {
  const auto& rule = first<DestinationRule>(loaded_);
  const TrafficPolicy& policy = *rule.traffic_policy;
  EXPECT_EQ(policy.load_balancer->simple, LoadBalancer::Simple::round_robin);
  EXPECT_EQ(policy.connection_pool->max_connections, 100u);
  EXPECT_EQ(policy.connection_pool->connect_timeout, 250ms);
  EXPECT_EQ(policy.connection_pool->tcp_idle_timeout, 1h);
  EXPECT_EQ(policy.connection_pool->http_idle_timeout, 60s);
  EXPECT_EQ(policy.connection_pool->max_connection_duration, 90min);
  EXPECT_EQ(policy.connection_pool->tcp_keepalive->probes, 3u);
  EXPECT_EQ(policy.connection_pool->http1_max_pending_requests, 100u);
  EXPECT_EQ(policy.connection_pool->max_requests_per_connection, 2u);
  EXPECT_EQ(policy.connection_pool->h2_upgrade, ConnectionPool::H2Upgrade::upgrade);
  EXPECT_EQ(policy.outlier_detection->consecutive_5xx_errors, 5u);
  EXPECT_EQ(policy.outlier_detection->max_ejection_percent, 50u);
  EXPECT_TRUE(policy.outlier_detection->split_external_local_origin_errors);
  EXPECT_EQ(policy.tls->mode, ClientTls::Mode::istio_mutual);
  EXPECT_EQ(policy.port_level.at(0).port, 9090);
  EXPECT_EQ(policy.port_level.at(0).load_balancer->consistent_hash->name, "x-user");
  EXPECT_EQ(policy.port_level.at(0).load_balancer->consistent_hash->algorithm,
            LoadBalancer::ConsistentHash::Algorithm::maglev);
  ASSERT_EQ(rule.subsets.size(), 2u);
  EXPECT_EQ(rule.subsets[0].labels.at("version"), "v1");
  const auto& hash = *rule.subsets[1].traffic_policy->load_balancer->consistent_hash;
  EXPECT_EQ(hash.key, LoadBalancer::ConsistentHash::Key::cookie);
  EXPECT_EQ(hash.cookie.ttl, 0s);
  EXPECT_EQ(hash.minimum_ring_size, 2048u);
}

TEST_F(Canary, reads_gateway_and_entry) {
  const auto& gateway = first<Gateway>(loaded_);
  ASSERT_EQ(gateway.servers.size(), 3u);
  EXPECT_TRUE(gateway.servers[0].tls->https_redirect);
  EXPECT_EQ(gateway.servers[1].protocol, GatewayProtocol::https);
  EXPECT_EQ(gateway.servers[1].tls->mode, ServerTls::Mode::mutual);
  EXPECT_EQ(gateway.servers[1].tls->min_version, ServerTls::Version::tls1_2);
  EXPECT_EQ(gateway.servers[1].hosts.at(0), "shop/shop.example.com");
  const auto& entry = first<ServiceEntry>(loaded_);
  EXPECT_EQ(entry.resolution, ServiceEntry::Resolution::static_addresses);
  EXPECT_EQ(entry.ports.at(1).target_port, 8080);
  EXPECT_EQ(entry.endpoints.at(0).ports.at("http"), 8081);
  EXPECT_EQ(entry.endpoints.at(0).weight, 3u);
}

TEST_F(Canary, reads_security) {
  const auto& peer = first<PeerAuthentication>(loaded_);
  EXPECT_EQ(peer.mode, PeerAuthentication::Mode::strict);
  EXPECT_EQ(peer.port_level.at(9090), PeerAuthentication::Mode::permissive);
  EXPECT_EQ(peer.selector->match_labels.at("app"), "reviews");
  const auto& policy = first<AuthorizationPolicy>(loaded_);
  EXPECT_TRUE(policy.dry_run());
  ASSERT_EQ(policy.rules.size(), 2u);
  EXPECT_EQ(policy.rules[0].from.size(), 3u);
  EXPECT_EQ(policy.rules[0].from[0].principals.at(0), "cluster.local/ns/shop/sa/web");
  EXPECT_EQ(policy.rules[0].to.at(0).ports.at(0), "9080");
  EXPECT_EQ(policy.rules[0].when.at(1).not_values.at(0), "10.1.0.0/16");
  EXPECT_TRUE(policy.rules[1].from.empty() && policy.rules[1].to.empty() && policy.rules[1].when.empty());
}

TEST(Load, every_version_of_a_kind_is_read_alike) {
  for (const std::string_view version : {"v1", "v1beta1", "v1alpha3"}) {
    const std::string api = concat("networking.istio.io/", version);
    EXPECT_EQ(read_spec<DestinationRule>(api, "DestinationRule", "{host: a}").host, "a");
    EXPECT_EQ(read_spec<VirtualService>(api, "VirtualService",
                                        "{hosts: [a], http: [{route: [{destination: {host: a}}]}]}")
                  .hosts.size(),
              1u);
    EXPECT_EQ(read_spec<Gateway>(api, "Gateway",
                                 "{servers: [{port: {number: 80, name: a, protocol: http}, hosts: ['*']}]}")
                  .servers[0]
                  .protocol,
              GatewayProtocol::http);
    EXPECT_EQ(read_spec<ServiceEntry>(api, "ServiceEntry", "{hosts: [a.b]}").hosts.size(), 1u);
  }
  for (const std::string_view version : {"v1", "v1beta1"}) {
    const std::string api = concat("security.istio.io/", version);
    read_spec<PeerAuthentication>(api, "PeerAuthentication", "{mtls: {mode: STRICT}}");
    read_spec<AuthorizationPolicy>(api, "AuthorizationPolicy", "{}");
  }
}

TEST(Load, absent_fields_have_their_defaults) {
  const auto rule = read_spec<VirtualService>("networking.istio.io/v1", "VirtualService",
                                              "{hosts: [a], http: [{route: [{destination: {host: a}}]}]}");
  EXPECT_EQ(rule.meta.namespace_name, "default");
  EXPECT_TRUE(rule.gateways.empty());
  EXPECT_FALSE(rule.http[0].timeout);
  EXPECT_FALSE(rule.http[0].retries);
  const auto peer = read_spec<PeerAuthentication>("security.istio.io/v1", "PeerAuthentication", "{}");
  EXPECT_EQ(peer.mode, PeerAuthentication::Mode::unset);
  const auto policy = read_spec<AuthorizationPolicy>("security.istio.io/v1", "AuthorizationPolicy", "{}");
  EXPECT_EQ(policy.action, AuthorizationPolicy::Action::allow);
  const auto pod = read_spec<Pod>("v1", "Pod", "{containers: [{name: c}]}");
  EXPECT_EQ(pod.spec.service_account_name, "default");
  EXPECT_EQ(pod.spec.termination_grace_period, 30s);
}

TEST(Load, a_limit_of_zero_is_not_written) {
  const auto rule = read_spec<DestinationRule>(
      "networking.istio.io/v1", "DestinationRule",
      "{host: a, trafficPolicy: {connectionPool: {tcp: {maxConnections: 0}, http: {maxRetries: 0}}, "
      "outlierDetection: {consecutive5xxErrors: 0, maxEjectionPercent: 0}}}");
  EXPECT_FALSE(rule.traffic_policy->connection_pool->max_connections);
  EXPECT_FALSE(rule.traffic_policy->connection_pool->max_retries);
  EXPECT_FALSE(rule.traffic_policy->outlier_detection->max_ejection_percent);
  EXPECT_EQ(rule.traffic_policy->outlier_detection->consecutive_5xx_errors, 0u);  // off, and not 5
}

TEST(Load, mirrors_are_read_in_both_forms) {
  const auto rule = read_spec<VirtualService>(
      "networking.istio.io/v1", "VirtualService",
      "{hosts: [a], http: [{match: [{uri: {prefix: /a}}], route: [{destination: {host: a}}], mirror: {host: "
      "b, "
      "subset: v2}, mirrorPercentage: {value: 12.5}}, {match: [{uri: {prefix: /b}}], route: [{destination: "
      "{host: "
      "a}}], mirrors: [{destination: {host: c}}, {destination: {host: d}, percentage: {value: 1}}]}, {route: "
      "[{destination: {host: a}}], mirror: {host: b}}]}");
  ASSERT_EQ(rule.http[0].mirrors.size(), 1u);
  EXPECT_EQ(rule.http[0].mirrors[0].destination.subset, "v2");
  EXPECT_EQ(rule.http[0].mirrors[0].percent, 12.5);
  ASSERT_EQ(rule.http[1].mirrors.size(), 2u);
  EXPECT_EQ(rule.http[1].mirrors[0].percent, 100);  // where none is written
  EXPECT_EQ(rule.http[1].mirrors[1].percent, 1);
  EXPECT_EQ(rule.http[2].mirrors[0].percent, 100);
}

TEST(Load, a_mirror_without_effect_is_warned_about) {
  const auto warnings = [](std::string_view route) {
    const Loaded loaded = load_text(concat("apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
                                           "metadata: {name: x}\nspec: {hosts: [a], http: [{",
                                           route, "}]}\n"),
                                    "t.yaml");
    EXPECT_EQ(loaded.objects.size(), 1u) << all_of(loaded);
    return loaded.complaints.size() == 1
               ? concat(loaded.complaints[0].field, ": ", loaded.complaints[0].cause)
               : all_of(loaded);
  };
  EXPECT_EQ(warnings("route: [{destination: {host: a}}], mirrorPercentage: {value: 5}"),
            "spec.http[0].mirrorPercentage: has no effect without mirror");
  EXPECT_EQ(warnings("redirect: {uri: /b}, mirror: {host: b}"),
            "spec.http[0].mirror: copies nothing: only requests of a route are copied");
}

TEST(Load, headless_is_a_service_without_address) {
  const auto service = read_spec<Service>("v1", "Service", "{clusterIP: None, selector: {app: a}}");
  EXPECT_TRUE(service.headless);
  EXPECT_TRUE(service.cluster_ip.empty());
  const auto fixed = read_spec<Service>("v1", "Service", "{clusterIP: 10.0.0.9, ports: [{port: 80}]}");
  EXPECT_FALSE(fixed.headless);
  EXPECT_EQ(fixed.cluster_ips, (std::vector<std::string>{"10.0.0.9"}));
}

TEST(Load, an_object_with_an_error_is_left_out_and_the_others_stay) {
  const Loaded loaded = load_text(golden("documents.yaml"), "documents.yaml");
  std::vector<std::string> read;
  for (const Object& object : loaded.objects) read.push_back(key_of(object).to_string());
  EXPECT_EQ(read, (std::vector<std::string>{"Service default/a", "Service other/a",
                                            "ConfigMap default/in-list", "ConfigMap default/last"}));
}

TEST(Load, a_warning_leaves_its_object_in) {
  const Loaded loaded = load_text(
      "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: x}\n"
      "spec: {host: a, trafficPolicy: {outlierDetection: {minRequestVolume: 5, intervall: 1s}}}\n",
      "t.yaml");
  EXPECT_EQ(loaded.objects.size(), 1u);
  ASSERT_EQ(loaded.complaints.size(), 2u);
  EXPECT_FALSE(loaded.complaints[0].is_error());
  EXPECT_EQ(loaded.complaints[0].field, "spec.trafficPolicy.outlierDetection.minRequestVolume");
  EXPECT_EQ(loaded.complaints[1].next_step, "did you mean 'interval'?");
}

TEST(Load, names_both_places_of_an_object_defined_twice) {
  const std::string one = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";
  const Loaded merged = merge({load_text(one, "a.yaml"), load_text("\n" + one, "b.yaml")});
  EXPECT_EQ(merged.objects.size(), 1u);
  EXPECT_EQ(all_of(merged),
            "b.yaml:2: error: ConfigMap default/x: metadata.name: is already defined at a.yaml:1; rename or "
            "remove one "
            "of the two\n");
}

TEST(Load, bounds_how_much_is_complained_about) {
  std::string text = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec:\n  containers: [{name: a}]\n";
  for (int i = 0; i < 3000; ++i) text += concat("  unknown", i, ": 1\n");
  text += "  hostNetwork: 5\n";
  const Loaded loaded = load_text(text, "t.yaml");
  EXPECT_EQ(loaded.complaints.size(), 1001u);
  EXPECT_EQ(loaded.complaints.back().to_string(),
            "t.yaml: error: 2001 more complaints are not shown; mend these first");
}

TEST(Load, a_long_list_of_hosts_is_refused_quickly) {
  std::string hosts;
  for (int i = 0; i < 100'000; ++i) hosts += concat("h", i, ",");
  const Loaded loaded = load_text(
      concat("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: x}\nspec: {hosts: [",
             hosts, "], http: [{route: [{destination: {host: a}}]}]}\n"),
      "t.yaml");
  ASSERT_EQ(loaded.complaints.size(), 1u);
  EXPECT_EQ(loaded.complaints[0].cause, "has 100000 items, where at most 1000 are possible");
}

TEST(Load, keeps_secret_values_out_of_complaints) {
  const Loaded loaded = load_text(
      "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {pin: 4711}\ndata: {key: 'hush!'}\n",
      "t.yaml");
  EXPECT_EQ(loaded.complaints.size(), 2u);
  EXPECT_EQ(all_of(loaded).find("4711"), std::string::npos);
  EXPECT_EQ(all_of(loaded).find("hush"), std::string::npos);
}

TEST(Load, the_oldest_wins_then_the_name_then_the_namespace) {
  ObjectMeta a{.name = "a", .namespace_name = "z"};
  ObjectMeta b{.name = "b", .namespace_name = "a"};
  EXPECT_TRUE(older(a, b));
  EXPECT_FALSE(older(b, a));
  a.created = WallTime(5s);
  EXPECT_TRUE(older(b, a));  // an object of a file has no time of creation
  b.created = WallTime(6s);
  EXPECT_TRUE(older(a, b));
  b.created = a.created;
  b.name = a.name;
  EXPECT_TRUE(older(b, a)) << "of one age and name the first by namespace";
}

TEST(Load, a_selector_needs_every_label) {
  EXPECT_TRUE(selects({}, {{"a", "1"}}));
  EXPECT_TRUE(selects({{"a", "1"}}, {{"a", "1"}, {"b", "2"}}));
  EXPECT_FALSE(selects({{"a", "1"}, {"c", "3"}}, {{"a", "1"}, {"b", "2"}}));
  EXPECT_FALSE(selects({{"a", "2"}}, {{"a", "1"}}));
}

// The contract with the APIs: no field of theirs is unknown here.
TEST(Contract, every_field_of_the_apis_is_known) {
  for (const std::string_view name : {"virtual_service", "destination_rule", "gateway", "service_entry",
                                      "peer_authentication", "authorization_policy", "kubernetes"}) {
    for (const Complaint& complaint :
         load_text(golden(concat("every_field/", name, ".yaml")), name).complaints) {
      EXPECT_EQ(complaint.cause.find("no such field"), std::string::npos) << complaint.to_string();
    }
  }
}

std::string without_indices(std::string_view field) {
  std::string out;
  bool inside = false;
  for (const char c : field) {
    inside = c == '[' || (inside && c != ']');
    if (!inside && c != ']') out += c;
  }
  return out;
}

// Every line of the support table refuses something: a misspelt path would let a field through.
TEST(Contract, every_unsupported_field_is_refused_by_name) {
  std::vector<std::string> refused;
  for (const std::string_view name :
       {"every_field/virtual_service.yaml", "every_field/destination_rule.yaml", "every_field/gateway.yaml",
        "every_field/service_entry.yaml", "every_field/peer_authentication.yaml",
        "every_field/authorization_policy.yaml", "virtual_service.yaml", "destination_rule.yaml",
        "gateway.yaml", "service_entry.yaml", "security.yaml", "unsupported_values.yaml"}) {
    for (const Complaint& complaint : load_text(golden(name), name).complaints) {
      if (complaint.cause.find("not supported yet by Weft") == std::string::npos) continue;
      const std::string kind = complaint.subject.substr(0, complaint.subject.find(' '));
      refused.push_back(concat(kind, ' ', without_indices(complaint.field), ' ', complaint.cause));
    }
  }
  for (const Unsupported& entry : unsupported_fields()) {
    std::string_view path = entry.path;
    if (path.starts_with("*.")) path.remove_prefix(1);
    std::string_view value = entry.value;
    if (value.ends_with('*')) value.remove_suffix(1);
    const bool is_key = value.starts_with('@');
    const bool found = std::any_of(refused.begin(), refused.end(), [&](const std::string& one) {
      return one.starts_with(concat(entry.kind, " ")) && one.find(concat(path, " ")) != std::string::npos &&
             (is_key || one.find(value) != std::string::npos);
    });
    EXPECT_TRUE(found) << entry.kind << " " << entry.path << " " << entry.value;
  }
}

}  // namespace
}  // namespace weft::objects
