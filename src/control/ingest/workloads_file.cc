#include "control/ingest/workloads_file.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/strings.h"

namespace weft::control {
namespace {

constexpr size_t kMaxStateFile = 16u << 20;
constexpr Duration kCoalesce = std::chrono::milliseconds(10);

objects::ContainerPort container_port(const wire::RunningPort& port) {
  return {.name = port.name,
          .port = port.port,
          .transport = port.protocol == "UDP" ? objects::Transport::udp : objects::Transport::tcp};
}

std::shared_ptr<const objects::Pod> make_pod(const wire::RunningPod& running) {
  auto pod = std::make_shared<objects::Pod>();
  pod->meta.api_version = "v1";
  pod->meta.name = running.name;
  pod->meta.namespace_name = running.namespace_name;
  pod->meta.labels = running.labels;
  pod->meta.annotations = running.annotations;
  pod->meta.file = wire::kWorkloadsFile;
  pod->spec.service_account_name = running.service_account;
  pod->spec.node_name = running.node;
  objects::Container& container = pod->spec.containers.emplace_back();
  container.name = "app";
  for (const wire::RunningPort& port : running.ports) container.ports.push_back(container_port(port));
  if (running.proxy == wire::RunningPod::Proxy::router) {
    pod->meta.annotations.insert_or_assign("inject.istio.io/templates", "gateway");
  }
  return pod;
}

translate::WorkloadStatus status_of(const wire::RunningPod& running) {
  translate::WorkloadStatus status;
  status.ip = running.ip.to_string();
  status.ready = running.ready && !running.terminating;
  status.workload_name = running.owner;
  status.node = running.node;
  status.sidecar = running.proxy == wire::RunningPod::Proxy::sidecar;
  return status;
}

}  // namespace

bool PodTable::update(const std::vector<wire::RunningPod>& pods) {
  bool changed = pods.size() != rows_.size();
  std::map<std::string, Row> rows;
  statuses_.clear();
  for (const wire::RunningPod& running : pods) {
    std::string key = concat(running.namespace_name, "/", running.name);
    statuses_.emplace(key, status_of(running));
    const auto before = rows_.find(key);
    if (before == rows_.end()) {
      changed = true;
      rows.emplace(std::move(key), Row{running, make_pod(running)});
      continue;
    }
    const wire::RunningPod& old = before->second.running;
    changed |= old != running;
    // What only the status tells of does not make another pod.
    wire::RunningPod same = running;
    same.ip = old.ip;
    same.ready = old.ready;
    same.terminating = old.terminating;
    auto pod = same == old ? before->second.pod : make_pod(running);
    rows.emplace(std::move(key), Row{running, std::move(pod)});
  }
  rows_ = std::move(rows);
  return changed;
}

std::vector<objects::Object> PodTable::objects() const {
  std::vector<objects::Object> all;
  all.reserve(rows_.size());
  for (const auto& [key, row] : rows_) all.emplace_back(row.pod);
  return all;
}

RuntimeSource::RuntimeSource(io::Loop& loop, std::string directory, std::move_only_function<void()> changed)
    : loop_(loop), changed_(std::move(changed)), scans_(loop, kCoalesce, [this] { scan_all(); }) {
  workloads_file_.path = concat(directory, "/", wire::kWorkloadsFile);
  tokens_file_.path = concat(directory, "/", wire::kTokensFile);
}

std::optional<std::string> RuntimeSource::changed_text(Tracked& file) {
  const auto stamp = stamp_of(file.path);
  if (!stamp) {
    if (file.readable) log_warning("ingest", file.path, " is gone; what it last held stays in force");
    file.readable = false;
    file.stamp.reset();
    return std::nullopt;
  }
  if (file.stamp == *stamp) return std::nullopt;
  auto text = read_file(file.path, kMaxStateFile);
  file.stamp = stamp->is_fresh(loop_.wall_now()) ? std::nullopt : std::optional(*stamp);
  if (!text) {
    file.error = text.error().text;
    return std::nullopt;
  }
  file.readable = true;
  return std::move(*text);
}

bool RuntimeSource::take_workloads(std::string_view text) {
  auto parsed = wire::parse_workloads(text, workloads_file_.path);
  const std::string before = std::exchange(workloads_file_.error, parsed ? "" : parsed.error().text);
  if (!parsed) return before != workloads_file_.error;
  bool changed = !before.empty() || !std::exchange(known_, true);
  changed |= services_ != parsed->services;
  services_ = std::move(parsed->services);
  changed |= pods_.update(parsed->pods);
  return changed;
}

bool RuntimeSource::take_tokens(std::string_view text) {
  auto parsed = wire::parse_tokens(text, tokens_file_.path);
  const std::string before = std::exchange(tokens_file_.error, parsed ? "" : parsed.error().text);
  if (!parsed) return before != tokens_file_.error;
  const bool changed = !before.empty() || tokens_ != *parsed;
  tokens_ = std::move(*parsed);
  return changed;
}

void RuntimeSource::scan_all() {
  bool changed = false;
  // Tokens first: a pod that is told of may connect at once.
  if (const auto text = changed_text(tokens_file_)) changed |= take_tokens(*text);
  if (const auto text = changed_text(workloads_file_)) changed |= take_workloads(*text);
  if (changed) changed_();
}

std::vector<objects::Object> RuntimeSource::with_pods(std::vector<objects::Object> objects) const {
  if (!known_) return objects;
  std::erase_if(objects, [](const objects::Object& object) { return objects::get_if<objects::Pod>(object); });
  std::vector<objects::Object> pods = pods_.objects();
  objects.insert(objects.end(), pods.begin(), pods.end());
  return objects;
}

std::vector<yaml::Complaint> RuntimeSource::complaints() const {
  std::vector<yaml::Complaint> complaints;
  for (const Tracked* file : {&workloads_file_, &tokens_file_}) {
    if (file->error.empty()) continue;
    yaml::Complaint& complaint = complaints.emplace_back();
    complaint.file = file->path;
    complaint.cause = file->error;
    complaint.next_step = "what it last held stays in force; weft up writes it anew";
  }
  return complaints;
}

}  // namespace weft::control
