// Bytes, and the one growable buffer of the data path.
//
// Buffer keeps its bytes in one piece: what was appended and not yet consumed. Consuming moves an
// offset; space is reclaimed when the buffer runs empty or must grow. release() gives the memory
// back, so that an idle connection holds none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace weft {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    data_ = std::move(other.data_);
    begin_ = std::exchange(other.begin_, 0);
    end_ = std::exchange(other.end_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }

  size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  size_t capacity() const { return capacity_; }
  Bytes bytes() const { return {data_.get() + begin_, size()}; }
  std::string_view text() const { return as_text(bytes()); }
  // The unconsumed bytes, writable in place.
  MutableBytes mutable_bytes() { return {data_.get() + begin_, size()}; }

  // Room for at least `want` more bytes; commit() says how many were written.
  MutableBytes reserve(size_t want) {
    if (capacity_ - end_ < want) make_room(want);
    return {data_.get() + end_, capacity_ - end_};
  }
  void commit(size_t count) { end_ += count; }

  void append(Bytes more) {
    if (more.empty()) return;
    std::memcpy(reserve(more.size()).data(), more.data(), more.size());
    end_ += more.size();
  }
  void append(std::string_view more) { append(as_bytes(more)); }
  void push_back(char c) {
    reserve(1)[0] = static_cast<std::byte>(c);
    ++end_;
  }

  void consume(size_t count) {
    begin_ += count;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  // Drops bytes from the end.
  void truncate(size_t new_size) { end_ = begin_ + new_size; }
  void clear() { begin_ = end_ = 0; }
  // Gives the memory back; the contents are gone.
  void release() {
    data_.reset();
    begin_ = end_ = capacity_ = 0;
  }

 private:
  void make_room(size_t want);

  std::unique_ptr<std::byte[]> data_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t capacity_ = 0;
};

}  // namespace weft
