// The objects of a mesh: the directories given to `weft up`, what `weft apply` added, and the gateways that
// every mesh has. Keeps the last good state of each file, and knows what of it a user was told.
//
//   ObjectSource source({"examples/canary"});
//   source.read();                                 // at the start, and whenever something changed
//   if (source.has_errors()) ...
//   for (const std::string& line : source.take_news()) print(line);
//   use(source.objects());
//
// A file that is broken, emptied or gone is not believed at its first look once the mesh runs: an editor may
// be about to write it. read() then says that it is in doubt, and the same look again makes it so.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "objects/load.h"

namespace weft::cli {

class ObjectSource {
 public:
  explicit ObjectSource(std::vector<std::string> directories) : directories_(std::move(directories)) {}

  // From the next read() on also what `weft apply` wrote and the gateways that every mesh has. An object of
  // `overlay` stands in for one of the same kind, namespace and name elsewhere.
  void follow(std::string overlay, std::string builtin);

  struct Look {
    bool changed = false;   // objects or complaints are other than before
    bool in_doubt = false;  // something was not believed: look again soon
  };
  // Fails where a directory cannot be read; everything is then as it was.
  Result<Look> read();

  const std::vector<objects::Object>& objects() const { return objects_; }
  // Without the gateways that every mesh has.
  std::vector<objects::Object> written() const;
  // Whether any text is wrong. What is wrong between objects (references to nothing) is told, and no error
  // here.
  bool has_errors() const { return yaml::any_error(complaints_); }

  // What is to be told and was not told yet, a line each: complaints, files whose last good state stays in
  // force, files that are mended, objects that went.
  std::vector<std::string> take_news();

 private:
  struct File {
    std::string text;
    std::vector<objects::Object> good;           // of the last text without an error
    std::vector<objects::Complaint> complaints;  // of the newest text
    bool was_good = false;
    bool broken = false;  // the newest text has errors, and `good` stays in force
  };
  // A state of a file that was seen once and not believed; no text: it is gone.
  using Doubt = std::optional<std::string>;

  Result<std::set<std::string>> find_files() const;
  bool look_at(const std::string& path, bool& in_doubt);
  bool take(const std::string& path, std::string text, bool& in_doubt);
  bool refuse(const std::string& path, objects::Complaint complaint);
  bool forget_missing(const std::set<std::string>& present, bool& in_doubt);
  bool believed(const std::string& path, Doubt seen);
  std::vector<objects::Object> merge(std::vector<objects::Complaint>& complaints) const;
  void tell_complaints(std::vector<std::string>& news);

  std::vector<std::string> directories_;
  std::string overlay_;
  std::string builtin_;
  std::map<std::string, File> files_;
  std::map<std::string, Doubt> doubts_;
  std::vector<objects::Object> objects_;
  std::vector<objects::Complaint> complaints_;
  bool started_ = false;
  bool look_anew_ = true;  // whatever the files say

  std::set<std::string> told_;         // complaints that hold still
  std::set<std::string> told_broken_;  // files
  std::vector<objects::Object> told_objects_;
  bool untold_ = false;  // there may be news
};

}  // namespace weft::cli
