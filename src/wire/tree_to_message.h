// JSON or YAML, read into a tree, as the bytes of a protobuf message, by proto3's JSON mapping: names in
// either case, durations as "5s", wrappers as their value, enums by name, bytes in base64, Any with "@type".
// Every complaint has its line and column. Private to this room.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "wire/schema.h"
#include "yaml/complaint.h"
#include "yaml/tree.h"

namespace weft::wire {

// After an error among the complaints the bytes must not be used. A message that is accepted without effect
// and whose fields are not in the table is left out.
std::string tree_to_message(const yaml::Node& tree, const MessageRow& message, std::string_view file,
                            std::vector<yaml::Complaint>& complaints);

}  // namespace weft::wire
