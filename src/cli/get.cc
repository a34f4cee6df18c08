// weft get: what runs, as a table, JSON or YAML.
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "base/json.h"
#include "base/strings.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/mesh_state.h"
#include "cli/table.h"
#include "cli/yaml_text.h"
#include "objects/checks.h"

namespace weft::cli {
namespace {

struct GetOptions {
  std::string what;
  std::vector<std::string> names;
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

std::string shown_namespace(const GetOptions& options) {
  return options.namespace_name.empty() ? "default" : options.namespace_name;
}

int ready_count(const PodStatus& pod) {
  int count = 0;
  for (const auto& container : pod.containers) count += container.ready ? 1 : 0;
  return count;
}

void put(JsonWriter& json, const PodStatus& pod) {
  json.begin_object().field("kind", "Pod").field("namespace", pod.namespace_name).field("name", pod.name);
  json.field("ip", pod.ip).field("owner", pod.owner).field("status", pod.status).field("proxy", pod.proxy);
  json.field("netns", pod.netns);
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

void put(JsonWriter& json, const ServiceStatus& service) {
  json.begin_object().field("kind", "Service").field("namespace", service.namespace_name);
  json.field("name", service.name).field("type", service.type).field("clusterIP", service.cluster_ip);
  json.field("external", service.external).field("ports", service.ports);
  json.field("selector", service.selector).end_object();
}

// One object where it was asked for by name, else a list.
template <typename Status>
std::string to_json(const std::vector<Status>& all, std::string_view list_kind, bool single) {
  JsonWriter json(2);
  if (single && all.size() == 1) {
    put(json, all.front());
    return json.take() + "\n";
  }
  json.begin_object().field("kind", list_kind).key("items").begin_array();
  for (const Status& each : all) put(json, each);
  json.end_array().end_object();
  return json.take() + "\n";
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

// What was asked for: "pods", "pod/web", or "pods web api".
struct Wanted {
  std::string kind;
  std::vector<std::string> names;  // none: all
};

Wanted wanted_of(const GetOptions& options) {
  Wanted wanted{.kind = to_lower(options.what), .names = options.names};
  if (const size_t slash = wanted.kind.find('/'); slash != std::string::npos) {
    wanted.names.insert(wanted.names.begin(), options.what.substr(slash + 1));
    wanted.kind.resize(slash);
  }
  return wanted;
}

// Leaves what is wanted, in the order in which it was named; 1 and a message for each name that is not there.
template <typename Status>
int choose(std::vector<Status>& all, const GetOptions& options, const Wanted& wanted, std::string_view kind) {
  std::erase_if(all, [&](const Status& each) { return !is_wanted(options, each.namespace_name); });
  if (wanted.names.empty()) return 0;
  int status = 0;
  std::vector<Status> chosen;
  for (const std::string& name : wanted.names) {
    const auto found = std::ranges::find(all, name, &Status::name);
    if (found != all.end()) {
      chosen.push_back(*found);
      continue;
    }
    std::vector<std::string_view> names;
    for (const Status& each : all) names.push_back(each.name);
    const std::string hint = objects::did_you_mean(name, names);
    std::fprintf(stderr, "weft: %s\n",
                 concat("there is no ", kind, " '", name, "' in namespace '", shown_namespace(options), "'",
                        hint.empty() ? "" : concat("; ", hint))
                     .c_str());
    status = 1;
  }
  all = std::move(chosen);
  return status;
}

template <typename Status, typename Print>
int show(std::vector<Status> all, const GetOptions& options, const Wanted& wanted, std::string_view kind,
         Print print) {
  if (options.all && !wanted.names.empty()) {
    std::fprintf(stderr, "weft: a %s is named within one namespace; leave out -A, or the name\n",
                 std::string(kind).c_str());
    return 2;
  }
  const int status = choose(all, options, wanted, kind);
  const bool single = wanted.names.size() == 1;
  if (single && all.empty()) return status;
  if (options.output == "json" || options.output == "yaml") {
    const std::string json = to_json(all, kind == "pod" ? "PodList" : "ServiceList", single);
    std::fputs(options.output == "json" ? json.c_str() : json_to_yaml(json).c_str(), stdout);
  } else if (options.output == "name") {
    for (const Status& each : all) std::printf("%s/%s\n", std::string(kind).c_str(), each.name.c_str());
  } else if (!all.empty()) {
    print(all, options.all, options.output == "wide");
  } else if (wanted.names.empty()) {
    std::fprintf(
        stderr, "No resources found%s.\n",
        options.all ? "" : concat(" in namespace '", shown_namespace(options), "' (-A shows all)").c_str());
  }
  return status;
}

void show_gateways(const MeshStatus& status, const GetOptions& options) {
  JsonWriter json(2);
  Table table({"GATEWAY", "PORT", "ADDRESS"});
  json.begin_object();
  for (const auto& [name, address] : status.gateways) {
    json.field(name, address);
    table.add({name.substr(0, name.find(':')), name.substr(name.find(':') + 1), address});
  }
  const std::string text = json.end_object().take() + "\n";
  std::fputs(options.output == "json"   ? text.c_str()
             : options.output == "yaml" ? json_to_yaml(text).c_str()
                                        : table.to_string().c_str(),
             stdout);
}

Result<int> run_get(const GetOptions& options) {
  const Wanted wanted = wanted_of(options);
  const std::string& kind = wanted.kind;
  const bool pods = kind == "pods" || kind == "pod" || kind == "po";
  const bool services = kind == "services" || kind == "service" || kind == "svc";
  if (!pods && !services && kind != "gateways" && kind != "gateway") {
    return fail(Error::Kind::invalid,
                concat("'", options.what, "' cannot be listed; there are pods, services and gateways"));
  }
  WEFT_TRY(const MeshState state, MeshState::open(options.mesh));
  WEFT_TRY(MeshStatus status, state.read_running());
  if (pods) return show(std::move(status.pods), options, wanted, "pod", print_pods);
  if (services) return show(std::move(status.services), options, wanted, "service", print_services);
  show_gateways(status, options);
  return 0;
}

}  // namespace

void add_get(CommandTable& table) {
  auto options = std::make_shared<GetOptions>();
  table.add("get", "List pods, services or gateways of a running mesh")
      .word("WHAT", options->what, "pods, services or gateways; or one of them, as pod/NAME")
      .optional_words("NAME", options->names, "only these")
      .option("-n,--namespace", options->namespace_name, "of this namespace (default)")
      .flag("-A,--all-namespaces", options->all, "of all namespaces")
      .choice("-o,--output", options->output, {"json", "yaml", "wide", "name"},
              "json, yaml, name, or wide for more columns")
      .option("--mesh", options->mesh, "name of the mesh (default)")
      .example("weft get pods -A -o wide")
      .example("weft get pod client -n shop -o yaml")
      .runs([options] { return run_get(*options); });
}

}  // namespace weft::cli
