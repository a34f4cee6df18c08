#include "control/publish/config_log.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "objects/changes.h"
#include "objects/locate.h"

namespace weft::control {

std::vector<ConfigLog::Line> ConfigLog::news(const Store& store, std::vector<objects::Object> objects,
                                             const std::vector<yaml::Complaint>& complaints) {
  std::vector<Line> lines;
  tell_complaints(store, complaints, lines);
  tell_stale(store, lines);
  for (std::string& text : objects::tell_gone(objects_, objects))
    lines.push_back({LogLevel::warning, std::move(text)});
  objects_ = std::move(objects);
  return lines;
}

void ConfigLog::tell_complaints(const Store& store, const std::vector<yaml::Complaint>& complaints,
                                std::vector<Line>& lines) {
  std::map<std::string, std::string> now;
  std::vector<yaml::Complaint> fresh;
  for (const yaml::Complaint& complaint : complaints) {
    std::string text = complaint.to_string();
    const auto told = told_.find(text);
    const bool is_new = now.emplace(text, told == told_.end() ? text : told->second).second;
    if (told == told_.end() && is_new) fresh.push_back(complaint);
  }
  // Only for what is told anew are texts read once more.
  std::vector<yaml::Complaint> located = fresh;
  for (const auto& [file, held] : store.files()) objects::locate(located, file, held.text);
  for (size_t i = 0; i < fresh.size(); ++i) {
    std::string text = located[i].to_string();
    lines.push_back({fresh[i].is_error() ? LogLevel::error : LogLevel::warning, text});
    now[fresh[i].to_string()] = std::move(text);
  }
  for (const auto& [text, shown] : told_) {
    if (!now.contains(text)) lines.push_back({LogLevel::info, concat("mended: ", shown)});
  }
  told_ = std::move(now);
}

void ConfigLog::tell_stale(const Store& store, std::vector<Line>& lines) {
  std::set<std::string> now;
  for (const auto& [file, held] : store.files()) {
    if (!held.stale) continue;
    now.insert(file);
    if (stale_.contains(file)) continue;
    lines.push_back({LogLevel::warning,
                     concat(file, ": what it last held without an error stays in force until it is mended")});
  }
  for (const std::string& file : stale_) {
    if (!now.contains(file) && store.files().contains(file))
      lines.push_back({LogLevel::info, concat(file, ": is mended, and what it holds is in force")});
  }
  stale_ = std::move(now);
}

}  // namespace weft::control
