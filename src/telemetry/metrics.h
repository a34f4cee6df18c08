// Counters that cost a worker one load and one store.
//
// Each worker thread has a Shard of its own and alone writes to it. Whoever scrapes adds the shards up. Names
// are resolved to a Counter or Histogram once; the reference is kept and used.
//
//   Registry registry;
//   auto requests = registry.counter("weft_requests_total", "Requests.");
//   Shard& shard = registry.make_shard();                   // on the worker
//   Counter& get = shard.counter(requests, label_text({{"method", "GET"}}));
//   get.add(1);
//   std::string page = write_prometheus(registry.collect()); // on any thread
//
// A series that did not change for `idle` is dropped by expire(), which the worker calls now and then. It
// raises Shard::generation(): references got before are then no longer good. What other shards count under
// the same labels stays, so a merged counter never falls while anybody still has it. Gauges, and the counters
// of a lasting_counter() family, are never dropped: whoever holds a reference to one may keep it.
//
// A family holds at most `max_series` label sets a shard; what comes after that counts under labels that
// are all "overflow", and weft_metric_series_overflow_total names the family.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace weft::telemetry {

// Written by one thread, read by any.
class Counter {
 public:
  void add(uint64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_ = 0;
};

class Gauge {
 public:
  void set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void add(int64_t n) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_ = 0;
};

// Istio's buckets, for milliseconds and bytes alike.
inline constexpr std::array<double, 19> kIstioBuckets = {0.5,   1,      5,      10,      25,     50,    100,
                                                         250,   500,    1000,   2500,    5000,   10000, 30000,
                                                         60000, 300000, 600000, 1800000, 3600000};

class Histogram {
 public:
  explicit Histogram(const std::vector<double>& bounds);
  void observe(double value);
  uint64_t count() const;  // of all buckets
  double sum() const { return std::bit_cast<double>(sum_.load(std::memory_order_relaxed)); }
  const std::vector<double>& bounds() const { return *bounds_; }
  // Not cumulative; the last is above every bound.
  uint64_t bucket(size_t i) const { return buckets_[i].load(std::memory_order_relaxed); }

 private:
  const std::vector<double>* bounds_;  // the family's
  std::unique_ptr<std::atomic<uint64_t>[]> buckets_;
  std::atomic<uint64_t> sum_ = 0;  // bits of a double
};

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;
// `a="x",b="y\"z"`: the form in which label sets are keys, escaped as the exposition format wants it.
std::string label_text(Labels labels);
void append_label(std::string& text, std::string_view name, std::string_view value);

enum class MetricKind : uint8_t { counter, gauge, histogram };
enum class Family : uint32_t {};

// One family, all shards together, sorted by labels.
struct MergedSeries {
  std::string labels;
  double value = 0;               // counter, gauge
  std::vector<uint64_t> buckets;  // histogram: not cumulative
  double sum = 0;
};
struct MergedFamily {
  std::string name;
  std::string help;
  MetricKind kind = MetricKind::counter;
  std::vector<double> bounds;
  std::vector<MergedSeries> series;
};

class Registry;

// One worker's numbers. Every call but those of the Registry is the owner's.
class Shard {
 public:
  ~Shard();
  Counter& counter(Family family, std::string_view labels = {});
  Gauge& gauge(Family family, std::string_view labels = {});
  Histogram& histogram(Family family, std::string_view labels = {});

  // Drops counters and histograms that did not change for `idle`. Returns how many.
  size_t expire(TimePoint now, Duration idle);
  uint64_t generation() const { return generation_; }

 private:
  friend class Registry;
  struct Series;
  struct FamilySeries;
  explicit Shard(Registry& registry);
  Series& series(Family family, std::string_view labels);

  Registry& registry_;
  // Guards the maps against the scraper; the owner reads them without it, being the only one to write.
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<FamilySeries>> families_;
  uint64_t generation_ = 1;
};

class Registry {
 public:
  struct Options {
    size_t max_series = 5000;  // a family, a shard
  };
  Registry();
  explicit Registry(Options options);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Registering a name again gives the family there is.
  Family counter(std::string name, std::string help);
  // For few label sets that the configuration knows: references stay good as long as the registry.
  Family lasting_counter(std::string name, std::string help);
  Family gauge(std::string name, std::string help);
  Family histogram(std::string name, std::string help,
                   std::vector<double> bounds = {kIstioBuckets.begin(), kIstioBuckets.end()});

  // Lives as long as the registry, so that what a worker counted outlives the worker.
  Shard& make_shard();

  // Numbers that somebody else keeps, asked for at each scrape, on the scraping thread.
  using Collector = std::function<void(std::vector<MergedFamily>&)>;
  void add_collector(Collector collector);

  // Families sorted by name, series by labels; families without series are left out.
  std::vector<MergedFamily> collect();

 private:
  friend class Shard;
  struct FamilyInfo;
  Family add_family(std::string name, std::string help, MetricKind kind, std::vector<double> bounds,
                    bool lasting = false);
  FamilyInfo& info(Family family) const;
  static MergedSeries value_of(const Shard::Series& series);
  void retire(Family family, const std::string& labels, const Shard::Series& series);
  void overflowed(Family family);

  const Options options_;
  mutable std::mutex mutex_;  // guards what follows; taken before a shard's
  std::vector<std::unique_ptr<FamilyInfo>> families_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<Collector> collectors_;
};

}  // namespace weft::telemetry
