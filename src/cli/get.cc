// weft get: what runs, as a table or as JSON.
#include <chrono>
#include <cstdio>

#include "base/json.h"
#include "base/strings.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/mesh_state.h"
#include "cli/table.h"

namespace weft::cli {
namespace {

struct GetOptions {
  std::string what;
  std::string mesh = "default";
  std::string namespace_name;
  bool all = false;
  std::string output;
};

int64_t seconds_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

bool is_wanted(const GetOptions& options, const std::string& namespace_name) {
  if (!options.namespace_name.empty()) return namespace_name == options.namespace_name;
  return options.all || namespace_name == "default";
}

int ready_count(const PodStatus& pod) {
  int count = 0;
  for (const auto& container : pod.containers) count += container.ready ? 1 : 0;
  return count;
}

void print_pods_json(const std::vector<PodStatus>& pods) {
  JsonWriter json(2);
  json.begin_object().field("kind", "PodList").key("items").begin_array();
  for (const PodStatus& pod : pods) {
    json.begin_object().field("namespace", pod.namespace_name).field("name", pod.name).field("ip", pod.ip);
    json.field("owner", pod.owner)
        .field("status", pod.status)
        .field("proxy", pod.proxy)
        .field("netns", pod.netns);
    json.field("ready", ready_count(pod) == static_cast<int>(pod.containers.size()) &&
                            !pod.containers.empty() && pod.status == "Running");
    json.field("started", pod.started).key("containers").begin_array();
    for (const auto& container : pod.containers) {
      json.begin_object()
          .field("name", container.name)
          .field("state", container.state)
          .field("ready", container.ready);
      json.field("restarts", container.restarts).field("pid", static_cast<int64_t>(container.pid));
      json.field("log", container.log).field("reason", container.reason).end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().end_object();
  std::puts(json.take().c_str());
}

void print_pods(const std::vector<PodStatus>& pods, bool with_namespace, bool wide) {
  std::vector<std::string> header{"NAME", "READY", "STATUS", "RESTARTS", "AGE"};
  if (with_namespace) header.insert(header.begin(), "NAMESPACE");
  if (wide) header.insert(header.end(), {"IP", "PROXY", "NETNS"});
  Table table(header);
  for (const PodStatus& pod : pods) {
    int restarts = 0;
    for (const auto& container : pod.containers) restarts += container.restarts;
    std::vector<std::string> row{pod.name, concat(ready_count(pod), "/", pod.containers.size()), pod.status,
                                 concat(restarts),
                                 age_text(std::chrono::seconds(seconds_now() - pod.started))};
    if (with_namespace) row.insert(row.begin(), pod.namespace_name);
    if (wide) row.insert(row.end(), {pod.ip, pod.proxy, pod.netns});
    table.add(std::move(row));
  }
  std::fputs(table.to_string().c_str(), stdout);
}

void print_services_json(const std::vector<ServiceStatus>& services) {
  JsonWriter json(2);
  json.begin_object().field("kind", "ServiceList").key("items").begin_array();
  for (const ServiceStatus& service : services) {
    json.begin_object()
        .field("namespace", service.namespace_name)
        .field("name", service.name)
        .field("type", service.type);
    json.field("clusterIP", service.cluster_ip)
        .field("external", service.external)
        .field("ports", service.ports);
    json.field("selector", service.selector).end_object();
  }
  json.end_array().end_object();
  std::puts(json.take().c_str());
}

void print_services(const std::vector<ServiceStatus>& services, bool with_namespace, bool wide) {
  std::vector<std::string> header{"NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)"};
  if (with_namespace) header.insert(header.begin(), "NAMESPACE");
  if (wide) header.push_back("SELECTOR");
  Table table(header);
  for (const ServiceStatus& service : services) {
    std::vector<std::string> row{service.name, service.type, service.cluster_ip, service.external,
                                 service.ports};
    if (with_namespace) row.insert(row.begin(), service.namespace_name);
    if (wide) row.push_back(service.selector);
    table.add(std::move(row));
  }
  std::fputs(table.to_string().c_str(), stdout);
}

Result<int> run_get(const GetOptions& options) {
  WEFT_TRY(const MeshState state, MeshState::open(options.mesh));
  WEFT_TRY(MeshStatus status, state.read_status());
  if (!is_running(status)) {
    std::fprintf(stderr, "weft: mesh '%s' is not running any more; 'weft down' removes what it left\n",
                 options.mesh.c_str());
  }
  const bool json = options.output == "json";
  const bool wide = options.output == "wide";
  const bool with_namespace = options.all;
  const auto nothing = [&] {
    std::fprintf(stderr, "No resources found%s.\n",
                 options.all ? ""
                             : concat(" in namespace '",
                                      options.namespace_name.empty() ? "default" : options.namespace_name,
                                      "' (-A shows all)")
                                   .c_str());
  };
  if (options.what == "pods" || options.what == "pod" || options.what == "po") {
    std::erase_if(status.pods, [&](const PodStatus& pod) { return !is_wanted(options, pod.namespace_name); });
    if (json) {
      print_pods_json(status.pods);
    } else if (status.pods.empty()) {
      nothing();
    } else {
      print_pods(status.pods, with_namespace, wide);
    }
    return 0;
  }
  if (options.what == "services" || options.what == "service" || options.what == "svc") {
    std::erase_if(status.services,
                  [&](const ServiceStatus& service) { return !is_wanted(options, service.namespace_name); });
    if (json) {
      print_services_json(status.services);
    } else if (status.services.empty()) {
      nothing();
    } else {
      print_services(status.services, with_namespace, wide);
    }
    return 0;
  }
  if (options.what == "gateways" || options.what == "gateway") {
    JsonWriter out(2);
    Table table({"GATEWAY", "PORT", "ADDRESS"});
    out.begin_object();
    for (const auto& [name, address] : status.gateways) {
      out.field(name, address);
      table.add({name.substr(0, name.find(':')), name.substr(name.find(':') + 1), address});
    }
    std::fputs(json ? (out.end_object().take() + "\n").c_str() : table.to_string().c_str(), stdout);
    return 0;
  }
  return fail(Error::Kind::invalid,
              concat("'", options.what, "' cannot be listed; there are pods, services and gateways"));
}

}  // namespace

void add_get(CommandTable& table) {
  auto options = std::make_shared<GetOptions>();
  table.add("get", "List pods, services or gateways of a running mesh")
      .word("WHAT", options->what, "pods, services or gateways")
      .option("-n,--namespace", options->namespace_name, "of this namespace (default)")
      .flag("-A,--all-namespaces", options->all, "of all namespaces")
      .choice("-o,--output", options->output, {"json", "wide"}, "json, or wide for more columns")
      .option("--mesh", options->mesh, "name of the mesh (default)")
      .example("weft get pods -A -o wide")
      .runs([options] { return run_get(*options); });
}

}  // namespace weft::cli
