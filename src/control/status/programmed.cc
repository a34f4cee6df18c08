#include "control/status/programmed.h"

#include "base/json.h"

namespace weft::control {
namespace {

constexpr size_t kNamedProxies = 10;

}  // namespace

std::vector<ObjectStatus> object_statuses(const Publisher& publisher, const AdsServer& ads) {
  std::vector<ObjectStatus> statuses;
  for (const Publisher::Published& object : publisher.objects()) {
    ObjectStatus& status = statuses.emplace_back();
    status.object = object;
    status.proxies = ads.connections().size();
    for (const Connection* connection : ads.connections()) {
      if (connection->accepted >= object.generation) {
        ++status.programmed;
      } else if (status.pending.size() < kNamedProxies) {
        status.pending.push_back(connection->node.short_id());
      }
    }
  }
  return statuses;
}

std::vector<Refused> refusals(const AdsServer& ads) {
  std::vector<Refused> all;
  for (const Connection* connection : ads.connections()) {
    for (const wire::ResourceType type : wire::kResourceTypes) {
      const size_t before = all.size();
      const std::string name(wire::short_name(type));
      for (const auto& [resource, sent] : connection->session.sent(type)) {
        if (sent.state != SentResource::State::rejected) continue;
        all.push_back({connection->node.short_id(), name, resource, sent.error});
      }
      const std::string& error = connection->session.status(type).error;
      if (all.size() == before && !error.empty()) {
        all.push_back({connection->node.short_id(), name, "", error});
      }
    }
  }
  return all;
}

std::string statuses_json(const Publisher& publisher, const AdsServer& ads) {
  JsonWriter json(2);
  json.begin_object().field("version", publisher.version()).field("generation", publisher.generation());
  json.field("proxies", uint64_t{ads.connections().size()});
  json.key("objects").begin_array();
  for (const ObjectStatus& status : object_statuses(publisher, ads)) {
    json.begin_object().field("kind", status.object.key.kind);
    json.field("namespace", status.object.key.namespace_name).field("name", status.object.key.name);
    json.field("file", status.object.meta->file).field("line", status.object.meta->line);
    json.field("generation", status.object.generation);
    json.field("programmed", uint64_t{status.programmed}).field("of", uint64_t{status.proxies});
    json.key("pending").begin_array();
    for (const std::string& proxy : status.pending) json.value(proxy);
    json.end_array().end_object();
  }
  json.end_array().key("refused").begin_array();
  for (const Refused& refused : refusals(ads)) {
    json.begin_object().field("proxy", refused.proxy).field("type", refused.type);
    json.field("resource", refused.resource).field("error", refused.error).end_object();
  }
  json.end_array().end_object();
  return json.take() + "\n";
}

}  // namespace weft::control
