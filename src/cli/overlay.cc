#include "cli/overlay.h"

#include <cstdio>

#include "base/strings.h"
#include "cli/files.h"
#include "objects/load.h"

namespace weft::cli {
namespace {

// The text of each YAML document, at the `---` lines. JSON and a single document are one piece.
std::vector<std::string> split_documents(const std::string& text) {
  std::vector<std::string> pieces(1);
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size() - 1);
    const std::string_view line = std::string_view(text).substr(at, end - at + 1);
    const bool marker =
        line.starts_with("---") && (line.size() == 3 || line[3] == '\n' || line[3] == ' ' || line[3] == '\r');
    if (marker) {
      pieces.emplace_back();
    } else {
      pieces.back() += line;
    }
    at = end + 1;
  }
  return pieces;
}

Result<std::vector<std::pair<std::string, std::string>>> read_all(const std::vector<std::string>& paths) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const std::string& path : paths) {
    WEFT_TRY(const auto files, object_files(path));
    for (const std::string& file : files) {
      auto text = read_objects(file);
      if (!text) return fail(Error::Kind::invalid, unreadable(file, text.error()).to_string());
      out.emplace_back(shown_path(file), std::move(*text));
    }
  }
  return out;
}

}  // namespace

Result<std::vector<Document>> read_documents(const std::vector<std::string>& paths) {
  WEFT_TRY(const auto texts, read_all(paths));
  std::vector<Document> out;
  bool bad = false;
  for (const auto& [file, text] : texts) {
    // The whole first: its complaints have the lines that the user sees.
    const objects::Loaded whole = objects::load_text(text, file);
    for (const auto& complaint : whole.complaints)
      std::fprintf(stderr, "%s\n", complaint.to_string().c_str());
    bad = bad || yaml::any_error(whole.complaints);
    for (const std::string& piece : split_documents(text)) {
      const objects::Loaded one = objects::load_text(piece, file);
      // A List has several objects in one document: they stay together, under the name of the first.
      if (!one.objects.empty()) out.push_back({objects::key_of(one.objects.front()), piece});
    }
  }
  if (bad) return fail(Error::Kind::invalid, "nothing was changed: mend what is said above and try again");
  if (out.empty()) return fail(Error::Kind::invalid, "no object was found in what was given with -f");
  return out;
}

Result<std::map<objects::ObjectKey, KnownObject>> objects_of_mesh(const MeshState& state) {
  WEFT_TRY(const MeshStatus status, state.read_running());
  std::map<objects::ObjectKey, KnownObject> out;
  auto directories = status.directories;
  directories.push_back(state.path("builtin"));
  directories.push_back(state.path("objects"));
  for (const std::string& directory : directories) {
    auto files = object_files(directory);
    if (!files) continue;
    const bool overlay = directory == directories.back();
    for (const std::string& file : *files) {
      const auto text = read_objects(file);
      if (!text) continue;
      for (const auto& object : objects::load_text(*text, file).objects) {
        KnownObject& known = out[objects::key_of(object)];
        if (known.file.empty()) known.file = file;
        known.directory_has_it = known.directory_has_it || !overlay;
      }
    }
  }
  return out;
}

std::string overlay_file(const MeshState& state, const objects::ObjectKey& key) {
  return state.path(concat("objects/", to_lower(key.kind), "_", key.namespace_name, "_", key.name, ".yaml"));
}

std::string resource_name(const objects::ObjectKey& key) { return concat(to_lower(key.kind), "/", key.name); }

}  // namespace weft::cli
