#include "control/publish/publisher.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "wire/dump.h"

namespace weft::control {
namespace {

constexpr size_t kRememberedVersions = 1024;
// Validation is not in the way of a change taking effect.
constexpr Duration kValidateAfter = std::chrono::milliseconds(100);

bool same_pointer(const objects::Object& a, const objects::Object& b) {
  return a == b;  // variants of shared_ptr compare by pointer
}

}  // namespace

Publisher::Publisher(io::Loop& loop, const Store& store, const RuntimeSource& runtime,
                     translate::MeshOptions options, telemetry::Registry& registry, telemetry::Shard& metrics)
    : loop_(loop),
      store_(store),
      runtime_(runtime),
      options_(std::move(options)),
      deferred_(loop, [this] { publish_now(); }),
      validate_(
          loop,
          [this] {
            if (world_) world_complaints_ = translate::validate(*world_);
            duplicate_hosts_.set(std::ranges::count(world_complaints_, "IST0109", &yaml::Complaint::code));
            log_news();
          }),
      metrics_(metrics),
      triggers_family_(registry.counter("pilot_push_triggers", "What made a new version.")),
      events_family_(registry.counter("pilot_k8s_cfg_events", "Objects that came, changed or went.")),
      services_(metrics.gauge(registry.gauge("pilot_services", "Services known."))),
      virtual_services_(metrics.gauge(registry.gauge("pilot_virt_services", "VirtualServices known."))),
      duplicate_hosts_(metrics.gauge(
          registry.gauge("pilot_vservice_dup_domain", "Hosts that an older VirtualService claims already."))),
      complaints_gauge_(
          metrics.gauge(registry.gauge("weft_complaints", "What is wrong with the configuration."))) {}

void Publisher::publish(std::string_view trigger) {
  triggers_.emplace(trigger);
  deferred_.arm();
}

translate::AddressMap Publisher::service_addresses(const std::vector<objects::Object>& objects) const {
  translate::AddressMap known = addresses_;
  for (const wire::ServiceAddress& service : runtime_.services()) {
    known.insert_or_assign(translate::service_host(service.name, service.namespace_name, options_),
                           service.ip.to_string());
  }
  return translate::allocate_vips(objects, known, options_);
}

void Publisher::publish_now() {
  objects::Loaded loaded = store_.merged();
  store_complaints_ = std::move(loaded.complaints);
  store_objects_ = loaded.objects;
  // At the start there is no last good state to stand in for what is broken, and what is broken may be what
  // denies. Proxies that are connected keep what an earlier weftd gave them.
  if (!world_ && yaml::any_error(store_complaints_)) {
    if (!std::exchange(held_, true)) {
      log_error(
          "publish",
          "nothing is published before the errors in the files are mended: what they held before is not "
          "known; proxies keep the configuration they have");
    }
    if (!validate_.armed()) validate_.arm_after(kValidateAfter);
    return;
  }
  if (std::exchange(held_, false))
    log_info("publish", "the errors are mended; the configuration is published");
  translate::WorldInput input;
  input.objects = runtime_.with_pods(std::move(loaded.objects));
  input.workloads = runtime_.pods().statuses();
  input.service_addresses = addresses_ = service_addresses(input.objects);
  input.options = options_;
  world_ = translate::World::make(std::move(input), world_);

  ++generation_;
  version_ = concat(wire::iso_time(loop_.wall_now()), "/", generation_);
  published_times_.emplace_back(generation_, loop_.now());
  if (published_times_.size() > kRememberedVersions) published_times_.pop_front();
  note_objects();
  for (const std::string& trigger : std::exchange(triggers_, {})) {
    metrics_.counter(triggers_family_, telemetry::label_text({{"type", trigger}})).add(1);
  }
  services_.set(static_cast<int64_t>(world_->services().size()));
  virtual_services_.set(static_cast<int64_t>(world_->virtual_services().size()));
  log_debug("publish", "version ", version_, ": ", world_->services().size(), " services, ",
            world_->workloads().size(), " workloads");
  if (published_) published_();
  if (!validate_.armed()) validate_.arm_after(kValidateAfter);
}

void Publisher::note_objects() {
  std::map<objects::ObjectKey, Known> now;
  const auto count = [&](std::string_view kind, std::string_view event) {
    metrics_.counter(events_family_, telemetry::label_text({{"event", event}, {"type", kind}})).add(1);
  };
  for (const objects::Object& object : world_->input().objects) {
    objects::ObjectKey key = objects::key_of(object);
    const auto before = objects_.find(key);
    Known known{object, generation_};
    if (before == objects_.end()) {
      count(key.kind, "add");
    } else if (same_pointer(before->second.object, object)) {
      known.generation = before->second.generation;
    } else {
      count(key.kind, "update");
    }
    now.emplace(std::move(key), std::move(known));
  }
  for (const auto& [key, known] : objects_) {
    if (!now.contains(key)) count(key.kind, "delete");
  }
  objects_ = std::move(now);
}

std::optional<TimePoint> Publisher::published_at(uint64_t generation) const {
  const auto found =
      std::ranges::lower_bound(published_times_, generation, {}, &std::pair<uint64_t, TimePoint>::first);
  if (found == published_times_.end() || found->first != generation) return std::nullopt;
  return found->second;
}

std::shared_ptr<const model::Snapshot> Publisher::snapshot_for(const translate::ProxyId& proxy,
                                                               Secrets secrets) {
  if (!world_) return nullptr;
  translate::Translation translation = translator_.translate(world_, proxy);
  auto snapshot = std::make_shared<model::Snapshot>(std::move(translation.snapshot));
  snapshot->version = version_;
  if (secrets == Secrets::without || !translation.found) snapshot->secrets.clear();
  if (roots_) snapshot->secrets.insert_or_assign(roots_->name, roots_);
  return snapshot;
}

std::vector<Publisher::Published> Publisher::objects() const {
  std::vector<Published> all;
  all.reserve(objects_.size());
  for (const auto& [key, known] : objects_) {
    all.push_back({key, &objects::meta_of(known.object), known.generation});
  }
  return all;
}

std::vector<yaml::Complaint> Publisher::complaints() const {
  std::vector<yaml::Complaint> all = store_complaints_;
  all.insert(all.end(), world_complaints_.begin(), world_complaints_.end());
  const std::vector<yaml::Complaint> runtime = runtime_.complaints();
  all.insert(all.end(), runtime.begin(), runtime.end());
  return all;
}

void Publisher::log_news() {
  for (const ConfigLog::Line& line : log_.news(store_, store_objects_, complaints()))
    log_at(line.level, "config", line.text);
  complaints_gauge_.set(static_cast<int64_t>(log_.complaints()));
}

}  // namespace weft::control
