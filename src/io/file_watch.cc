#include "io/file_watch.h"

#include <sys/epoll.h>
#include <sys/inotify.h>

#include <array>
#include <cerrno>
#include <filesystem>

#include "base/log.h"
#include "base/strings.h"

namespace weft::io {

namespace {

constexpr uint32_t kChanges = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVED_FROM |
                              IN_MOVED_TO | IN_MOVE_SELF | IN_ATTRIB | IN_ONLYDIR;
// A directory tree of configuration is shallow; a loop of bind mounts is not.
constexpr int kDeepest = 32;
constexpr Duration kLookAgain = 500ms;

}  // namespace

Result<std::unique_ptr<FileWatch>> FileWatch::make(EpollLoop& loop, std::string path) {
  std::error_code code;
  if (!std::filesystem::is_directory(path, code)) {
    if (!std::filesystem::exists(path, code)) {
      return fail(Error::Kind::not_found, concat("cannot watch ", path, ": no such file or directory"));
    }
    path = std::filesystem::path(path).parent_path().string();
    if (path.empty()) path = ".";
  }
  FileDescriptor inotify(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify) {
    return fail(system_error("cannot watch files (see /proc/sys/fs/inotify/max_user_instances)", errno));
  }
  const int fd = inotify.get();
  std::unique_ptr<FileWatch> watch(new FileWatch(loop, std::move(inotify), std::move(path)));
  WEFT_CHECK_OK(watch->add_tree(watch->root_, 0));
  WEFT_CHECK_OK(loop.watch(fd, EPOLLIN, *watch));
  return watch;
}

FileWatch::FileWatch(EpollLoop& loop, FileDescriptor inotify, std::string root)
    : loop_(loop),
      inotify_(std::move(inotify)),
      root_(std::move(root)),
      changed_(loop),
      look_again_(loop, [this] { look_for_root(); }) {}

FileWatch::~FileWatch() { loop_.unwatch(inotify_.get()); }

// Watching comes before listing, so that what appears in between is seen by one of the two.
Result<void> FileWatch::add_tree(const std::string& directory, int depth) {
  const int watch = inotify_add_watch(inotify_.get(), directory.c_str(), kChanges);
  if (watch < 0) {
    Error error = system_error(concat("cannot watch ", directory), errno);
    if (errno == ENOSPC) error.text += " (raise /proc/sys/fs/inotify/max_user_watches)";
    return fail(std::move(error));
  }
  directories_[watch] = directory;
  if (depth == 0 && directory == root_) root_watch_ = watch;
  if (depth >= kDeepest) return {};
  std::error_code code;
  for (std::filesystem::directory_iterator it(directory, code), end; !code && it != end; it.increment(code)) {
    std::error_code ignored;
    if (!it->is_directory(ignored) || it->is_symlink(ignored)) continue;
    // One that vanished since it was listed is no error.
    auto added = add_tree(it->path().string(), depth + 1);
    if (!added && added.error().kind == Error::Kind::overflow) return added;
  }
  return {};
}

void FileWatch::on_ready(uint32_t) {
  alignas(inotify_event) std::array<char, 16 * 1024> buffer;
  bool changed = false;
  for (;;) {
    const ssize_t got = ::read(inotify_.get(), buffer.data(), buffer.size());
    if (got <= 0) break;
    for (size_t at = 0; at < static_cast<size_t>(got);) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      at += sizeof(inotify_event) + event->len;
      changed = true;
      if (event->mask & IN_IGNORED) {
        directories_.erase(event->wd);
        if (event->wd == root_watch_) look_again_.arm_after(kLookAgain);
        continue;
      }
      if ((event->mask & IN_MOVE_SELF) && event->wd == root_watch_) {
        inotify_rm_watch(inotify_.get(), event->wd);
        continue;
      }
      if (!(event->mask & IN_ISDIR) || !(event->mask & (IN_CREATE | IN_MOVED_TO))) continue;
      const auto parent = directories_.find(event->wd);
      if (parent == directories_.end()) continue;
      const std::string path = concat(parent->second, "/", std::string_view(event->name));
      if (auto added = add_tree(path, 1); !added && added.error().kind != Error::Kind::not_found) {
        log_warning("io", added.error().to_string(), "; changes there go unseen");
      }
    }
  }
  if (changed) changed_.notify();
}

void FileWatch::look_for_root() {
  if (add_tree(root_, 0)) {
    changed_.notify();
  } else {
    look_again_.arm_after(kLookAgain);
  }
}

}  // namespace weft::io
