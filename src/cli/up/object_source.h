// The objects of a mesh: the directories given to `weft up`, what `weft apply` added, and the gateways that
// every mesh has. Keeps the last good state of each file.
//
//   ObjectSource source({"examples/canary"}, overlay);
//   source.read();                    // at the start, and whenever something changed
//   if (source.has_errors()) ...      // complaints() says where and what to do
//   use(source.objects());
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "objects/load.h"

namespace weft::cli {

class ObjectSource {
 public:
  // An object of `overlay` stands in for one of the same kind, namespace and name in `directories`.
  ObjectSource(std::vector<std::string> directories, std::string overlay)
      : directories_(std::move(directories)), overlay_(std::move(overlay)) {}

  // True where objects or complaints are other than before. Fails where a directory cannot be read.
  Result<bool> read();

  const std::vector<objects::Object>& objects() const { return objects_; }
  const std::vector<objects::Complaint>& complaints() const { return complaints_; }
  bool has_errors() const { return yaml::any_error(complaints_); }

 private:
  struct File {
    std::string text;
    std::vector<objects::Object> good;           // of the last text without an error
    std::vector<objects::Complaint> complaints;  // of the newest text
  };
  void take(const std::string& path);
  std::vector<objects::Object> merge(std::vector<objects::Complaint>& complaints) const;

  std::vector<std::string> directories_;
  std::string overlay_;
  std::map<std::string, File> files_;
  std::vector<objects::Object> objects_;
  std::vector<objects::Complaint> complaints_;
};

}  // namespace weft::cli
