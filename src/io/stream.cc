#include "io/stream.h"

#include <algorithm>

#include "io/wait.h"

namespace weft::io {

void Stream::unread(Bytes bytes) {
  if (bytes.empty()) return;
  Buffer all;
  all.reserve(bytes.size() + pushed_back_.size());
  all.append(bytes);
  all.append(pushed_back_.bytes());
  pushed_back_ = std::move(all);
  readable_.notify();
}

IoResult Stream::read_pushed_back(MutableBytes into) {
  const size_t count = std::min(into.size(), pushed_back_.size());
  std::copy_n(pushed_back_.bytes().begin(), count, into.begin());
  pushed_back_.consume(count);
  if (pushed_back_.empty()) pushed_back_.release();
  return {IoStatus::ok, count};
}

Task<Result<size_t>> read_some(Stream& stream, MutableBytes into, TimePoint deadline) {
  for (;;) {
    const IoResult result = stream.try_read(into);
    if (result.status == IoStatus::ok) co_return result.count;
    if (result.status == IoStatus::eof) co_return size_t{0};
    if (result.status == IoStatus::failed) co_return fail(stream.error());
    if (!co_await wait_until(stream.readable_event(), deadline)) {
      co_return fail(Error::Kind::timeout, "nothing to read before the deadline");
    }
  }
}

Task<Result<void>> write_all(Stream& stream, Bytes bytes, TimePoint deadline) {
  while (!bytes.empty()) {
    const IoResult result = stream.try_write(bytes);
    if (result.status == IoStatus::ok) {
      bytes = bytes.subspan(result.count);
      continue;
    }
    if (result.status != IoStatus::blocked) co_return fail(stream.error());
    if (!co_await wait_until(stream.writable_event(), deadline)) {
      co_return fail(Error::Kind::timeout, "the peer did not take our bytes before the deadline");
    }
  }
  co_return Result<void>();
}

}  // namespace weft::io
