// What an edit took away, for people: an emptied file is no error, and takes its policies with it.
//
//   for (const std::string& line : tell_gone(before, now)) log_warning("ingest", line);
//   mesh/policies.yaml: 2 objects gone: AuthorizationPolicy default/deny-all, PeerAuthentication
//   default/strict
#pragma once

#include <string>
#include <vector>

#include "objects/object.h"

namespace weft::objects {

// A line for each file. An object that moved to another file is not gone.
std::vector<std::string> tell_gone(const std::vector<Object>& before, const std::vector<Object>& now);

}  // namespace weft::objects
