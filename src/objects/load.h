// Reads what users write: YAML or JSON, any number of documents, into typed objects and complaints.
//
//   Loaded loaded = load_text(text, "mesh.yaml");
//   for (const auto& complaint : loaded.complaints) print(complaint.to_string());
//   for (const auto& object : loaded.objects) store.put(object);
//
// Nothing here fails: an object with an error is left out and its complaints say why; everything else
// of the text is still read. A warning leaves its object in.
#pragma once

#include <string_view>
#include <vector>

#include "objects/object.h"
#include "yaml/complaint.h"

namespace weft::objects {

using yaml::Complaint;

struct Loaded {
  std::vector<Object> objects;
  std::vector<Complaint> complaints;
};

// `file` is what complaints call the text.
Loaded load_text(std::string_view text, std::string_view file);

// Joins what several files hold, in the order given. Where two objects have the same kind, namespace and
// name, the first stays and the second is an error that names both places.
Loaded merge(std::vector<Loaded> parts);

}  // namespace weft::objects
