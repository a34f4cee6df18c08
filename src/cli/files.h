// Whole files, as the command reads and writes them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::cli {

Result<std::string> read_file(const std::string& path);
// Beside it, then renamed: nobody sees half a file. A full disk is said plainly and leaves the old one.
Result<void> write_file(const std::string& path, std::string_view text, unsigned mode = 0644);
Result<void> make_directories(const std::string& path, unsigned mode = 0755);

// The YAML and JSON files of a directory, or the file itself, sorted; names that begin with a dot are passed
// over.
Result<std::vector<std::string>> object_files(const std::string& path);

}  // namespace weft::cli
