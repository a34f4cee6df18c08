#include "control/ingest/directory_source.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/log.h"
#include "base/strings.h"

namespace weft::control {

DirectorySource::DirectorySource(io::Loop& loop, Store& store, Options options,
                                 std::move_only_function<void()> changed)
    : loop_(loop),
      store_(store),
      options_(std::move(options)),
      changed_(std::move(changed)),
      scans_(loop, options_.coalesce, [this] { scan_all(); }) {}

Result<void> DirectorySource::start() {
  for (const std::string& directory : options_.directories) {
    auto files = find_files(directory, {});
    if (!files) return std::unexpected(std::move(files).error());
  }
  scan();
  started_ = true;
  return {};
}

void DirectorySource::scan_all() {
  bool changed = false;
  bool complete = true;
  std::vector<std::string> present;
  for (const std::string& directory : options_.directories) {
    auto files = find_files(directory, {".yaml", ".yml", ".json"});
    if (!files) {
      // Nothing is taken away because a directory cannot be read for a while.
      log_error("ingest", files.error().text, "; what it held stays in force");
      complete = false;
      continue;
    }
    present.insert(present.end(), std::make_move_iterator(files->begin()),
                   std::make_move_iterator(files->end()));
  }
  if (present.size() > options_.max_files) {
    log_error("ingest", present.size(), " files are more than ", options_.max_files,
              "; the rest is left out");
    present.resize(options_.max_files);
  }
  for (const std::string& path : present) changed |= scan_file(path);
  std::ranges::sort(present);
  if (complete) changed |= scan_missing(present);
  if (changed) changed_();

  // What is doubted is looked at again when it has settled.
  for (const auto& [path, seen] : seen_) {
    if (seen.doubted) scans_.at(*seen.doubted + options_.settle);
  }
}

bool DirectorySource::scan_file(const std::string& path) {
  Seen& seen = seen_[path];
  const auto stamp = stamp_of(path);
  if (!stamp) {
    std::error_code no_link;
    const std::string target = std::filesystem::read_symlink(path, no_link).string();
    if (no_link) return false;  // removed while we looked: scan_missing() sees to it next time
    seen.stamp.reset();
    const Error error{.kind = Error::Kind::not_found,
                      .text = concat("is a link to ", target, ", which does not exist")};
    return complain(path, error, "mend the link, or remove it");
  }
  if (seen.stamp == *stamp && !seen.doubted) return false;
  auto text = read_file(path, options_.max_file);
  if (!text) {
    if (text.error().kind == Error::Kind::not_found) return false;
    seen.stamp = *stamp;
    seen.in_force.reset();
    return complain(path, text.error(),
                    text.error().kind == Error::Kind::overflow  ? "split it"
                    : text.error().kind == Error::Kind::invalid ? "put a file there, or remove it"
                                                                : "let weftd read it, or remove it");
  }
  seen.stamp = stamp->is_fresh(loop_.wall_now()) ? std::nullopt : std::optional(*stamp);

  const auto held = store_.files().find(path);
  const bool known = held != store_.files().end();
  if (known && seen.in_force == *text) {
    seen.doubted.reset();
    return false;
  }
  objects::Loaded loaded = objects::load_text(*text, path);
  const bool doubtful = known ? store_.loses(path, loaded) : yaml::any_error(loaded.complaints);
  if (started_ && doubtful && !settled(seen, *text)) return false;
  seen.doubted.reset();
  const std::vector<yaml::Complaint> before =
      known ? held->second.complaints : std::vector<yaml::Complaint>();
  seen.in_force = *text;
  const bool objects_changed = store_.put(path, std::move(*text), std::move(loaded));
  return objects_changed || store_.files().at(path).complaints != before;
}

bool DirectorySource::scan_missing(const std::vector<std::string>& present) {
  bool changed = false;
  for (auto entry = seen_.begin(); entry != seen_.end();) {
    auto& [path, seen] = *entry;
    if (std::ranges::binary_search(present, path)) {
      ++entry;
      continue;
    }
    seen.stamp.reset();
    if (!settled(seen, {})) {
      ++entry;
      continue;
    }
    changed |= store_.remove(path);
    entry = seen_.erase(entry);
  }
  return changed;
}

// Whether the file has looked as it looks now for long enough.
bool DirectorySource::settled(Seen& seen, std::string_view text) {
  if (!seen.doubted || seen.doubted_text != text) {
    seen.doubted = loop_.now();
    seen.doubted_text = text;
    return false;
  }
  return loop_.now() >= *seen.doubted + options_.settle;
}

bool DirectorySource::complain(const std::string& path, const Error& error, std::string next_step) {
  const auto held = store_.files().find(path);
  const std::vector<yaml::Complaint> before =
      held == store_.files().end() ? std::vector<yaml::Complaint>() : held->second.complaints;
  yaml::Complaint complaint;
  complaint.file = path;
  complaint.cause = error.text;
  complaint.next_step = std::move(next_step);
  store_.complain(path, std::move(complaint));
  return store_.files().at(path).complaints != before;
}

}  // namespace weft::control
