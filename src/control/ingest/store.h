// What users want, by file: the last good state of each, and everything that is wrong.
//
//   Store store;
//   store.put("mesh.yaml", text, objects::load_text(text, "mesh.yaml"));
//   world.objects = store.merged().objects;
//
// A file with an error changes nothing: what it last held without one stays in force until it is mended.
// A file that never was right gives what of it can be read. Two files with the same object: the one whose
// name sorts first has it, the other is complained about; but what stands in the overlay's directory (what
// `weft apply` wrote) stands in for the same object elsewhere.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "objects/load.h"

namespace weft::control {

class Store {
 public:
  explicit Store(std::string overlay = {}) : overlay_(std::move(overlay)) {}

  struct File {
    std::string text;                         // of the objects in force
    std::vector<objects::Object> objects;     // in force
    std::vector<yaml::Complaint> complaints;  // of the newest text
    bool good = false;                        // the objects came from a text without error
    bool stale = false;                       // a newer text is there and has errors
  };

  // True where the objects in force changed. An object whose document stands where it stood, unchanged, stays
  // the same pointer, so that nothing is made again for it.
  bool put(const std::string& file, std::string text, objects::Loaded loaded);
  // True where it held objects or complaints.
  bool remove(const std::string& file);
  // Whether put() would take away an object that is in force, or fail to bring what it should: an editor
  // that empties a file before it writes it looks like this for a moment.
  bool loses(const std::string& file, const objects::Loaded& loaded) const;
  // An error about a file as a whole (cannot be read, too big); its objects stay.
  void complain(const std::string& file, yaml::Complaint complaint);

  const std::map<std::string, File>& files() const { return files_; }
  // All files together, in order of their names.
  objects::Loaded merged() const;

 private:
  bool in_overlay(const std::string& file) const;

  std::string overlay_;  // directory; empty: none
  std::map<std::string, File> files_;
};

}  // namespace weft::control
