// Kubernetes Pod (v1), and the pod template of the kinds that make pods.
//
// What `weft up` can act on is in typed fields. What it cannot (volumes, resources, affinity, ...) is
// accepted as Kubernetes accepts it; where leaving it out can change what the pod does, it is in
// PodSpec::ignored.
#pragma once

#include "objects/meta.h"
#include "objects/service.h"

namespace weft::objects {

// A key of a ConfigMap or Secret.
struct KeyRef {
  std::string object;  // the ConfigMap's or Secret's name
  std::string key;
  bool optional = false;
};

struct EnvVar {
  enum class Source : uint8_t { value, field, config_map, secret, resource };
  std::string name;
  Source source = Source::value;
  std::string value;       // as written: $(OTHER) is not expanded
  std::string field_path;  // source field: "metadata.name"; source resource: "limits.cpu"
  KeyRef key;              // source config_map or secret
  int line = 0;
};

// All keys of a ConfigMap or Secret as variables.
struct EnvFrom {
  std::string prefix;
  std::string config_map;  // one of the two
  std::string secret;
  bool optional = false;
};

struct ContainerPort {
  std::string name;
  uint16_t port = 0;
  Transport transport = Transport::tcp;
  uint16_t host_port = 0;
};

struct Probe {
  enum class Kind : uint8_t { http, tcp, grpc, exec };
  Kind kind = Kind::http;
  // http and tcp
  std::string host;  // empty: the pod's address
  PortRef port;      // grpc: always a number
  std::string path = "/";
  bool https = false;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string grpc_service;
  std::vector<std::string> command;  // exec

  Duration initial_delay{0};
  Duration period = 10s;
  Duration timeout = 1s;
  int success_threshold = 1;
  int failure_threshold = 3;
};

struct Container {
  std::string name;
  std::string image;
  std::vector<std::string> command;  // empty: the image's entry point
  std::vector<std::string> args;
  std::string working_dir;
  std::vector<EnvFrom> env_from;  // before env, which wins
  std::vector<EnvVar> env;
  std::vector<ContainerPort> ports;
  std::optional<Probe> readiness;
  std::optional<Probe> liveness;
  std::optional<Probe> startup;
  bool restart_always = false;  // an init container with restartPolicy: Always is a sidecar
  int line = 0;
};

struct PodSpec {
  enum class RestartPolicy : uint8_t { always, on_failure, never };

  std::vector<Container> containers;
  std::vector<Container> init_containers;
  std::string service_account_name = "default";
  RestartPolicy restart_policy = RestartPolicy::always;
  Duration termination_grace_period = 30s;
  bool host_network = false;
  std::string hostname;
  std::string subdomain;
  std::string node_name;
  std::vector<IgnoredField> ignored;
};

struct Pod {
  ObjectMeta meta;
  PodSpec spec;
};

// A port of any container of the pod by number or name; 0 where no container has that name.
uint16_t resolve_port(const PodSpec& spec, const PortRef& port, Transport transport = Transport::tcp);

}  // namespace weft::objects
