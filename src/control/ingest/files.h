// Files as weftd reads them: found below a directory, and read again only when they changed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace weft::control {

// Paths of the files below `directory` whose name ends in one of `suffixes`, sorted. Names that begin
// with a dot are passed over (editors' and Kubernetes' own); links are followed; at most 16 levels deep.
Result<std::vector<std::string>> find_files(const std::string& directory,
                                            const std::vector<std::string_view>& suffixes);

// What the kernel says of a file. Two that are equal and not fresh hold the same bytes.
struct FileStamp {
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t modified_ns = 0;
  int64_t changed_ns = 0;
  bool operator==(const FileStamp&) const = default;
  // Changed so short ago that another write may leave the same stamp: file times have a grain of
  // milliseconds.
  bool is_fresh(WallTime now) const;
};

Result<FileStamp> stamp_of(const std::string& path);
// Error kinds: not_found, denied, overflow (more than `limit` bytes), io.
Result<std::string> read_file(const std::string& path, size_t limit);
// The whole file or nothing: written beside `path`, flushed to disk, and renamed. `mode` as chmod takes it.
Result<void> write_file(const std::string& path, std::string_view text, unsigned mode);

}  // namespace weft::control
