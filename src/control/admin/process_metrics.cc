#include "control/admin/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>

#include "base/strings.h"
#include "control/ingest/files.h"

namespace weft::control {
namespace {

constexpr size_t kMaxProcFile = 65536;

void add(std::vector<telemetry::MergedFamily>& families, std::string name, std::string help,
         telemetry::MetricKind kind, double value) {
  telemetry::MergedFamily& family = families.emplace_back();
  family.name = std::move(name);
  family.help = std::move(help);
  family.kind = kind;
  family.series.push_back({.labels = "", .value = value});
}

// Seconds after boot at which the process started: field 22 of /proc/self/stat.
std::optional<double> start_after_boot() {
  const auto stat = read_file("/proc/self/stat", kMaxProcFile);
  if (!stat) return std::nullopt;
  const size_t end_of_name = stat->rfind(')');
  if (end_of_name == std::string::npos) return std::nullopt;
  const std::vector<std::string_view> fields = split(std::string_view(*stat).substr(end_of_name + 2), ' ');
  if (fields.size() < 20) return std::nullopt;
  const auto ticks = parse_unsigned(fields[19]);
  if (!ticks) return std::nullopt;
  return static_cast<double>(*ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::optional<double> boot_time() {
  const auto stat = read_file("/proc/stat", 4u << 20);
  if (!stat) return std::nullopt;
  for (const std::string_view line : split(*stat, '\n')) {
    if (!line.starts_with("btime ")) continue;
    const auto seconds = parse_unsigned(line.substr(6));
    if (seconds) return static_cast<double>(*seconds);
  }
  return std::nullopt;
}

}  // namespace

void add_process_metrics(telemetry::Registry& registry) { registry.add_collector(collect_process_metrics); }

void collect_process_metrics(std::vector<telemetry::MergedFamily>& families) {
  using Kind = telemetry::MetricKind;
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    add(families, "process_cpu_seconds_total", "Processor time used, in seconds.", Kind::counter,
        seconds(usage.ru_utime) + seconds(usage.ru_stime));
  }
  if (const auto statm = read_file("/proc/self/statm", kMaxProcFile)) {
    const std::vector<std::string_view> fields = split(*statm, ' ');
    const double page = static_cast<double>(::sysconf(_SC_PAGESIZE));
    const auto total = fields.size() > 1 ? parse_unsigned(fields[0]) : std::nullopt;
    const auto resident = fields.size() > 1 ? parse_unsigned(fields[1]) : std::nullopt;
    if (total && resident) {
      add(families, "process_virtual_memory_bytes", "Virtual memory.", Kind::gauge,
          static_cast<double>(*total) * page);
      add(families, "process_resident_memory_bytes", "Resident memory.", Kind::gauge,
          static_cast<double>(*resident) * page);
    }
  }
  std::error_code error;
  std::filesystem::directory_iterator descriptors("/proc/self/fd", error);
  if (!error) {
    const auto count = std::distance(begin(descriptors), end(descriptors));
    add(families, "process_open_fds", "Open file descriptors.", Kind::gauge, static_cast<double>(count));
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    add(families, "process_max_fds", "Most file descriptors that may be open.", Kind::gauge,
        static_cast<double>(limit.rlim_cur));
  }
  const auto started = start_after_boot();
  const auto boot = boot_time();
  if (started && boot) {
    add(families, "process_start_time_seconds", "When the process started, in seconds since 1970.",
        Kind::gauge, *boot + *started);
  }
}

}  // namespace weft::control
