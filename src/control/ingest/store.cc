#include "control/ingest/store.h"

#include <algorithm>
#include <set>
#include <utility>

namespace weft::control {
namespace {

struct Document {
  int line = 1;  // of its first line
  std::string_view text;
};

// The documents of a YAML text, cut at the lines that begin one.
std::vector<Document> documents_of(std::string_view text) {
  std::vector<Document> documents = {{1, {}}};
  size_t begin = 0;
  int line = 1;
  for (size_t at = 0; at < text.size(); ++line) {
    if (text.substr(at).starts_with("---") && at > begin) {
      documents.back().text = text.substr(begin, at - begin);
      documents.push_back({line, {}});
      begin = at;
    }
    const size_t end = text.find('\n', at);
    at = end == std::string_view::npos ? text.size() : end + 1;
  }
  documents.back().text = text.substr(begin);
  return documents;
}

const Document& document_of(const std::vector<Document>& documents, const objects::Object& object) {
  const int line = objects::meta_of(object).line;
  auto after = std::ranges::upper_bound(documents, line, {}, &Document::line);
  return after == documents.begin() ? documents.front() : *std::prev(after);
}

// Puts the objects of the old text in place of those of the new one that cannot differ from them.
void keep_unchanged(std::string_view old_text, const std::vector<objects::Object>& old_objects,
                    std::string_view new_text, std::vector<objects::Object>& new_objects) {
  const std::vector<Document> before = documents_of(old_text);
  const std::vector<Document> after = documents_of(new_text);
  std::map<objects::ObjectKey, const objects::Object*> old_by_key;
  for (const objects::Object& object : old_objects) old_by_key.emplace(objects::key_of(object), &object);
  for (objects::Object& object : new_objects) {
    const auto found = old_by_key.find(objects::key_of(object));
    if (found == old_by_key.end()) continue;
    const Document& was = document_of(before, *found->second);
    const Document& is = document_of(after, object);
    const bool same_place = objects::meta_of(object).line == objects::meta_of(*found->second).line &&
                            objects::meta_of(object).order == objects::meta_of(*found->second).order;
    if (same_place && was.line == is.line && was.text == is.text) object = *found->second;
  }
}

}  // namespace

bool Store::put(const std::string& file, std::string text, objects::Loaded loaded) {
  File& state = files_[file];
  const bool broken = yaml::any_error(loaded.complaints);
  state.complaints = std::move(loaded.complaints);
  state.stale = broken && state.good;
  if (state.stale) return false;
  const bool changed = state.text != text || state.objects.size() != loaded.objects.size();
  keep_unchanged(state.text, state.objects, text, loaded.objects);
  state.text = std::move(text);
  state.objects = std::move(loaded.objects);
  state.good = !broken;
  return changed;
}

bool Store::remove(const std::string& file) {
  const auto found = files_.find(file);
  if (found == files_.end()) return false;
  const bool held_something = !found->second.objects.empty() || !found->second.complaints.empty();
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

bool Store::in_overlay(const std::string& file) const {
  return !overlay_.empty() && file.starts_with(overlay_) && file.substr(overlay_.size()).starts_with('/');
}

objects::Loaded Store::merged() const {
  std::vector<objects::Loaded> parts;
  parts.reserve(files_.size());
  std::set<objects::ObjectKey> overlaid;
  for (const auto& [name, file] : files_) {
    if (!in_overlay(name)) continue;
    for (const objects::Object& object : file.objects) overlaid.insert(objects::key_of(object));
    parts.push_back({file.objects, file.complaints});
  }
  for (const auto& [name, file] : files_) {
    if (in_overlay(name)) continue;
    objects::Loaded& part = parts.emplace_back(objects::Loaded{file.objects, file.complaints});
    if (overlaid.empty()) continue;
    std::erase_if(part.objects,
                  [&](const objects::Object& object) { return overlaid.contains(objects::key_of(object)); });
  }
  return objects::merge(std::move(parts));
}

}  // namespace weft::control
