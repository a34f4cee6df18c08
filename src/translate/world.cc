#include "translate/world.h"

#include <algorithm>
#include <set>
#include <type_traits>

#include "base/strings.h"
#include "translate/injection.h"
#include "translate/names.h"
#include "translate/stable_sort.h"

namespace weft::translate {

namespace {

template <typename Kind>
using Ref = std::shared_ptr<const Kind>;
template <typename Kind>
using List = std::vector<Ref<Kind>>;

// The objects of one kind: as they came, to see at once whether any changed, and oldest first.
template <typename Kind>
struct Collected {
  List<Kind> raw;
  std::shared_ptr<const List<Kind>> sorted;

  void settle(const Collected* previous) {
    if (previous && previous->raw == raw) {
      sorted = previous->sorted;
      return;
    }
    List<Kind> list = raw;
    stable_sort(list, [](const auto& a, const auto& b) { return older(a->meta, b->meta); });
    sorted = std::make_shared<const List<Kind>>(std::move(list));
  }
};

std::string key(std::string_view namespace_name, std::string_view name) {
  return concat(namespace_name, "/", name);
}

std::string label_or(const objects::Labels& labels, std::initializer_list<const char*> names,
                     std::string_view otherwise) {
  for (const char* name : names) {
    const auto it = labels.find(name);
    if (it != labels.end() && !it->second.empty()) return it->second;
  }
  return std::string(otherwise);
}

Protocol protocol_of(objects::EntryProtocol protocol, uint16_t port) {
  using E = objects::EntryProtocol;
  switch (protocol) {
    case E::unset:
      return select_protocol("", "", port, objects::Transport::tcp);
    case E::http:
      return Protocol::http;
    case E::https:
      return Protocol::https;
    case E::http2:
      return Protocol::http2;
    case E::grpc:
      return Protocol::grpc;
    case E::grpc_web:
      return Protocol::grpc_web;
    case E::tls:
      return Protocol::tls;
    case E::tcp:
      return Protocol::tcp;
    case E::mongo:
      return Protocol::mongo;
    case E::redis:
      return Protocol::redis;
    case E::mysql:
      return Protocol::mysql;
    case E::udp:
      return Protocol::udp;
  }
  return Protocol::automatic;
}

model::Locality parse_locality(std::string_view text) {
  const auto parts = split(text, '/');
  model::Locality locality;
  if (parts.size() > 0) locality.region = parts[0];
  if (parts.size() > 1) locality.zone = parts[1];
  if (parts.size() > 2) locality.sub_zone = parts[2];
  return locality;
}

bool same_service(const ServiceInfo& a, const ServiceInfo& b) {
  return a.service == b.service && a.entry == b.entry && a.addresses == b.addresses &&
         a.subject_alt_names == b.subject_alt_names && a.instances == b.instances;
}

}  // namespace

std::string_view to_string(MtlsMode mode) {
  switch (mode) {
    case MtlsMode::disable:
      return "DISABLE";
    case MtlsMode::permissive:
      return "PERMISSIVE";
    case MtlsMode::strict:
      return "STRICT";
  }
  return "";
}

const objects::ObjectMeta& ServiceInfo::meta() const { return service ? service->meta : entry->meta; }

const ServicePort* ServiceInfo::find_port(uint16_t number) const {
  for (const auto& port : ports) {
    if (port.number == number) return &port;
  }
  return nullptr;
}

bool ServiceInfo::visible_in(std::string_view from) const {
  return World::exported(export_to, namespace_name, from);
}

// ---- What the objects are, by kind ----

struct World::Kinds {
  Collected<objects::Namespace> namespaces;
  Collected<objects::Service> services;
  Collected<objects::Pod> pods;
  Collected<objects::Deployment> deployments;
  Collected<objects::Secret> secrets;
  Collected<objects::VirtualService> virtual_services;
  Collected<objects::DestinationRule> destination_rules;
  Collected<objects::Gateway> gateways;
  Collected<objects::ServiceEntry> entries;
  Collected<objects::PeerAuthentication> peer_authentications;
  Collected<objects::AuthorizationPolicy> policies;

  std::map<std::string, Ref<objects::Namespace>, std::less<>> namespace_by_name;
  std::map<std::string, Ref<objects::Secret>, std::less<>> secret_by_name;
  std::map<std::string, Ref<objects::Gateway>, std::less<>> gateway_by_name;
  std::unordered_map<std::string, List<objects::DestinationRule>> rules_by_host;  // exact hosts
  List<objects::DestinationRule> wild_rules;
  std::map<std::string, List<objects::PeerAuthentication>, std::less<>> peer_by_namespace;
  std::map<std::string, List<objects::AuthorizationPolicy>, std::less<>> policies_by_namespace;
  std::vector<objects::Labels> client_selectors;

  void put(const Ref<objects::Namespace>& object) { namespaces.raw.push_back(object); }
  void put(const Ref<objects::ServiceAccount>&) {}
  void put(const Ref<objects::ConfigMap>&) {}
  void put(const Ref<objects::Service>& object) { services.raw.push_back(object); }
  void put(const Ref<objects::Pod>& object) { pods.raw.push_back(object); }
  void put(const Ref<objects::Deployment>& object) { deployments.raw.push_back(object); }
  void put(const Ref<objects::Secret>& object) { secrets.raw.push_back(object); }
  void put(const Ref<objects::VirtualService>& object) { virtual_services.raw.push_back(object); }
  void put(const Ref<objects::DestinationRule>& object) { destination_rules.raw.push_back(object); }
  void put(const Ref<objects::Gateway>& object) { gateways.raw.push_back(object); }
  void put(const Ref<objects::ServiceEntry>& object) { entries.raw.push_back(object); }
  void put(const Ref<objects::PeerAuthentication>& object) { peer_authentications.raw.push_back(object); }
  void put(const Ref<objects::AuthorizationPolicy>& object) { policies.raw.push_back(object); }

  void settle(const Kinds* previous) {
    namespaces.settle(previous ? &previous->namespaces : nullptr);
    services.settle(previous ? &previous->services : nullptr);
    pods.settle(previous ? &previous->pods : nullptr);
    deployments.settle(previous ? &previous->deployments : nullptr);
    secrets.settle(previous ? &previous->secrets : nullptr);
    virtual_services.settle(previous ? &previous->virtual_services : nullptr);
    destination_rules.settle(previous ? &previous->destination_rules : nullptr);
    gateways.settle(previous ? &previous->gateways : nullptr);
    entries.settle(previous ? &previous->entries : nullptr);
    peer_authentications.settle(previous ? &previous->peer_authentications : nullptr);
    policies.settle(previous ? &previous->policies : nullptr);
  }

  void add_client_selector(const objects::Labels& labels) {
    if (labels.empty()) return;
    if (std::find(client_selectors.begin(), client_selectors.end(), labels) == client_selectors.end()) {
      client_selectors.push_back(labels);
    }
  }
};

std::shared_ptr<const World> World::make(WorldInput input, std::shared_ptr<const World> previous) {
  // Under other options the same objects mean other things.
  if (previous && previous->options() != input.options) previous = nullptr;
  auto world = std::shared_ptr<World>(new World());
  world->input_ = std::move(input);
  world->index_kinds(previous.get());
  const auto changed = world->index_workloads(previous.get());
  world->index_services(previous.get(), changed);
  return world;
}

void World::index_kinds(const World* previous) {
  auto kinds = std::make_shared<Kinds>();
  for (const auto& object : input_.objects) {
    std::visit([&](const auto& held) { kinds->put(held); }, object);
  }
  kinds->settle(previous ? previous->kinds_.get() : nullptr);

  for (const auto& ns : kinds->namespaces.raw) kinds->namespace_by_name.emplace(ns->meta.name, ns);
  for (const auto& secret : kinds->secrets.raw) {
    kinds->secret_by_name.emplace(key(secret->meta.namespace_name, secret->meta.name), secret);
  }
  for (const auto& gateway : kinds->gateways.raw) {
    kinds->gateway_by_name.emplace(key(gateway->meta.namespace_name, gateway->meta.name), gateway);
  }
  for (const auto& rule : *kinds->destination_rules.sorted) {
    const std::string host = resolve_host(rule->host, rule->meta.namespace_name);
    if (is_wildcard(host)) {
      kinds->wild_rules.push_back(rule);
    } else {
      kinds->rules_by_host[host].push_back(rule);
    }
    if (rule->workload_selector) kinds->add_client_selector(rule->workload_selector->match_labels);
  }
  // The most specific wildcard first; among equals the oldest stays first.
  stable_sort(kinds->wild_rules,
              [](const auto& a, const auto& b) { return a->host.size() > b->host.size(); });
  for (const auto& peer : *kinds->peer_authentications.sorted) {
    kinds->peer_by_namespace[peer->meta.namespace_name].push_back(peer);
  }
  for (const auto& policy : *kinds->policies.sorted) {
    kinds->policies_by_namespace[policy->meta.namespace_name].push_back(policy);
  }
  for (auto& [ns, list] : kinds->policies_by_namespace) {
    stable_sort(list, [](const auto& a, const auto& b) { return a->meta.name < b->meta.name; });
  }
  for (const auto& vs : *kinds->virtual_services.sorted) {
    for (const auto& rule : vs->http) {
      for (const auto& match : rule.match) kinds->add_client_selector(match.source_labels);
    }
    for (const auto& rule : vs->tls) {
      for (const auto& match : rule.match) kinds->add_client_selector(match.source_labels);
    }
    for (const auto& rule : vs->tcp) {
      for (const auto& match : rule.match) kinds->add_client_selector(match.source_labels);
    }
  }
  kinds_ = std::move(kinds);
}

// ---- Workloads ----

// Where each pod stands, by what does not change while it runs: kept as long as the pods are the same ones.
struct WorkloadPlaces {
  std::unordered_map<std::string, uint32_t> by_name;
  // Pods that have one label, by "namespace/label=value": where a selector begins its search.
  std::unordered_map<std::string, std::vector<uint32_t>> by_label;
  std::unordered_map<std::string, std::vector<uint32_t>> by_namespace;
};

struct World::WorkloadIndex {
  List<Workload> all;  // sorted by namespace, name
  std::shared_ptr<const WorkloadPlaces> places;

  template <typename Visit>
  void each_selected(std::string_view namespace_name, const objects::Labels& selector,
                     const Visit& visit) const {
    const std::vector<uint32_t>* candidates = nullptr;
    if (selector.empty()) {
      const auto it = places->by_namespace.find(std::string(namespace_name));
      if (it != places->by_namespace.end()) candidates = &it->second;
    }
    for (const auto& [name, value] : selector) {
      const auto it = places->by_label.find(concat(namespace_name, "/", name, "=", value));
      if (it == places->by_label.end()) return;
      if (!candidates || it->second.size() < candidates->size()) candidates = &it->second;
    }
    if (!candidates) return;
    for (const uint32_t place : *candidates) {
      if (objects::selects(selector, all[place]->labels)) visit(all[place]);
    }
  }
};

namespace {

Ref<Workload> make_workload(const Ref<objects::Pod>& pod, const WorkloadStatus& status,
                            const objects::Namespace* ns, const MeshOptions& options) {
  auto workload = std::make_shared<Workload>();
  const auto& labels = pod->meta.labels;
  workload->namespace_name = pod->meta.namespace_name;
  workload->name = pod->meta.name;
  workload->labels = labels;
  workload->service_account = pod->spec.service_account_name;
  workload->workload_name = !status.workload_name.empty()
                                ? status.workload_name
                                : label_or(labels, {"service.istio.io/workload-name"}, pod->meta.name);
  if (const auto ip = IpAddress::parse(status.ip); ip && !status.ip.empty()) workload->ip = *ip;
  workload->ready = status.ready;
  workload->gateway = is_gateway(*pod);
  workload->node = status.node.empty() ? pod->spec.node_name : status.node;
  workload->locality = status.locality;
  if (const auto it = labels.find("istio-locality"); it != labels.end()) {
    std::string text = it->second;  // a label cannot hold '/', so that Istio writes '.'
    std::replace(text.begin(), text.end(), '.', '/');
    workload->locality = parse_locality(text);
  }
  const auto tls_mode = labels.find("security.istio.io/tlsMode");
  if (status.sidecar) {
    workload->sidecar = *status.sidecar;
  } else if (tls_mode != labels.end()) {
    workload->sidecar = tls_mode->second == "istio";
  } else {
    static const objects::Labels kNone;
    workload->sidecar = wants_sidecar(ns ? ns->meta.labels : kNone, ns ? ns->meta.annotations : kNone, *pod);
  }
  workload->principal = concat("spiffe://", options.trust_domain, "/ns/", workload->namespace_name, "/sa/",
                               workload->service_account);
  auto info = std::make_shared<model::WorkloadInfo>();
  info->workload = workload->workload_name;
  info->workload_namespace = workload->namespace_name;
  info->app = label_or(labels, {"app", "app.kubernetes.io/name"}, "unknown");
  info->version = label_or(labels, {"version", "app.kubernetes.io/version"}, "unknown");
  info->canonical_service = label_or(
      labels, {"service.istio.io/canonical-name", "app.kubernetes.io/name", "app"}, workload->workload_name);
  info->canonical_revision = label_or(
      labels, {"service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"}, "latest");
  info->cluster = options.cluster_id;
  if (workload->sidecar || workload->gateway) info->principal = workload->principal;
  workload->info = std::move(info);
  workload->pod = pod;
  workload->status = status;
  return workload;
}

}  // namespace

std::optional<World::Changed> World::index_workloads(const World* previous) {
  static const WorkloadStatus kUnknown;
  const auto status_of = [this](const std::string& name) -> const WorkloadStatus& {
    const auto it = input_.workloads.find(name);
    return it == input_.workloads.end() ? kUnknown : it->second;
  };
  const bool same_namespaces = previous && kinds_->namespaces.sorted == previous->kinds_->namespaces.sorted;
  if (same_namespaces && kinds_->pods.sorted == previous->kinds_->pods.sorted) {
    // The same pods: only those whose status changed are made anew, each in its place.
    Changed changed;
    const auto look = [&](const std::string& name) {
      const auto it = previous->workloads_->places->by_name.find(name);
      if (it == previous->workloads_->places->by_name.end()) return;
      const Ref<Workload>& old = previous->workloads_->all[it->second];
      const WorkloadStatus& status = status_of(name);
      if (old->status == status) return;
      changed.emplace_back(it->second,
                           make_workload(old->pod, status, find_namespace(old->namespace_name), options()));
    };
    // Both maps are in order: what differs shows when they are walked side by side.
    auto now = input_.workloads.begin();
    auto was = previous->input_.workloads.begin();
    while (now != input_.workloads.end() || was != previous->input_.workloads.end()) {
      if (was == previous->input_.workloads.end() ||
          (now != input_.workloads.end() && now->first < was->first)) {
        look((now++)->first);
      } else if (now == input_.workloads.end() || was->first < now->first) {
        look((was++)->first);
      } else {
        if (now->second != was->second) look(now->first);
        ++now;
        ++was;
      }
    }
    if (changed.empty()) {
      workloads_ = previous->workloads_;
      return changed;
    }
    auto index = std::make_shared<WorkloadIndex>(*previous->workloads_);
    for (const auto& [place, workload] : changed) index->all[place] = workload;
    workloads_ = std::move(index);
    return changed;
  }

  auto index = std::make_shared<WorkloadIndex>();
  index->all.reserve(kinds_->pods.raw.size());
  std::unordered_map<std::string, bool> seen;
  for (const auto& pod : kinds_->pods.raw) {
    const std::string name = key(pod->meta.namespace_name, pod->meta.name);
    if (!seen.emplace(name, true).second) continue;
    const WorkloadStatus& status = status_of(name);
    Ref<Workload> workload;
    if (same_namespaces) {
      if (auto old = previous->find_workload(pod->meta.namespace_name, pod->meta.name);
          old && old->pod == pod && old->status == status) {
        workload = std::move(old);
      }
    }
    if (!workload) workload = make_workload(pod, status, find_namespace(pod->meta.namespace_name), options());
    index->all.push_back(std::move(workload));
  }
  std::sort(index->all.begin(), index->all.end(), [](const auto& a, const auto& b) {
    return std::tie(a->namespace_name, a->name) < std::tie(b->namespace_name, b->name);
  });
  auto places = std::make_shared<WorkloadPlaces>();
  for (uint32_t place = 0; place < index->all.size(); ++place) {
    const Workload& workload = *index->all[place];
    places->by_name.emplace(key(workload.namespace_name, workload.name), place);
    places->by_namespace[workload.namespace_name].push_back(place);
    for (const auto& [name, value] : workload.labels) {
      places->by_label[concat(workload.namespace_name, "/", name, "=", value)].push_back(place);
    }
  }
  index->places = std::move(places);
  workloads_ = std::move(index);
  return std::nullopt;
}

// ---- Services ----

// Where each service stands, by what does not change with its pods.
struct World::ServicePlaces {
  std::unordered_map<std::string, std::vector<uint32_t>> by_host;
  // By "namespace/label=value" of the selector's first label: where a pod looks for its services.
  std::unordered_map<std::string, std::vector<uint32_t>> by_selector;
};

namespace {

std::vector<std::string> exports_of(const objects::ObjectMeta& meta) {
  const auto it = meta.annotations.find("networking.istio.io/exportTo");
  std::vector<std::string> out;
  if (it == meta.annotations.end()) return out;
  for (const auto part : split(it->second, ',')) {
    if (!trim(part).empty()) out.emplace_back(trim(part));
  }
  return out;
}

std::shared_ptr<ServiceInfo> from_service(const Ref<objects::Service>& service, const AddressMap& addresses,
                                          const MeshOptions& options) {
  auto info = std::make_shared<ServiceInfo>();
  info->host = service_host(service->meta.name, service->meta.namespace_name, options);
  info->namespace_name = service->meta.namespace_name;
  info->name = service->meta.name;
  info->kubernetes = true;
  info->service = service;
  info->export_to = exports_of(service->meta);
  info->selector = service->selector;
  info->publish_not_ready = service->publish_not_ready_addresses;
  info->session_affinity = service->session_affinity_client_ip;
  if (service->type == objects::Service::Type::external_name) {
    info->resolution = Resolution::external_name;
    info->external_name = service->external_name;
  } else if (service->headless) {
    info->resolution = Resolution::headless;
  } else if (!service->cluster_ip.empty()) {
    info->addresses = {service->cluster_ip};
    for (const auto& ip : service->cluster_ips) {
      if (ip != service->cluster_ip) info->addresses.push_back(ip);
    }
  } else if (const auto it = addresses.find(info->host); it != addresses.end()) {
    info->addresses = {it->second};
    info->allocated_address = true;
  }
  for (const auto& port : service->ports) {
    info->ports.push_back(
        {.number = port.port,
         .name = port.name,
         .protocol = select_protocol(port.app_protocol, port.name, port.port, port.transport),
         .target = port.target.empty() ? objects::PortRef{.number = port.port, .name = {}} : port.target,
         .line = port.line});
  }
  return info;
}

std::shared_ptr<ServiceInfo> from_entry(const Ref<objects::ServiceEntry>& entry, const std::string& host,
                                        const AddressMap& addresses) {
  using R = objects::ServiceEntry::Resolution;
  auto info = std::make_shared<ServiceInfo>();
  info->host = to_lower(host);
  info->namespace_name = entry->meta.namespace_name;
  info->name = entry->meta.name;
  info->external = entry->location == objects::ServiceEntry::Location::mesh_external;
  info->entry = entry;
  info->export_to = entry->export_to;
  info->subject_alt_names = entry->subject_alt_names;
  switch (entry->resolution) {
    case R::none:
      info->resolution = Resolution::none;
      break;
    case R::static_addresses:
      info->resolution = Resolution::endpoints;
      break;
    case R::dns:
    case R::dynamic_dns:
      info->resolution = Resolution::dns;
      break;
    case R::dns_round_robin:
      info->resolution = Resolution::dns_round_robin;
      break;
  }
  for (const auto& address : entry->addresses) {
    // "10.0.0.7/32" is an address like any other.
    const auto cidr = Cidr::parse(address);
    if (cidr && cidr->bits == (cidr->base.is_v4() ? 32 : 128)) {
      info->addresses.push_back(cidr->base.to_string());
    } else {
      info->addresses.push_back(address);
    }
  }
  if (info->addresses.empty()) {
    if (const auto it = addresses.find(info->host); it != addresses.end()) {
      info->addresses = {it->second};
      info->allocated_address = true;
    }
  }
  if (entry->workload_selector) info->selector = entry->workload_selector->match_labels;
  for (const auto& port : entry->ports) {
    info->ports.push_back(
        {.number = port.number,
         .name = port.name,
         .protocol = protocol_of(port.protocol, port.number),
         .target = {.number = port.target_port ? port.target_port : port.number, .name = {}},
         .line = port.line});
  }
  return info;
}

void add_entry_endpoints(ServiceInfo& info) {
  for (const auto& endpoint : info.entry->endpoints) {
    Instance instance;
    instance.address = endpoint.address;
    instance.labels = endpoint.labels;
    instance.service_account = endpoint.service_account;
    instance.locality = parse_locality(endpoint.locality);
    instance.weight = endpoint.weight ? endpoint.weight : 1;
    for (const auto& port : info.ports) {
      const auto it = endpoint.ports.find(port.name);
      instance.ports.push_back(it == endpoint.ports.end() ? port.target.number : it->second);
    }
    info.instances.push_back(std::move(instance));
  }
}

}  // namespace

void World::add_pods(ServiceInfo& info) const {
  workloads_->each_selected(info.namespace_name, info.selector, [&](const Ref<Workload>& workload) {
    if (!workload->ip) return;
    Instance instance;
    instance.workload = workload;
    instance.locality = workload->locality;
    instance.ready = workload->ready;
    instance.ports.reserve(info.ports.size());
    for (const auto& port : info.ports) {
      instance.ports.push_back(resolve_port(workload->pod->spec, port.target));
    }
    info.instances.push_back(std::move(instance));
  });
  std::sort(info.instances.begin(), info.instances.end(),
            [](const Instance& a, const Instance& b) { return *a.workload->ip < *b.workload->ip; });
}

void World::index_services(const World* previous, const std::optional<Changed>& changed) {
  const bool same_shape = previous && kinds_->services.sorted == previous->kinds_->services.sorted &&
                          kinds_->entries.sorted == previous->kinds_->entries.sorted &&
                          input_.service_addresses == previous->input_.service_addresses;
  if (same_shape && changed) {
    service_places_ = previous->service_places_;
    services_ = previous->services_;
    if (changed->empty()) return;
    // The same services and pods: only those that select a pod whose status changed have other instances.
    auto services = std::make_shared<std::vector<ServiceRef>>(*previous->services_);
    std::set<uint32_t> touched;
    for (const auto& [place, workload] : *changed) {
      for (const uint32_t service : places_of(*workload)) touched.insert(service);
    }
    for (const uint32_t place : touched) {
      auto info = std::make_shared<ServiceInfo>(*(*services)[place]);
      info->instances.clear();
      add_pods(*info);
      (*services)[place] = std::move(info);
    }
    services_ = std::move(services);
    return;
  }

  std::vector<std::shared_ptr<ServiceInfo>> made;
  std::unordered_map<std::string, ServiceInfo*> kubernetes;
  for (const auto& service : *kinds_->services.sorted) {
    auto info = from_service(service, input_.service_addresses, options());
    if (!info->selector.empty()) add_pods(*info);
    if (!kubernetes.emplace(info->host, info.get()).second) continue;
    made.push_back(std::move(info));
  }
  for (const auto& entry : *kinds_->entries.sorted) {
    for (const auto& host : entry->hosts) {
      // A ServiceEntry for a Kubernetes service only decorates it with names to expect in its certificate.
      if (const auto it = kubernetes.find(to_lower(host)); it != kubernetes.end()) {
        auto& names = it->second->subject_alt_names;
        names.insert(names.end(), entry->subject_alt_names.begin(), entry->subject_alt_names.end());
        continue;
      }
      auto info = from_entry(entry, host, input_.service_addresses);
      if (!entry->workload_selector) {
        add_entry_endpoints(*info);
      } else if (!info->selector.empty()) {
        add_pods(*info);
      }
      made.push_back(std::move(info));
    }
  }
  auto services = std::make_shared<std::vector<ServiceRef>>();
  for (auto& info : made) {
    ServiceRef ref = info;
    if (previous) {
      const auto it = previous->service_places_->by_host.find(info->host);
      if (it != previous->service_places_->by_host.end()) {
        for (const uint32_t place : it->second) {
          const ServiceRef& old = (*previous->services_)[place];
          if (same_service(*old, *info)) ref = old;
        }
      }
    }
    services->push_back(std::move(ref));
  }
  stable_sort(*services, [](const ServiceRef& a, const ServiceRef& b) { return a->host < b->host; });
  services_ = services;
  if (same_shape) {
    service_places_ = previous->service_places_;
    return;
  }
  auto places = std::make_shared<ServicePlaces>();
  for (uint32_t place = 0; place < services->size(); ++place) {
    const ServiceInfo& service = *(*services)[place];
    places->by_host[service.host].push_back(place);
    if (service.selector.empty()) continue;
    const auto& [name, value] = *service.selector.begin();
    places->by_selector[concat(service.namespace_name, "/", name, "=", value)].push_back(place);
  }
  service_places_ = std::move(places);
}

std::vector<uint32_t> World::places_of(const Workload& workload) const {
  std::vector<uint32_t> out;
  for (const auto& [name, value] : workload.labels) {
    const auto it = service_places_->by_selector.find(concat(workload.namespace_name, "/", name, "=", value));
    if (it == service_places_->by_selector.end()) continue;
    for (const uint32_t place : it->second) {
      if (objects::selects((*services_)[place]->selector, workload.labels)) out.push_back(place);
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

// ---- Questions ----

const objects::Namespace* World::find_namespace(std::string_view name) const {
  const auto it = kinds_->namespace_by_name.find(name);
  return it == kinds_->namespace_by_name.end() ? nullptr : it->second.get();
}

const List<Workload>& World::workloads() const { return workloads_->all; }
const std::vector<ServiceRef>& World::services() const { return *services_; }

std::shared_ptr<const Workload> World::find_workload(std::string_view namespace_name,
                                                     std::string_view name) const {
  const auto it = workloads_->places->by_name.find(key(namespace_name, name));
  return it == workloads_->places->by_name.end() ? nullptr : workloads_->all[it->second];
}

std::shared_ptr<const Workload> World::find_workload(const IpAddress& ip) const {
  const auto it = std::find_if(workloads_->all.begin(), workloads_->all.end(),
                               [&](const auto& workload) { return workload->ip == ip; });
  return it == workloads_->all.end() ? nullptr : *it;
}

namespace {

ServiceRef choose(const std::vector<ServiceRef>& same_host, std::string_view from) {
  for (const auto& service : same_host) {
    if (service->namespace_name == from && service->visible_in(from)) return service;
  }
  for (const auto& service : same_host) {
    if (service->visible_in(from)) return service;
  }
  return nullptr;
}

}  // namespace

ServiceRef World::find_service(std::string_view host, std::string_view from) const {
  const auto it = service_places_->by_host.find(to_lower(host));
  if (it == service_places_->by_host.end()) return nullptr;
  if (it->second.size() == 1) {
    const ServiceRef& only = (*services_)[it->second.front()];
    return only->visible_in(from) ? only : nullptr;
  }
  std::vector<ServiceRef> same_host;
  for (const uint32_t place : it->second) same_host.push_back((*services_)[place]);
  return choose(same_host, from);
}

std::vector<ServiceRef> World::services_visible_in(std::string_view from) const {
  std::vector<ServiceRef> out;
  const auto& all = *services_;
  out.reserve(all.size());
  for (size_t begin = 0; begin < all.size();) {
    size_t end = begin + 1;
    while (end < all.size() && all[end]->host == all[begin]->host) ++end;
    if (end == begin + 1) {
      if (all[begin]->visible_in(from)) out.push_back(all[begin]);
    } else if (auto chosen = choose(
                   {all.begin() + static_cast<ptrdiff_t>(begin), all.begin() + static_cast<ptrdiff_t>(end)},
                   from)) {
      out.push_back(std::move(chosen));
    }
    begin = end;
  }
  return out;
}

std::vector<ServiceRef> World::services_of(const Workload& workload) const {
  std::vector<ServiceRef> out;
  if (!workload.ip) return out;
  for (const uint32_t place : places_of(workload)) out.push_back((*services_)[place]);
  return out;
}

const List<objects::VirtualService>& World::virtual_services() const {
  return *kinds_->virtual_services.sorted;
}
const List<objects::DestinationRule>& World::destination_rules() const {
  return *kinds_->destination_rules.sorted;
}
const List<objects::Gateway>& World::gateways() const { return *kinds_->gateways.sorted; }
const List<objects::PeerAuthentication>& World::peer_authentications() const {
  return *kinds_->peer_authentications.sorted;
}
const List<objects::AuthorizationPolicy>& World::authorization_policies() const {
  return *kinds_->policies.sorted;
}
const List<objects::ServiceEntry>& World::service_entries() const { return *kinds_->entries.sorted; }
const List<objects::Deployment>& World::deployments() const { return *kinds_->deployments.sorted; }

const objects::Gateway* World::find_gateway(std::string_view namespace_name, std::string_view name) const {
  const auto it = kinds_->gateway_by_name.find(key(namespace_name, name));
  return it == kinds_->gateway_by_name.end() ? nullptr : it->second.get();
}

const objects::Secret* World::find_secret(std::string_view namespace_name, std::string_view name) const {
  const auto it = kinds_->secret_by_name.find(key(namespace_name, name));
  return it == kinds_->secret_by_name.end() ? nullptr : it->second.get();
}

namespace {

// For nobody but the proxies of its own namespace.
bool is_private(const objects::DestinationRule& rule) {
  return rule.export_to.size() == 1 &&
         (rule.export_to.front() == "." || rule.export_to.front() == rule.meta.namespace_name);
}

}  // namespace

std::vector<Ref<objects::DestinationRule>> World::destination_rules_for(
    std::string_view host, std::string_view service_namespace, std::string_view client,
    const objects::Labels& client_labels) const {
  const auto exact = kinds_->rules_by_host.find(std::string(host));
  if (exact == kinds_->rules_by_host.end() && kinds_->wild_rules.empty()) return {};
  // The rules of one namespace that hold for the host: those of the most specific host, and of them those
  // with the first one's exportTo. A rule for some clients only goes before the rules for all.
  const auto of_namespace = [&](std::string_view ns, bool private_only = false) {
    std::vector<Ref<objects::DestinationRule>> out;
    std::string chosen_host;
    const auto consider = [&](const Ref<objects::DestinationRule>& rule, const std::string& rule_host) {
      if (rule->meta.namespace_name != ns || !exported(rule->export_to, ns, client)) return;
      if (private_only && !is_private(*rule)) return;
      if (rule->workload_selector && !rule->workload_selector->match_labels.empty() &&
          (ns != client || !objects::selects(rule->workload_selector->match_labels, client_labels))) {
        return;
      }
      if (out.empty()) {
        chosen_host = rule_host;
      } else if (chosen_host != rule_host || out.front()->export_to != rule->export_to) {
        return;
      }
      out.push_back(rule);
    };
    if (exact != kinds_->rules_by_host.end()) {
      for (const auto& rule : exact->second) consider(rule, exact->first);
    }
    if (out.empty()) {
      for (const auto& rule : kinds_->wild_rules) {
        if (host_within(host, rule->host)) consider(rule, rule->host);
      }
    }
    const bool some_clients = std::any_of(out.begin(), out.end(), [](const auto& rule) {
      return rule->workload_selector && !rule->workload_selector->match_labels.empty();
    });
    if (some_clients) {
      std::erase_if(out, [](const auto& rule) {
        return !rule->workload_selector || rule->workload_selector->match_labels.empty();
      });
    }
    return out;
  };
  const std::string& root = options().root_namespace;
  // What the root namespace exports is for the whole mesh, and so comes last even for its own proxies; what
  // it keeps to itself is meant for those.
  if (auto rules = of_namespace(client, /*private_only=*/client == root); !rules.empty()) return rules;
  if (service_namespace != client || client == root) {
    if (auto rules = of_namespace(service_namespace); !rules.empty()) return rules;
  }
  return of_namespace(root);
}

namespace {

using Mode = objects::PeerAuthentication::Mode;

bool has_selector(const objects::PeerAuthentication& policy) {
  return policy.selector && !policy.selector->match_labels.empty();
}

MtlsMode narrow(Mode mode, MtlsMode wider) {
  switch (mode) {
    case Mode::unset:
      return wider;
    case Mode::disable:
      return MtlsMode::disable;
    case Mode::permissive:
      return MtlsMode::permissive;
    case Mode::strict:
      return MtlsMode::strict;
  }
  return wider;
}

struct PeerScopes {
  MtlsMode mode = MtlsMode::permissive;              // of the workload as a whole
  const objects::PeerAuthentication* own = nullptr;  // the workload's policy
};

}  // namespace

static PeerScopes peer_scopes(
    const std::map<std::string, List<objects::PeerAuthentication>, std::less<>>& by_namespace,
    const std::string& root, std::string_view ns, const objects::Labels& labels) {
  PeerScopes out;
  const auto oldest_of_all = [&](std::string_view where) {
    const auto it = by_namespace.find(where);
    if (it == by_namespace.end()) return;
    for (const auto& policy : it->second) {
      if (has_selector(*policy)) continue;
      out.mode = narrow(policy->mode, out.mode);
      return;
    }
  };
  oldest_of_all(root);
  if (ns == root) return out;  // there a selector has no effect
  oldest_of_all(ns);
  const auto it = by_namespace.find(ns);
  if (it == by_namespace.end()) return out;
  for (const auto& policy : it->second) {
    if (!has_selector(*policy) || !objects::selects(policy->selector->match_labels, labels)) continue;
    out.own = policy.get();
    out.mode = narrow(policy->mode, out.mode);
    break;
  }
  return out;
}

MtlsMode World::mtls_mode(std::string_view namespace_name, const objects::Labels& labels,
                          uint16_t port) const {
  const PeerScopes scopes =
      peer_scopes(kinds_->peer_by_namespace, options().root_namespace, namespace_name, labels);
  if (!scopes.own) return scopes.mode;
  const auto it = scopes.own->port_level.find(port);
  return it == scopes.own->port_level.end() ? scopes.mode : narrow(it->second, scopes.mode);
}

MtlsMode World::mtls_mode(std::string_view namespace_name, const objects::Labels& labels) const {
  return peer_scopes(kinds_->peer_by_namespace, options().root_namespace, namespace_name, labels).mode;
}

std::vector<uint16_t> World::mtls_ports(std::string_view namespace_name,
                                        const objects::Labels& labels) const {
  std::vector<uint16_t> out;
  const PeerScopes scopes =
      peer_scopes(kinds_->peer_by_namespace, options().root_namespace, namespace_name, labels);
  if (!scopes.own) return out;
  for (const auto& [port, mode] : scopes.own->port_level) out.push_back(port);
  return out;
}

std::vector<Ref<objects::AuthorizationPolicy>> World::policies_for(std::string_view namespace_name,
                                                                   const objects::Labels& labels) const {
  std::vector<Ref<objects::AuthorizationPolicy>> out;
  const auto add = [&](std::string_view ns) {
    const auto it = kinds_->policies_by_namespace.find(ns);
    if (it == kinds_->policies_by_namespace.end()) return;
    for (const auto& policy : it->second) {
      if (!policy->target_refs.empty()) continue;  // those name Gateway API gateways and waypoints
      if (policy->selector && !objects::selects(policy->selector->match_labels, labels)) continue;
      out.push_back(policy);
    }
  };
  add(options().root_namespace);
  if (namespace_name != options().root_namespace) add(namespace_name);
  return out;
}

std::string World::resolve_host(std::string_view name, std::string_view rule_namespace) const {
  if (name.empty() || is_wildcard(name) || name.find('.') != std::string_view::npos ||
      name.find(':') != std::string_view::npos) {
    return to_lower(name);
  }
  return concat(to_lower(name), ".", rule_namespace, ".svc.", options().cluster_domain);
}

std::string World::client_signature(const objects::Labels& labels) const {
  std::string out;
  for (const auto& selector : kinds_->client_selectors) out += objects::selects(selector, labels) ? '1' : '0';
  return out;
}

bool World::exported(const std::vector<std::string>& export_to, std::string_view own, std::string_view from) {
  if (export_to.empty()) return true;
  for (const auto& target : export_to) {
    if (target == "*" || target == from || (target == "." && own == from)) return true;
  }
  return false;
}

}  // namespace weft::translate
