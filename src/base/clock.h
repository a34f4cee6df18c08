// Time as values. No room but io asks the kernel what time it is; everybody else is told.
#pragma once

#include <chrono>

namespace weft {

using Duration = std::chrono::nanoseconds;

// A point on the loop's monotonic clock.
struct Monotonic {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<Monotonic, duration>;
  static constexpr bool is_steady = true;
};
using TimePoint = Monotonic::time_point;

// Wall-clock time, for certificates, logs and dates. Nanoseconds since 1970, UTC.
using WallTime = std::chrono::sys_time<Duration>;

using std::chrono::duration_cast;
using namespace std::chrono_literals;

inline constexpr Duration kForever = Duration::max();

}  // namespace weft
