// The objects of one or more directories, kept up to date in a Store.
//
//   DirectorySource source(loop, store, {.directories = {"mesh"}}, [&] { publisher.publish(); });
//   WEFT_CHECK_OK(source.start());
//   watch.on_change([&] { source.poke(); });
//
// The first change after a quiet time is read at once; what follows within `coalesce` is read together.
// What adds or changes objects takes effect at once. What would take objects away, or is broken, must still
// be so after `settle`: an editor that truncates and writes, or renames away and back, is not obeyed
// half-way.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "control/ingest/coalesce.h"
#include "control/ingest/files.h"
#include "control/ingest/store.h"
#include "io/loop.h"

namespace weft::control {

class DirectorySource {
 public:
  struct Options {
    std::vector<std::string> directories;
    Duration coalesce = std::chrono::milliseconds(20);
    Duration settle = std::chrono::milliseconds(60);
    size_t max_file = 16u << 20;
    size_t max_files = 100'000;
  };

  // `changed` is called after a scan that changed objects or complaints. Loop and store outlive this.
  DirectorySource(io::Loop& loop, Store& store, Options options, std::move_only_function<void()> changed);

  // The first scan. Fails where a directory cannot be read.
  Result<void> start();
  // Something changed below the directories.
  void poke() { scans_.poke(); }
  // Reads now what changed, whatever was read lately (SIGHUP).
  void scan() { scans_.run_now(); }

 private:
  struct Seen {
    std::optional<FileStamp> stamp;    // unset: read again in any case
    std::optional<TimePoint> doubted;  // since when its state would lose something
    std::string doubted_text;
    std::optional<std::string> in_force;  // the text the store was last given
  };

  void scan_all();
  bool scan_file(const std::string& path);
  bool scan_missing(const std::vector<std::string>& present);
  bool settled(Seen& seen, std::string_view text);
  bool complain(const std::string& path, const Error& error, std::string next_step);

  io::Loop& loop_;
  Store& store_;
  Options options_;
  std::move_only_function<void()> changed_;
  std::map<std::string, Seen> seen_;
  Coalesce scans_;
  bool started_ = false;
};

}  // namespace weft::control
