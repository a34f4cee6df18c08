// Where in a resource a reader stands, and what it says when it cannot go on. Private to this room.
//
//   if (port > 65535) return refuse(at("port_value"), concat("is ", port, ", and a port ends at 65535"));
//   // listeners[web].address.socket_address.port_value is 70000, and a port ends at 65535
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/strings.h"

namespace weft::wire {

struct Trouble {
  std::string path;
  std::string cause;  // what is said of it: "is not supported by weft-proxy"
  Error::Kind kind = Error::Kind::unsupported;

  Error to_error() && {
    Error error;
    error.kind = kind;
    error.text = concat(path, " ", cause);
    return error;
  }
};

template <typename T = void>
using Read = std::expected<T, Trouble>;

// A chain of names on the stack, written out only when something is wrong. A place points to the one it was
// made from, which must outlive it: name each step that is kept in a variable.
class Place {
 public:
  explicit Place(std::string_view root) : name_(root) {}

  Place operator()(std::string_view field) const [[clang::lifetimebound]] {
    return Place(this, field, -1, {});
  }
  Place operator()(std::string_view field, size_t index) const [[clang::lifetimebound]] {
    return Place(this, field, static_cast<int64_t>(index), {});
  }
  Place operator()(std::string_view field, std::string_view key) const [[clang::lifetimebound]] {
    return Place(this, field, -1, key);
  }

  std::string to_string() const {
    std::string out = above_ == nullptr ? std::string() : above_->to_string();
    if (!out.empty()) out += '.';
    out += name_;
    if (index_ >= 0) out += concat("[", index_, "]");
    if (!key_.empty()) out += concat("[", key_, "]");
    return out;
  }

 private:
  Place(const Place* above, std::string_view name, int64_t index, std::string_view key)
      : above_(above), name_(name), index_(index), key_(key) {}

  const Place* above_ = nullptr;
  std::string_view name_;
  int64_t index_ = -1;
  std::string_view key_;
};

[[nodiscard]] inline std::unexpected<Trouble> refuse(const Place& at, std::string cause,
                                                     Error::Kind kind = Error::Kind::invalid) {
  return std::unexpected(Trouble{at.to_string(), std::move(cause), kind});
}

[[nodiscard]] inline std::unexpected<Trouble> not_supported(const Place& at) {
  return refuse(at, "is not supported by weft-proxy", Error::Kind::unsupported);
}
[[nodiscard]] inline std::unexpected<Trouble> not_supported(const Place& at, std::string_view value) {
  return refuse(at, concat(value, " is not supported by weft-proxy"), Error::Kind::unsupported);
}

}  // namespace weft::wire
