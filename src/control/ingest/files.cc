#include "control/ingest/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/strings.h"
#include "io/file_descriptor.h"

namespace weft::control {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 16;

bool ends_in_one_of(std::string_view name, const std::vector<std::string_view>& suffixes) {
  return std::ranges::any_of(suffixes, [&](std::string_view suffix) { return name.ends_with(suffix); });
}

int64_t nanoseconds(const timespec& time) { return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

}  // namespace

Result<std::vector<std::string>> find_files(const std::string& directory,
                                            const std::vector<std::string_view>& suffixes) {
  std::error_code error;
  fs::recursive_directory_iterator entries(directory, fs::directory_options::follow_directory_symlink, error);
  if (error) return fail(system_error(concat("reading the directory ", directory), error.value()));
  std::vector<std::string> files;
  const fs::recursive_directory_iterator end;
  while (entries != end) {
    const std::string name = entries->path().filename().string();
    std::error_code gone;  // an entry may be removed while we look
    if (name.starts_with('.') || entries.depth() >= kMaxDepth) {
      if (entries->is_directory(gone)) entries.disable_recursion_pending();
    } else if (ends_in_one_of(name, suffixes) && !entries->is_directory(gone)) {
      files.push_back(entries->path().string());
    }
    entries.increment(error);
    if (error) return fail(system_error(concat("reading the directory ", directory), error.value()));
  }
  std::ranges::sort(files);
  return files;
}

bool FileStamp::is_fresh(WallTime now) const {
  constexpr int64_t kGrain = 100'000'000;
  const int64_t age = now.time_since_epoch().count() - std::max(modified_ns, changed_ns);
  return age < kGrain && age > -kGrain;
}

Result<FileStamp> stamp_of(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return fail(system_error(path, errno));
  return FileStamp{.inode = status.st_ino,
                   .size = static_cast<uint64_t>(status.st_size),
                   .modified_ns = nanoseconds(status.st_mtim),
                   .changed_ns = nanoseconds(status.st_ctim)};
}

Result<std::string> read_file(const std::string& path, size_t limit) {
  const io::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return fail(system_error(concat("opening ", path), errno));
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return fail(system_error(concat("reading ", path), errno));
  if (!S_ISREG(status.st_mode)) return fail(Error::Kind::invalid, "is not a regular file");
  std::string text;
  char piece[65536];
  for (;;) {
    const ssize_t count = ::read(file.get(), piece, sizeof piece);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(system_error(concat("reading ", path), errno));
    if (count == 0) return text;
    if (text.size() + static_cast<size_t>(count) > limit) {
      return fail(Error::Kind::overflow, concat(path, " is larger than ", limit, " bytes"));
    }
    text.append(piece, static_cast<size_t>(count));
  }
}

Result<void> write_file(const std::string& path, std::string_view text, unsigned mode) {
  const std::string beside = concat(path, ".new");
  ::unlink(beside.c_str());  // of a run that ended half-way; its mode may be another
  {
    const io::FileDescriptor file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (file.get() < 0) return fail(system_error(concat("creating ", beside), errno));
    while (!text.empty()) {
      const ssize_t count = ::write(file.get(), text.data(), text.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return fail(system_error(concat("writing ", beside), errno));
      text.remove_prefix(static_cast<size_t>(count));
    }
    if (::fsync(file.get()) != 0) return fail(system_error(concat("writing ", beside), errno));
  }
  if (::rename(beside.c_str(), path.c_str()) != 0)
    return fail(system_error(concat("renaming ", beside), errno));
  return {};
}

}  // namespace weft::control
