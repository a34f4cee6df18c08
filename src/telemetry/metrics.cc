#include "telemetry/metrics.h"

#include <algorithm>

#include "base/check.h"
#include "base/strings.h"

namespace weft::telemetry {

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr std::string_view kOverflowName = "weft_metric_series_overflow_total";

// `a="x",b="y"` with every value replaced: the same label names, so that queries by name still find it.
std::string overflow_labels(std::string_view labels) {
  std::string out;
  size_t at = 0;
  while (at < labels.size()) {
    const size_t equals = labels.find("=\"", at);
    if (equals == labels.npos) break;
    append_label(out, labels.substr(at, equals - at), "overflow");
    // To the quote that no backslash precedes.
    size_t end = equals + 2;
    while (end < labels.size() && labels[end] != '"') end += labels[end] == '\\' ? 2 : 1;
    at = end + 1;
    if (at < labels.size() && labels[at] == ',') ++at;
  }
  return out;
}

}  // namespace

// ---- labels

void append_label(std::string& text, std::string_view name, std::string_view value) {
  if (!text.empty()) text.push_back(',');
  text.append(name).append("=\"");
  for (const char c : value) {
    switch (c) {
      case '\\':
        text.append("\\\\");
        break;
      case '"':
        text.append("\\\"");
        break;
      case '\n':
        text.append("\\n");
        break;
      default:
        text.push_back(c);
    }
  }
  text.push_back('"');
}

std::string label_text(Labels labels) {
  std::string text;
  for (const auto& [name, value] : labels) append_label(text, name, value);
  return text;
}

// ---- histogram

Histogram::Histogram(const std::vector<double>& bounds)
    : bounds_(&bounds), buckets_(std::make_unique<std::atomic<uint64_t>[]>(bounds.size() + 1)) {}

void Histogram::observe(double value) {
  const auto at = static_cast<size_t>(std::ranges::lower_bound(*bounds_, value) - bounds_->begin());
  buckets_[at].store(buckets_[at].load(kRelaxed) + 1, kRelaxed);
  sum_.store(std::bit_cast<uint64_t>(sum() + value), kRelaxed);
}

uint64_t Histogram::count() const {
  uint64_t count = 0;
  for (size_t i = 0; i <= bounds_->size(); ++i) count += bucket(i);
  return count;
}

// ---- a worker's series

struct Shard::Series {
  std::string labels;
  Counter counter;
  Gauge gauge;
  std::unique_ptr<Histogram> histogram;
  // For expire(): what was counted when it last looked, and since when.
  uint64_t seen = 0;
  TimePoint since{};

  uint64_t activity() const { return histogram ? histogram->count() : counter.value(); }
};

struct Shard::FamilySeries {
  // Keys are views of the series' own labels.
  std::unordered_map<std::string_view, std::unique_ptr<Series>> series;
};

struct Registry::FamilyInfo {
  std::string name;
  std::string help;
  MetricKind kind;
  bool lasting = false;  // expire() leaves its series alone
  std::vector<double> bounds;
  // What shards counted that dropped a series others still have.
  std::unordered_map<std::string, MergedSeries> retired;
  std::atomic<uint64_t> overflows = 0;
};

Shard::Shard(Registry& registry) : registry_(registry) {}
Shard::~Shard() = default;

Shard::Series& Shard::series(Family family, std::string_view labels) {
  const auto id = static_cast<size_t>(family);
  if (id < families_.size() && families_[id]) {
    const auto known = families_[id]->series.find(labels);
    if (known != families_[id]->series.end()) return *known->second;
  }
  const auto& info = registry_.info(family);
  std::string owned(labels);
  if (id < families_.size() && families_[id] &&
      families_[id]->series.size() >= registry_.options_.max_series) {
    registry_.overflowed(family);
    owned = overflow_labels(labels);
    const auto known = families_[id]->series.find(owned);
    if (known != families_[id]->series.end()) return *known->second;
  }
  auto fresh = std::make_unique<Series>();
  fresh->labels = std::move(owned);
  if (info.kind == MetricKind::histogram) fresh->histogram = std::make_unique<Histogram>(info.bounds);

  const std::lock_guard lock(mutex_);
  if (families_.size() <= id) families_.resize(id + 1);
  if (!families_[id]) families_[id] = std::make_unique<FamilySeries>();
  const std::string_view key = fresh->labels;
  return *families_[id]->series.emplace(key, std::move(fresh)).first->second;
}

Counter& Shard::counter(Family family, std::string_view labels) { return series(family, labels).counter; }
Gauge& Shard::gauge(Family family, std::string_view labels) { return series(family, labels).gauge; }
Histogram& Shard::histogram(Family family, std::string_view labels) {
  Series& found = series(family, labels);
  WEFT_CHECK(found.histogram != nullptr);
  return *found.histogram;
}

size_t Shard::expire(TimePoint now, Duration idle) {
  // The registry's lock first, as collect() takes them: what goes to its `retired` and what leaves here must
  // be seen together.
  const std::lock_guard registry_lock(registry_.mutex_);
  const std::lock_guard lock(mutex_);
  size_t dropped = 0;
  for (size_t id = 0; id < families_.size(); ++id) {
    if (!families_[id] || registry_.families_[id]->lasting) continue;
    dropped += std::erase_if(families_[id]->series, [&](auto& entry) {
      Series& each = *entry.second;
      const uint64_t activity = each.activity();
      if (activity != each.seen || each.since == TimePoint{}) {
        each.seen = activity;
        each.since = now;
        return false;
      }
      if (now - each.since < idle) return false;
      registry_.retire(static_cast<Family>(id), each.labels, each);
      return true;
    });
  }
  if (dropped > 0) ++generation_;
  return dropped;
}

// ---- all workers together

namespace {

void add_up(MergedSeries& sum, const MergedSeries& more) {
  sum.value += more.value;
  sum.sum += more.sum;
  if (sum.buckets.size() < more.buckets.size()) sum.buckets.resize(more.buckets.size());
  for (size_t i = 0; i < more.buckets.size(); ++i) sum.buckets[i] += more.buckets[i];
}

}  // namespace

Registry::Registry() : Registry(Options()) {}
Registry::Registry(Options options) : options_(options) {}
Registry::~Registry() = default;

Family Registry::add_family(std::string name, std::string help, MetricKind kind, std::vector<double> bounds,
                            bool lasting) {
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < families_.size(); ++i) {
    if (families_[i]->name != name) continue;
    WEFT_CHECK(families_[i]->kind == kind);
    return static_cast<Family>(i);
  }
  auto info = std::make_unique<FamilyInfo>();
  info->name = std::move(name);
  info->help = std::move(help);
  info->kind = kind;
  info->lasting = lasting || kind == MetricKind::gauge;
  info->bounds = std::move(bounds);
  families_.push_back(std::move(info));
  return static_cast<Family>(families_.size() - 1);
}

Family Registry::counter(std::string name, std::string help) {
  return add_family(std::move(name), std::move(help), MetricKind::counter, {});
}
Family Registry::lasting_counter(std::string name, std::string help) {
  return add_family(std::move(name), std::move(help), MetricKind::counter, {}, true);
}
Family Registry::gauge(std::string name, std::string help) {
  return add_family(std::move(name), std::move(help), MetricKind::gauge, {});
}
Family Registry::histogram(std::string name, std::string help, std::vector<double> bounds) {
  return add_family(std::move(name), std::move(help), MetricKind::histogram, std::move(bounds));
}

// The info itself never moves and does not change but for `retired`, which only lock holders touch.
Registry::FamilyInfo& Registry::info(Family family) const {
  const std::lock_guard lock(mutex_);
  return *families_[static_cast<size_t>(family)];
}

Shard& Registry::make_shard() {
  const std::lock_guard lock(mutex_);
  shards_.push_back(std::unique_ptr<Shard>(new Shard(*this)));
  return *shards_.back();
}

void Registry::add_collector(Collector collector) {
  const std::lock_guard lock(mutex_);
  collectors_.push_back(std::move(collector));
}

void Registry::overflowed(Family family) { info(family).overflows.fetch_add(1, kRelaxed); }

MergedSeries Registry::value_of(const Shard::Series& series) {
  MergedSeries merged;
  merged.labels = series.labels;
  merged.value = static_cast<double>(series.counter.value()) + static_cast<double>(series.gauge.value());
  if (series.histogram) {
    merged.sum = series.histogram->sum();
    for (size_t i = 0; i <= series.histogram->bounds().size(); ++i) {
      merged.buckets.push_back(series.histogram->bucket(i));
    }
  }
  return merged;
}

// Holding both locks. Dropped for good by collect() when no shard has the series any more.
void Registry::retire(Family family, const std::string& labels, const Shard::Series& series) {
  add_up(families_[static_cast<size_t>(family)]->retired[labels], value_of(series));
}

std::vector<MergedFamily> Registry::collect() {
  std::vector<MergedFamily> out;
  std::vector<Collector> collectors;
  {
    const std::lock_guard lock(mutex_);
    collectors = collectors_;
    MergedFamily overflow{.name = std::string(kOverflowName),
                          .help = "Label sets beyond the family's budget, counted under 'overflow'.",
                          .kind = MetricKind::counter};
    std::vector<std::map<std::string_view, MergedSeries>> merged(families_.size());
    for (const auto& shard : shards_) {
      const std::lock_guard shard_lock(shard->mutex_);
      for (size_t id = 0; id < shard->families_.size(); ++id) {
        if (!shard->families_[id]) continue;
        for (const auto& [labels, series] : shard->families_[id]->series) {
          MergedSeries value = value_of(*series);
          const auto [place, fresh] = merged[id].try_emplace(labels);
          if (fresh) place->second.labels = labels;
          add_up(place->second, value);
        }
      }
      // Keys are views of series that only their owner drops, holding mutex_, which is ours until the end.
    }
    for (size_t id = 0; id < families_.size(); ++id) {
      FamilyInfo& info = *families_[id];
      std::erase_if(info.retired, [&](const auto& entry) { return !merged[id].contains(entry.first); });
      for (const auto& [labels, value] : info.retired) add_up(merged[id][labels], value);
      if (const uint64_t count = info.overflows.load(kRelaxed); count > 0) {
        overflow.series.push_back(
            {.labels = label_text({{"metric", info.name}}), .value = static_cast<double>(count)});
      }
      if (merged[id].empty()) continue;
      MergedFamily family{.name = info.name, .help = info.help, .kind = info.kind, .bounds = info.bounds};
      for (auto& [labels, series] : merged[id]) family.series.push_back(std::move(series));
      out.push_back(std::move(family));
    }
    if (!overflow.series.empty()) {
      std::ranges::sort(overflow.series, {}, &MergedSeries::labels);
      out.push_back(std::move(overflow));
    }
  }
  for (const auto& collector : collectors) collector(out);
  std::ranges::sort(out, {}, &MergedFamily::name);
  return out;
}

}  // namespace weft::telemetry
