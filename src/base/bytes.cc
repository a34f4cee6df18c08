#include "base/bytes.h"

#include <algorithm>

namespace weft {

// Slides the bytes to the front where half the buffer is free, otherwise doubles it.
void Buffer::make_room(size_t want) {
  const size_t held = size();
  if (held + want <= capacity_ && begin_ >= capacity_ / 2) {
    std::memmove(data_.get(), data_.get() + begin_, held);
  } else {
    const size_t grown = std::max({held + want, capacity_ * 2, size_t{512}});
    auto bigger = std::make_unique_for_overwrite<std::byte[]>(grown);
    if (held > 0) std::memcpy(bigger.get(), data_.get() + begin_, held);
    data_ = std::move(bigger);
    capacity_ = grown;
  }
  begin_ = 0;
  end_ = held;
}

}  // namespace weft
