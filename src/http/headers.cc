#include "http/headers.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/strings.h"

namespace weft::http {
namespace {
constexpr size_t kChunk = 512;
}

Headers::Headers(const Headers& other) { *this = other; }

Headers& Headers::operator=(const Headers& other) {
  if (this == &other) return *this;
  clear();
  reserve(other.size(), other.text_size_);
  for (const Field& field : other) add(field.name, field.value, field.never_index);
  return *this;
}

Headers::Headers(Headers&& other) noexcept
    : fields_(std::move(other.fields_)),
      chunks_(std::move(other.chunks_)),
      free_(std::exchange(other.free_, nullptr)),
      free_size_(std::exchange(other.free_size_, 0)),
      text_size_(std::exchange(other.text_size_, 0)) {}

Headers& Headers::operator=(Headers&& other) noexcept {
  fields_ = std::move(other.fields_);
  chunks_ = std::move(other.chunks_);
  other.fields_.clear();
  other.chunks_.clear();
  free_ = std::exchange(other.free_, nullptr);
  free_size_ = std::exchange(other.free_size_, 0);
  text_size_ = std::exchange(other.text_size_, 0);
  return *this;
}

std::optional<std::string_view> Headers::get(std::string_view name) const {
  for (const Field& field : fields_) {
    if (equal_ignoring_case(field.name, name)) return field.value;
  }
  return std::nullopt;
}

std::optional<std::string> Headers::joined(std::string_view name) const {
  std::optional<std::string> all;
  for (const Field& field : fields_) {
    if (!equal_ignoring_case(field.name, name)) continue;
    if (all) {
      all->append(",").append(field.value);
    } else {
      all.emplace(field.value);
    }
  }
  return all;
}

size_t Headers::count(std::string_view name) const {
  return static_cast<size_t>(
      std::ranges::count_if(fields_, [&](const Field& f) { return equal_ignoring_case(f.name, name); }));
}

void Headers::add(std::string_view name, std::string_view value, bool never_index) {
  // A message has about this many fields: growing from one to two, four and eight costs four allocations.
  constexpr size_t kUsual = 16;
  if (fields_.capacity() == 0) fields_.reserve(kUsual);
  fields_.push_back(keep(name, value, never_index));
  text_size_ += name.size() + value.size();
}

void Headers::set(std::string_view name, std::string_view value) {
  const auto first =
      std::ranges::find_if(fields_, [&](const Field& f) { return equal_ignoring_case(f.name, name); });
  if (first == fields_.end()) {
    add(name, value);
    return;
  }
  const Field replaced = keep(name, value, first->never_index);
  text_size_ += name.size() + value.size();
  text_size_ -= first->name.size() + first->value.size();
  *first = replaced;
  const auto others = std::remove_if(first + 1, fields_.end(), [&](const Field& f) {
    if (!equal_ignoring_case(f.name, replaced.name)) return false;
    text_size_ -= f.name.size() + f.value.size();
    return true;
  });
  fields_.erase(others, fields_.end());
}

size_t Headers::remove(std::string_view name) {
  const std::string kept(name);  // it may be one of ours
  return std::erase_if(fields_, [&](const Field& f) {
    if (!equal_ignoring_case(f.name, kept)) return false;
    text_size_ -= f.name.size() + f.value.size();
    return true;
  });
}

void Headers::clear() {
  fields_.clear();
  chunks_.clear();
  free_ = nullptr;
  free_size_ = 0;
  text_size_ = 0;
}

void Headers::reserve(size_t fields, size_t text) {
  fields_.reserve(fields_.size() + fields);
  if (free_size_ >= text) return;
  chunks_.push_back(std::make_unique_for_overwrite<char[]>(text));
  free_ = chunks_.back().get();
  free_size_ = text;
}

bool Headers::operator==(const Headers& other) const {
  return std::ranges::equal(fields_, other.fields_, [](const Field& a, const Field& b) {
    return a.name == b.name && a.value == b.value && a.never_index == b.never_index;
  });
}

// Both one after the other, in a piece of text that never moves: either may be one of ours.
Headers::Field Headers::keep(std::string_view name, std::string_view value, bool never_index) {
  const size_t size = name.size() + value.size();
  if (free_size_ < size) reserve(0, std::max(kChunk, size));
  char* const place = free_;
  if (!name.empty()) std::memcpy(place, name.data(), name.size());
  if (!value.empty()) std::memcpy(place + name.size(), value.data(), value.size());
  free_ += size;
  free_size_ -= size;
  return {{place, name.size()}, {place + name.size(), value.size()}, never_index};
}

}  // namespace weft::http
