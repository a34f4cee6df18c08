#include "cli/up/sidecar_bootstrap.h"

#include "base/json.h"
#include "base/strings.h"

namespace weft::cli {
namespace {

constexpr std::string_view kControlPlaneName = "istiod.istio-system.svc";

void put_map(JsonWriter& json, std::string_view name, const std::map<std::string, std::string>& map) {
  json.key(name).begin_object();
  for (const auto& [key, value] : map) json.field(key, value);
  json.end_object();
}

void put_address(JsonWriter& json, std::string_view address, int port) {
  json.key("address").begin_object().key("socket_address").begin_object();
  json.field("address", address).field("port_value", port).end_object().end_object();
}

std::string label_or(const wire::RunningPod& pod, const std::string& key, const std::string& otherwise) {
  const auto it = pod.labels.find(key);
  return it == pod.labels.end() ? otherwise : it->second;
}

void put_node(JsonWriter& json, const ProxyStart& start) {
  const wire::RunningPod& pod = start.pod;
  const std::string workload = pod.owner.empty() ? pod.name : pod.owner;
  const std::string canonical =
      label_or(pod, "service.istio.io/canonical-name",
               label_or(pod, "app.kubernetes.io/name", label_or(pod, "app", workload)));
  json.key("node").begin_object();
  json.field("id", node_id(pod)).field("cluster", concat(canonical, ".", pod.namespace_name));
  json.key("metadata").begin_object();
  json.field("NAME", pod.name).field("NAMESPACE", pod.namespace_name);
  json.field("SERVICE_ACCOUNT", pod.service_account).field("WORKLOAD_NAME", workload);
  json.field("CLUSTER_ID", "Kubernetes").field("MESH_ID", "cluster.local");
  // weftd takes an Envoy that does not say this for a stock one, without Istio's own filters.
  if (start.agent_socket.empty()) json.field("ISTIO_VERSION", WEFT_VERSION);
  json.field("NODE_NAME", pod.node).field("INTERCEPTION_MODE", "REDIRECT");
  json.key("INSTANCE_IPS").value(pod.ip.to_string());
  put_map(json, "LABELS", pod.labels);
  put_map(json, "ANNOTATIONS", pod.annotations);
  json.end_object().end_object();
}

void put_http2(JsonWriter& json) {
  json.key("typed_extension_protocol_options").begin_object();
  json.key("envoy.extensions.upstreams.http.v3.HttpProtocolOptions").begin_object();
  json.field("@type", "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions");
  json.key("explicit_http_config").begin_object().key("http2_protocol_options").begin_object();
  json.end_object().end_object().end_object().end_object();
}

void put_endpoint(JsonWriter& json, std::string_view cluster, std::string_view address, int port) {
  json.key("load_assignment").begin_object().field("cluster_name", cluster);
  json.key("endpoints").begin_array().begin_object().key("lb_endpoints").begin_array().begin_object();
  json.key("endpoint").begin_object();
  put_address(json, address, port);
  json.end_object().end_object().end_array().end_object().end_array().end_object();
}

void put_control_plane_cluster(JsonWriter& json, const ProxyStart& start) {
  json.begin_object().field("name", "xds-grpc").field("type", "STATIC").field("connect_timeout", "5s");
  put_http2(json);
  json.key("transport_socket").begin_object().field("name", "envoy.transport_sockets.tls");
  json.key("typed_config").begin_object();
  json.field("@type", "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext");
  json.field("sni", kControlPlaneName);
  json.key("common_tls_context").begin_object();
  json.key("alpn_protocols").begin_array().value("h2").end_array();
  json.key("validation_context").begin_object();
  json.key("trusted_ca").begin_object().field("filename", start.root_file).end_object();
  json.key("match_typed_subject_alt_names").begin_array().begin_object().field("san_type", "DNS");
  json.key("matcher").begin_object().field("exact", kControlPlaneName).end_object().end_object().end_array();
  json.end_object().end_object().end_object().end_object();
  put_endpoint(json, "xds-grpc", start.control_plane, 15012);
  json.end_object();
}

void put_agent_cluster(JsonWriter& json, const std::string& socket) {
  json.begin_object().field("name", "sds-grpc").field("type", "STATIC").field("connect_timeout", "5s");
  put_http2(json);
  json.key("load_assignment").begin_object().field("cluster_name", "sds-grpc");
  json.key("endpoints").begin_array().begin_object().key("lb_endpoints").begin_array().begin_object();
  json.key("endpoint").begin_object().key("address").begin_object().key("pipe").begin_object();
  json.field("path", socket).end_object().end_object().end_object();
  json.end_object().end_array().end_object().end_array().end_object().end_object();
}

void put_admin_cluster(JsonWriter& json) {
  json.begin_object()
      .field("name", "prometheus_stats")
      .field("type", "STATIC")
      .field("connect_timeout", "0.250s");
  put_endpoint(json, "prometheus_stats", "127.0.0.1", 15000);
  json.end_object();
}

// One path of the admin page on a port that others may reach.
void put_page_listener(JsonWriter& json, int port, std::string_view name, std::string_view path,
                       std::string_view admin_path) {
  json.begin_object().field("name", name);
  put_address(json, "0.0.0.0", port);
  json.key("filter_chains").begin_array().begin_object().key("filters").begin_array().begin_object();
  json.field("name", "envoy.filters.network.http_connection_manager").key("typed_config").begin_object();
  json.field("@type",
             "type.googleapis.com/"
             "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager");
  json.field("codec_type", "AUTO").field("stat_prefix", name);
  json.key("route_config")
      .begin_object()
      .field("name", name)
      .key("virtual_hosts")
      .begin_array()
      .begin_object();
  json.field("name", "backend").key("domains").begin_array().value("*").end_array();
  json.key("routes").begin_array().begin_object();
  json.key("match").begin_object().field("prefix", path).end_object();
  json.key("route")
      .begin_object()
      .field("cluster", "prometheus_stats")
      .field("prefix_rewrite", admin_path)
      .end_object();
  json.end_object().end_array().end_object().end_array().end_object();
  json.key("http_filters").begin_array().begin_object().field("name", "envoy.filters.http.router");
  json.key("typed_config").begin_object();
  json.field("@type", "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router");
  json.end_object().end_object().end_array();
  json.end_object().end_object().end_array().end_object().end_array().end_object();
}

void put_ads(JsonWriter& json, const ProxyStart& start) {
  json.key("dynamic_resources").begin_object();
  for (const std::string_view name : {"lds_config", "cds_config"}) {
    json.key(name).begin_object().key("ads").begin_object().end_object();
    json.field("initial_fetch_timeout", "0s").field("resource_api_version", "V3").end_object();
  }
  json.key("ads_config").begin_object();
  json.field("api_type", "DELTA_GRPC")
      .field("set_node_on_first_message_only", true)
      .field("transport_api_version", "V3");
  json.key("grpc_services").begin_array().begin_object();
  json.key("envoy_grpc").begin_object().field("cluster_name", "xds-grpc").end_object();
  json.key("initial_metadata").begin_array().begin_object();
  json.field("key", "authorization").field("value", concat("Bearer ", start.token));
  json.end_object().end_array().end_object().end_array().end_object().end_object();
}

}  // namespace

std::string node_id(const wire::RunningPod& pod) {
  const std::string_view type = pod.proxy == wire::RunningPod::Proxy::router ? "router" : "sidecar";
  return concat(type, "~", pod.ip.to_string(), "~", pod.name, ".", pod.namespace_name, "~",
                pod.namespace_name, ".svc.cluster.local");
}

std::string sidecar_bootstrap(const ProxyStart& start) {
  JsonWriter json(2);
  json.begin_object();
  put_node(json, start);
  json.key("admin").begin_object();
  put_address(json, "127.0.0.1", 15000);
  json.end_object();
  put_ads(json, start);
  json.key("static_resources").begin_object();
  json.key("clusters").begin_array();
  put_control_plane_cluster(json, start);
  put_admin_cluster(json);
  if (!start.agent_socket.empty()) put_agent_cluster(json, start.agent_socket);
  json.end_array();
  json.key("listeners").begin_array();
  put_page_listener(json, 15090, "prometheus", "/stats/prometheus", "/stats/prometheus");
  put_page_listener(json, 15021, "agent", "/healthz/ready", "/ready");
  json.end_array();
  json.end_object().end_object();
  return json.take() + "\n";
}

}  // namespace weft::cli
