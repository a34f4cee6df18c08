#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "translate/gateway.h"
#include "translate/injection.h"
#include "translate/names.h"
#include "translate/routes.h"
#include "translate/translate.h"

namespace weft::translate {

namespace {

using yaml::Complaint;
using Severity = Complaint::Severity;

// Everything that can be selected by labels: pods, and what Deployments will make. Found by one label first.
class Selectable {
 public:
  void add(const std::string& namespace_name, const objects::Labels& labels) {
    all_.push_back(&labels);
    by_namespace_[namespace_name].push_back(&labels);
    for (const auto& [name, value] : labels) {
      by_label_[concat(namespace_name, "/", name, "=", value)].push_back(&labels);
      by_label_[concat("/", name, "=", value)].push_back(&labels);
    }
  }
  bool any_in(std::string_view namespace_name) const {
    return by_namespace_.contains(std::string(namespace_name));
  }
  // Whether both selectors fit one of them. `namespace_name` empty: in any namespace.
  bool any(std::string_view namespace_name, const objects::Labels& selector,
           const objects::Labels& also = {}) const {
    const List* list = namespace_name.empty() ? &all_ : find(by_namespace_, std::string(namespace_name));
    for (const auto* labels : {&selector, &also}) {
      for (const auto& [name, value] : *labels) {
        const List* narrower = find(by_label_, concat(namespace_name, "/", name, "=", value));
        if (!narrower) return false;
        if (narrower->size() < list->size()) list = narrower;
      }
    }
    return list && std::any_of(list->begin(), list->end(), [&](const auto* labels) {
             return objects::selects(selector, *labels) && objects::selects(also, *labels);
           });
  }

 private:
  using List = std::vector<const objects::Labels*>;
  static const List* find(const std::unordered_map<std::string, List>& map, const std::string& key) {
    const auto it = map.find(key);
    return it == map.end() ? nullptr : &it->second;
  }
  List all_;
  std::unordered_map<std::string, List> by_namespace_;
  std::unordered_map<std::string, List> by_label_;
};

class Validation {
 public:
  explicit Validation(const World& world) : world_(world) {
    for (const auto& workload : world.workloads())
      selectable_.add(workload->namespace_name, workload->labels);
    for (const auto& deployment : world.deployments()) {
      selectable_.add(deployment->meta.namespace_name, deployment->pod_labels);
    }
    for (const auto& rule : world.destination_rules()) {
      auto& names = subsets_[world.resolve_host(rule->host, rule->meta.namespace_name)];
      for (const auto& subset : rule->subsets) names.insert(subset.name);
    }
    collect_namespaces();
  }

  std::vector<Complaint> run() {
    for (const auto& vs : world_.virtual_services()) check(*vs);
    check_mesh_hosts();
    for (const auto& rule : world_.destination_rules()) check(*rule);
    for (const auto& gateway : world_.gateways()) check(*gateway);
    check_gateway_servers();
    for (const auto& entry : world_.service_entries()) check(*entry);
    for (const auto& service : world_.services()) check(*service);
    check_inbound_ports();
    for (const auto& policy : world_.authorization_policies()) check(*policy);
    check_peer_authentications();
    std::sort(complaints_.begin(), complaints_.end(), [](const Complaint& a, const Complaint& b) {
      return std::tie(a.file, a.line, a.subject, a.field, a.cause) <
             std::tie(b.file, b.line, b.subject, b.field, b.cause);
    });
    complaints_.erase(std::unique(complaints_.begin(), complaints_.end()), complaints_.end());
    return std::move(complaints_);
  }

 private:
  struct About {
    std::string_view kind;
    const objects::ObjectMeta& meta;
  };

  void say(Severity severity, std::string_view code, const About& about, int line, std::string field,
           std::string cause, std::string next_step) {
    Complaint complaint;
    complaint.severity = severity;
    complaint.file = about.meta.file;
    complaint.line = line ? line : about.meta.line;
    complaint.subject = about.meta.namespace_name.empty()
                            ? concat(about.kind, " ", about.meta.name)
                            : concat(about.kind, " ", about.meta.namespace_name, "/", about.meta.name);
    complaint.field = std::move(field);
    complaint.cause = std::move(cause);
    complaint.next_step = std::move(next_step);
    complaint.code = code;
    complaints_.push_back(std::move(complaint));
  }

  void collect_namespaces() {
    namespaces_ = {"default", world_.options().root_namespace};
    for (const auto& object : world_.input().objects) {
      const auto& meta = objects::meta_of(object);
      namespaces_.insert(objects::get_if<objects::Namespace>(object) ? meta.name : meta.namespace_name);
    }
  }

  bool anything_selectable(std::string_view ns) const { return selectable_.any_in(ns); }
  // `ns` empty: in any namespace.
  bool selects_something(std::string_view ns, const objects::Labels& selector) const {
    return selectable_.any(ns, selector);
  }
  // A root-namespace selector reaches into every namespace.
  std::string_view reach(std::string_view ns) const {
    return ns == world_.options().root_namespace ? "" : ns;
  }

  static std::string place(const objects::ObjectMeta& meta) {
    return meta.file.empty() ? std::string() : concat(" (", meta.file, ":", meta.line, ")");
  }

  // ---- VirtualService ----

  void check(const objects::VirtualService& vs) {
    const About about{"VirtualService", vs.meta};
    const auto gateways = gateways_of(vs);
    for (size_t i = 0; i < vs.gateways.size(); ++i) {
      const std::string& name = gateways[i];
      if (name == "mesh") continue;
      const size_t slash = name.find('/');
      if (world_.find_gateway(name.substr(0, slash), name.substr(slash + 1))) continue;
      say(Severity::error, "IST0101", about, 0, concat("spec.gateways[", i, "]"),
          concat("there is no Gateway ", name),
          "create it, or name one that exists (namespace/name for another namespace)");
    }
    for (size_t i = 0; i < vs.http.size(); ++i) {
      const auto& rule = vs.http[i];
      const std::string field = concat("spec.http[", i, "]");
      for (size_t j = 0; j < rule.route.size(); ++j) {
        check_destination(about, rule.route[j].destination, concat(field, ".route[", j, "].destination"),
                          rule.line);
      }
      for (size_t j = 0; j < rule.mirrors.size(); ++j) {
        const auto& mirror = rule.mirrors[j];
        check_destination(
            about, mirror.destination,
            mirror.single ? concat(field, ".mirror") : concat(field, ".mirrors[", j, "].destination"),
            rule.line);
      }
    }
    check_reachable(about, vs);
    for (size_t i = 0; i < vs.tls.size(); ++i) check_l4(about, vs.tls[i], concat("spec.tls[", i, "]"));
    for (size_t i = 0; i < vs.tcp.size(); ++i) check_l4(about, vs.tcp[i], concat("spec.tcp[", i, "]"));
    check_hosts_in_gateways(about, vs, gateways);
    check_hosts(about, vs);
  }

  template <typename Rule>
  void check_l4(const About& about, const Rule& rule, const std::string& field) {
    for (size_t j = 0; j < rule.route.size(); ++j) {
      check_destination(about, rule.route[j].destination, concat(field, ".route[", j, "].destination"),
                        rule.line);
    }
  }

  void check_destination(const About& about, const objects::Destination& to, const std::string& field,
                         int line) {
    const std::string& ns = about.meta.namespace_name;
    const int at = to.line ? to.line : line;
    const std::string host = world_.resolve_host(to.host, ns);
    const auto service = world_.find_service(host, ns);
    if (!service) {
      std::string cause = concat("there is no service ", host);
      if (host != to.host)
        append_to(cause, concat(" (\"", to.host, "\" is looked up in the rule's namespace, ", ns, ")"));
      say(Severity::error, "IST0101", about, at, concat(field, ".host"), std::move(cause),
          "requests that come here are answered 503: create the service, or write its whole name");
      return;
    }
    if (to.port != 0 && !service->find_port(to.port) && service->resolution != Resolution::external_name) {
      say(Severity::error, "", about, at, concat(field, ".port"),
          concat("service ", host, " has no port ", to.port), concat("its ports are ", ports_of(*service)));
    } else if (to.port == 0 && service->ports.size() > 1) {
      say(Severity::error, "IST0112", about, at, concat(field, ".port"),
          concat("service ", host, " has more than one port"),
          concat("write which of ", ports_of(*service), " is meant"));
    }
    if (to.subset.empty() || known_subset(host, to.subset)) return;
    say(Severity::error, "IST0101", about, at, concat(field, ".subset"),
        concat("no DestinationRule for ", host, " has subset \"", to.subset, "\""),
        "requests that come here are answered 503: add the subset to the DestinationRule of that host");
  }

  bool known_subset(const std::string& host, const std::string& name) const {
    if (const auto it = subsets_.find(host); it != subsets_.end() && it->second.contains(name)) return true;
    return std::any_of(subsets_.begin(), subsets_.end(), [&](const auto& item) {
      return is_wildcard(item.first) && host_within(host, item.first) && item.second.contains(name);
    });
  }

  static std::string ports_of(const ServiceInfo& service) {
    std::vector<std::string> out;
    for (const auto& port : service.ports) out.push_back(std::to_string(port.number));
    return join(out, ", ");
  }

  void check_reachable(const About& about, const objects::VirtualService& vs) {
    std::optional<size_t> all;
    for (size_t i = 0; i < vs.http.size(); ++i) {
      const auto& rule = vs.http[i];
      if (all) {
        say(Severity::warning, "IST0130", about, rule.line, concat("spec.http[", i, "]"),
            concat("spec.http[", *all, "] takes every request before this rule is asked"),
            "put the rule that matches everything last");
        continue;
      }
      // (A rule without a match is noticed where the object is read.)
      if (rule.match.empty()) return;
      const bool catches = std::any_of(rule.match.begin(), rule.match.end(), [](const auto& match) {
        const bool any_path =
            !match.uri || (match.uri->kind == objects::StringMatch::Kind::prefix && match.uri->text == "/");
        return any_path && !match.method && !match.authority && !match.scheme && match.headers.empty() &&
               match.without_headers.empty() && match.query_params.empty() && match.port == 0 &&
               match.gateways.empty() && match.source_labels.empty() && match.source_namespace.empty();
      });
      if (catches) all = i;
    }
  }

  void check_hosts_in_gateways(const About& about, const objects::VirtualService& vs,
                               const std::vector<std::string>& gateways) {
    for (const auto& name : gateways) {
      const size_t slash = name.find('/');
      if (slash == std::string::npos) continue;
      const auto* gateway = world_.find_gateway(name.substr(0, slash), name.substr(slash + 1));
      if (!gateway) continue;
      for (size_t i = 0; i < vs.hosts.size(); ++i) {
        const std::string host = world_.resolve_host(vs.hosts[i], vs.meta.namespace_name);
        const bool found =
            std::any_of(gateway->servers.begin(), gateway->servers.end(), [&](const auto& server) {
              return std::any_of(server.hosts.begin(), server.hosts.end(), [&](const auto& written) {
                const auto served =
                    server_host_for(written, gateway->meta.namespace_name, vs.meta.namespace_name);
                return served && hosts_overlap(*served, host);
              });
            });
        // A rule for the mesh too has hosts that only the mesh needs.
        if (found || bound_to(vs, "mesh")) continue;
        say(Severity::warning, "IST0132", about, 0, concat("spec.hosts[", i, "]"),
            concat("Gateway ", name, " has no server for host ", vs.hosts[i]),
            "add the host to the Gateway's servers, or take it from here");
      }
    }
  }

  void check_hosts(const About& about, const objects::VirtualService& vs) {
    if (!bound_to(vs, "mesh")) return;
    const std::string suffix = concat(".svc.", world_.options().cluster_domain);
    for (size_t i = 0; i < vs.hosts.size(); ++i) {
      const std::string host = world_.resolve_host(vs.hosts[i], vs.meta.namespace_name);
      if (is_wildcard(host) || !host.ends_with(suffix) || world_.find_service(host, vs.meta.namespace_name))
        continue;
      say(Severity::warning, "", about, 0, concat("spec.hosts[", i, "]"),
          concat("there is no service ", host), "the rule is for no traffic until there is one");
    }
  }

  // On sidecars a host has one VirtualService: the oldest. The others' rules for it are never used.
  void check_mesh_hosts() {
    std::map<std::string, std::vector<const objects::VirtualService*>> claims;
    for (const auto& vs : world_.virtual_services()) {
      if (!bound_to(*vs, "mesh") || vs->http.empty()) continue;
      std::set<std::string> own;
      for (size_t i = 0; i < vs->hosts.size(); ++i) {
        const std::string host = world_.resolve_host(vs->hosts[i], vs->meta.namespace_name);
        if (!own.insert(host).second) continue;
        auto& list = claims[host];
        const auto winner = std::find_if(list.begin(), list.end(), [&](const auto* other) {
          return World::exported(other->export_to, other->meta.namespace_name, vs->meta.namespace_name) ||
                 World::exported(vs->export_to, vs->meta.namespace_name, other->meta.namespace_name);
        });
        if (winner != list.end()) {
          say(Severity::error, "IST0109", {"VirtualService", vs->meta}, 0, concat("spec.hosts[", i, "]"),
              concat("host ", host, " is already claimed by the older VirtualService ",
                     (*winner)->meta.namespace_name, "/", (*winner)->meta.name, place((*winner)->meta)),
              "sidecars use the oldest only: merge the two into one VirtualService");
        }
        list.push_back(vs.get());
      }
    }
  }

  // ---- DestinationRule ----

  void check(const objects::DestinationRule& rule) {
    const About about{"DestinationRule", rule.meta};
    const std::string& ns = rule.meta.namespace_name;
    const std::string host = world_.resolve_host(rule.host, ns);
    std::vector<ServiceRef> services;
    if (!is_wildcard(host)) {
      if (auto service = world_.find_service(host, ns)) services.push_back(std::move(service));
    } else {
      for (const auto& service : world_.services_visible_in(ns)) {
        if (host_within(service->host, host)) services.push_back(service);
      }
    }
    if (services.empty()) {
      say(Severity::warning, "IST0174", about, 0, "spec.host", concat("there is no service ", host),
          "the rule is for no traffic until there is one");
      return;
    }
    for (size_t i = 0; i < rule.subsets.size(); ++i) {
      const auto& subset = rule.subsets[i];
      const bool known = std::any_of(services.begin(), services.end(), [&](const auto& service) {
        return !can_tell(*service) || has_pods(*service, subset.labels);
      });
      if (known) continue;
      say(Severity::error, "IST0173", about, subset.line, concat("spec.subsets[", i, "]"),
          concat("no pod of ", host, " has the labels of subset \"", subset.name, "\""),
          "requests for the subset are answered 503: correct the labels, here or on the pods");
    }
    if (rule.traffic_policy) {
      check_tls(about, rule.traffic_policy->tls, "spec.trafficPolicy.tls", rule.traffic_policy->line,
                services, rule);
      for (size_t i = 0; i < rule.traffic_policy->port_level.size(); ++i) {
        const auto& level = rule.traffic_policy->port_level[i];
        check_tls(about, level.tls, concat("spec.trafficPolicy.portLevelSettings[", i, "].tls"), level.line,
                  services, rule);
      }
    }
  }

  bool can_tell(const ServiceInfo& service) const {
    if (!service.kubernetes) return !service.instances.empty();
    return !service.selector.empty() && anything_selectable(service.namespace_name);
  }

  bool has_pods(const ServiceInfo& service, const objects::Labels& labels) const {
    if (!service.kubernetes) {
      return std::any_of(service.instances.begin(), service.instances.end(), [&](const auto& instance) {
        return objects::selects(labels, instance.label_set());
      });
    }
    return selectable_.any(service.namespace_name, service.selector, labels);
  }

  // A tls block takes the place of automatic mutual TLS: the classic way to a 503.
  void check_tls(const About& about, const std::optional<objects::ClientTls>& tls, const std::string& field,
                 int line, const std::vector<ServiceRef>& services, const objects::DestinationRule& rule) {
    using Mode = objects::ClientTls::Mode;
    if (!tls) return;
    if (tls->insecure_skip_verify.value_or(false)) {
      say(Severity::warning, "IST0128", about, line, concat(field, ".insecureSkipVerify"),
          "the server's certificate is not verified", "give caCertificates, or leave the field out");
    }
    if (!tls->credential_name.empty() && !rule.workload_selector) {
      say(Severity::warning, "", about, line, concat(field, ".credentialName"), "only gateways can use it",
          "sidecars need clientCertificate, privateKey and caCertificates, or ISTIO_MUTUAL");
    }
    for (const auto& service : services) {
      if (service->external) continue;
      bool strict = false;
      bool speaks = true;
      for (const auto& instance : service->instances) {
        if (!instance.workload) continue;
        speaks &= instance.workload->sidecar || instance.workload->gateway;
        for (const uint16_t port : instance.ports) {
          const auto mode =
              world_.mtls_mode(instance.workload->namespace_name, instance.workload->labels, port);
          strict |= instance.workload->sidecar && mode == MtlsMode::strict;
          speaks &= mode != MtlsMode::disable;
        }
      }
      if (strict && tls->mode != Mode::istio_mutual) {
        say(Severity::warning, "", about, line, concat(field, ".mode"),
            concat("the pods of ", service->host,
                   " demand mutual TLS (PeerAuthentication STRICT) and this turns it off"),
            "their sidecars refuse such connections: write ISTIO_MUTUAL, or leave the block out");
      } else if (!speaks && tls->mode == Mode::istio_mutual) {
        say(Severity::warning, "", about, line, concat(field, ".mode"),
            concat("not every pod of ", service->host, " accepts mutual TLS"),
            "leave the block out: mutual TLS is then used wherever both ends can");
      }
    }
  }

  // ---- Gateway ----

  void check(const objects::Gateway& gateway) {
    const About about{"Gateway", gateway.meta};
    std::vector<std::shared_ptr<const Workload>> pods;
    for (const auto& workload : world_.workloads()) {
      if (objects::selects(gateway.selector, workload->labels)) pods.push_back(workload);
    }
    const bool default_ingress = gateway.selector == objects::Labels{{"istio", "ingressgateway"}};
    if (!gateway.selector.empty() && pods.empty() && !default_ingress &&
        !selects_something("", gateway.selector)) {
      say(Severity::error, "IST0101", about, 0, "spec.selector", "no pod has these labels",
          "give the labels of a gateway's pods, \"istio: ingressgateway\" for instance");
    }
    for (size_t i = 0; i < gateway.servers.size(); ++i) {
      const auto& server = gateway.servers[i];
      check_credential(about, gateway, server, concat("spec.servers[", i, "]"), pods);
      for (const auto& pod : pods) {
        const auto services = world_.services_of(*pod);
        const bool defined =
            services.empty() || std::any_of(services.begin(), services.end(), [&](const auto& service) {
              return service->find_port(server.port) != nullptr;
            });
        if (defined) continue;
        say(Severity::warning, "IST0162", about, server.line, concat("spec.servers[", i, "].port"),
            concat("no Service of pod ", pod->namespace_name, "/", pod->name, " has port ", server.port),
            "the pod listens there, but no Service leads to it: add the port to the Service");
      }
    }
  }

  void check_credential(const About& about, const objects::Gateway& gateway,
                        const objects::GatewayServer& server, const std::string& field,
                        const std::vector<std::shared_ptr<const Workload>>& pods) {
    using Mode = objects::ServerTls::Mode;
    if (!server.tls || server.tls->credential_name.empty()) return;
    std::set<std::string> namespaces;
    for (const auto& pod : pods) namespaces.insert(pod->namespace_name);
    if (namespaces.empty()) return;  // nothing would ask for it
    const bool mutual = server.tls->mode == Mode::mutual || server.tls->mode == Mode::optional_mutual;
    for (const auto& ns : namespaces) {
      const std::string name = concat("kubernetes://", server.tls->credential_name);
      if (!secret_for(world_, ns, name)) {
        say(Severity::error, "IST0161", about, server.line, concat(field, ".tls.credentialName"),
            concat("there is no Secret ", ns, "/", server.tls->credential_name,
                   " with a certificate and key"),
            "create it in the namespace of the gateway's pods, with tls.crt and tls.key");
      } else if (mutual && !secret_for(world_, ns, name + "-cacert")) {
        say(Severity::error, "IST0161", about, server.line, concat(field, ".tls.credentialName"),
            concat("Secret ", ns, "/", server.tls->credential_name, " has no roots to verify clients with"),
            concat("add ca.crt to it, or create Secret ", server.tls->credential_name, "-cacert"));
      }
    }
  }

  void check_gateway_servers() {
    for (const auto& workload : world_.workloads()) {
      if (!workload->gateway) continue;
      for (const auto& conflict : gateway_conflicts(world_, *workload)) {
        const auto& servers = conflict.gateway->servers;
        const auto index = static_cast<size_t>(conflict.server - servers.data());
        say(Severity::error, "IST0145", {"Gateway", conflict.gateway->meta}, conflict.server->line,
            concat("spec.servers[", index, "]"),
            concat(conflict.why, ", by Gateway ", conflict.other->meta.namespace_name, "/",
                   conflict.other->meta.name, place(conflict.other->meta)),
            "this server is left out: give it another port or other hosts");
      }
    }
  }

  // ---- ServiceEntry, Service ----

  void check(const objects::ServiceEntry& entry) {
    for (const auto& service : world_.services()) {
      if (service->entry.get() != &entry || !service->addresses.empty()) continue;
      for (size_t i = 0; i < entry.ports.size(); ++i) {
        const auto protocol = service->ports[i].protocol;
        if (is_http(protocol) || is_tls(protocol) || protocol == Protocol::udp) continue;
        say(Severity::warning, "IST0134", {"ServiceEntry", entry.meta}, entry.ports[i].line,
            concat("spec.ports[", i, "]"),
            concat("without addresses every TCP connection to port ", entry.ports[i].number, " is taken for ",
                   service->host, ", whatever its address"),
            "write the addresses");
      }
      return;
    }
  }

  void check(const ServiceInfo& service) {
    if (!service.kubernetes) return;
    const About about{"Service", service.service->meta};
    for (size_t i = 0; i < service.ports.size(); ++i) {
      const auto& port = service.ports[i];
      const auto& written = service.service->ports[i];
      if (port.protocol != Protocol::automatic || !written.app_protocol.empty()) continue;
      say(Severity::warning, "IST0118", about, port.line, concat("spec.ports[", i, "].name"),
          port.name.empty() ? concat("port ", port.number, " has no name that says its protocol")
                            : concat("\"", port.name, "\" does not say the port's protocol"),
          "it is told from each connection's first bytes: write appProtocol, or a name such as http, "
          "grpc-api, tcp-db");
    }
    if (!service.selector.empty() && anything_selectable(service.namespace_name) &&
        !selects_something(service.namespace_name, service.selector)) {
      say(Severity::warning, "", about, 0, "spec.selector", "no pod has these labels",
          "requests to the service are answered 503 until one has");
    }
  }

  // Two services may send different protocols to one port of a pod: there the older decides what it speaks.
  void check_inbound_ports() {
    std::map<std::pair<const ServiceInfo*, const ServiceInfo*>, bool> told;
    for (const auto& workload : world_.workloads()) {
      std::map<uint16_t, std::pair<const ServiceInfo*, const ServicePort*>> by_port;
      auto services = world_.services_of(*workload);
      std::sort(services.begin(), services.end(),
                [](const auto& a, const auto& b) { return older(a->meta(), b->meta()); });
      for (const auto& service : services) {
        for (const auto& instance : service->instances) {
          if (instance.workload != workload) continue;
          for (size_t i = 0; i < service->ports.size(); ++i) {
            const auto& port = service->ports[i];
            if (instance.ports[i] == 0 || port.protocol == Protocol::udp) continue;
            const auto [it, fresh] = by_port.try_emplace(instance.ports[i], service.get(), &port);
            if (fresh || it->second.second->protocol == port.protocol || it->second.first == service.get())
              continue;
            if (std::exchange(told[{it->second.first, service.get()}], true)) continue;
            say(Severity::warning, "IST0137", {"Service", service->meta()}, port.line,
                concat("spec.ports[", i, "]"),
                concat("says ", to_string(port.protocol), " for port ", instance.ports[i], " of pod ",
                       workload->namespace_name, "/", workload->name, ", where the older Service ",
                       it->second.first->namespace_name, "/", it->second.first->name, " says ",
                       to_string(it->second.second->protocol)),
                "the older one's word holds: name the same protocol in both");
          }
        }
      }
    }
  }

  // ---- Policies ----

  void check(const objects::AuthorizationPolicy& policy) {
    const About about{"AuthorizationPolicy", policy.meta};
    const std::string& ns = policy.meta.namespace_name;
    if (policy.selector && !policy.selector->match_labels.empty() &&
        !selects_something(reach(ns), policy.selector->match_labels)) {
      say(Severity::warning, "IST0127", about, 0, "spec.selector", "no pod has these labels",
          "the policy protects nothing until one has");
    }
    for (size_t i = 0; i < policy.rules.size(); ++i) {
      const auto& rule = policy.rules[i];
      for (size_t j = 0; j < rule.from.size(); ++j) {
        for (const auto& name : rule.from[j].namespaces) {
          if (name.find('*') != std::string::npos || namespaces_.contains(name)) continue;
          say(Severity::warning, "IST0101", about, rule.line,
              concat("spec.rules[", i, "].from[", j, "].source.namespaces"),
              concat("there is no namespace ", name), "create it, or correct the name");
        }
      }
    }
    check_http_on_tcp(about, policy);
  }

  static bool asks_http(const objects::AuthorizationRule& rule) {
    return std::any_of(rule.to.begin(), rule.to.end(),
                       [](const auto& to) {
                         return !to.hosts.empty() || !to.not_hosts.empty() || !to.methods.empty() ||
                                !to.not_methods.empty() || !to.paths.empty() || !to.not_paths.empty();
                       }) ||
           std::any_of(rule.when.begin(), rule.when.end(),
                       [](const auto& when) { return when.key.starts_with("request."); });
  }

  void check_http_on_tcp(const About& about, const objects::AuthorizationPolicy& policy) {
    const auto rule = std::find_if(policy.rules.begin(), policy.rules.end(), asks_http);
    if (rule == policy.rules.end()) return;
    const std::string_view ns = reach(policy.meta.namespace_name);
    for (const auto& workload : world_.workloads()) {
      if (!ns.empty() && workload->namespace_name != ns) continue;
      if (policy.selector && !objects::selects(policy.selector->match_labels, workload->labels)) continue;
      for (const auto& service : world_.services_of(*workload)) {
        for (const auto& port : service->ports) {
          if (is_http(port.protocol) || port.protocol == Protocol::automatic ||
              port.protocol == Protocol::udp)
            continue;
          const bool allow = policy.action == objects::AuthorizationPolicy::Action::allow;
          say(Severity::warning, "", about, rule->line,
              concat("spec.rules[", static_cast<size_t>(rule - policy.rules.begin()), "]"),
              concat("asks what only HTTP has, and port ", port.number, " of ", service->host, " is ",
                     to_string(port.protocol)),
              allow ? "there the rule never matches; allow the port with a rule of its own"
                    : "there the rule goes without those fields and matches more; name the ports it is for");
          return;
        }
      }
    }
  }

  void check_peer_authentications() {
    std::map<std::string, const objects::PeerAuthentication*> of_all;
    for (const auto& policy : world_.peer_authentications()) {
      const About about{"PeerAuthentication", policy->meta};
      const std::string& ns = policy->meta.namespace_name;
      const bool selective = policy->selector && !policy->selector->match_labels.empty();
      if (selective && ns == world_.options().root_namespace) {
        say(Severity::warning, "IST0167", about, 0, "spec.selector",
            "a selector has no effect in the root namespace; the policy is ignored",
            "put the policy into the namespace of the pods");
        continue;
      }
      if (selective) {
        if (!selects_something(ns, policy->selector->match_labels)) {
          say(Severity::warning, "IST0127", about, 0, "spec.selector", "no pod has these labels",
              "the policy protects nothing until one has");
        }
        continue;
      }
      const auto [it, fresh] = of_all.try_emplace(ns, policy.get());
      if (fresh) continue;
      say(Severity::warning, "IST0167", about, 0, "",
          concat("the older PeerAuthentication ", ns, "/", it->second->meta.name, place(it->second->meta),
                 " already holds for the whole namespace"),
          "the oldest only is used: merge the two");
    }
  }

  const World& world_;
  Selectable selectable_;
  std::map<std::string, std::set<std::string>> subsets_;  // by host
  std::set<std::string> namespaces_;
  std::vector<Complaint> complaints_;
};

// The same objects with one pod of each Deployment, and every pod at some address.
std::shared_ptr<const World> planned_world(const World& world) {
  WorldInput input = world.input();
  uint32_t next = 0x64400001;  // 100.64.0.1
  const auto run = [&](const objects::ObjectMeta& meta) {
    input.workloads[concat(meta.namespace_name, "/", meta.name)] = {.ip = IpAddress::v4(next++).to_string(),
                                                                    .ready = true};
  };
  for (const auto& workload : world.workloads()) run(workload->pod->meta);
  for (const auto& deployment : world.deployments()) {
    auto pod = pod_of(*deployment, 0);
    run(pod->meta);
    input.objects.emplace_back(std::move(pod));
  }
  return World::make(std::move(input));
}

}  // namespace

std::vector<Complaint> validate(const World& world) {
  // Of files alone nothing runs yet: then judge what will.
  const bool running = std::any_of(world.workloads().begin(), world.workloads().end(),
                                   [](const auto& workload) { return workload->ip.has_value(); });
  if (running) return Validation(world).run();
  const auto planned = planned_world(world);
  return Validation(*planned).run();
}

}  // namespace weft::translate
