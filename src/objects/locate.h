// Where in its text an object, or one of its fields, stands: for complaints that were made when the text was
// no longer at hand (objects compared with each other: duplicates, references to nothing).
//
//   auto complaints = translate::validate(*world);
//   locate(complaints, "mesh.yaml", text);       // they now say mesh.yaml:14:9
//
// The text is read once more, and only if a complaint about the file lacks its column.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "yaml/complaint.h"
#include "yaml/tree.h"

namespace weft::objects {

// What to call the object in complaints, right or wrong as it may be: "VirtualService default/reviews".
std::string subject_of(const yaml::Node& root);

// Gives line and column to the complaints about `file` that have no column. Of a field that is not written
// the nearest above it that is.
void locate(std::vector<yaml::Complaint>& complaints, std::string_view file, std::string_view text);

}  // namespace weft::objects
