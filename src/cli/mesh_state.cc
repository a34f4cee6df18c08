#include "cli/mesh_state.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/json.h"
#include "base/strings.h"
#include "cli/files.h"
#include "yaml/tree.h"

namespace weft::cli {
namespace {

// Beside the objects, so that who watches them sees it change; the dot keeps it from being taken for one.
constexpr std::string_view kScaleFile = "objects/.scale";

std::string text_of(const yaml::Node& node, std::string_view name) {
  const yaml::Node* child = node.find(name);
  return child == nullptr ? std::string() : child->text;
}

int64_t number_of(const yaml::Node& node, std::string_view name) {
  const yaml::Node* child = node.find(name);
  return child == nullptr ? 0 : yaml::as_integer(*child).value_or(0);
}

bool flag_of(const yaml::Node& node, std::string_view name) {
  const yaml::Node* child = node.find(name);
  return child != nullptr && yaml::as_boolean(*child).value_or(false);
}

const std::vector<yaml::Node>& list_of(const yaml::Node& node, std::string_view name) {
  static const std::vector<yaml::Node> none;
  const yaml::Node* child = node.find(name);
  return child == nullptr ? none : child->children;
}

void put(JsonWriter& json, const PodStatus& pod) {
  json.begin_object();
  json.field("namespace", pod.namespace_name)
      .field("name", pod.name)
      .field("ip", pod.ip)
      .field("owner", pod.owner);
  json.field("status", pod.status)
      .field("proxy", pod.proxy)
      .field("netns", pod.netns)
      .field("started", pod.started);
  json.key("containers").begin_array();
  for (const ContainerStatus& container : pod.containers) {
    json.begin_object().field("name", container.name).field("state", container.state);
    json.field("pid", static_cast<int64_t>(container.pid)).field("ready", container.ready);
    json.field("restarts", container.restarts).field("log", container.log).field("reason", container.reason);
    json.end_object();
  }
  json.end_array().end_object();
}

PodStatus read_pod(const yaml::Node& node) {
  PodStatus pod{.namespace_name = text_of(node, "namespace"),
                .name = text_of(node, "name"),
                .ip = text_of(node, "ip"),
                .owner = text_of(node, "owner"),
                .status = text_of(node, "status"),
                .proxy = text_of(node, "proxy"),
                .netns = text_of(node, "netns"),
                .started = number_of(node, "started"),
                .containers = {}};
  for (const yaml::Node& each : list_of(node, "containers")) {
    pod.containers.push_back({.name = text_of(each, "name"),
                              .state = text_of(each, "state"),
                              .pid = static_cast<pid_t>(number_of(each, "pid")),
                              .ready = flag_of(each, "ready"),
                              .restarts = static_cast<int>(number_of(each, "restarts")),
                              .log = text_of(each, "log"),
                              .reason = text_of(each, "reason")});
  }
  return pod;
}

void put(JsonWriter& json, const ServiceStatus& service) {
  json.begin_object();
  json.field("namespace", service.namespace_name).field("name", service.name).field("type", service.type);
  json.field("clusterIP", service.cluster_ip)
      .field("external", service.external)
      .field("ports", service.ports);
  json.field("selector", service.selector).field("created", service.created).end_object();
}

ServiceStatus read_service(const yaml::Node& node) {
  return {.namespace_name = text_of(node, "namespace"),
          .name = text_of(node, "name"),
          .type = text_of(node, "type"),
          .cluster_ip = text_of(node, "clusterIP"),
          .external = text_of(node, "external"),
          .ports = text_of(node, "ports"),
          .selector = text_of(node, "selector"),
          .created = number_of(node, "created")};
}

}  // namespace

MeshState MeshState::of(const std::string& mesh) {
  MeshState state;
  state.mesh_ = mesh;
  const char* given = std::getenv("WEFT_STATE_DIR");
  const char* user = std::getenv("XDG_RUNTIME_DIR");
  std::string base = "/run/weft";
  if (given != nullptr && *given != '\0') {
    base = given;
  } else if (::geteuid() != 0) {
    base = user != nullptr && *user != '\0' ? concat(user, "/weft") : concat("/tmp/weft-", ::geteuid());
  }
  state.directory_ = concat(std::filesystem::absolute(base).string(), "/", mesh);
  return state;
}

Result<MeshState> MeshState::open(const std::string& mesh) {
  MeshState state = of(mesh);
  if (::access(state.path("status.json").c_str(), F_OK) != 0) {
    return fail(Error::Kind::not_found, concat("no mesh '", mesh, "' runs here (", state.directory_,
                                               " has no status.json); start one with 'weft up DIR'",
                                               mesh == "default" ? "" : concat(" --mesh ", mesh)));
  }
  return state;
}

Result<MeshStatus> MeshState::read_status() const {
  WEFT_TRY(const std::string text, read_file(path("status.json")));
  WEFT_TRY(const yaml::Node root, yaml::parse_one(text, path("status.json")));
  MeshStatus status{.name = text_of(root, "mesh"),
                    .pid = static_cast<pid_t>(number_of(root, "pid")),
                    .pid_started = static_cast<uint64_t>(number_of(root, "pidStarted")),
                    .rootless = flag_of(root, "rootless"),
                    .directories = {},
                    .hub = text_of(root, "hub"),
                    .gateways = {},
                    .pods = {},
                    .services = {}};
  for (const yaml::Node& each : list_of(root, "directories")) status.directories.push_back(each.text);
  for (const yaml::Node& each : list_of(root, "gateways")) status.gateways[each.key] = each.text;
  for (const yaml::Node& each : list_of(root, "pods")) status.pods.push_back(read_pod(each));
  for (const yaml::Node& each : list_of(root, "services")) status.services.push_back(read_service(each));
  return status;
}

Result<MeshStatus> MeshState::read_running() const {
  WEFT_TRY(MeshStatus status, read_status());
  if (is_running(status)) return status;
  return fail(Error::Kind::unavailable,
              concat("the process that ran mesh '", mesh_, "' (weft up, ", status.pid,
                     ") has died, and nobody looks after its pods; remove what it left with 'weft down",
                     mesh_ == "default" ? "" : concat(" --mesh ", mesh_), "', then start it again"));
}

Result<void> MeshState::write_status(const MeshStatus& status) const {
  JsonWriter json(1);
  json.begin_object().field("mesh", status.name).field("pid", static_cast<int64_t>(status.pid));
  json.field("pidStarted", status.pid_started).field("rootless", status.rootless).field("hub", status.hub);
  json.key("directories").begin_array();
  for (const auto& each : status.directories) json.value(each);
  json.end_array().key("gateways").begin_object();
  for (const auto& [name, address] : status.gateways) json.field(name, address);
  json.end_object().key("pods").begin_array();
  for (const auto& pod : status.pods) put(json, pod);
  json.end_array().key("services").begin_array();
  for (const auto& service : status.services) put(json, service);
  json.end_array().end_object();
  return write_file(path("status.json"), json.take() + "\n");
}

Result<std::map<std::string, int>> MeshState::read_scale() const {
  std::map<std::string, int> scale;
  if (::access(path(kScaleFile).c_str(), F_OK) != 0) return scale;
  WEFT_TRY(const std::string text, read_file(path(kScaleFile)));
  WEFT_TRY(const yaml::Node root, yaml::parse_one(text, path(kScaleFile)));
  for (const yaml::Node& each : root.children)
    scale[each.key] = static_cast<int>(yaml::as_integer(each).value_or(1));
  return scale;
}

Result<void> MeshState::write_scale(const std::map<std::string, int>& scale) const {
  JsonWriter json(1);
  json.begin_object();
  for (const auto& [name, replicas] : scale) json.field(name, replicas);
  json.end_object();
  return write_file(path(kScaleFile), json.take() + "\n");
}

bool is_running(const MeshStatus& status) {
  return status.pid > 0 && process_start(status.pid) == status.pid_started && status.pid_started != 0;
}

uint64_t process_start(pid_t pid) {
  const auto text = read_file(concat("/proc/", pid, "/stat"));
  if (!text) return 0;
  // After the name in parentheses, which may hold anything, starttime is the 20th field.
  const size_t name_end = text->rfind(')');
  if (name_end == std::string::npos) return 0;
  const auto fields = split(std::string_view(*text).substr(name_end + 2), ' ');
  return fields.size() > 19 && fields[0] != "Z" ? parse_unsigned(fields[19]).value_or(0) : 0;
}

Result<PodStatus> find_pod(const MeshStatus& status, const std::string& name,
                           const std::string& namespace_name) {
  std::string wanted = name;
  std::string where = namespace_name.empty() ? "default" : namespace_name;
  bool by_owner = false;
  if (const size_t slash = name.find('/'); slash != std::string::npos) {
    const std::string before = name.substr(0, slash);
    wanted = name.substr(slash + 1);
    by_owner = before == "deployment" || before == "deploy" || before == "deployments";
    if (!by_owner && before != "pod" && before != "pods") where = before;
  }
  const PodStatus* found = nullptr;
  std::string names;
  for (const PodStatus& pod : status.pods) {
    names += concat(names.empty() ? "" : ", ", pod.namespace_name, "/", pod.name);
    if (pod.namespace_name != where) continue;
    const bool fits = by_owner ? pod.owner == wanted : pod.name == wanted || pod.owner == wanted;
    // A deployment's name stands for its first pod that runs.
    if (fits &&
        (found == nullptr || (found->status != "Running" && pod.status == "Running") || pod.name == wanted))
      found = &pod;
  }
  if (found != nullptr) return *found;
  return fail(Error::Kind::not_found, concat("there is no pod or deployment '", wanted, "' in namespace '",
                                             where, "'; there are: ", names.empty() ? "none" : names));
}

Result<void> check_mesh_name(const std::string& name) {
  const bool good = !name.empty() && name.size() <= 20 &&
                    name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") == std::string::npos;
  if (good) return {};
  return fail(Error::Kind::invalid, concat("'", name, "' cannot name a mesh: use at most 20 of a-z and 0-9"));
}

}  // namespace weft::cli
