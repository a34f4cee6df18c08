#include "objects/changes.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/strings.h"

namespace weft::objects {

namespace {

constexpr size_t kMostNames = 10;

}  // namespace

std::vector<std::string> tell_gone(const std::vector<Object>& before, const std::vector<Object>& now) {
  std::set<ObjectKey> there;
  std::set<std::string_view> files;
  for (const Object& object : now) {
    there.insert(key_of(object));
    files.insert(meta_of(object).file);
  }
  std::map<std::string_view, std::vector<std::string>> gone;  // by file
  for (const Object& object : before) {
    const ObjectKey key = key_of(object);
    if (!there.contains(key)) gone[meta_of(object).file].push_back(key.to_string());
  }
  std::vector<std::string> lines;
  for (auto& [file, names] : gone) {
    const size_t count = names.size();
    names.resize(std::min(count, kMostNames));
    lines.push_back(concat(file, ": ", count, count == 1 ? " object" : " objects",
                           " gone: ", join(names, ", "),
                           count > kMostNames ? concat(" and ", count - kMostNames, " more") : "",
                           files.contains(file) ? "" : " (all it held: the file is empty or gone)"));
  }
  return lines;
}

}  // namespace weft::objects
