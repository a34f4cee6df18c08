// One version after another of everything: store and running pods become a World, and each proxy's part of
// it a snapshot.
//
//   Publisher publisher(loop, store, runtime, options, metrics);
//   publisher.on_publish([&] { deliver.push(); });
//   publisher.publish("config");                  // at the end of the tick, however often it is asked for
//   auto snapshot = publisher.snapshot_for({ProxyId::Kind::sidecar, "default", "web-0"}, Secrets::with);
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control/ingest/store.h"
#include "control/ingest/workloads_file.h"
#include "control/publish/config_log.h"
#include "io/loop.h"
#include "model/snapshot.h"
#include "telemetry/metrics.h"
#include "translate/translate.h"
#include "translate/world.h"

namespace weft::control {

// Whether a proxy proved who it is: private keys go to no other.
enum class Secrets : uint8_t { without, with };

class Publisher {
 public:
  // The references outlive this.
  Publisher(io::Loop& loop, const Store& store, const RuntimeSource& runtime, translate::MeshOptions options,
            telemetry::Registry& registry, telemetry::Shard& metrics);

  // `trigger` is what changed: "config", "pods", "ca".
  void publish(std::string_view trigger);
  void on_publish(std::move_only_function<void()> callback) { published_ = std::move(callback); }

  // The roots every proxy is told of, as the SDS resource of that name. Set before the first publish().
  void set_roots(std::shared_ptr<const model::Secret> roots) { roots_ = std::move(roots); }

  // Empty before the first version. There is none as long as a file has been broken since the start.
  const std::shared_ptr<const translate::World>& world() const { return world_; }
  uint64_t generation() const { return generation_; }
  const std::string& version() const { return version_; }
  // When a generation was published; nullopt where that is long ago.
  std::optional<TimePoint> published_at(uint64_t generation) const;

  std::shared_ptr<const model::Snapshot> snapshot_for(const translate::ProxyId& proxy, Secrets secrets);

  // The generation in which an object came to be what it is; 0: it is not in force.
  struct Published {
    objects::ObjectKey key;
    const objects::ObjectMeta* meta = nullptr;
    uint64_t generation = 0;
  };
  std::vector<Published> objects() const;

  // Everything that is wrong: in texts, between objects (looked for a little after each version), in the
  // files of the runtime.
  std::vector<yaml::Complaint> complaints() const;

 private:
  void publish_now();
  void note_objects();
  void log_news();
  translate::AddressMap service_addresses(const std::vector<objects::Object>& objects) const;

  io::Loop& loop_;
  const Store& store_;
  const RuntimeSource& runtime_;
  translate::MeshOptions options_;
  translate::Translator translator_;
  std::shared_ptr<const translate::World> world_;
  std::shared_ptr<const model::Secret> roots_;
  translate::AddressMap addresses_;
  bool held_ = false;  // nothing is published yet, for a file is broken
  uint64_t generation_ = 0;
  std::string version_;
  std::deque<std::pair<uint64_t, TimePoint>> published_times_;
  std::set<std::string> triggers_;
  std::move_only_function<void()> published_;

  struct Known {
    objects::Object object;
    uint64_t generation = 0;
  };
  std::map<objects::ObjectKey, Known> objects_;
  std::vector<objects::Object> store_objects_;  // without the running pods
  std::vector<yaml::Complaint> store_complaints_;
  std::vector<yaml::Complaint> world_complaints_;
  ConfigLog log_;

  io::Deferred deferred_;
  io::Timer validate_;

  telemetry::Shard& metrics_;
  telemetry::Family triggers_family_;
  telemetry::Family events_family_;
  telemetry::Gauge& services_;
  telemetry::Gauge& virtual_services_;
  telemetry::Gauge& duplicate_hosts_;
  telemetry::Gauge& complaints_gauge_;
};

}  // namespace weft::control
