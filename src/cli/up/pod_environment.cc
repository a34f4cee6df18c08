#include "cli/up/pod_environment.h"

#include "base/strings.h"

namespace weft::cli {
namespace {

using objects::EnvVar;

std::string key_in(std::string_view path, std::string_view map) {
  // metadata.labels['app']
  if (!path.starts_with(map)) return {};
  path.remove_prefix(map.size());
  if (path.size() < 4 || !path.starts_with("['") || !path.ends_with("']")) return {};
  return std::string(path.substr(2, path.size() - 4));
}

Result<std::string> field_value(const EnvVar& variable, const PodFacts& facts) {
  const std::string& path = variable.field_path;
  const auto& meta = facts.pod.meta;
  if (path == "metadata.name") return facts.name;
  if (path == "metadata.namespace") return meta.namespace_name;
  if (path == "metadata.uid") return concat(meta.namespace_name, ".", facts.name);
  if (path == "spec.nodeName") return std::string("localhost");
  if (path == "spec.serviceAccountName") return facts.pod.spec.service_account_name;
  if (path == "status.podIP" || path == "status.podIPs") return facts.ip;
  if (path == "status.hostIP" || path == "status.hostIPs") return facts.node_ip;
  const auto value_of = [](const objects::Labels& labels, const std::string& key) {
    const auto it = labels.find(key);
    return it == labels.end() ? std::string() : it->second;
  };
  if (const auto key = key_in(path, "metadata.labels"); !key.empty()) return value_of(meta.labels, key);
  if (const auto key = key_in(path, "metadata.annotations"); !key.empty())
    return value_of(meta.annotations, key);
  return fail(
      Error::Kind::unsupported,
      concat(meta.file, ":", variable.line, ": env ", variable.name, ": fieldPath ", path,
             " has no value here; use metadata.*, spec.nodeName, spec.serviceAccountName or status.podIP"));
}

template <typename Store>
Result<std::optional<std::string>> key_value(const Store& store, std::string_view kind,
                                             const std::string& namespace_name, const objects::KeyRef& key) {
  const auto object = store.find(concat(namespace_name, "/", key.object));
  if (object == store.end()) {
    if (key.optional) return std::nullopt;
    return fail(Error::Kind::not_found, concat(kind, " ", namespace_name, "/", key.object,
                                               " does not exist; write it, or mark the reference optional"));
  }
  const auto value = object->second->data.find(key.key);
  if (value != object->second->data.end()) return value->second;
  if (key.optional) return std::nullopt;
  return fail(Error::Kind::not_found,
              concat(kind, " ", namespace_name, "/", key.object, " has no key '", key.key, "'"));
}

template <typename Store>
Result<void> take_all(const Store& store, std::string_view kind, const std::string& namespace_name,
                      const std::string& name, const objects::EnvFrom& from,
                      std::map<std::string, std::string>& into) {
  if (name.empty()) return {};
  const auto object = store.find(concat(namespace_name, "/", name));
  if (object == store.end()) {
    if (from.optional) return {};
    return fail(Error::Kind::not_found,
                concat(kind, " ", namespace_name, "/", name, " of envFrom does not exist"));
  }
  for (const auto& [key, value] : object->second->data) into[concat(from.prefix, key)] = value;
  return {};
}

}  // namespace

std::string expand_variables(std::string_view text, const std::map<std::string, std::string>& values) {
  std::string out;
  while (!text.empty()) {
    const size_t dollar = text.find('$');
    out += text.substr(0, dollar);
    if (dollar == std::string_view::npos) break;
    text.remove_prefix(dollar);
    if (text.starts_with("$$")) {
      out += '$';
      text.remove_prefix(2);
      continue;
    }
    const size_t close = text.find(')');
    if (!text.starts_with("$(") || close == std::string_view::npos) {
      out += '$';
      text.remove_prefix(1);
      continue;
    }
    const auto value = values.find(std::string(text.substr(2, close - 2)));
    out += value == values.end() ? std::string(text.substr(0, close + 1)) : value->second;
    text.remove_prefix(close + 1);
  }
  return out;
}

Result<std::vector<std::string>> container_environment(const objects::Container& container,
                                                       const PodFacts& facts, const Plan& plan) {
  const std::string& where = facts.pod.meta.namespace_name;
  std::map<std::string, std::string> values{
      {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
      {"HOME", "/root"},
      {"HOSTNAME", facts.name},
  };
  for (const auto& from : container.env_from) {
    WEFT_CHECK_OK(take_all(plan.config_maps, "ConfigMap", where, from.config_map, from, values));
    WEFT_CHECK_OK(take_all(plan.secrets, "Secret", where, from.secret, from, values));
  }
  for (const EnvVar& variable : container.env) {
    switch (variable.source) {
      case EnvVar::Source::value:
        values[variable.name] = expand_variables(variable.value, values);
        break;
      case EnvVar::Source::field: {
        WEFT_TRY(values[variable.name], field_value(variable, facts));
        break;
      }
      case EnvVar::Source::config_map: {
        WEFT_TRY(const auto value, key_value(plan.config_maps, "ConfigMap", where, variable.key));
        if (value) values[variable.name] = *value;
        break;
      }
      case EnvVar::Source::secret: {
        WEFT_TRY(const auto value, key_value(plan.secrets, "Secret", where, variable.key));
        if (value) values[variable.name] = *value;
        break;
      }
      case EnvVar::Source::resource:
        // No resources are limited here: Kubernetes then gives the node's.
        values[variable.name] = "0";
        break;
    }
  }
  std::vector<std::string> out;
  for (const auto& [name, value] : values) out.push_back(concat(name, "=", value));
  return out;
}

}  // namespace weft::cli
