#include "cli/up/object_source.h"

#include <filesystem>
#include <set>

#include "base/strings.h"
#include "cli/files.h"

namespace weft::cli {

Result<bool> ObjectSource::read() {
  std::set<std::string> present;
  for (const std::string& directory : directories_) {
    WEFT_TRY(const auto paths, object_files(directory));
    present.insert(paths.begin(), paths.end());
  }
  if (auto paths = object_files(overlay_)) present.insert(paths->begin(), paths->end());
  bool changed = std::erase_if(files_, [&](const auto& each) { return !present.contains(each.first); }) > 0;
  for (const std::string& path : present) {
    // A pipe would keep us waiting for ever, a device has no end; weftd says so of either.
    if (std::error_code error; !std::filesystem::is_regular_file(path, error)) continue;
    auto text = read_file(path);
    if (!text) continue;  // removed while we looked: the next event tells
    const auto it = files_.find(path);
    if (it != files_.end() && it->second.text == *text) continue;
    files_[path].text = std::move(*text);
    take(path);
    changed = true;
  }
  if (!changed) return false;
  complaints_.clear();
  for (const auto& [path, file] : files_)
    complaints_.insert(complaints_.end(), file.complaints.begin(), file.complaints.end());
  objects_ = merge(complaints_);
  return true;
}

void ObjectSource::take(const std::string& path) {
  File& file = files_[path];
  objects::Loaded loaded = objects::load_text(file.text, path);
  file.complaints = std::move(loaded.complaints);
  // A broken file leaves what it held; one that never was right gives what can be read of it.
  if (!yaml::any_error(file.complaints) || file.good.empty()) file.good = std::move(loaded.objects);
}

std::vector<objects::Object> ObjectSource::merge(std::vector<objects::Complaint>& complaints) const {
  std::vector<objects::Loaded> parts;
  std::set<objects::ObjectKey> overlaid;
  const std::string below = overlay_ + "/";
  for (const auto& [path, file] : files_) {
    if (!path.starts_with(below)) continue;
    for (const auto& object : file.good) overlaid.insert(objects::key_of(object));
    parts.push_back({.objects = file.good, .complaints = {}});
  }
  for (const auto& [path, file] : files_) {
    if (path.starts_with(below)) continue;
    objects::Loaded part;
    for (const auto& object : file.good) {
      if (!overlaid.contains(objects::key_of(object))) part.objects.push_back(object);
    }
    parts.push_back(std::move(part));
  }
  objects::Loaded all = objects::merge(std::move(parts));
  complaints.insert(complaints.end(), all.complaints.begin(), all.complaints.end());
  return std::move(all.objects);
}

}  // namespace weft::cli
