#include "cli/up/object_source.h"

#include <algorithm>

#include "base/strings.h"
#include "cli/files.h"
#include "objects/changes.h"
#include "objects/locate.h"
#include "translate/translate.h"

namespace weft::cli {
namespace {

std::set<objects::ObjectKey> keys_of(const std::vector<objects::Object>& all) {
  std::set<objects::ObjectKey> keys;
  for (const auto& object : all) keys.insert(objects::key_of(object));
  return keys;
}

bool is_below(std::string_view path, std::string_view directory) {
  return !directory.empty() && path.starts_with(directory) && path.substr(directory.size()).starts_with('/');
}

}  // namespace

void ObjectSource::follow(std::string overlay, std::string builtin) {
  overlay_ = std::move(overlay);
  builtin_ = std::move(builtin);
  look_anew_ = true;
}

Result<ObjectSource::Look> ObjectSource::read() {
  WEFT_TRY(const auto present, find_files());
  Look look;
  for (const std::string& path : present) look.changed |= look_at(path, look.in_doubt);
  look.changed |= forget_missing(present, look.in_doubt);
  if (look.changed || std::exchange(look_anew_, false)) {
    complaints_.clear();
    for (const auto& [path, file] : files_)
      complaints_.insert(complaints_.end(), file.complaints.begin(), file.complaints.end());
    objects_ = merge(complaints_);
    for (const auto& [path, file] : files_) objects::locate(complaints_, path, file.text);
    untold_ = true;
  }
  started_ = true;
  return look;
}

Result<std::set<std::string>> ObjectSource::find_files() const {
  std::set<std::string> present;
  for (const std::string& directory : directories_) {
    WEFT_TRY(const auto paths, object_files(directory));
    present.insert(paths.begin(), paths.end());
  }
  for (const std::string& ours : {overlay_, builtin_}) {
    if (ours.empty()) continue;
    if (auto paths = object_files(ours)) present.insert(paths->begin(), paths->end());
  }
  return present;
}

bool ObjectSource::look_at(const std::string& path, bool& in_doubt) {
  auto text = read_objects(path);
  if (text) return take(path, std::move(*text), in_doubt);
  const objects::Complaint complaint = unreadable(path, text.error());
  // Removed while we looked, or a link that is just being made: the next look tells.
  const bool may_pass = started_ && text.error().kind == Error::Kind::not_found;
  if (may_pass && !believed(path, complaint.cause)) {
    in_doubt = true;
    return false;
  }
  return refuse(path, complaint);
}

bool ObjectSource::take(const std::string& path, std::string text, bool& in_doubt) {
  const auto known = files_.find(path);
  if (known != files_.end() && known->second.text == text && !known->second.text.empty()) {
    doubts_.erase(path);
    return false;
  }
  objects::Loaded loaded = objects::load_text(text, path);
  const bool broken = yaml::any_error(loaded.complaints);
  const auto brought = keys_of(loaded.objects);
  const auto is_lost = [&](const auto& object) { return !brought.contains(objects::key_of(object)); };
  const bool loses = known != files_.end() && std::ranges::any_of(known->second.good, is_lost);
  if (started_ && (broken || loses) && !believed(path, text)) {
    in_doubt = true;
    return false;
  }
  doubts_.erase(path);
  File& file = files_[path];
  const bool changed = file.text != text || file.broken != broken || file.complaints != loaded.complaints;
  file.text = std::move(text);
  file.complaints = std::move(loaded.complaints);
  file.broken = broken && file.was_good;
  // A broken file leaves what it held; one that never was right gives what can be read of it.
  if (!file.broken) file.good = std::move(loaded.objects);
  file.was_good = file.was_good || !broken;
  return changed;
}

bool ObjectSource::refuse(const std::string& path, objects::Complaint complaint) {
  File& file = files_[path];
  file.text.clear();
  file.broken = file.was_good;
  const bool same = file.complaints.size() == 1 && file.complaints.front() == complaint;
  file.complaints = {std::move(complaint)};
  return !same;
}

bool ObjectSource::forget_missing(const std::set<std::string>& present, bool& in_doubt) {
  return std::erase_if(files_, [&](const auto& each) {
           if (present.contains(each.first)) return false;
           if (started_ && !believed(each.first, std::nullopt)) {
             in_doubt = true;
             return false;
           }
           doubts_.erase(each.first);
           return true;
         }) > 0;
}

// Whether the file looked like this the last time too.
bool ObjectSource::believed(const std::string& path, Doubt seen) {
  const auto [doubt, first] = doubts_.try_emplace(path, seen);
  if (!first && doubt->second == seen) return true;
  doubt->second = std::move(seen);
  return false;
}

std::vector<objects::Object> ObjectSource::merge(std::vector<objects::Complaint>& complaints) const {
  std::vector<objects::Loaded> parts;
  std::set<objects::ObjectKey> overlaid;
  for (const auto& [path, file] : files_) {
    if (!is_below(path, overlay_)) continue;
    overlaid.merge(keys_of(file.good));
    parts.push_back({.objects = file.good, .complaints = {}});
  }
  for (const auto& [path, file] : files_) {
    if (is_below(path, overlay_)) continue;
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

std::vector<objects::Object> ObjectSource::written() const {
  std::vector<objects::Object> out;
  for (const auto& object : objects_) {
    if (!is_below(objects::meta_of(object).file, builtin_)) out.push_back(object);
  }
  return out;
}

// ---- what a user is told

std::vector<std::string> ObjectSource::take_news() {
  std::vector<std::string> news;
  if (!std::exchange(untold_, false)) return news;
  tell_complaints(news);
  for (const auto& [path, file] : files_) {
    if (file.broken && told_broken_.insert(path).second)
      news.push_back(concat(path, ": what it last held without an error stays in force until it is mended"));
  }
  std::erase_if(told_broken_, [&](const std::string& path) {
    const auto file = files_.find(path);
    if (file != files_.end() && file->second.broken) return false;
    if (file != files_.end()) news.push_back(concat(path, ": is mended, and what it holds is in force"));
    return true;
  });
  std::ranges::move(objects::tell_gone(told_objects_, objects_), std::back_inserter(news));
  told_objects_ = objects_;
  return news;
}

namespace {

// Fields of Kubernetes that one machine has nothing for: they are read, have no effect, and that is said.
// Empty where the object has none.
std::string without_effect(const objects::Object& object) {
  const std::vector<objects::IgnoredField>* ignored = nullptr;
  if (const auto* pod = objects::get_if<objects::Pod>(object)) ignored = &pod->spec.ignored;
  if (const auto* deployment = objects::get_if<objects::Deployment>(object))
    ignored = &deployment->pod.ignored;
  if (const auto* service = objects::get_if<objects::Service>(object)) ignored = &service->ignored;
  if (ignored == nullptr || ignored->empty()) return {};
  std::string fields;
  for (const objects::IgnoredField& field : *ignored)
    fields += concat(fields.empty() ? "" : ", ", field.path, " (line ", field.line, ")");
  return concat(objects::meta_of(object).file, ": note: ", objects::key_of(object).to_string(), ": ", fields,
                ": without effect on one machine");
}

}  // namespace

// Those that were not there the last time. The same ones as `weft analyze` has.
void ObjectSource::tell_complaints(std::vector<std::string>& news) {
  std::vector<objects::Complaint> all = complaints_;
  // Between objects there is something to say once weft up's own gateways are there: users' refer to them.
  if (!builtin_.empty()) {
    translate::WorldInput input;
    input.objects = objects_;
    input.service_addresses = translate::allocate_vips(objects_, {});
    std::ranges::move(translate::validate(*translate::World::make(std::move(input))),
                      std::back_inserter(all));
    for (const auto& [path, file] : files_) objects::locate(all, path, file.text);
  }
  std::set<std::string> now;
  const auto tell = [&](std::string text) {
    if (text.empty()) return;
    if (!told_.contains(text) && !now.contains(text)) news.push_back(text);
    now.insert(std::move(text));
  };
  for (const objects::Complaint& complaint : all) tell(complaint.to_string());
  for (const objects::Object& object : objects_) tell(without_effect(object));
  told_ = std::move(now);
}

}  // namespace weft::cli
