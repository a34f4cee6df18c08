// Whole files, as the command reads and writes them.
//
//   WEFT_TRY(const auto paths, object_files("mesh/"));
//   for (const std::string& path : paths) {
//     const auto text = read_objects(path);
//     if (!text) complaints.push_back(unreadable(path, text.error()));
//   }
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "yaml/complaint.h"

namespace weft::cli {

Result<std::string> read_file(const std::string& path);
// Beside it, then renamed: nobody sees half a file. A full disk is said plainly and leaves the old one.
Result<void> write_file(const std::string& path, std::string_view text, unsigned mode = 0644);
Result<void> make_directories(const std::string& path, unsigned mode = 0755);

// The YAML and JSON files of a directory, or the file itself, sorted; names that begin with a dot are passed
// over. What cannot be read (a pipe, a link to nothing) is among them: read_objects() says why.
Result<std::vector<std::string>> object_files(const std::string& path);

// Where a user's objects are written: a regular file of at most 64 MiB, or "-" for standard input. A pipe
// would keep us waiting and a device has no end, so neither is opened. The error leaves out the path; its
// kind is not_found where nothing is there.
Result<std::string> read_objects(const std::string& path);
// The same error as a complaint about the file.
yaml::Complaint unreadable(const std::string& path, const Error& error);
// What complaints call it: "-" is standard input.
std::string shown_path(const std::string& path);

}  // namespace weft::cli
