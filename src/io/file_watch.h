// FileWatch: tells when something below a directory changed, however deep.
//
//   auto watch = FileWatch::make(loop, "mesh/");
//   for (;;) {
//     co_await (*watch)->changed().wait();
//     read_it_all_again();                       // one wait may stand for many changes
//   }
//
// It says that, not what: after an overflow of the kernel's queue nobody knows what. New directories are
// watched as they appear; a root that was removed is looked for again until it is back. Watching a single
// file watches its directory, since editors replace files instead of writing them.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "io/epoll_loop.h"

namespace weft::io {

class FileWatch final : private FdOwner {
 public:
  // Fails where `path` does not exist, or the kernel's limit of watches is reached (it names the setting).
  static Result<std::unique_ptr<FileWatch>> make(EpollLoop& loop, std::string path);
  ~FileWatch() override;

  Event& changed() { return changed_; }

 private:
  FileWatch(EpollLoop& loop, FileDescriptor inotify, std::string root);
  void on_ready(uint32_t events) override;
  Result<void> add_tree(const std::string& directory, int depth);
  void look_for_root();

  EpollLoop& loop_;
  FileDescriptor inotify_;
  std::string root_;
  std::unordered_map<int, std::string> directories_;  // by watch descriptor
  int root_watch_ = -1;
  Event changed_;
  Timer look_again_;
};

}  // namespace weft::io
