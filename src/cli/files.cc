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
constexpr size_t kMostMegabytes = 256;
constexpr size_t kMostMegabytesOfObjects = 64;

Result<std::string> read_all(int file, size_t most_megabytes) {
  std::string out;
  char buffer[65536];
  for (;;) {
    const ssize_t count = ::read(file, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(system_error("cannot be read", errno));
    if (count == 0) return out;
    if (out.size() + static_cast<size_t>(count) > most_megabytes << 20)
      return fail(Error::Kind::overflow, concat("is larger than ", most_megabytes, " MiB"));
    out.append(buffer, static_cast<size_t>(count));
  }
}

std::string_view describe(mode_t mode) {
  if (S_ISDIR(mode)) return "is a directory";
  if (S_ISFIFO(mode)) return "is a pipe";
  if (S_ISSOCK(mode)) return "is a socket";
  return "is a device";
}

}  // namespace

Result<std::string> read_file(const std::string& path) {
  const io::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return fail(system_error(concat("cannot read ", path), errno));
  auto text = read_all(file.get(), kMostMegabytes);
  if (!text) return fail(std::move(text).error().within(path));
  return text;
}

Result<std::string> read_objects(const std::string& path) {
  if (path == "-") return read_all(STDIN_FILENO, kMostMegabytesOfObjects);
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0 && errno == ENOENT) {
    std::error_code error;
    const std::string target = fs::read_symlink(path, error).string();
    return fail(Error::Kind::not_found,
                error ? "does not exist" : concat("is a link to ", target, ", which does not exist"));
  }
  // Asked for again of what was opened: it may be another by then.
  const io::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file && errno == ENXIO)
    return fail(Error::Kind::invalid, "is a socket, and only regular files are read");
  if (!file) return fail(system_error("cannot be read", errno));
  if (::fstat(file.get(), &found) != 0) return fail(system_error("cannot be read", errno));
  if (!S_ISREG(found.st_mode))
    return fail(Error::Kind::invalid, concat(describe(found.st_mode), ", and only regular files are read"));
  return read_all(file.get(), kMostMegabytesOfObjects);
}

yaml::Complaint unreadable(const std::string& path, const Error& error) {
  yaml::Complaint complaint;
  complaint.file = shown_path(path);
  complaint.cause = error.text;
  complaint.next_step = error.kind == Error::Kind::overflow    ? "split it"
                        : error.kind == Error::Kind::not_found ? "mend its name, or remove it"
                        : error.kind == Error::Kind::denied
                            ? "let this user read it"
                            : "give a file or a directory, or - for standard input";
  return complaint;
}

std::string shown_path(const std::string& path) { return path == "-" ? "standard input" : path; }

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
  if (path == "-") return std::vector{path};
  if (status.type() == fs::file_type::not_found && !fs::is_symlink(path, error))
    return fail(Error::Kind::not_found, concat(path, " does not exist"));
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
    if (std::error_code gone; it->is_directory(gone)) continue;
    if (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"))
      out.push_back(it->path().string());
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace weft::cli
