// What weftd's log says of the configuration: each fact once, when it comes to hold.
//
//   ConfigLog log;
//   for (const auto& line : log.news(store, objects, complaints)) log_at(line.level, "config", line.text);
//
// Complaints as they appear and as they are mended, files whose last good state stays in force, objects that
// went.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "control/ingest/store.h"
#include "objects/object.h"
#include "yaml/complaint.h"

namespace weft::control {

class ConfigLog {
 public:
  struct Line {
    LogLevel level;
    std::string text;
  };
  // `objects` are those of `store` that are in force; what is not told since the last call is what holds
  // still.
  std::vector<Line> news(const Store& store, std::vector<objects::Object> objects,
                         const std::vector<yaml::Complaint>& complaints);
  // How many complaints there are.
  size_t complaints() const { return told_.size(); }

 private:
  void tell_complaints(const Store& store, const std::vector<yaml::Complaint>& complaints,
                       std::vector<Line>& lines);
  void tell_stale(const Store& store, std::vector<Line>& lines);

  std::map<std::string, std::string> told_;  // complaints: as they came, and as they were told
  std::set<std::string> stale_;              // files
  std::vector<objects::Object> objects_;
};

}  // namespace weft::control
