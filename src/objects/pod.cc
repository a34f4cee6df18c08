#include "objects/pod.h"

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "objects/readers.h"

namespace weft::objects {

namespace {

void read_key_ref(FieldReader& fields, KeyRef& out) {
  fields.text("name", out.object, check_dns_subdomain);
  fields.require("name");
  fields.text("key", out.key, check_not_empty);
  fields.require("key");
  fields.boolean("optional", out.optional);
}

void read_value_from(FieldReader& fields, EnvVar& out) {
  fields.object("fieldRef", out, [](FieldReader& ref, EnvVar& variable) {
    variable.source = EnvVar::Source::field;
    ref.accept("apiVersion");
    ref.text("fieldPath", variable.field_path, check_not_empty);
    ref.require("fieldPath");
  });
  fields.object("resourceFieldRef", out, [](FieldReader& ref, EnvVar& variable) {
    variable.source = EnvVar::Source::resource;
    ref.accept({"containerName", "divisor"});
    ref.text("resource", variable.field_path, check_not_empty);
    ref.require("resource");
  });
  if (fields.object("configMapKeyRef", out.key, read_key_ref)) out.source = EnvVar::Source::config_map;
  if (fields.object("secretKeyRef", out.key, read_key_ref)) out.source = EnvVar::Source::secret;
  if (fields.has("fileKeyRef"))
    fields.error("fileKeyRef", "not supported yet by Weft", "use configMapKeyRef");
  fields.accept("fileKeyRef");
  fields.at_most_one_of({"fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"});
}

void read_env(FieldReader& fields, EnvVar& out) {
  out.line = fields.line();
  fields.text("name", out.name, check_env_name);
  fields.require("name");
  fields.text("value", out.value);
  fields.object("valueFrom", out, read_value_from);
  fields.at_most_one_of({"value", "valueFrom"});
}

void read_env_from(FieldReader& fields, EnvFrom& out) {
  const auto read_ref = [&out](FieldReader& ref, std::string& name) {
    ref.text("name", name, check_dns_subdomain);
    ref.require("name");
    ref.boolean("optional", out.optional);
  };
  fields.text("prefix", out.prefix);
  fields.object("configMapRef", out.config_map, read_ref);
  fields.object("secretRef", out.secret, read_ref);
  fields.at_most_one_of({"configMapRef", "secretRef"});
}

void read_container_port(FieldReader& fields, ContainerPort& out) {
  fields.text("name", out.name, check_port_name);
  fields.port("containerPort", out.port);
  fields.require("containerPort");
  fields.port("hostPort", out.host_port);
  fields.choice("protocol", out.transport,
                {{"TCP", Transport::tcp}, {"UDP", Transport::udp}, {"SCTP", Transport::sctp}});
  fields.accept("hostIP");
}

void read_seconds(FieldReader& fields, std::string_view name, Duration& out, int low) {
  int64_t seconds = 0;
  if (fields.integer(
          name, seconds,
          {low, INT32_MAX,
           low == 0 ? "write a number of seconds, 0 or more" : "write a number of seconds, 1 or more"})) {
    out = std::chrono::seconds(seconds);
  }
}

void read_http_get(FieldReader& fields, Probe& out) {
  out.kind = Probe::Kind::http;
  fields.text("path", out.path);
  if (out.path.empty()) out.path = "/";
  fields.port_or_name("port", out.port);
  fields.require("port");
  fields.text("host", out.host);
  fields.choice("scheme", out.https, {{"HTTP", false}, {"HTTPS", true}});
  fields.list("httpHeaders", out.headers, [](FieldReader& header, std::pair<std::string, std::string>& pair) {
    header.text("name", pair.first, check_header_name);
    header.require("name");
    header.text("value", pair.second, check_header_value);
  });
}

void read_probe(FieldReader& fields, Probe& out) {
  fields.object("httpGet", out, read_http_get);
  fields.object("tcpSocket", out, [](FieldReader& inner, Probe& probe) {
    probe.kind = Probe::Kind::tcp;
    inner.port_or_name("port", probe.port);
    inner.require("port");
    inner.text("host", probe.host);
  });
  fields.object("grpc", out, [](FieldReader& inner, Probe& probe) {
    probe.kind = Probe::Kind::grpc;
    inner.port("port", probe.port.number);
    inner.require("port");
    inner.text("service", probe.grpc_service);
  });
  fields.object("exec", out, [](FieldReader& inner, Probe& probe) {
    probe.kind = Probe::Kind::exec;
    inner.texts("command", probe.command);
    if (probe.command.empty()) inner.require("command");
  });
  read_seconds(fields, "initialDelaySeconds", out.initial_delay, 0);
  read_seconds(fields, "periodSeconds", out.period, 1);
  read_seconds(fields, "timeoutSeconds", out.timeout, 1);
  fields.integer("successThreshold", out.success_threshold, {1, INT32_MAX, "write a number, 1 or more"});
  fields.integer("failureThreshold", out.failure_threshold, {1, INT32_MAX, "write a number, 1 or more"});
  fields.accept("terminationGracePeriodSeconds");
  fields.at_most_one_of({"httpGet", "tcpSocket", "grpc", "exec"});
  const bool has_action =
      fields.has("httpGet") || fields.has("tcpSocket") || fields.has("grpc") || fields.has("exec");
  if (!has_action) fields.error("", "says nothing to probe", "write httpGet, tcpSocket, grpc or exec");
}

void note_ignored(FieldReader& fields, std::initializer_list<std::string_view> names,
                  std::vector<IgnoredField>& out) {
  for (const std::string_view name : names) {
    if (fields.has(name)) out.push_back({concat(fields.path().to_string(), '.', name), fields.line_of(name)});
  }
}

void read_container(FieldReader& fields, Container& out, std::vector<IgnoredField>& ignored) {
  out.line = fields.line();
  fields.text("name", out.name, check_dns_label);
  fields.require("name");
  fields.text("image", out.image);
  fields.texts("command", out.command);
  fields.texts("args", out.args);
  fields.text("workingDir", out.working_dir);
  fields.list("env", out.env, read_env);
  fields.list("envFrom", out.env_from, read_env_from);
  fields.list("ports", out.ports, read_container_port);
  fields.object("readinessProbe", out.readiness, read_probe);
  fields.object("livenessProbe", out.liveness, read_probe);
  fields.object("startupProbe", out.startup, read_probe);
  std::string restart_policy;
  fields.text("restartPolicy", restart_policy);
  out.restart_always = restart_policy == "Always";
  fields.accept(
      {"imagePullPolicy", "terminationMessagePath", "terminationMessagePolicy", "stdin", "stdinOnce", "tty"});
  fields.accept_kube("resources", "ResourceRequirements");
  fields.accept_kube("resizePolicy", "ContainerResizePolicy");
  fields.accept_kube("restartPolicyRules", "ContainerRestartRule");
  fields.accept_kube("volumeMounts", "VolumeMount");
  fields.accept_kube("volumeDevices", "VolumeDevice");
  fields.accept_kube("lifecycle", "Lifecycle");
  fields.accept_kube("securityContext", "SecurityContext");
  note_ignored(fields, {"resources", "volumeMounts", "volumeDevices", "lifecycle", "securityContext"},
               ignored);

  std::set<std::string> port_names;
  for (const ContainerPort& port : out.ports) {
    if (!port.name.empty() && !port_names.insert(port.name).second) {
      fields.error("ports", concat("two ports are called ", quoted(port.name)), "give each its own name");
    }
  }
}

void check_container_names(FieldReader& fields, const PodSpec& spec) {
  std::set<std::string> names;
  for (const auto* containers : {&spec.containers, &spec.init_containers}) {
    for (const Container& container : *containers) {
      if (container.name.empty() || names.insert(container.name).second) continue;
      fields.error(containers == &spec.containers ? "containers" : "initContainers",
                   concat("two containers are called ", quoted(container.name)), "give each its own name");
    }
  }
}

}  // namespace

void read_pod_spec(FieldReader& fields, PodSpec& out) {
  const auto read_one = [&out](FieldReader& inner, Container& container) {
    read_container(inner, container, out.ignored);
  };
  fields.list("containers", out.containers, read_one);
  if (out.containers.empty()) fields.require("containers", "list at least one container");
  fields.list("initContainers", out.init_containers, read_one);
  check_container_names(fields, out);

  fields.text("serviceAccount", out.service_account_name, check_dns_subdomain);
  fields.text("serviceAccountName", out.service_account_name, check_dns_subdomain);
  fields.choice("restartPolicy", out.restart_policy,
                {{"Always", PodSpec::RestartPolicy::always},
                 {"OnFailure", PodSpec::RestartPolicy::on_failure},
                 {"Never", PodSpec::RestartPolicy::never}});
  read_seconds(fields, "terminationGracePeriodSeconds", out.termination_grace_period, 0);
  fields.boolean("hostNetwork", out.host_network);
  fields.text("hostname", out.hostname, check_dns_label);
  fields.text("subdomain", out.subdomain, check_dns_label);
  fields.text("nodeName", out.node_name);

  fields.accept({"activeDeadlineSeconds", "dnsPolicy", "nodeSelector", "automountServiceAccountToken",
                 "hostPID", "hostIPC", "shareProcessNamespace", "schedulerName", "priorityClassName",
                 "priority", "runtimeClassName", "enableServiceLinks", "preemptionPolicy", "overhead",
                 "setHostnameAsFQDN", "hostUsers", "hostnameOverride"});
  fields.accept_kube("volumes", "Volume");
  fields.accept_kube("ephemeralContainers", "EphemeralContainer");
  fields.accept_kube("securityContext", "PodSecurityContext");
  fields.accept_kube("imagePullSecrets", "LocalObjectReference");
  fields.accept_kube("affinity", "Affinity");
  fields.accept_kube("tolerations", "Toleration");
  fields.accept_kube("hostAliases", "HostAlias");
  fields.accept_kube("dnsConfig", "PodDNSConfig");
  fields.accept_kube("readinessGates", "PodReadinessGate");
  fields.accept_kube("topologySpreadConstraints", "TopologySpreadConstraint");
  fields.accept_kube("os", "PodOS");
  fields.accept_kube("schedulingGates", "PodSchedulingGate");
  fields.accept_kube("resourceClaims", "PodResourceClaim");
  fields.accept_kube("resources", "ResourceRequirements");
  // Where a pod is scheduled means nothing on one machine; what these do to a pod would be missed.
  note_ignored(fields,
               {"volumes", "ephemeralContainers", "securityContext", "hostPID", "hostIPC",
                "shareProcessNamespace", "hostAliases", "dnsPolicy", "dnsConfig", "activeDeadlineSeconds",
                "readinessGates", "runtimeClassName", "hostnameOverride", "resourceClaims", "resources"},
               out.ignored);
}

void read_object(FieldReader& fields, Pod& out) {
  fields.object("spec", out.spec, read_pod_spec);
  fields.require("spec");
  fields.accept("status");
}

uint16_t resolve_port(const PodSpec& spec, const PortRef& port, Transport transport) {
  if (port.name.empty()) return port.number;
  for (const auto* containers : {&spec.containers, &spec.init_containers}) {
    for (const Container& container : *containers) {
      const auto found = std::find_if(
          container.ports.begin(), container.ports.end(),
          [&](const ContainerPort& one) { return one.name == port.name && one.transport == transport; });
      if (found != container.ports.end()) return found->port;
    }
  }
  return 0;
}

}  // namespace weft::objects
