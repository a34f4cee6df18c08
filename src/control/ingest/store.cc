#include "control/ingest/store.h"

#include <algorithm>
#include <set>
#include <utility>

namespace weft::control {

bool Store::put(const std::string& file, std::string text, objects::Loaded loaded) {
  File& state = files_[file];
  const bool broken = yaml::any_error(loaded.complaints);
  state.complaints = std::move(loaded.complaints);
  state.stale = broken && state.good;
  if (state.stale) return false;
  const bool changed = state.text != text || state.objects.size() != loaded.objects.size();
  state.text = std::move(text);
  state.objects = std::move(loaded.objects);
  state.good = !broken;
  return changed;
}

bool Store::remove(const std::string& file) {
  const auto found = files_.find(file);
  if (found == files_.end()) return false;
  const bool held_something = !found->second.objects.empty();
  files_.erase(found);
  return held_something;
}

bool Store::loses(const std::string& file, const objects::Loaded& loaded) const {
  if (yaml::any_error(loaded.complaints)) return true;
  const auto found = files_.find(file);
  if (found == files_.end()) return false;
  std::set<objects::ObjectKey> brought;
  for (const objects::Object& object : loaded.objects) brought.insert(objects::key_of(object));
  return !std::ranges::all_of(found->second.objects, [&](const objects::Object& object) {
    return brought.contains(objects::key_of(object));
  });
}

void Store::complain(const std::string& file, yaml::Complaint complaint) {
  File& state = files_[file];
  state.stale = state.good;
  state.complaints = {std::move(complaint)};
}

objects::Loaded Store::merged() const {
  std::vector<objects::Loaded> parts;
  parts.reserve(files_.size());
  for (const auto& [name, file] : files_) parts.push_back({file.objects, file.complaints});
  return objects::merge(std::move(parts));
}

}  // namespace weft::control
