// World: every object of the mesh at one moment, indexed for translation. Immutable; any number of
// translations read one World at once.
//
//   WorldInput input{.objects = store.objects(), .workloads = addresses_of_pods, ...};
//   input.service_addresses = allocate_vips(input.objects, {});
//   std::shared_ptr<const World> world = World::make(std::move(input), previous);
//
// With `previous`, whatever is made from the same inputs is the same pointer as before: a service whose
// object and pods did not change, a workload whose pod and status did not change. Translator relies on
// that to make again only what a change touches.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/address.h"
#include "model/cluster.h"
#include "objects/object.h"
#include "translate/mesh_options.h"

namespace weft::translate {

// What the objects do not say about a pod: the caller knows it, from the kubelet or from `weft up`.
struct WorkloadStatus {
  std::string ip;  // empty: the pod has no address yet, and is no endpoint
  bool ready = false;
  std::string
      workload_name;  // the Deployment's name; empty: label service.istio.io/workload-name, or the pod's
  std::string node;
  model::Locality locality;
  std::optional<bool> sidecar;  // whether a sidecar is there; unset: what injection would do
  bool operator==(const WorkloadStatus&) const = default;
};

// Service address by host name: "reviews.default.svc.cluster.local" or a ServiceEntry's host.
using AddressMap = std::map<std::string, std::string, std::less<>>;

struct WorldInput {
  std::vector<objects::Object> objects;
  std::map<std::string, WorkloadStatus, std::less<>> workloads;  // by "namespace/pod"
  AddressMap service_addresses;                                  // for services whose object has none
  MeshOptions options;
};

enum class Protocol : uint8_t {
  automatic,  // told from the first bytes
  http,
  http2,
  grpc,
  grpc_web,
  https,
  tls,
  tcp,
  mongo,
  redis,
  mysql,
  udp
};
bool is_http(Protocol protocol);
bool is_http2(Protocol protocol);  // http2, grpc, grpc_web
bool is_tls(Protocol protocol);    // https and tls: opaque here, routed by SNI
std::string_view to_string(Protocol protocol);

// appProtocol, else the name's prefix before '-', else a well-known server-first port (25, 53, 3306, 27017)
// is TCP, else automatic.
Protocol select_protocol(std::string_view app_protocol, std::string_view port_name, uint16_t port,
                         objects::Transport transport);

// A pod, as the mesh sees it.
struct Workload {
  std::string namespace_name;
  std::string name;
  std::string workload_name;
  std::string service_account;
  objects::Labels labels;
  std::optional<IpAddress> ip;
  bool ready = false;
  bool sidecar = false;  // its traffic passes a sidecar of ours: it accepts mesh TLS
  bool gateway = false;  // it *is* a proxy: an ingress or egress gateway
  std::string node;
  model::Locality locality;
  std::string principal;                            // spiffe://cluster.local/ns/default/sa/reviews
  std::shared_ptr<const model::WorkloadInfo> info;  // labels of metrics
  std::shared_ptr<const objects::Pod> pod;
  WorkloadStatus status;
};

// One address behind a service. `ports` runs parallel to the service's ports; 0: not served on that port.
struct Instance {
  std::shared_ptr<const Workload> workload;  // null: an address that a ServiceEntry gives
  std::string address;                       // IP, DNS name or unix path, where there is no workload
  objects::Labels labels;                    // where there is no workload
  std::string service_account;               // likewise
  model::Locality locality;
  uint32_t weight = 1;
  std::vector<uint16_t> ports;
  bool ready = true;

  const objects::Labels& label_set() const { return workload ? workload->labels : labels; }
  bool operator==(const Instance&) const = default;
};

struct ServicePort {
  uint16_t number = 0;
  std::string name;
  Protocol protocol = Protocol::automatic;
  objects::PortRef target;
  int line = 0;
};

enum class Resolution : uint8_t {
  endpoints,        // a ClusterIP service, or a ServiceEntry that is STATIC
  headless,         // no address of its own: clients connect to the pods
  dns,              // STRICT_DNS
  dns_round_robin,  // LOGICAL_DNS
  none,             // the client's own destination address is the endpoint
  external_name     // an alias of another name
};

// A Service, or one host of a ServiceEntry.
struct ServiceInfo {
  std::string host;  // fully qualified, or the ServiceEntry's host ("*.example.com" too)
  std::string namespace_name;
  std::string name;
  bool kubernetes = false;  // else a ServiceEntry
  bool external = false;    // MESH_EXTERNAL
  Resolution resolution = Resolution::endpoints;
  std::vector<std::string> addresses;  // IPs or CIDRs; empty: headless, or captured by port alone
  bool allocated_address = false;      // the address came from AddressMap, not from the user
  std::vector<ServicePort> ports;
  std::vector<Instance> instances;     // sorted by address
  std::vector<std::string> export_to;  // empty: everybody
  std::vector<std::string> subject_alt_names;
  std::string external_name;
  objects::Labels selector;
  bool publish_not_ready = false;
  bool session_affinity = false;
  // A ServiceEntry of the same host adds its subject names (and nothing else) to a Kubernetes service.
  std::shared_ptr<const objects::Service> service;
  std::shared_ptr<const objects::ServiceEntry> entry;

  const objects::ObjectMeta& meta() const;
  const ServicePort* find_port(uint16_t number) const;
  bool visible_in(std::string_view namespace_name) const;
};
using ServiceRef = std::shared_ptr<const ServiceInfo>;

// The mTLS mode that holds at one port of a workload.
enum class MtlsMode : uint8_t { disable, permissive, strict };
std::string_view to_string(MtlsMode mode);

class World {
 public:
  static std::shared_ptr<const World> make(WorldInput input, std::shared_ptr<const World> previous = nullptr);

  const MeshOptions& options() const { return input_.options; }
  const WorldInput& input() const { return input_; }

  const objects::Namespace* find_namespace(std::string_view name) const;

  // Sorted by namespace, then name.
  const std::vector<std::shared_ptr<const Workload>>& workloads() const;
  std::shared_ptr<const Workload> find_workload(std::string_view namespace_name, std::string_view name) const;
  std::shared_ptr<const Workload> find_workload(const IpAddress& ip) const;

  // Sorted by host, then by age.
  const std::vector<ServiceRef>& services() const;
  // The service of that host that a client in `from` may see: its own namespace's first, then the oldest.
  ServiceRef find_service(std::string_view host, std::string_view from) const;
  // Services that a client in `from` sees, one a host, sorted by host.
  std::vector<ServiceRef> services_visible_in(std::string_view from) const;
  // Services whose selector picks this workload.
  std::vector<ServiceRef> services_of(const Workload& workload) const;

  // Kinds as they are, oldest first.
  const std::vector<std::shared_ptr<const objects::VirtualService>>& virtual_services() const;
  const std::vector<std::shared_ptr<const objects::DestinationRule>>& destination_rules() const;
  const std::vector<std::shared_ptr<const objects::Gateway>>& gateways() const;
  const std::vector<std::shared_ptr<const objects::PeerAuthentication>>& peer_authentications() const;
  const std::vector<std::shared_ptr<const objects::AuthorizationPolicy>>& authorization_policies() const;
  const std::vector<std::shared_ptr<const objects::ServiceEntry>>& service_entries() const;
  const std::vector<std::shared_ptr<const objects::Deployment>>& deployments() const;
  const objects::Gateway* find_gateway(std::string_view namespace_name, std::string_view name) const;
  const objects::Secret* find_secret(std::string_view namespace_name, std::string_view name) const;

  // DestinationRules that hold for `host` seen from `client`: client's namespace, then the service's, then
  // the root namespace (whose own proxies look there first only for rules that it exports to nobody else);
  // the most specific host; several of one namespace are merged by the caller in this order.
  std::vector<std::shared_ptr<const objects::DestinationRule>> destination_rules_for(
      std::string_view host, std::string_view service_namespace, std::string_view client,
      const objects::Labels& client_labels) const;

  MtlsMode mtls_mode(std::string_view namespace_name, const objects::Labels& labels, uint16_t port) const;
  // The mode without regard to ports: for connections to ports that no service names.
  MtlsMode mtls_mode(std::string_view namespace_name, const objects::Labels& labels) const;
  // Ports that a policy of the workload names.
  std::vector<uint16_t> mtls_ports(std::string_view namespace_name, const objects::Labels& labels) const;

  // Policies that hold for a workload: its namespace's and the root namespace's, sorted by namespace and
  // name.
  std::vector<std::shared_ptr<const objects::AuthorizationPolicy>> policies_for(
      std::string_view namespace_name, const objects::Labels& labels) const;

  // "reviews" in a rule of namespace "default" is reviews.default.svc.cluster.local; a name with a dot, an
  // address or a wildcard is itself.
  std::string resolve_host(std::string_view name, std::string_view rule_namespace) const;

  // Label selectors that VirtualServices and DestinationRules test clients by. Two clients of one namespace
  // for which they agree get the same outbound configuration.
  std::string client_signature(const objects::Labels& labels) const;

  // Equal in two living worlds: the services, their ports and addresses are the same (not their instances).
  const void* services_identity() const { return service_places_.get(); }

  // Whether an object with this exportTo, in this namespace, is for `from`.
  static bool exported(const std::vector<std::string>& export_to, std::string_view own,
                       std::string_view from);

 private:
  struct Kinds;
  struct WorkloadIndex;
  struct ServicePlaces;
  // Workloads made anew because their status changed, by their place; no value where the pods themselves did.
  using Changed = std::vector<std::pair<uint32_t, std::shared_ptr<const Workload>>>;

  World() = default;
  void index_kinds(const World* previous);
  std::optional<Changed> index_workloads(const World* previous);
  void index_services(const World* previous, const std::optional<Changed>& changed);
  void add_pods(ServiceInfo& info) const;
  std::vector<uint32_t> places_of(const Workload& workload) const;

  WorldInput input_;
  std::shared_ptr<const Kinds> kinds_;
  std::shared_ptr<const WorkloadIndex> workloads_;
  std::shared_ptr<const std::vector<ServiceRef>> services_;
  std::shared_ptr<const ServicePlaces> service_places_;
};

// Addresses for services that have none: 10.96.0.0/12 for Services, 240.240.0.0/16 for hosts of
// ServiceEntries (as Istio gives them, and to the same ones). The same objects give the same addresses; a
// service in `existing` keeps the one it has.
AddressMap allocate_vips(const std::vector<objects::Object>& objects, const AddressMap& existing,
                         const MeshOptions& options = {});

// The fully qualified host of a Service.
std::string service_host(std::string_view name, std::string_view namespace_name, const MeshOptions& options);

}  // namespace weft::translate
