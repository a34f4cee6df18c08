// Header fields of a message or trailer section, in the order they came, names as they came.
//
// Names and values are views into one text buffer that the Headers owns, so a request of twenty
// fields costs one or two allocations. A look-up compares ignoring ASCII case (RFC 9110 section 5.1).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft::http {

class Headers {
 public:
  struct Field {
    std::string_view name;
    std::string_view value;
    bool never_index = false;  // HPACK: must not enter a compression table (RFC 7541 section 7.1.3)
  };

  Headers() = default;
  Headers(const Headers& other);
  Headers& operator=(const Headers& other);
  Headers(Headers&& other) noexcept;
  Headers& operator=(Headers&& other) noexcept;

  bool empty() const { return fields_.empty(); }
  size_t size() const { return fields_.size(); }
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }

  // The first field of that name.
  std::optional<std::string_view> get(std::string_view name) const;
  bool has(std::string_view name) const { return get(name).has_value(); }
  // All values of that name joined with ',' (RFC 9110 section 5.2); nullopt if there is none.
  std::optional<std::string> joined(std::string_view name) const;
  size_t count(std::string_view name) const;

  // Copies name and value.
  void add(std::string_view name, std::string_view value, bool never_index = false);
  // Removes every field of that name, then adds. Keeps the place of the first.
  void set(std::string_view name, std::string_view value);
  // How many were removed.
  size_t remove(std::string_view name);
  void clear();
  // Makes one allocation each for fields and text that are about to be added.
  void reserve(size_t fields, size_t text);
  // Calls recase(name) with each name's own letters, to write them in another case; their number stays.
  template <typename Recase>
  void recase_names(Recase recase) {
    // Names are views into chunks_, which are ours to write.
    for (const Field& field : fields_) {
      recase(std::span<char>(const_cast<char*>(field.name.data()), field.name.size()));
    }
  }
  // Bytes of names and values together, for limits and metrics.
  size_t text_size() const { return text_size_; }

  bool operator==(const Headers& other) const;

 private:
  Field keep(std::string_view name, std::string_view value, bool never_index);

  std::vector<Field> fields_;
  std::vector<std::unique_ptr<char[]>> chunks_;  // text; addresses never move
  char* free_ = nullptr;
  size_t free_size_ = 0;
  size_t text_size_ = 0;
};

}  // namespace weft::http
