#include "cli/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/strings.h"
#include "io/file_descriptor.h"

namespace weft::cli {

namespace fs = std::filesystem;

namespace {

// Larger than any file of objects or log that is read whole, small enough not to fill the memory.
constexpr size_t kMostBytes = 256 * 1024 * 1024;

}  // namespace

Result<std::string> read_file(const std::string& path) {
  const io::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return fail(system_error(concat("cannot read ", path), errno));
  std::string out;
  char buffer[65536];
  for (;;) {
    const ssize_t count = ::read(file.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(system_error(concat("cannot read ", path), errno));
    if (count == 0) return out;
    if (out.size() + static_cast<size_t>(count) > kMostBytes) {
      return fail(Error::Kind::overflow, concat("cannot read ", path, ": it is larger than 256 MiB"));
    }
    out.append(buffer, static_cast<size_t>(count));
  }
}

Result<void> write_file(const std::string& path, std::string_view text, unsigned mode) {
  const std::string beside = path + ".new";
  const auto refuse = [&](int error) {
    ::unlink(beside.c_str());
    const std::string_view advice = error == ENOSPC ? ": free some disk space and try again" : "";
    return fail(system_error(concat("cannot write ", path, advice), error));
  };
  ::unlink(beside.c_str());
  io::FileDescriptor file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!file) return refuse(errno);
  while (!text.empty()) {
    const ssize_t count = ::write(file.get(), text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return refuse(errno);
    text.remove_prefix(static_cast<size_t>(count));
  }
  file.reset();
  if (::rename(beside.c_str(), path.c_str()) != 0) return refuse(errno);
  return {};
}

Result<void> make_directories(const std::string& path, unsigned mode) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return fail(system_error(concat("cannot make the directory ", path), error.value()));
  ::chmod(path.c_str(), mode);
  return {};
}

Result<std::vector<std::string>> object_files(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return fail(Error::Kind::not_found, concat(path, " does not exist"));
  if (!fs::is_directory(status)) return std::vector{path};
  std::vector<std::string> out;
  fs::recursive_directory_iterator it(path, fs::directory_options::follow_directory_symlink, error);
  if (error) return fail(system_error(concat("cannot read the directory ", path), error.value()));
  for (; it != fs::recursive_directory_iterator(); it.increment(error)) {
    if (error) return fail(system_error(concat("cannot read the directory ", path), error.value()));
    const std::string name = it->path().filename().string();
    if (name.starts_with('.')) {
      if (it->is_directory(error)) it.disable_recursion_pending();
      continue;
    }
    if (it.depth() > 16) it.disable_recursion_pending();
    if (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"))
      out.push_back(it->path().string());
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace weft::cli
