// The first poke after a quiet time runs at once; those that follow within `window` run together at its end.
//
//   Coalesce scan(loop, 20ms, [this] { scan_files(); });
//   scan.poke();
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "io/loop.h"

namespace weft::control {

class Coalesce {
 public:
  Coalesce(io::Loop& loop, Duration window, std::move_only_function<void()> run)
      : loop_(loop), window_(window), timer_(loop, [this] { run_now(); }), run_(std::move(run)) {}

  void poke() { at(last_run_ ? *last_run_ + window_ : loop_.now()); }
  // At `when`, or earlier if it is poked.
  void at(TimePoint when) {
    when = std::max(when, loop_.now());
    if (!timer_.armed() || when < timer_.when()) timer_.arm_at(when);
  }
  void run_now() {
    timer_.cancel();
    last_run_ = loop_.now();
    run_();
  }

 private:
  io::Loop& loop_;
  Duration window_;
  io::Timer timer_;
  std::move_only_function<void()> run_;
  std::optional<TimePoint> last_run_;
};

}  // namespace weft::control
